"""
What may happen in the workspace, whoever causes it: posting, changing, removing, telling the app.

Shared by the Web API and by people, so that one rule holds for both. Limits of content are in
`rules`, protocol in `web_api` and `socket_mode`.
"""

import time
from copy import deepcopy
from dataclasses import dataclass, field, replace

from bot.sandbox.workspace import payloads
from bot.sandbox.workspace.messages import Message, View
from bot.sandbox.workspace.record import Ledger
from bot.sandbox.workspace.refusal import Json, Refusal
from bot.sandbox.workspace.shape import Channel, SlackApp, User, WorkspaceShape
from bot.sandbox.workspace.socket_mode import EVENTS, Delivery, SocketMode
from bot.sandbox.workspace.state import TEAM_BOT, State

EVENT_SCOPES = {
    "app_mention": "app_mentions:read",
    "subteam_members_changed": "usergroups:read",
    "subteam_updated": "usergroups:read",
    "member_joined_channel": "channels:read",
    "app_home_opened": None,
}


@dataclass(slots=True)
class Core:
    state: State
    ledger: Ledger
    socket: SocketMode
    origin: str
    posted_at: dict[str, float] = field(default_factory=dict)

    @property
    def shape(self) -> WorkspaceShape:
        return self.state.shape

    @property
    def app(self) -> SlackApp:
        return self.shape.app

    def response_url(self, user: User, channel: Channel, *, message: Message | None = None) -> str:
        """Return a fresh one, tied to the message (if any) that the interaction came from."""
        path = self.state.new_response_url(
            user.id,
            channel.id,
            message_ts=message.ts if message else None,
            thread_ts=message.thread_ts if message else None,
        )
        return f"{self.origin}{path}"

    def permalink(self, message: Message) -> str:
        link = f"{self.origin}/archives/{message.channel}/p{message.ts.replace('.', '')}"
        if message.is_reply:
            link += f"?thread_ts={message.thread_ts}&cid={message.channel}"
        return link

    def pace(self, channel: str) -> None:
        """Raise Refusal ratelimited on a second post within a second, where switched on."""
        if not self.shape.one_message_a_second:
            return
        now = time.monotonic()
        if now - self.posted_at.get(channel, now - 2) < 1:
            raise Refusal("ratelimited")
        self.posted_at[channel] = now

    def add(self, message: Message) -> Message:
        """Put a message where it belongs and tells the app. Raises Refusal thread_not_found."""
        channel = self.state.channels[message.channel]
        if channel.archived:
            raise Refusal("is_archived")
        with self.state.change():
            if message.thread_ts is not None:
                self._start_thread(message)
            self.state.messages[(message.channel, message.ts)] = message
        if message.ephemeral_to is None:
            self._tell_message(channel, payloads.message_posted(self.shape, message, channel))
            mention = f"<@{self.app.bot_user_id}>"
            if mention in message.text and message.user != self.app.bot_user_id:
                self.tell("app_mention", payloads.app_mention(self.shape, message, channel))
        return message

    def _start_thread(self, message: Message) -> None:
        key = (message.channel, str(message.thread_ts))
        root = self.state.messages.get(key)
        if root is None or root.is_reply:
            # An ephemeral reply may point at a message that is gone; a real one may not.
            if message.ephemeral_to is None:
                raise Refusal("thread_not_found")
        elif root.thread_ts is None and message.ephemeral_to is None:
            self.state.messages[key] = replace(root, thread_ts=root.ts)

    def change(self, before: Message, after: Message) -> Message:
        channel = self.state.channels[before.channel]
        with self.state.change():
            self.state.messages[(before.channel, before.ts)] = after
        if before.ephemeral_to is None:
            ts = self.state.new_ts()
            self._tell_message(channel, payloads.message_changed(channel, before, after, ts))
        return after

    def remove(self, message: Message) -> None:
        """Remove it; a root with replies leaves a tombstone, as in Slack."""
        channel = self.state.channels[message.channel]
        key = (message.channel, message.ts)
        with self.state.change():
            del self.state.messages[key]
            if not message.is_reply and self.state.replies(*key):
                self.state.messages[key] = Message(
                    channel=message.channel,
                    ts=message.ts,
                    thread_ts=message.ts,
                    user=TEAM_BOT,
                    text="This message was deleted.",
                    subtype="tombstone",
                )
        if message.ephemeral_to is None:
            ts = self.state.new_ts()
            self._tell_message(channel, payloads.message_deleted(channel, message, ts))

    def _tell_message(self, channel: Channel, event: Json) -> None:
        kind = payloads.channel_type(channel)
        if self.app.bot_user_id not in self.state.channels[channel.id].members:
            return
        if payloads.HISTORY_SCOPE[kind] not in self.app.scopes:
            return
        wanted = {"im": "message.im", "group": "message.groups", "channel": "message.channels"}
        if self.app.events is not None and wanted[kind] not in self.app.events:
            return
        self._send_event(event, ext_shared=channel.ext_shared)

    def tell(self, kind: str, event: Json) -> None:
        """Send an event other than a message, where scope and subscription allow it."""
        scope = EVENT_SCOPES[kind]
        if scope is not None and scope not in self.app.scopes:
            return
        if self.app.events is not None and kind not in self.app.events:
            return
        channel = self.state.channels.get(str(event.get("channel")))
        if kind == "app_mention" and (
            channel is None or self.app.bot_user_id not in channel.members
        ):
            return
        self._send_event(event, ext_shared=bool(channel and channel.ext_shared))

    def _send_event(self, event: Json, *, ext_shared: bool) -> None:
        body = payloads.event_callback(self.shape, event, ext_shared=ext_shared)
        self.socket.send(Delivery(kind=EVENTS, payload=body))

    def view_payload(self, view: View) -> Json:
        with self.state.changed:
            values = deepcopy(self.state.typed.get(view.id, {}))
        return payloads.view_payload(self.shape, view, values)

    def top_view(self, user: str) -> View | None:
        stack = self.state.modals.get(user)
        return stack[-1] if stack else None
