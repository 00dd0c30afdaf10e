"""
Keeps what audit logs told: who read which secret, who used what leaked, how far each log was read.

Rows hold names, moments and the logs' own keyed digests, never a value. Lines that were read twice
(two replicas, a log that was read anew) make one row. The graph's only SQL about reads.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    bindparam,
    delete,
    or_,
    select,
    text,
)

from graph.database import reading, writing
from graph.merging import NO_VERSION, parts
from graph.read_event import ReadEvent
from graph.refs import Ref
from graph.tables import AUDIT_LOGS, READS, SERVED, SOUGHT, USES
from graph.tail import Position
from graph.use_event import UseEvent

KEPT = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class LogState:
    """How far a log was read, since when it is known, and what is wrong with it ("" nothing)."""

    position: Position
    since: datetime | None = None
    looked_at: datetime | None = None
    trouble: str = ""


class Reads:
    """The reads in one database; safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def state(self, source: str) -> LogState:
        with reading(self._engine) as connection:
            row = connection.execute(
                select(AUDIT_LOGS).where(AUDIT_LOGS.c.source == source)
            ).first()
        if row is None:
            return LogState(Position())
        position = Position(row.inode, row.offset, row.head, row.head_length)
        return LogState(position, row.since, row.looked_at, row.trouble)

    def add(
        self,
        source: str,
        events: Sequence[ReadEvent],
        state: LogState,
        *,
        now: datetime,
        uses: Sequence[UseEvent] = (),
    ) -> None:
        """Write the events of one portion, and the position behind it, as one."""
        with writing(self._engine) as connection:
            _insert_once(connection, READS, [_row(source, event) for event in events])
            served = [
                {"source": source, "request": event.request, "field": field, "digest": digest}
                for event in events
                for field, digest in event.served
            ]
            _insert_once(connection, SERVED, served)
            _insert_once(connection, USES, [{"source": source, **asdict(use)} for use in uses])
            _put(connection, source, state, now)

    def trouble(self, source: str, sentence: str, *, now: datetime) -> None:
        """Say that a log could not be read now; how far it was read stays."""
        state = self.state(source)
        with writing(self._engine) as connection:
            changed = LogState(state.position, state.since, now, sentence)
            _put(connection, source, changed, now)

    def forget(self, *, now: datetime) -> int:
        """Delete what is older than `KEPT`; return how many reads that were."""
        with writing(self._engine) as connection:
            old = select(READS.c.request).where(READS.c.at < now - KEPT)
            connection.execute(delete(SERVED).where(SERVED.c.request.in_(old)))
            connection.execute(delete(USES).where(USES.c.at < now - KEPT))
            return connection.execute(delete(READS).where(READS.c.at < now - KEPT)).rowcount

    def of(self, places: Collection[Ref], *, since: datetime | None) -> tuple[ReadEvent, ...]:
        """Return the reads of secrets, namespaces and clusters named by their refs, in order."""
        found: list[ReadEvent] = []
        for some in parts(sorted(places)):
            found += self._select(READS.c.secret.in_(some), since)
        return tuple(sorted(found, key=lambda event: event.at))

    def served(
        self, fingerprints: Iterable[str], *, since: datetime | None
    ) -> tuple[ReadEvent, ...]:
        """Return the reads that gave out a value that was reported, by our digests of it."""
        known = sorted(set(fingerprints))
        sought = select(SOUGHT.c.source, SOUGHT.c.digest).where(SOUGHT.c.fingerprint.in_(known))
        same = and_(
            SERVED.c.source == READS.c.source,
            SERVED.c.request == READS.c.request,
            or_(*self._pairs(sought)) if known else text("1 = 0"),
        )
        return self._select(select(SERVED.c.id).where(same).exists(), since)

    def sought(self, source: str) -> frozenset[str]:
        """Return what this log calls the credentials that were reported."""
        asked = select(SOUGHT.c.digest).where(SOUGHT.c.source == source)
        with reading(self._engine) as connection:
            return frozenset(connection.execute(asked).scalars())

    def marks(self, fingerprints: Iterable[str], source: str) -> frozenset[str]:
        """Return what a log calls one reported credential, by our digests of it."""
        asked = select(SOUGHT.c.digest).where(
            SOUGHT.c.source == source, SOUGHT.c.fingerprint.in_(sorted(set(fingerprints)))
        )
        with reading(self._engine) as connection:
            return frozenset(connection.execute(asked).scalars())

    def uses(self, marks: Iterable[str], source: str, *, since: datetime) -> tuple[UseEvent, ...]:
        """Return the uses of credentials that a log calls by these marks, in order."""
        asked = select(USES).where(
            USES.c.source == source, USES.c.mark.in_(sorted(set(marks))), USES.c.at >= since
        )
        with reading(self._engine) as connection:
            return tuple(
                UseEvent(row.request, row.at, row.mark, row.who, row.what, row.address)
                for row in connection.execute(asked.order_by(USES.c.at))
            )

    def seek(self, fingerprints: Iterable[str], source: str, digests: Iterable[str]) -> None:
        """Keep what a log calls a reported value, under our own digests of it."""
        known = list(digests)
        rows = [
            {"fingerprint": fingerprint, "source": source, "digest": digest}
            for fingerprint in fingerprints
            for digest in known
        ]
        with writing(self._engine) as connection:
            _insert_once(connection, SOUGHT, rows)

    def _pairs(self, sought: Any) -> list[ColumnElement[bool]]:
        with reading(self._engine) as connection:
            rows = connection.execute(sought).all()
        pairs = [and_(SERVED.c.source == row.source, SERVED.c.digest == row.digest) for row in rows]
        return pairs or [text("1 = 0")]  # type: ignore[list-item]

    def _select(self, where: ColumnElement[bool], since: datetime | None) -> tuple[ReadEvent, ...]:
        asked = select(READS).where(where).order_by(READS.c.at)
        if since is not None:
            asked = asked.where(READS.c.at >= since)
        with reading(self._engine) as connection:
            return tuple(_event(row) for row in connection.execute(asked))


