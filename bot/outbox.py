"""
The durable outbox: everything that is posted to Slack is a row first, and sent once.

A post is idempotent under its key; an update is one row per message, of which the newest content
wins. Who sends the rows, and when, is `bot/courier.py`; what a message says is not known here.
Rows never hold a plaintext.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import orjson
from sqlalchemy import Engine, UniqueConstraint, func
from sqlmodel import Field, SQLModel, col, delete, select, update

from bot.rows import changed, insert_once, reading, writing

WAITING, SENDING, SENT, LOST, FAILED = "waiting", "sending", "sent", "lost", "failed"
DENIED = "denied"  # an update that waits: the channel is archived, or the bot is not in it
GONE = "gone"  # an update whose message is no more
UNSETTLED = (WAITING, SENDING, LOST, DENIED)
SETTLED = (SENT, FAILED, GONE)
SENDING_LAPSES_SECONDS = 60.0  # of a process that died between the call and its result
POST, EPHEMERAL, UPDATE, RESPOND, FILE = "post", "ephemeral", "update", "respond", "file"


class OutboxRow(SQLModel, table=True):
    """One message on its way. Times are epoch seconds; `version` counts the contents of a row."""

    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("key"),)

    id: int | None = Field(default=None, primary_key=True)
    key: str
    kind: str
    channel: str = ""
    # ephemeral: the user; update: the message's ts; respond: the response_url; file: its name
    address: str = ""
    thread_ts: str = ""
    content: str
    version: int = 1
    state: str = Field(index=True)
    due_at: float
    attempts: int = 0
    created_at: float
    sent_channel: str = ""
    sent_ts: str = ""
    problem: str = ""


class Content(Protocol):
    """What a message is made of; `text` is the fallback of `blocks`."""

    @property
    def text(self) -> str:
        """Plain words for notifications and screen readers."""

    @property
    def blocks(self) -> Sequence[Mapping[str, object]]:
        """Block Kit."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a row: `state` is one of those above; `problem` in words."""

    state: str
    channel: str = ""
    ts: str = ""
    problem: str = ""


