"""
The durable inbox: what Slack hands us is committed before it is acknowledged, and worked once.

Bolt acknowledges events before their listener runs, and Socket Mode delivers twice: so a payload
becomes a row first, under a key of Slack's own (`event_id`, `trigger_id`), and a second row under
the same key is not made. The payload may hold a pasted secret: it is sealed with AES-GCM under a
key derived from the installation key, bound to its row, and purged as soon as it was worked.
What an entry means is not known here.
"""

import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from os import urandom
from typing import Any

import orjson
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import ColumnElement, Engine, LargeBinary, UniqueConstraint, func, or_
from sqlmodel import Field, SQLModel, col, delete, select, update

from bot.group_commit import GroupCommit
from bot.rows import changed, insert_each_once, reading, writing

log = structlog.get_logger()

WAITING, LEASED, DONE, FAILED = "waiting", "leased", "done", "failed"
LATER = "later"  # put for a moment to come: a reminder, a choice that lapses
PENDING = (WAITING, LEASED)
TAKEN_FROM = (*PENDING, LATER)
NONCE_BYTES = 12
GIVE_WAY_SECONDS = 0.5  # how long other work lets what is just arriving go first
CALM_SECONDS = 0.02  # clicks of one burst follow each other sooner than this


class InboxRow(SQLModel, table=True):
    """One payload. `payload` is sealed, and NULL once it was worked; times are epoch seconds."""

    __tablename__ = "inbox"
    __table_args__ = (UniqueConstraint("key"),)

    id: int | None = Field(default=None, primary_key=True)
    key: str
    kind: str
    name: str
    urgent: bool = False
    payload: bytes | None = Field(default=None, sa_type=LargeBinary)
    state: str = Field(index=True)
    received_at: float
    due_at: float  # not taken before; for a lease: when it lapses
    attempts: int = 0
    taken_by: str = ""
    done_at: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One taken entry. `kind` is event, shortcut, command, action, view or hook; `name` which one.

    The payload is the sender's own and may hold a pasted secret: it is not shown by `repr`.
    """

    id: int
    key: str
    kind: str
    name: str
    attempts: int
    received_at: datetime
    payload: Mapping[str, Any] = field(repr=False)


def inbox_key(installation_key: str) -> bytes:
    """Derive the 32 bytes that seal payloads. Source: RFC 5869."""
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"locksmith/inbox/v1")
    return derivation.derive(installation_key.encode())


class Inbox:
    """
    The only SQL of the inbox. Thread-safe; several processes may share the table.

    `clock` returns aware UTC times; `worker` names this process in rows; what waits under one of
    the `previous` keys is still read.
    """

    def __init__(
        self,
        engine: Engine,
        key: bytes,
        *,
        clock: Callable[[], datetime],
        worker: str = "worker",
        previous: Sequence[bytes] = (),
    ) -> None:
        self._engine = engine
        self._key = key
        self._cipher = AESGCM(key)
        self._former = tuple(AESGCM(one) for one in previous)
        self._clock = clock
        self._worker = worker
        self._arrived = threading.Condition()
        self._receiving = 0
        self._received_at = 0.0  # by time.monotonic: when the last was received
        self._all_received = threading.Condition()
        self._commit = GroupCommit(self._insert)

    def put(
        self,
        key: str,
        payload: Mapping[str, Any],
        *,
        kind: str,
        name: str,
        urgent: bool = False,
        resting_seconds: float = 0.0,
        after_seconds: float = 0.0,
    ) -> str:
        """
        Commit one payload and return its key; "" if it is there already (nothing was changed).

        `key` "" means that Slack gave none: then the payload's own keyed digest is the key.
        The worker takes it `resting_seconds` from now at the earliest. With `after_seconds` it is
        nothing that waits to be worked: it falls due by then, whichever process runs at that time.
        Those who put at the same time share one transaction.
        """
        content = orjson.dumps(payload)
        key = key or "digest:" + hmac.new(self._key, content, hashlib.sha256).hexdigest()
        now = self._now()
        row = {
            "key": key,
            "kind": kind,
            "name": name,
            "urgent": urgent,
            "payload": self._seal(key, content),
            "state": LATER if after_seconds else WAITING,
            "received_at": now,
            "due_at": now + (after_seconds or resting_seconds),
            "attempts": 0,
            "taken_by": "",
        }
        if not self._commit(row):
            log.info("inbox.repeat_ignored", kind=kind, name=name)
            return ""
        self.wake()
        return key

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """
        While something is being received: people wait for it, so others begin nothing new.

        They share this process's one interpreter: fifty clicks that compete with the work of the
        first of them would be acknowledged late.
        """
        with self._all_received:
            self._receiving += 1
        try:
            yield
        finally:
            with self._all_received:
                self._receiving -= 1
                self._received_at = time.monotonic()
                self._all_received.notify_all()

    def wait_until_received(self, timeout_seconds: float) -> bool:
        """Wait until nothing is being received; False if the time was over before."""
        with self._all_received:
            return self._all_received.wait_for(lambda: self._receiving == 0, timeout_seconds)

    def give_way(self) -> None:
        """Let what is arriving, and the rest of its burst, go first: GIVE_WAY_SECONDS at most."""
        until = time.monotonic() + GIVE_WAY_SECONDS
        with self._all_received:
            while (now := time.monotonic()) < until:
                calm_at = until if self._receiving else self._received_at + CALM_SECONDS
                if calm_at <= now:
                    return
                self._all_received.wait(min(calm_at, until) - now)

    def require_writable(self) -> None:
        """Take the write lock and let it go; raises UnavailableError."""
        with writing(self._engine) as session:
            nobody = update(InboxRow).where(col(InboxRow.id) == -1).values(attempts=0)
            session.execute(nobody)

    def discard(self, key: str) -> None:
        """Drop an entry that is due later; it stays known, its payload goes."""
        self._set(key, {"state": DONE, "payload": None, "done_at": self._now()})

    def peek(self, key: str) -> Entry | None:
        """Read what was put for later, before its time; None where it is over or worked."""
        with reading(self._engine) as session:
            query = select(InboxRow).where(InboxRow.key == key, InboxRow.state == LATER)
            row = session.exec(query).first()
        return None if row is None or row.payload is None else self._entry(row)

    def take(self, *, lease_seconds: float = 60) -> Entry | None:
        """
        Take the next entry that is due, urgent ones first; None if there is none.

        What is just being received goes first (`give_way`).
        """
        self.give_way()
        now = self._now()
        table = InboxRow
        due = (
            col(table.state).in_(TAKEN_FROM),
            col(table.due_at) <= now,
        )
        if not self._anything(due):
            return None  # an idle worker must not hold the write lock
        with writing(self._engine) as session:
            found = session.exec(
                select(table.id)
                .where(*due)
                .order_by(col(table.urgent).desc(), col(table.id))
                .limit(1)
            ).first()
            if found is None:
                return None
            taken = session.execute(
                update(table)
                .where(col(table.id) == found, *due)
                .values(
                    state=LEASED,
                    due_at=now + lease_seconds,
                    attempts=col(table.attempts) + 1,
                    taken_by=self._worker,
                )
            )
            row = session.get(table, found) if changed(taken) == 1 else None
        return None if row is None or row.payload is None else self._entry(row)

    def done(self, entry: Entry) -> None:
        """Say that it was worked: the payload is purged, the key stays against redelivery."""
        self._finish(entry, {"state": DONE, "payload": None, "done_at": self._now()})

    def give_up(self, entry: Entry) -> None:
        """Say that it cannot be worked; the payload is purged all the same."""
        self._finish(entry, {"state": FAILED, "payload": None, "done_at": self._now()})

    def again(self, entry: Entry, *, after_seconds: float) -> None:
        """Put it back for a later attempt."""
        self._finish(entry, {"state": WAITING, "due_at": self._now() + after_seconds})

    def wait(self, timeout_seconds: float) -> None:
        """Sleep until something arrives in this process, falls due, or the time is over."""
        with reading(self._engine) as session:
            first = select(func.min(InboxRow.due_at))
            due: float | None = session.exec(first.where(col(InboxRow.state).in_(TAKEN_FROM))).one()
        left = timeout_seconds if due is None else min(timeout_seconds, due - self._now())
        with self._arrived:
            self._arrived.wait(max(left, 0.02))

    def waiting(self) -> int:
        """Count what is not worked yet, leased entries included, and not what is due later."""
        with reading(self._engine) as session:
            count = select(func.count()).select_from(InboxRow)
            return session.exec(count.where(col(InboxRow.state).in_(PENDING))).one()

    def forget(self, *, older_than: timedelta) -> int:
        """Delete finished rows from before Slack's last possible redelivery (24 h)."""
        before = self._now() - older_than.total_seconds()
        with writing(self._engine) as session:
            gone = session.execute(
                delete(InboxRow).where(
                    or_(col(InboxRow.state) == DONE, col(InboxRow.state) == FAILED),
                    col(InboxRow.done_at) < before,
                )
            )
            return changed(gone)

    def _insert(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[bool]:
        with writing(self._engine, urgent=True) as session:
            return insert_each_once(session, InboxRow, rows, "key")

    def _anything(self, due: tuple[ColumnElement[bool], ...]) -> bool:
        with reading(self._engine) as session:
            return session.exec(select(InboxRow.id).where(*due).limit(1)).first() is not None

    def _entry(self, row: InboxRow) -> Entry | None:
        try:
            content = self._open(row.key, row.payload or b"")
        except InvalidTag:
            # Another installation key, or a row that was edited: it can never be read.
            log.error("inbox.entry_unreadable", kind=row.kind, name=row.name)  # noqa: TRY400
            self._set(row.key, {"state": FAILED, "payload": None, "done_at": self._now()})
            return None
        return Entry(
            id=row.id or 0,
            key=row.key,
            kind=row.kind,
            name=row.name,
            attempts=row.attempts,
            received_at=datetime.fromtimestamp(row.received_at, UTC),
            payload=orjson.loads(content),
        )

    def _finish(self, entry: Entry, values: dict[str, object]) -> None:
        """Write the outcome only while the lease is ours: a lapsed one belongs to another."""
        with writing(self._engine) as session:
            session.execute(
                update(InboxRow)
                .where(
                    col(InboxRow.id) == entry.id,
                    col(InboxRow.state) == LEASED,
                    col(InboxRow.attempts) == entry.attempts,
                )
                .values(**values)
            )

    def _set(self, key: str, values: dict[str, object]) -> None:
        with writing(self._engine) as session:
            session.execute(
                update(InboxRow)
                .where(col(InboxRow.key) == key, col(InboxRow.state).in_((LEASED, LATER)))
                .values(**values)
            )

    def _seal(self, key: str, content: bytes) -> bytes:
        nonce = urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, key.encode())

    def _open(self, key: str, sealed: bytes) -> bytes:
        nonce, content = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        for cipher in self._former:
            with suppress(InvalidTag):
                return cipher.decrypt(nonce, content, key.encode())
        return self._cipher.decrypt(nonce, content, key.encode())

    def wake(self) -> None:
        """End every `wait` of this process."""
        with self._arrived:
            self._arrived.notify_all()

    def _now(self) -> float:
        return self._clock().timestamp()
