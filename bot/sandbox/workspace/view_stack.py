"""
Modals and App Homes: opening, pushing, updating, closing, with Slack's stack of three.

Used by the views.* methods and by the answers to a submission (response_action).
"""

import secrets
import time
from typing import Any

from bot.sandbox.workspace.core import Core
from bot.sandbox.workspace.messages import View, with_ids
from bot.sandbox.workspace.refusal import Json, Refusal
from bot.sandbox.workspace.rules import check_view

DEPTH = 3
# Element type -> the field of its state, where its first value is, what stands for nothing.
# Elements that are not here (buttons, menus) have no state.
INITIAL: dict[str, tuple[str, str, Any]] = {
    **dict.fromkeys(
        (
            "plain_text_input",
            "email_text_input",
            "url_text_input",
            "number_input",
        ),
        ("value", "initial_value", None),
    ),
    "checkboxes": ("selected_options", "initial_options", []),
    "multi_static_select": ("selected_options", "initial_options", []),
    "static_select": ("selected_option", "initial_option", None),
    "radio_buttons": ("selected_option", "initial_option", None),
    "users_select": ("selected_user", "initial_user", None),
    "multi_users_select": ("selected_users", "initial_users", []),
    "conversations_select": ("selected_conversation", "initial_conversation", None),
    "channels_select": ("selected_channel", "initial_channel", None),
    "datepicker": ("selected_date", "initial_date", None),
    "timepicker": ("selected_time", "initial_time", None),
}


def _new_view(
    user: str, body: Json, *, root: str | None = None, previous: str | None = None
) -> View:
    view_id = f"V{secrets.token_hex(5).upper()}"
    return View(
        id=view_id,
        user=user,
        body={**body, "blocks": with_ids(body["blocks"])},
        hash=_new_hash(),
        root_id=root or view_id,
        previous_id=previous,
    )


def _new_hash() -> str:
    return f"{int(time.time())}.{secrets.token_urlsafe(6)}"


def _checked(core: Core, body: Any, kind: str) -> Json:
    check_view(body)
    checked: Json = body
    if checked["type"] != kind:
        raise Refusal("invalid_arguments", response_metadata={"messages": [f"not a {kind}"]})
    external = checked.get("external_id")
    taken = [view for stack in core.state.modals.values() for view in stack]
    if external and any(view.body.get("external_id") == external for view in taken):
        raise Refusal("duplicate_external_id")
    return checked


def _initial_values(view: View) -> Json:
    """Return what Slack reports for inputs that the person has not touched."""
    values: Json = {}
    for element in view.elements:
        value = initial_value(element)
        if value is not None:
            values.setdefault(element["block_id"], {})[element["action_id"]] = value
    return values


def initial_value(element: Json) -> Json | None:
    """Return the state entry of an untouched element; None for buttons and the like."""
    kind = element["type"]
    if kind not in INITIAL:
        return None
    field, source, absent = INITIAL[kind]
    return {"type": kind, field: element.get(source) or absent}


def open_modal(core: Core, trigger_id: str, body: Any) -> View:
    """Open a modal. Raises Refusal for a bad trigger or a bad view."""
    checked = _checked(core, body, "modal")
    trigger = core.state.use_trigger(trigger_id)
    view = _new_view(trigger.user, checked)
    with core.state.change():
        core.state.modals[trigger.user] = [view]
        core.state.typed[view.id] = _initial_values(view)
    return view


def push_modal(core: Core, trigger_id: str, body: Any) -> View:
    """Push a modal. Raises Refusal push_limit_reached beyond three, or as open_modal."""
    checked = _checked(core, body, "modal")
    trigger = core.state.use_trigger(trigger_id)
    return push_for(core, trigger.user, checked)


def push_for(core: Core, user: str, body: Json) -> View:
    with core.state.change():
        stack = core.state.modals.get(user) or []
        if not stack:
            raise Refusal("not_found")
        if len(stack) >= DEPTH:
            raise Refusal("push_limit_reached")
        view = _new_view(user, body, root=stack[0].id, previous=stack[-1].id)
        core.state.modals[user] = [*stack, view]
        core.state.typed[view.id] = _initial_values(view)
    return view


