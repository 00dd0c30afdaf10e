"""
Turning what a person does with the app's buttons, shortcuts and commands into deliveries.

Builds the payload, issues its trigger and response_url, sends it, and says to the person what
Slack would say when the app does not answer.
"""

from copy import deepcopy
from typing import Any

from bot.sandbox.workspace import payloads
from bot.sandbox.workspace.core import Core
from bot.sandbox.workspace.messages import Message, View
from bot.sandbox.workspace.methods_chat import answer_response_url
from bot.sandbox.workspace.refusal import Json, Refusal
from bot.sandbox.workspace.shape import Channel, User
from bot.sandbox.workspace.socket_mode import Delivery
from bot.sandbox.workspace.typing_rules import as_typed, chosen, escaped
from bot.sandbox.workspace.view_stack import find_view, initial_value

SLASH = "/"
GRACE = 2.0


def settle(core: Core, delivery: Delivery) -> bool:
    """Wait until the app acknowledged (True) or its time was over (False)."""
    timeout = core.shape.timing.ack_seconds + GRACE
    core.state.wait_for(lambda: delivery.settled, timeout)
    return delivery.acknowledged


def _element(elements: list[Json], action_id: str, block_id: str | None, user: User) -> Json:
    for element in elements:
        if element["action_id"] != action_id or block_id not in (None, element["block_id"]):
            continue
        visible = element.get("visible_to_user_ids")
        if visible is None or user.id in visible:
            return element
    raise Refusal("no_such_element", action_id=action_id)


def _action(core: Core, element: Json, value: Any) -> Json:
    action: Json = {
        "type": element["type"],
        "action_id": element["action_id"],
        "block_id": element["block_id"],
        "action_ts": core.state.new_ts(),
    }
    if element["type"] == "button":
        action["text"] = element["text"]
        for key in ("value", "style", "url"):
            if element.get(key) is not None:
                action[key] = element[key]
        return action
    return {**action, **chosen(element, value)}


def _remember(core: Core, key: str, elements: list[Json], action: Json) -> Json:
    """Return the state values after an action: what was chosen before plus this choice."""
    with core.state.changed:
        values: Json = core.state.typed.setdefault(key, {})
        for element in elements:
            initial = initial_value(element)
            row: Json = values.get(element["block_id"], {})
            if initial is not None and element["action_id"] not in row:
                values.setdefault(element["block_id"], row)[element["action_id"]] = initial
        if action["type"] not in ("button", "overflow"):
            fields = ("type", "value")
            state = {
                name: item
                for name, item in action.items()
                if name in fields or name.startswith("selected_")
            }
            values.setdefault(action["block_id"], {})[action["action_id"]] = state
        return deepcopy(values)


def _interactive(core: Core, user: User, body: Json) -> Delivery:
    delivery = Delivery(
        kind="interactive",
        payload=body,
        on_failure=lambda: core.state.notice(
            user.id, f"{core.app.name} did not respond. Try again in a moment."
        ),
    )
    return core.socket.send(delivery)


def act_in_message(
    core: Core,
    user: User,
    message: Message,
    action_id: str,
    *,
    value: Any = None,
    block_id: str | None = None,
) -> Delivery:
    """block_actions from a message. Raises Refusal no_such_element, no_such_option."""
    channel = core.state.channels[message.channel]
    element = _element(message.elements, action_id, block_id, user)
    action = _action(core, element, value)
    values = _remember(core, f"{message.channel}/{message.ts}", message.elements, action)
    body = payloads.interaction(core.shape, "block_actions", user, core.state.new_trigger(user.id))
    body = payloads.with_message(body, message, channel)
    url = core.response_url(user, channel, message=message)
    body = {**body, "response_url": url, "state": {"values": values}, "actions": [action]}
    return _interactive(core, user, body)


def act_in_view(core: Core, user: User, view_id: str, action_id: str, value: Any) -> Delivery:
    """block_actions from a modal or an App Home. Raises Refusal not_found too."""
    home = core.state.homes.get(user.id)
    if home is not None and home.id == view_id:
        view: View = home
    else:
        view = find_view(core, view_id=view_id, external_id=None)
    if view.user != user.id:
        raise Refusal("not_found")
    element = _element(view.elements, action_id, None, user)
    action = _action(core, element, value)
    _remember(core, view.id, view.elements, action)
    trigger = core.state.new_trigger(user.id, view=view.id)
    body = payloads.interaction(core.shape, "block_actions", user, trigger)
    container = {"type": "view", "view_id": view.id}
    body = {
        **body,
        "container": container,
        "view": core.view_payload(view),
        "actions": [action],
    }
    return _interactive(core, user, body)


def run_shortcut(
    core: Core, user: User, callback_id: str, *, message: Message | None = None
) -> Delivery:
    """Run a message or global shortcut. Raises Refusal unknown_shortcut."""
    kind = "global" if message is None else "message"
    known = {row.callback_id for row in core.app.shortcuts if row.kind == kind}
    if callback_id not in known:
        raise Refusal("unknown_shortcut")
    payload_kind = "shortcut" if message is None else "message_action"
    trigger = core.state.new_trigger(user.id)
    body = payloads.interaction(core.shape, payload_kind, user, trigger)
    body = {**body, "callback_id": callback_id, "action_ts": core.state.new_ts()}
    if message is not None:
        channel = core.state.channels[message.channel]
        body = {
            **body,
            "message_ts": message.ts,
            "message": message.payload(),
            "channel": {"id": channel.id, "name": payloads.shown_name(channel)},
            "response_url": core.response_url(user, channel, message=message),
        }
    return _interactive(core, user, body)


def run_command(core: Core, user: User, channel: Channel, line: str) -> Delivery:
    """Run a slash command of the app. Raises Refusal unknown_command."""
    command, _, text = line.partition(" ")
    declared = next((row for row in core.app.slash_commands if row.command == command), None)
    if declared is None:
        raise Refusal("unknown_command")
    text = text.strip()
    if declared.should_escape:
        state = core.state
        text = as_typed(text, state.users, state.channels, state.groups)
    else:
        text = escaped(text)
    body = payloads.slash_command(core.shape, user, channel, command=command, text=text)
    body = {
        **body,
        "trigger_id": core.state.new_trigger(user.id),
        "response_url": core.response_url(user, channel),
    }
    connected = bool(core.socket.connections)

    def failed() -> None:
        reason = "operation_timeout" if connected else "dispatch_failed"
        core.state.notice(user.id, f'{command} failed with the error "{reason}"')

    return core.socket.send(
        Delivery(
            kind="slash_commands",
            payload=body,
            on_answer=lambda answer: _show_answer(core, user, channel, answer),
            on_failure=failed,
        )
    )


def _show_answer(core: Core, user: User, channel: Channel, answer: Json | None) -> None:
    if not answer:
        return
    token = core.response_url(user, channel).rsplit("/", 1)[1]
    try:
        answer_response_url(core, token, answer)
    except Refusal as refusal:
        core.ledger.complain(f"slash command answered badly: {refusal.answer()}")
        core.state.notice(user.id, f"The answer could not be shown: {refusal.error}")