class Outbox:
    """The only SQL of the outbox. Thread-safe. `clock` returns aware UTC times."""

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self.filled = threading.Event()  # the courier sleeps on it

    def post(
        self,
        key: str,
        channel: str,
        message: Content,
        *,
        thread_ts: str = "",
        broadcast: bool = False,
    ) -> None:
        """
        Post once under `key`; `channel` may be a user id, which makes it a direct message.

        `broadcast`: a reply that stands in the channel as well.
        """
        more = {"broadcast": True} if broadcast else {}
        self._add(key, POST, message, channel=channel, thread_ts=thread_ts, more=more)

    def ephemeral(
        self, key: str, channel: str, message: Content, *, user: str, thread_ts: str = ""
    ) -> None:
        """Show to one user in a channel; Slack does not promise to deliver it."""
        self._add(key, EPHEMERAL, message, channel=channel, address=user, thread_ts=thread_ts)

    def respond(self, key: str, response_url: str, message: Content) -> None:
        """Answer a command privately; the address serves five answers in 30 minutes."""
        self._add(key, RESPOND, message, address=response_url)

    def attach(
        self, key: str, channel: str, message: Content, *, name: str, body: str, thread_ts: str
    ) -> None:
        """Share a text file once under `key`; of the message its text stands above it."""
        more, place = {"body": body}, {"channel": channel, "address": name}
        self._add(key, FILE, message, thread_ts=thread_ts, more=more, **place)

    def attach_beside(self, post: str, message: Content, *, name: str, body: str) -> None:
        """
        Share a text file once in the conversation that the post of key `post` went to.

        For a direct message: only Slack's receipt of that post tells which conversation it is.
        """
        more = {"body": body, "beside": post}
        self._add(f"{post}/file", FILE, message, address=name, more=more)

    def update(self, channel: str, ts: str, message: Content) -> None:
        """Edit a message in place; what waits for the same message is replaced."""
        key = update_key(channel, ts)
        if self._add(key, UPDATE, message, channel=channel, address=ts):
            return
        newer = {"content": _content(message), "version": col(OutboxRow.version) + 1}
        with writing(self._engine) as session:
            mine = col(OutboxRow.key) == key
            session.execute(
                update(OutboxRow).where(mine, col(OutboxRow.state) == SENDING).values(**newer)
            )
            session.execute(
                update(OutboxRow)
                .where(mine, col(OutboxRow.state) != SENDING)
                .values(**newer, state=WAITING)
            )
        self.filled.set()

    def delivery(self, key: str) -> Delivery | None:
        """Tell what became of a row; None if there is none."""
        with reading(self._engine) as session:
            row = session.exec(select(OutboxRow).where(OutboxRow.key == key)).first()
            if row is None:
                return None
            return Delivery(row.state, row.sent_channel, row.sent_ts, row.problem)

    def pending(self) -> int:
        """Count what has not been settled."""
        with reading(self._engine) as session:
            count = select(func.count()).select_from(OutboxRow)
            return session.exec(count.where(col(OutboxRow.state).in_(UNSETTLED))).one()

    def forget(self, *, older_than: timedelta) -> None:
        """Delete settled rows; a key that is gone could be posted again, so keep them for days."""
        before = (self._clock() - older_than).timestamp()
        with writing(self._engine) as session:
            session.execute(
                delete(OutboxRow).where(
                    col(OutboxRow.state).in_(SETTLED), col(OutboxRow.created_at) < before
                )
            )

    def due(self, *, most: int = 100) -> list[OutboxRow]:
        """Return rows whose time has come; what waited longest is first, so that none starves."""
        with reading(self._engine) as session:
            rows = session.exec(
                select(OutboxRow)
                .where(col(OutboxRow.state).in_(UNSETTLED), col(OutboxRow.due_at) <= self._now())
                .order_by(col(OutboxRow.due_at), col(OutboxRow.id))
                .limit(most)
            )
            return list(rows.all())

    def next_due(self) -> float | None:
        """Return when (epoch seconds) the next unsettled row is due; None: nothing is waiting."""
        with reading(self._engine) as session:
            first = select(func.min(OutboxRow.due_at)).where(col(OutboxRow.state).in_(UNSETTLED))
            return session.exec(first).one()

    def claim(self, row: OutboxRow) -> bool:
        """Mark it as being sent, in one conditional UPDATE; False: another process was faster."""
        with writing(self._engine) as session:
            taken = session.execute(
                update(OutboxRow)
                .where(
                    col(OutboxRow.id) == row.id,
                    col(OutboxRow.state) == row.state,
                    col(OutboxRow.version) == row.version,
                    col(OutboxRow.attempts) == row.attempts,
                )
                .values(
                    state=SENDING,
                    attempts=row.attempts + 1,
                    due_at=self._now() + SENDING_LAPSES_SECONDS,
                )
            )
        return changed(taken) == 1

    def settle(self, row: OutboxRow, values: Mapping[str, object], *, pause: float = 0.0) -> None:
        """
        Write the outcome of a claimed row; its claim is over, so it is due again unless that says.

        An update whose content changed while it was sent waits again, for `pause` seconds.
        """
        table, values = OutboxRow, {"due_at": self._now(), **values}
        with writing(self._engine) as session:
            mine = (col(table.id) == row.id, col(table.state) == SENDING)
            session.execute(
                update(table).where(*mine, col(table.version) == row.version).values(**values)
            )
            session.execute(
                update(table)
                .where(*mine, col(table.version) != row.version)
                .values(state=WAITING, due_at=self._now() + pause, attempts=0)
            )

    def _add(
        self,
        key: str,
        kind: str,
        message: Content,
        *,
        channel: str = "",
        address: str = "",
        thread_ts: str = "",
        more: Mapping[str, object] | None = None,
    ) -> bool:
        now = self._now()
        row = OutboxRow(
            key=key,
            kind=kind,
            channel=channel,
            address=address,
            thread_ts=thread_ts,
            content=_content(message, more),
            state=WAITING,
            due_at=now,
            created_at=now,
        )
        with writing(self._engine) as session:
            made = insert_once(session, OutboxRow, row.model_dump(exclude={"id"}), "key")
        if made:
            self.filled.set()
        return made

    def _now(self) -> float:
        return self._clock().timestamp()


def update_key(channel: str, ts: str) -> str:
    """Name the one row that holds the updates of a message."""
    return f"update:{channel}:{ts}"


def _content(message: Content, more: Mapping[str, object] | None = None) -> str:
    content = {"text": message.text, "blocks": list(message.blocks), **(more or {})}
    return orjson.dumps(content).decode()
