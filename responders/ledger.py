"""
One transaction of this room: a change and its audit entry are committed together or not at all.

Every write goes through `Ledger.transaction`. It first takes the row of the chain's end, so that
writers, in whatever process, stand in line: the chain has no hole and no fork, and two clicks on
one button are decided one after the other. After the commit the listeners are told which incident
changed. Reading needs none of this. Not here: what the rows mean (`records`, `journal`, `ballot`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import orjson
import structlog
from sqlalchemy import Connection, Engine, text, update
from sqlmodel import Session, col, select

from graph.database import reading, writing
from graph.errors import NotFoundError
from responders.audit import GENESIS, AuditChain, AuditEntry, Checkpoint
from responders.canonical import canonical_json
from responders.incident import Person
from responders.tables import AuditEventRow, AuditHeadRow, IncidentRow

_log = structlog.get_logger()

_HEAD = 1  # the one row of audit_head


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open transaction; `now` is one moment for all that it writes."""

    session: Session
    now: datetime
    _chain: AuditChain
    touched: dict[str, int] = field(default_factory=dict)

    def incident(self, incident_id: str) -> IncidentRow:
        """
        Return the row to change; its revision grows by one.

        Raises:
            NotFoundError: there is no such incident.
        """
        row = self.session.get(IncidentRow, incident_id)
        if row is None:
            raise NotFoundError(
                f"There is no incident “{incident_id}”.",
                do_now="`locksmith incident list` shows the ids.",
            )
        if incident_id not in self.touched:
            row.revision += 1
            self.touched[incident_id] = row.revision
            self.session.add(row)
        return row

    def log(
        self,
        incident_id: str,
        kind: str,
        sentence: str,
        *,
        actor: Person | str = "locksmith",
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Append a sealed entry; it becomes visible with the change that it tells of."""
        head = self.session.get_one(AuditHeadRow, _HEAD)
        found = dict(facts or {})
        name = actor if isinstance(actor, str) else actor.name or actor.identity
        if isinstance(actor, Person):
            found["by"] = actor.identity
        entry = self._chain.seal(
            head.sequence + 1,
            head.seal,
            at=self.now,
            incident_id=incident_id,
            kind=str(kind),
            actor=name,
            sentence=sentence,
            # As they will be read back: moments and enums are text by then.
            facts=orjson.loads(canonical_json(found)),
        )
        self.session.add(_to_row(entry))
        head.sequence, head.seal = entry.sequence, entry.seal
        self.session.add(head)
        self.session.flush()


class Ledger:
    """Opens transactions on the shared database. Safe to use from several threads."""

    def __init__(self, engine: Engine, chain: AuditChain, *, now: Callable[[], datetime]) -> None:
        self.engine = engine
        self.now = now
        self._chain = chain
        self._listeners: list[Callable[[str], None]] = []

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener(incident_id)` after each commit, in the thread that committed."""
        self._listeners.append(listener)

    def tell(self, incident_id: str) -> None:
        for listener in self._listeners:
            listener(incident_id)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit on leaving, roll back on an error; then tell the listeners."""
        with (
            writing(self.engine) as connection,
            Session(bind=connection, expire_on_commit=False) as session,
        ):
            self._stand_in_line(connection)
            transaction = Transaction(session, self.now(), self._chain)
            yield transaction
            session.flush()
        for incident_id, revision in transaction.touched.items():
            _log.debug("incident.changed", incident=incident_id, revision=revision)
            self.tell(incident_id)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with reading(self.engine) as connection, Session(bind=connection) as session:
            yield session

    def checkpoint(self) -> Checkpoint:
        """Name the end of the chain, to be copied outside the database."""
        with self.reading() as session:
            head = session.get(AuditHeadRow, _HEAD)
        if head is None:
            return Checkpoint(0, GENESIS, self.now())
        return Checkpoint(head.sequence, head.seal, self.now())

    def entries(self, incident_id: str = "") -> Iterator[AuditEntry]:
        """Walk the chain in order, 500 rows at a time; `incident_id` narrows it to one incident."""
        after = 0
        while True:
            query = select(AuditEventRow).where(col(AuditEventRow.sequence) > after)
            if incident_id:
                query = query.where(AuditEventRow.incident_id == incident_id)
            with self.reading() as session:
                rows = session.exec(query.order_by(col(AuditEventRow.sequence)).limit(500)).all()
            if not rows:
                return
            yield from map(_from_row, rows)
            after = rows[-1].sequence

    def _stand_in_line(self, connection: Connection) -> None:
        """Lock the chain's end by writing to it first (SQLite: the file, PostgreSQL: the row)."""
        held = update(AuditHeadRow).where(col(AuditHeadRow.id) == _HEAD)
        held = held.values(sequence=AuditHeadRow.sequence)
        begin = text(
            "INSERT INTO audit_head (id, sequence, seal) VALUES (:id, 0, :seal) "
            "ON CONFLICT (id) DO NOTHING"
        )
        while not connection.execute(held).rowcount:
            connection.execute(begin, {"id": _HEAD, "seal": GENESIS})


def _to_row(entry: AuditEntry) -> AuditEventRow:
    return AuditEventRow(
        sequence=entry.sequence,
        at=entry.at,
        incident_id=entry.incident_id,
        kind=entry.kind,
        actor=entry.actor,
        sentence=entry.sentence,
        facts=dict(entry.facts),
        key_id=entry.key_id,
        previous=entry.previous,
        seal=entry.seal,
    )


def _from_row(row: AuditEventRow) -> AuditEntry:
    return AuditEntry(
        sequence=row.sequence,
        at=row.at,
        incident_id=row.incident_id,
        kind=row.kind,
        actor=row.actor,
        sentence=row.sentence,
        facts=row.facts,
        key_id=row.key_id,
        previous=row.previous,
        seal=row.seal,
    )
