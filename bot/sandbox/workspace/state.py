"""
Everything that is so in the workspace right now, in memory, behind one condition variable.

Readers take snapshots; whoever changes something holds `changed` and notifies, so that waiting is
never sleeping. Rules of Slack are not here but in `rules`, `core` and the methods.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from bot.sandbox.workspace.messages import Message, View
from bot.sandbox.workspace.refusal import Json, Refusal
from bot.sandbox.workspace.shape import Channel, User, UserGroup, WorkspaceShape

TEAM_BOT = "USLACKBOT"


@dataclass(slots=True)
class Trigger:
    user: str
    issued: float
    view: str | None = None
    used: bool = False


@dataclass(slots=True)
class ResponseUrl:
    channel: str
    user: str
    issued: float
    message_ts: str | None = None
    thread_ts: str | None = None
    uses: int = 0


@dataclass(slots=True)
class UploadedFile:
    id: str
    name: str
    token: str
    title: str = ""
    alt_text: str = ""
    content: bytes | None = None
    complete: bool = False
    shared_in: str = ""  # the channel that it was posted to


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning of the Slack client itself, not a message of the app."""

    user: str
    text: str
    number: int


@dataclass(slots=True)
class State:
    shape: WorkspaceShape
    users: dict[str, User]
    channels: dict[str, Channel]
    groups: dict[str, UserGroup]
    changed: threading.Condition = field(default_factory=threading.Condition)
    messages: dict[tuple[str, str], Message] = field(default_factory=dict)
    modals: dict[str, list[View]] = field(default_factory=dict)
    homes: dict[str, View] = field(default_factory=dict)
    typed: dict[str, Json] = field(default_factory=dict)
    errors: dict[str, dict[str, str]] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    response_urls: dict[str, ResponseUrl] = field(default_factory=dict)
    files: dict[str, UploadedFile] = field(default_factory=dict)
    bookmarks: list[Json] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)  # tokens
    revision: int = 0
    watchers: list[Callable[[], None]] = field(default_factory=list)
    last_ts: int = 0

    @contextmanager
    def change(self) -> Iterator[None]:
        """Hold the workspace, then tells everybody who waits that something is different."""
        with self.changed:
            yield
            self.revision += 1
            self.changed.notify_all()
            watchers = list(self.watchers)
        for watcher in watchers:
            watcher()

    def wait_for(self, predicate: Callable[[], object], timeout: float) -> bool:
        """Whether `predicate` came true within `timeout` seconds; asked after every change."""
        with self.changed:
            return bool(self.changed.wait_for(predicate, timeout))

    def new_ts(self) -> str:
        """Seconds with six decimals, never the same twice: Slack's id of a message."""
        with self.changed:
            self.last_ts = max(self.last_ts + 1, time.time_ns() // 1000)
            return f"{self.last_ts // 1_000_000}.{self.last_ts % 1_000_000:06d}"

    def user(self, name: str) -> User:
        """By id, by handle with or without @. Raises Refusal user_not_found."""
        wanted = name.removeprefix("@")
        for user in self.users.values():
            if wanted in (user.id, user.name):
                return user
        raise Refusal("user_not_found")

    def channel(self, name: str) -> Channel:
        """By id or by name with or without #. Raises Refusal channel_not_found."""
        wanted = name.removeprefix("#")
        for channel in self.channels.values():
            if wanted == channel.id or (channel.name and wanted == channel.name):
                return channel
        raise Refusal("channel_not_found")

    def direct_channel(self, one: str, other: str) -> Channel:
        """Return the conversation between two users; opened when it is not there yet."""
        with self.changed:
            for channel in self.channels.values():
                if channel.is_im and set(channel.members) == {one, other}:
                    return channel
            number = sum(channel.is_im for channel in self.channels.values()) + 1
            channel = Channel(id=f"D{number:08d}", is_im=True, private=True, members=(one, other))
            self.channels[channel.id] = channel
            return channel

    def message(self, channel: str, ts: str) -> Message:
        """Return one message. Raises Refusal message_not_found."""
        with self.changed:
            found = self.messages.get((channel, ts))
        if found is None:
            raise Refusal("message_not_found")
        return found

    def in_channel(self, channel: str) -> list[Message]:
        """All of it, oldest first, replies and ephemeral ones too."""
        with self.changed:
            rows = [message for message in self.messages.values() if message.channel == channel]
        return sorted(rows, key=lambda message: message.ts)

    def replies(self, channel: str, ts: str) -> list[Message]:
        return [m for m in self.in_channel(channel) if m.is_reply and m.thread_ts == ts]

    def new_trigger(self, user: str, *, view: str | None = None) -> str:
        stamp = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        with self.changed:
            self.triggers[stamp] = Trigger(user=user, issued=time.monotonic(), view=view)
        return stamp

    def use_trigger(self, stamp: str) -> Trigger:
        """Use up a trigger. Raises Refusal invalid_, exchanged_ or expired_trigger_id."""
        with self.changed:
            trigger = self.triggers.get(stamp)
            if trigger is None:
                raise Refusal("invalid_trigger_id")
            if trigger.used:
                raise Refusal("exchanged_trigger_id")
            if time.monotonic() - trigger.issued > self.shape.timing.trigger_seconds:
                raise Refusal("expired_trigger_id")
            trigger.used = True
            return trigger

    def new_response_url(
        self, user: str, channel: str, *, message_ts: str | None, thread_ts: str | None = None
    ) -> str:
        """Return the path of it; the server's address goes before."""
        token = secrets.token_urlsafe(18)
        with self.changed:
            self.response_urls[token] = ResponseUrl(
                channel=channel,
                user=user,
                issued=time.monotonic(),
                message_ts=message_ts,
                thread_ts=thread_ts,
            )
        return f"/response/{token}"

    def notice(self, user: str, text: str) -> None:
        with self.change():
            self.notices.append(Notice(user, text, len(self.notices) + 1))

    def join(self, channel: Channel, user: str) -> None:
        with self.change():
            members = tuple(dict.fromkeys([*channel.members, user]))
            self.channels[channel.id] = replace(channel, members=members)


def furnish(shape: WorkspaceShape) -> State:
    """Return the state of a workspace at its first moment: the app's bot is one of its users."""
    app = shape.app
    bot = User(id=app.bot_user_id, name=app.bot_name, real_name=app.name, is_bot=True)
    return State(
        shape=shape,
        users={user.id: user for user in (*shape.users, bot)},
        channels={channel.id: channel for channel in shape.channels},
        groups={group.id: group for group in shape.user_groups},
    )