def _row(source: str, event: ReadEvent) -> dict[str, Any]:
    return {
        "source": source,
        "request": event.request,
        "at": event.at,
        "secret": event.secret,
        "verb": event.verb,
        "who": event.who,
        "subject": event.subject,
        "address": event.address,
        "agent": event.agent,
        "version": NO_VERSION if event.version is None else event.version,
        "sure": event.sure,
    }


def _event(row: Any) -> ReadEvent:
    return ReadEvent(
        request=row.request,
        at=row.at,
        secret=Ref(row.secret),
        verb=row.verb,
        who=row.who,
        subject=row.subject,
        address=row.address,
        agent=row.agent,
        version=None if row.version == NO_VERSION else row.version,
        sure=bool(row.sure),
    )


def _put(connection: Connection, source: str, state: LogState, now: datetime) -> None:
    position = state.position
    connection.execute(delete(AUDIT_LOGS).where(AUDIT_LOGS.c.source == source))
    connection.execute(
        AUDIT_LOGS.insert().values(
            source=source,
            inode=position.inode,
            offset=position.offset,
            head=position.head,
            head_length=position.head_length,
            looked_at=now,
            since=state.since,
            trouble=state.trouble,
        )
    )


def _insert_once(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows; one that is there already stays as it is, on SQLite and PostgreSQL alike."""
    if not rows:
        return
    names = list(rows[0])
    statement = text(
        f"INSERT INTO {table.name} ({', '.join(names)}) "  # noqa: S608 - names of our own columns
        f"VALUES ({', '.join(f':{name}' for name in names)}) ON CONFLICT DO NOTHING"
    ).bindparams(*(bindparam(name, type_=table.c[name].type) for name in names))
    connection.execute(statement, list(rows))
