"""
Calls beside the pages of an opening: an approval that nobody decides, a plan that was run alone.

A call is written in the transaction of what it is about, with the moment when it is due, and taken
back with what it waited for. The engine makes it through the pagers, once. Part of the room's only
SQL.
"""

from datetime import datetime

from sqlmodel import Session, col, select

from responders.ledger import Ledger, Transaction
from responders.tables import SummonsRow


def summon(
    transaction: Transaction, incident_id: str, topic: str, *, at: datetime | None = None
) -> None:
    """Have somebody called at `at` (default: now); a second call of one topic is the first one."""
    if transaction.session.get(SummonsRow, (incident_id, topic)) is None:
        due_at = at or transaction.now
        row = SummonsRow(incident_id=incident_id, topic=topic, due_at=due_at)
        transaction.session.add(row)


def take_back(session: Session, incident_id: str, topic: str) -> None:
    """Let a call that was not made yet fall away."""
    row = session.get(SummonsRow, (incident_id, topic))
    if row is not None and not row.made:
        session.delete(row)


class Summons:
    """What is due, and what was done."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def due(self) -> tuple[tuple[str, str], ...]:
        """Return (incident, topic) of the calls to be made now."""
        query = select(SummonsRow).where(
            col(SummonsRow.made).is_(False), SummonsRow.due_at <= self._ledger.now()
        )
        with self._ledger.reading() as session:
            return tuple((row.incident_id, row.topic) for row in session.exec(query).all())

    def made(self, incident_id: str, topic: str) -> None:
        """Note that the pagers were tried; what each of them said stands with the pages."""
        with self._ledger.transaction() as transaction:
            row = transaction.session.get(SummonsRow, (incident_id, topic))
            if row is not None:
                row.made = True
                transaction.session.add(row)