def update_modal(core: Core, view: View, body: Any, *, expected_hash: str | None = None) -> View:
    """
    Replace a view that is open. What was typed stays where block_id and action_id stay.

    Raises Refusal hash_conflict when `expected_hash` is not the current one, not_found when the
    person closed it meanwhile.
    """
    check_view(body)
    with core.state.change():
        stack = core.state.modals.get(view.user) or []
        place = next((n for n, open_view in enumerate(stack) if open_view.id == view.id), None)
        if place is None:
            raise Refusal("not_found")
        current = stack[place]
        if expected_hash and expected_hash != current.hash:
            raise Refusal("hash_conflict")
        after = View(
            id=current.id,
            user=current.user,
            body={**body, "blocks": with_ids(body["blocks"])},
            hash=_new_hash(),
            root_id=current.root_id,
            previous_id=current.previous_id,
        )
        core.state.modals[view.user] = [*stack[:place], after, *stack[place + 1 :]]
        core.state.typed[view.id] = _merged(after, core.state.typed.get(view.id, {}))
        core.state.errors.pop(view.id, None)
    return after


def _merged(view: View, typed: Json) -> Json:
    values = _initial_values(view)
    for block_id, row in values.items():
        for action_id, value in row.items():
            kept = typed.get(block_id, {}).get(action_id)
            if kept is not None and kept["type"] == value["type"]:
                row[action_id] = kept
    return values


def find_view(core: Core, *, view_id: str | None, external_id: str | None) -> View:
    """Return an open modal or a published home. Raises Refusal not_found."""
    with core.state.changed:
        rows = [view for stack in core.state.modals.values() for view in stack]
    for view in rows:
        if view_id is not None and view.id == view_id:
            return view
        if external_id and view.body.get("external_id") == external_id:
            return view
    raise Refusal("not_found")


def publish_home(core: Core, user: str, body: Any, *, expected_hash: str | None = None) -> View:
    """Publish an App Home. Raises Refusal hash_conflict or invalid_arguments."""
    check_view(body)
    if body["type"] != "home":
        raise Refusal("invalid_arguments", response_metadata={"messages": ["not a home"]})
    with core.state.change():
        before = core.state.homes.get(user)
        if expected_hash and before is not None and before.hash != expected_hash:
            raise Refusal("hash_conflict")
        view = _new_view(user, body)
        if before is not None:
            view = View(id=before.id, user=user, body=view.body, hash=view.hash, root_id=before.id)
        core.state.homes[user] = view
        core.state.typed[view.id] = _initial_values(view)
    return view


def pop_modal(core: Core, user: str, *, everything: bool = False) -> list[View]:
    """Close the top view, or all; returns what was closed, top first."""
    with core.state.change():
        stack = core.state.modals.get(user) or []
        kept = [] if everything else stack[:-1]
        closed = stack[len(kept) :]
        if kept:
            core.state.modals[user] = kept
        else:
            core.state.modals.pop(user, None)
        for view in closed:
            core.state.errors.pop(view.id, None)
            core.state.typed.pop(view.id, None)
    return closed[::-1]


def apply_submission_answer(core: Core, view: View, answer: Json | None) -> None:
    """
    Do what Slack does with the app's answer to a view_submission.

    Nothing: the view closes. `errors`: shown under inputs. `update`, `push`, `clear`: as named.
    A malformed answer leaves the view open with a warning, and is noted as the app's mistake.
    """
    try:
        _apply(core, view, answer or {})
    except Refusal as refusal:
        core.ledger.complain(f"view_submission answered badly: {refusal.answer()}")
        core.state.notice(view.user, "We had some trouble connecting. Try again?")


def _apply(core: Core, view: View, answer: Json) -> None:
    action = answer.get("response_action")
    if not answer:
        pop_modal(core, view.user)
    elif action == "clear":
        pop_modal(core, view.user, everything=True)
    elif action == "update":
        update_modal(core, view, answer.get("view"))
    elif action == "push":
        push_for(core, view.user, _checked(core, answer.get("view"), "modal"))
    elif action == "errors":
        _show_errors(core, view, answer.get("errors"))
    else:
        raise Refusal("invalid_response_action")


def _show_errors(core: Core, view: View, errors: Any) -> None:
    if not isinstance(errors, dict) or not errors or not set(errors) <= set(view.inputs):
        raise Refusal("invalid_errors", errors=str(errors))
    with core.state.change():
        core.state.errors[view.id] = {key: str(text) for key, text in errors.items()}
