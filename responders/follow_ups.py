"""
Findings as rows: what people added, and what they closed with a reason. Part of the only SQL.

Which findings follow from the rows and the graph is `findings.py`'s.
"""

from sqlmodel import col, select

from graph.errors import NotFoundError, RefusedError
from responders.findings import Finding, own_id
from responders.incident import Person
from responders.ledger import Ledger
from responders.tables import FindingRow


class FollowUps:
    """Adds and closes findings; each is an entry of the audit log."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(self, incident_id: str, title: str, owner: str, person: Person) -> Finding:
        """
        Add a finding to an incident; the same again changes nothing.

        Raises:
            NotFoundError: there is no such incident.
        """
        found = Finding(own_id(incident_id, title), "person", title, owner, incident_id)
        with self._ledger.transaction() as transaction:
            if transaction.session.get(FindingRow, found.id) is None:
                transaction.incident(incident_id)
                transaction.session.add(
                    FindingRow(
                        id=found.id,
                        incident_id=incident_id,
                        kind="person",
                        title=title,
                        owner=owner,
                        opened_at=transaction.now,
                    )
                )
                sentence = f"To do, by {owner}: {title}"
                transaction.log(incident_id, "follow_up", sentence, actor=person)
        return found

    def close(self, finding: Finding, person: Person, reason: str) -> None:
        """
        Close one, with a reason.

        Raises:
            RefusedError: no reason is given.
        """
        if not reason.strip():
            raise RefusedError(
                "To close a finding a reason is needed.",
                means="It stays open.",
                do_now="Say in a sentence what was done, or why nothing has to be.",
            )
        with self._ledger.transaction() as transaction:
            row = transaction.session.get(FindingRow, finding.id) or FindingRow(
                id=finding.id,
                incident_id=finding.incident_id,
                kind=finding.kind,
                title=finding.title,
                owner=finding.owner,
                opened_at=finding.opened_at or transaction.now,
            )
            row.closed_at, row.closed_by = transaction.now, person.identity
            row.reason = reason.strip()
            transaction.session.add(row)
            sentence = f"Done: {finding.title} ({row.reason})"
            transaction.log(finding.incident_id, "follow_up_closed", sentence, actor=person)

    def added(self) -> tuple[Finding, ...]:
        """Return what people added, the closed ones too."""
        query = select(FindingRow).where(FindingRow.kind == "person")
        with self._ledger.reading() as session:
            return tuple(
                Finding(row.id, row.kind, row.title, row.owner, row.incident_id, row.opened_at)
                for row in session.exec(query.order_by(col(FindingRow.opened_at))).all()
            )

    def closed(self) -> frozenset[str]:
        query = select(FindingRow.id).where(col(FindingRow.closed_at).is_not(None))
        with self._ledger.reading() as session:
            return frozenset(session.exec(query).all())


def the_one(found: tuple[Finding, ...], wanted: str) -> Finding:
    """Find one by its id; raises NotFoundError."""
    for one in found:
        if one.id == wanted:
            return one
    raise NotFoundError(
        f"There is no open finding “{wanted}”.", do_now="`locksmith findings` shows the ids."
    )
