"""
What a person does in Slack: read, post, click, use shortcuts and commands, fill in modals.

One driver for tests, the headless demo and the page. A person sees what Slack would show, and
cannot do what the Slack client would not let them do (then Refusal is raised).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bot.sandbox.workspace import payloads, view_stack
from bot.sandbox.workspace.core import Core
from bot.sandbox.workspace.file_objects import uploaded_file
from bot.sandbox.workspace.interacting import (
    SLASH,
    act_in_message,
    act_in_view,
    run_command,
    run_shortcut,
    settle,
)
from bot.sandbox.workspace.messages import Message, View
from bot.sandbox.workspace.refusal import Json, Refusal
from bot.sandbox.workspace.rules import MESSAGE_TEXT
from bot.sandbox.workspace.shape import Channel, User
from bot.sandbox.workspace.socket_mode import Delivery
from bot.sandbox.workspace.typing_rules import as_rich_text, as_typed, chosen, form_errors

PATIENCE = 45.0


class Person:
    """One user at their Slack client. Channels by id, name (`#general`) or `@user` for a DM."""

    def __init__(self, core: Core, user_id: str) -> None:
        self._core = core
        self.id = user_id

    @property
    def core(self) -> Core:
        return self._core

    @property
    def user(self) -> User:
        return self._core.state.users[self.id]

    def _acting(self) -> User:
        if self.user.deleted:
            raise Refusal("account_inactive")
        return self.user

    def channel(self, name: str) -> Channel:
        """Find a channel. Raises Refusal channel_not_found also for what one may not see."""
        if name.startswith("@"):
            other = self._core.state.user(name)
            return self._core.state.direct_channel(self.id, other.id)
        channel = self._core.state.channel(name)
        if channel.private and self.id not in channel.members:
            raise Refusal("channel_not_found")
        return channel

    def _member(self, name: str) -> Channel:
        channel = self.channel(name)
        if self.id not in channel.members:
            raise Refusal("not_in_channel")
        return channel

    def _sees(self, message: Message) -> bool:
        return message.ephemeral_to in (None, self.id)

    # Reading

    def messages(self, channel: str) -> list[Message]:
        """Return the channel's own messages, oldest first: no replies, nothing ephemeral."""
        rows = self._core.state.in_channel(self.channel(channel).id)
        return [m for m in rows if m.ephemeral_to is None and (not m.is_reply or m.broadcast)]

    def thread(self, channel: str, ts: str) -> list[Message]:
        """Return the root, if still there, and its replies, with what only this person sees."""
        rows = self._core.state.in_channel(self.channel(channel).id)
        return [m for m in rows if self._sees(m) and ts in (m.ts, m.thread_ts)]

    def ephemerals(self, channel: str) -> list[Message]:
        """Return what only this person sees, in the channel and in its threads."""
        rows = self._core.state.in_channel(self.channel(channel).id)
        return [m for m in rows if m.ephemeral_to == self.id]

    def latest(self, message: Message) -> Message:
        """Return the message as it is now. Raises Refusal message_not_found when it is gone."""
        return self._core.state.message(message.channel, message.ts)

    def wait_for_message(
        self, channel: str, where: Callable[[Message], object], *, timeout: float = PATIENCE
    ) -> Message:
        """Wait for a visible message, replies and ephemerals too; returns the newest match."""
        channel_id = self.channel(channel).id
        found: list[Message] = []

        def look() -> bool:
            rows = self._core.state.in_channel(channel_id)
            found[:] = [m for m in rows if self._sees(m) and where(m)]
            return bool(found)

        if not self._core.state.wait_for(look, timeout):
            raise TimeoutError(f"no such message for {self.user.name} in {channel}")
        return found[-1]

    # Messages

    def post(self, channel: str, text: str, *, thread_ts: str | None = None) -> Message:
        """Types a message, or a reply; markup and escaping as the client does it."""
        place = self._member(channel)
        user = self._acting()
        if len(text) > MESSAGE_TEXT:
            raise Refusal("msg_too_long")
        app = self._core.app
        if place.is_im and app.bot_user_id in place.members and app.direct_messages_off:
            raise Refusal("messages_tab_disabled")
        message = Message(
            channel=place.id,
            ts=self._core.state.new_ts(),
            user=user.id,
            text=self._typed(text),
            blocks=(as_rich_text(text),),
            thread_ts=thread_ts,
        )
        return self._core.add(message)

    def upload(
        self,
        channel: str,
        name: str,
        content: bytes,
        *,
        text: str = "",
        snippet: bool = False,
    ) -> Message:
        """Post a file with a comment; `snippet`: as by "Create a text snippet"."""
        place, user = self._member(channel), self._acting()
        file = uploaded_file(
            self._core, name, content, user=user.id, channel=place.id, snippet=snippet
        )
        return self._core.add(
            Message(
                channel=place.id,
                ts=self._core.state.new_ts(),
                user=user.id,
                text=self._typed(text),
                blocks=(as_rich_text(text),) if text else (),
                subtype="file_share",
                files=(file,),
            )
        )

    def _typed(self, text: str) -> str:
        state = self._core.state
        return as_typed(text, state.users, state.channels, state.groups)

    def edit(self, message: Message, text: str) -> Message:
        before = self.latest(message)
        if before.user != self._acting().id:
            raise Refusal("cant_update_message")
        after = replace(
            before,
            text=self._typed(text),
            blocks=(as_rich_text(text),),
            edited=self._core.state.new_ts(),
        )
        return self._core.change(before, after)

    def delete(self, message: Message) -> None:
        """One's own message; an admin may delete anyone's."""
        current = self.latest(message)
        user = self._acting()
        if current.user != user.id and not user.is_admin:
            raise Refusal("cant_delete_message")
        self._core.remove(current)

    def dismiss(self, message: Message) -> None:
        """Remove an ephemeral message from one's own screen; the app does not learn of it."""
        current = self.latest(message)
        if current.ephemeral_to != self.id:
            raise Refusal("cant_delete_message")
        self._core.remove(current)

    def invite(self, channel: str, who: str) -> None:
        place = self._member(channel)
        user = self._core.state.user(who)
        self._core.state.join(place, user.id)
        event = {
            "type": "member_joined_channel",
            "user": user.id,
            "channel": place.id,
            "channel_type": "G" if place.private else "C",
            "team": self._core.shape.team_id,
            "inviter": self.id,
            "event_ts": self._core.state.new_ts(),
        }
        self._core.tell("member_joined_channel", event)

    # The app's surfaces

    def click(
        self,
        where: Message | View,
        action_id: str,
        *,
        value: Any = None,
        block_id: str | None = None,
        wait: bool = True,
    ) -> bool:
        """
        Use a button, select, overflow, radio or checkbox of a message, modal or App Home.

        `value`: the chosen option's value, a user id, or a list of them; nothing for a button.
        Returns whether the app acknowledged in time (always True with `wait=False`). Raises
        Refusal message_not_found, not_in_channel or no_such_element.
        """
        user = self._acting()
        if isinstance(where, View):
            return self._settled(act_in_view(self._core, user, where.id, action_id, value), wait)
        self._member(where.channel)
        message = self.latest(where)
        if not self._sees(message):
            raise Refusal("message_not_found")
        delivery = act_in_message(
            self._core, user, message, action_id, value=value, block_id=block_id
        )
        return self._settled(delivery, wait)

    def _settled(self, delivery: Delivery, wait: bool) -> bool:  # noqa: FBT001
        return settle(self._core, delivery) if wait else True

    def shortcut(self, message: Message, callback_id: str, *, wait: bool = True) -> bool:
        """Run a message shortcut; works in threads and where the bot is no member."""
        user = self._acting()
        current = self.latest(message)
        self.channel(current.channel)
        delivery = run_shortcut(self._core, user, callback_id, message=current)
        return self._settled(delivery, wait)

    def global_shortcut(self, callback_id: str, *, wait: bool = True) -> bool:
        return self._settled(run_shortcut(self._core, self._acting(), callback_id), wait)

    def command(self, channel: str, line: str, *, wait: bool = True) -> bool:
        """`/leak uses x`. Raises Refusal unknown_command. No threads: Slack has none for these."""
        if not line.startswith(SLASH):
            raise Refusal("unknown_command")
        delivery = run_command(self._core, self._acting(), self._member(channel), line)
        return self._settled(delivery, wait)

    def modal(
        self,
        where: Callable[[View], object] = lambda view: True,
        *,
        timeout: float = PATIENCE,
    ) -> View:
        """Wait for the modal on top of which `where` is true. Raises TimeoutError."""
        return self._wait_for_view(lambda: self._core.top_view(self.id), where, timeout)

    def no_modal(self, *, timeout: float = PATIENCE) -> bool:
        """Whether no modal is open, now or within `timeout` seconds."""
        return self._core.state.wait_for(lambda: self._core.top_view(self.id) is None, timeout)

    def open_home(self) -> None:
        """Open the bot's Home tab; the app hears of it and may publish."""
        user = self._acting()
        state = self._core.state
        channel = state.direct_channel(self._core.app.bot_user_id, user.id)
        home = state.homes.get(user.id)
        view = self._core.view_payload(home) if home is not None else None
        event = payloads.home_opened(user, channel, view, state.new_ts())
        self._core.tell("app_home_opened", event)

    def home(
        self,
        where: Callable[[View], object] = lambda view: True,
        *,
        timeout: float = PATIENCE,
    ) -> View:
        """Wait for this person's published App Home of which `where` is true."""
        return self._wait_for_view(lambda: self._core.state.homes.get(self.id), where, timeout)

    def _wait_for_view(
        self, get: Callable[[], View | None], where: Callable[[View], object], timeout: float
    ) -> View:
        found: list[View] = []

        def look() -> bool:
            view = get()
            found[:] = [view] if view is not None and where(view) else []
            return bool(found)

        if not self._core.state.wait_for(look, timeout):
            raise TimeoutError(f"no such view for {self.user.name}")
        return found[0]

    def fill(self, values: Mapping[str, Any]) -> None:
        """
        Types into the modal on top. Keys: `block_id/action_id`, or either of them alone.

        Values: text, an option's value, a user id (or @name), or a list. Raises Refusal
        no_such_element.
        """
        view = self._top()
        with self._core.state.change():
            typed = self._core.state.typed[view.id]
            for key, value in values.items():
                element = _named_element(view, key)
                row = typed.setdefault(element["block_id"], {})
                state = chosen(element, self._meant(element, value))
                row[element["action_id"]] = {"type": element["type"], **state}

    def fill_known(self, values: Mapping[str, Any]) -> None:
        """Like fill, for the page: a click in the App Home has no modal to fill in."""
        if self._core.top_view(self.id) is not None:
            self.fill(values)

    def _meant(self, element: Json, value: Any) -> Any:
        is_name = isinstance(value, str) and value.startswith("@")
        if element["type"] == "users_select" and is_name:
            return self._core.state.user(value).id
        return value

    def _top(self) -> View:
        view = self._core.top_view(self.id)
        if view is None:
            raise Refusal("no_modal")
        return view

    def submit(self, values: Mapping[str, Any] | None = None) -> dict[str, str] | None:
        """
        Fill in and submits the modal on top.

        Returns the errors under the inputs by block_id (the client's own for missing required
        ones, else the app's), or None when it was accepted. Raises Refusal no_response when the
        app did not acknowledge; the modal then stays open.
        """
        user = self._acting()
        self.fill(values or {})
        view = self._top()
        if view.body.get("submit") is None and not view.inputs:
            raise Refusal("no_such_element")
        errors = form_errors(view.inputs, self._core.state.typed.get(view.id, {}))
        with self._core.state.change():
            self._core.state.errors[view.id] = errors
        if errors:
            return errors
        body = payloads.interaction(
            self._core.shape, "view_submission", user, self._core.state.new_trigger(user.id)
        )
        delivery = Delivery(
            kind="interactive",
            payload={**body, "view": self._core.view_payload(view), "response_urls": []},
            on_answer=lambda answer: view_stack.apply_submission_answer(self._core, view, answer),
            on_failure=lambda: self._core.state.notice(
                user.id, "We had some trouble connecting. Try again?"
            ),
        )
        if not settle(self._core, self._core.socket.send(delivery)):
            raise Refusal("no_response")
        return self._core.state.errors.get(view.id) or None

    def close(self, *, everything: bool = False) -> None:
        """Close the modal on top, or the whole stack; the app hears where it asked to."""
        user = self._acting()
        top = self._top()
        typed = dict(self._core.state.typed)
        view_stack.pop_modal(self._core, user.id, everything=everything)
        if not top.body.get("notify_on_close"):
            return
        body = payloads.interaction(self._core.shape, "view_closed", user, None)
        view = payloads.view_payload(self._core.shape, top, typed.get(top.id, {}))
        self._core.socket.send(
            Delivery(
                kind="interactive",
                payload={**body, "view": view, "is_cleared": everything},
            )
        )

    def notices(self) -> list[str]:
        """Warnings of the Slack client itself: the app did not answer, for one."""
        return [row.text for row in self._core.state.notices if row.user == self.id]


def _named_element(view: View, key: str) -> Json:
    matches = [
        element
        for element in view.elements
        if key
        in (
            f"{element['block_id']}/{element['action_id']}",
            element["action_id"],
            element["block_id"],
        )
    ]
    if len(matches) != 1:
        raise Refusal("no_such_element", key=key)
    return matches[0]
