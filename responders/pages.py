"""
Pages as rows: whom we mean to reach, through what, and whether it was taken.

Part of the room's only SQL. Which pager comes first is `switchboard.py`'s.
"""

from sqlmodel import col, select

from responders.ledger import Ledger
from responders.pager import PageReceipt
from responders.tables import IncidentRow, PageRow


class PageBook:
    """Writes intent and receipt of each page."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def begin(self, incident_id: str, owner: str, pager: str) -> PageReceipt | None:
        """Commit the intent; return the receipt instead where this page was taken already."""
        with self._ledger.transaction() as transaction:
            row = transaction.session.get(PageRow, (incident_id, owner, pager))
            if row is not None and row.confirmed:
                return PageReceipt(confirmed=True, sentence=row.sentence)
            row = row or PageRow(
                incident_id=incident_id, owner=owner, pager=pager, at=transaction.now
            )
            row.at = transaction.now
            transaction.session.add(row)
            transaction.incident(incident_id)
            transaction.log(
                incident_id,
                "intent",
                f"Pages {owner} through {pager}.",
                facts={"owner": owner, "pager": pager},
            )
            return None

    def received(self, incident_id: str, owner: str, pager: str, receipt: PageReceipt) -> None:
        with self._ledger.transaction() as transaction:
            row = transaction.session.get_one(PageRow, (incident_id, owner, pager))
            row.confirmed, row.sentence = receipt.confirmed, receipt.sentence
            row.at = transaction.now
            transaction.session.add(row)
            transaction.incident(incident_id)
            transaction.log(
                incident_id,
                "paged" if receipt.confirmed else "not_paged",
                receipt.sentence,
                facts={"owner": owner, "pager": pager, "confirmed": receipt.confirmed},
            )

    def nobody(self, incident_id: str, owner: str) -> None:
        """Note that every tier failed for `owner`."""
        with self._ledger.transaction() as transaction:
            transaction.incident(incident_id)
            transaction.log(
                incident_id,
                "not_paged",
                f"Nobody was paged for {owner}: no pager took it. Call them yourself.",
                facts={"owner": owner},
            )

    def to_resolve(self, incident_id: str) -> tuple[tuple[str, str], ...]:
        """Return (owner, pager) of the pages that were taken and not yet called off."""
        query = select(PageRow).where(
            PageRow.incident_id == incident_id,
            col(PageRow.confirmed).is_(True),
            col(PageRow.resolved).is_(False),
        )
        with self._ledger.reading() as session:
            return tuple((row.owner, row.pager) for row in session.exec(query).all())

    def resolved(self, incident_id: str, owner: str, pager: str, receipt: PageReceipt) -> None:
        with self._ledger.transaction() as transaction:
            row = transaction.session.get_one(PageRow, (incident_id, owner, pager))
            row.resolved = receipt.confirmed
            transaction.session.add(row)
            transaction.incident(incident_id)
            transaction.log(
                incident_id,
                "page_resolved" if receipt.confirmed else "page_not_resolved",
                receipt.sentence,
                facts={"owner": owner, "pager": pager},
            )

    def over(self) -> tuple[str, ...]:
        """Return the incidents that are over while a page of theirs is still open."""
        query = (
            select(PageRow.incident_id)
            .join(IncidentRow, col(IncidentRow.id) == col(PageRow.incident_id))
            .where(
                col(IncidentRow.closed_at).is_not(None),
                col(PageRow.confirmed).is_(True),
                col(PageRow.resolved).is_(False),
            )
            .distinct()
        )
        with self._ledger.reading() as session:
            return tuple(session.exec(query).all())
