"""
Pages as rows: whom we mean to reach, through what, whether it was taken, and what is due when.

Part of the room's only SQL. Which pager comes first is `switchboard.py`'s, and when something is
tried again `escalation.py`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, func, select

from responders.escalation import ACKNOWLEDGED, ANSWERED, LET_GO
from responders.incident import OPEN_STATES
from responders.ledger import Ledger, Transaction
from responders.pager import PageAnswer, PageDeed, PageReceipt
from responders.tables import AuditEventRow, IncidentRow, PageAnswerRow, PageDueRow, PageRow

_CLOCKS_APART = timedelta(minutes=5)
_HELD = timedelta(seconds=60)  # for one call of a pager; then its process is taken to have ended


@dataclass(frozen=True, slots=True)
class Line:
    """How it stands with one pager for one owner; `answered`: it has said yes or no before."""

    confirmed: bool = False
    answered: bool = True
    resolved: bool = False
    acknowledged: bool = False
    final: bool = False
    tries: int = 0
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OwnerLine:
    """
    How far the call for one owner has escalated; `due_at`: when it goes on by itself.

    `answered`: somebody took the page on where it rang.
    """

    tier: int = 0
    due_at: datetime | None = None
    told: bool = False
    answered: bool = False


class PageBook:
    """Writes intent and receipt of each page."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def now(self) -> datetime:
        return self._ledger.now()

    def lines(self, incident_id: str, owner: str) -> tuple[OwnerLine, Mapping[str, Line]]:
        """Return the owner's line and one line per pager that was meant to reach this owner."""
        pages = select(PageRow).where(PageRow.incident_id == incident_id, PageRow.owner == owner)
        due = select(PageDueRow).where(
            PageDueRow.incident_id == incident_id, PageDueRow.owner == owner
        )
        with self._ledger.reading() as session:
            rows = {row.pager: row for row in session.exec(pages).all()}
            dues = {row.pager: row for row in session.exec(due).all()}
            answer = session.get(PageAnswerRow, (incident_id, owner))
        found = {
            pager: Line(
                confirmed=bool(rows[pager].confirmed) if pager in rows else False,
                answered=rows[pager].confirmed is not None if pager in rows else False,
                resolved=rows[pager].resolved if pager in rows else False,
                acknowledged=dues[pager].acknowledged if pager in dues else False,
                final=dues[pager].final if pager in dues else False,
                tries=dues[pager].tries if pager in dues else 0,
                due_at=dues[pager].due_at if pager in dues else None,
            )
            for pager in {*rows, *dues} - {""}
        }
        own, answered = dues.get(""), answer is not None and bool(answer.who)
        if own is None:
            return OwnerLine(answered=answered), found
        return OwnerLine(own.tier, own.due_at, own.told, answered), found

    def begin(self, incident_id: str, owner: str, pager: str) -> bool:
        """Commit the intent; False: it was taken already, or another round is calling now."""
        with self._ledger.transaction() as transaction:
            row = transaction.session.get(PageRow, (incident_id, owner, pager))
            due = _due(transaction, incident_id, owner, pager)
            if (row is not None and row.confirmed) or not _hold(transaction, due):
                return False
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
            return True

    def received(
        self,
        incident_id: str,
        owner: str,
        pager: str,
        receipt: PageReceipt,
        *,
        due_at: datetime | None = None,
    ) -> None:
        """Keep what the pager said; `due_at`: when it is tried again."""
        with self._ledger.transaction() as transaction:
            row = transaction.session.get_one(PageRow, (incident_id, owner, pager))
            row.confirmed, row.sentence = receipt.confirmed, receipt.sentence
            row.at = transaction.now
            transaction.session.add(row)
            due = _due(transaction, incident_id, owner, pager)
            due.due_at, due.final = due_at, receipt.final
            due.tries = 0 if receipt.confirmed else due.tries + 1
            if transaction.incident(incident_id).state not in OPEN_STATES:
                due.due_at = transaction.now  # it was over before this page was taken: call it off
            transaction.log(
                incident_id,
                "paged" if receipt.confirmed else "not_paged",
                f"{owner} through {pager}: {receipt.sentence}",
                facts={"owner": owner, "pager": pager, "confirmed": receipt.confirmed},
            )

    def nobody(self, incident_id: str, owner: str) -> None:
        """Note, once until somebody is reached, that every tier failed for `owner`."""
        with self._ledger.transaction() as transaction:
            due = _due(transaction, incident_id, owner, "")
            if due.told:
                return
            due.told = True
            transaction.incident(incident_id)
            transaction.log(
                incident_id,
                "not_paged",
                f"Nobody was paged for {owner}: no pager took it. Call them yourself.",
                facts={"owner": owner},
            )

    def reached(
        self, incident_id: str, owner: str, *, tier: int, due_at: datetime | None, because: str = ""
    ) -> None:
        """Note how far the call has gone and when it goes on; `because` tells people of it."""
        with self._ledger.transaction() as transaction:
            due = _due(transaction, incident_id, owner, "")
            due.tier, due.due_at, due.told = tier, due_at, False
            if because:
                transaction.incident(incident_id)
                facts = {"owner": owner, "tier": tier}
                transaction.log(incident_id, "escalated", because, facts=facts)

    def quiet(self, incident_id: str, owner: str, before: datetime) -> None:
        """Forget what was due `before`: this round has dealt with it."""
        query = select(PageDueRow).where(
            PageDueRow.incident_id == incident_id,
            PageDueRow.owner == owner,
            col(PageDueRow.due_at) <= before,
        )
        with self._ledger.transaction() as transaction:
            for row in transaction.session.exec(query).all():
                row.due_at = None
                transaction.session.add(row)

    def tells(
        self, incident_id: str, owner: str, pager: str, what: str, *, over: bool = False
    ) -> bool:
        """
        Commit the intent to tell a pager that somebody works on it, or that it is over.

        False: it was told already, or another round is telling it now.
        """
        with self._ledger.transaction() as transaction:
            row = transaction.session.get_one(PageRow, (incident_id, owner, pager))
            due = _due(transaction, incident_id, owner, pager)
            if row.resolved if over else due.acknowledged:
                return False
            # Twice acknowledged is harmless; but some pagers would post twice that it is over.
            if over and not _hold(transaction, due):
                return False
            transaction.incident(incident_id)
            sentence = f"Tells {pager} that {what}."
            facts = {"owner": owner, "pager": pager}
            transaction.log(incident_id, "intent", sentence, facts=facts)
            return True

    def acknowledged(
        self,
        incident_id: str,
        owner: str,
        pager: str,
        receipt: PageReceipt | None,
        *,
        due_at: datetime | None = None,
    ) -> None:
        """Keep that a pager knows of it; `receipt` None: it has no word for that."""
        with self._ledger.transaction() as transaction:
            due = _due(transaction, incident_id, owner, pager)
            known = receipt is None or receipt.confirmed
            due.acknowledged = known or due_at is None
            due.due_at, due.tries = due_at, 0 if known else due.tries + 1
            if receipt is None:
                return
            transaction.incident(incident_id)
            told = f"{owner} was told through {pager} that somebody works on it."
            transaction.log(
                incident_id,
                "page_acknowledged" if receipt.confirmed else "page_not_acknowledged",
                told if receipt.confirmed else receipt.sentence,
                facts={"owner": owner, "pager": pager},
            )

    def answered(self, incident_id: str, owner: str, answer: PageAnswer) -> bool:
        """Keep what somebody did with the page where it rang; False: that is over, or known."""
        with self._ledger.transaction() as transaction:
            session = transaction.session
            incident = session.get(IncidentRow, incident_id)
            rung = select(func.min(PageRow.at)).where(
                PageRow.incident_id == incident_id,
                PageRow.owner == owner,
                col(PageRow.confirmed).is_(True),
            )
            since = session.exec(rung).one()
            if incident is None or incident.state not in OPEN_STATES or since is None:
                return False
            row = session.get(PageAnswerRow, (incident_id, owner))
            if answer.at < since - _CLOCKS_APART or (row is not None and answer.at <= row.at):
                return False
            who = answer.person.name or answer.person.identity
            row = row or PageAnswerRow(incident_id=incident_id, owner=owner, who="", at=answer.at)
            row.who, row.at = ("" if answer.deed is PageDeed.LET_GO else who), answer.at
            session.add(row)
            transaction.incident(incident_id)
            sentence = _ANSWERS[answer.deed].format(who=who, owner=owner)
            facts = {"owner": owner, "deed": str(answer.deed)}
            kind = LET_GO if answer.deed is PageDeed.LET_GO else ANSWERED
            transaction.log(incident_id, kind, sentence, actor=answer.person, facts=facts)
            return True

    def resolved(
        self,
        incident_id: str,
        owner: str,
        pager: str,
        receipt: PageReceipt,
        *,
        due_at: datetime | None = None,
    ) -> None:
        with self._ledger.transaction() as transaction:
            row = transaction.session.get_one(PageRow, (incident_id, owner, pager))
            row.resolved = receipt.confirmed
            transaction.session.add(row)
            due = _due(transaction, incident_id, owner, pager)
            due.due_at, due.tries = due_at, 0 if receipt.confirmed else due.tries + 1
            transaction.incident(incident_id)
            over = f"{owner} was told through {pager} that it is over."
            transaction.log(
                incident_id,
                "page_resolved" if receipt.confirmed else "page_not_resolved",
                over if receipt.confirmed else receipt.sentence,
                facts={"owner": owner, "pager": pager},
            )

    def owners(self, incident_id: str) -> tuple[str, ...]:
        """Name everybody whom a page was meant for."""
        query = select(PageRow.owner).where(PageRow.incident_id == incident_id).distinct()
        with self._ledger.reading() as session:
            return tuple(sorted(session.exec(query).all()))

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

    def due(self) -> tuple[tuple[str, str], ...]:
        """Return (incident, name of the round) of what must be done now; cheap."""
        with self._ledger.reading() as session:
            return (*_timed(session, self.now), *_to_acknowledge(session))


_ANSWERS = {
    PageDeed.TAKEN_ON: "{who} took on the page of {owner}.",
    PageDeed.LET_GO: "Nobody is on the page of {owner} any more, says {who}.",
    PageDeed.RESOLVED: "{who} resolved the page of {owner}; the incident is still open.",
}


def _timed(session: Session, now: datetime) -> list[tuple[str, str]]:
    query = (
        select(PageDueRow.incident_id, func.min(PageDueRow.due_at))
        .where(col(PageDueRow.due_at) <= now)
        .group_by(col(PageDueRow.incident_id))
    )
    found = session.exec(query).all()
    return [(incident_id, f"{due_at.timestamp():.6f}") for incident_id, due_at in found if due_at]


def _to_acknowledge(session: Session) -> list[tuple[str, str]]:
    query = (
        select(PageDueRow.incident_id, func.max(AuditEventRow.sequence))
        .join(AuditEventRow, col(AuditEventRow.incident_id) == col(PageDueRow.incident_id))
        .where(
            col(PageDueRow.acknowledged).is_(False),
            col(PageDueRow.pager) != "",
            AuditEventRow.kind == ACKNOWLEDGED,
            col(AuditEventRow.at) >= col(PageDueRow.since),
        )
        .group_by(col(PageDueRow.incident_id))
    )
    return [(incident_id, f"acknowledged-{said}") for incident_id, said in session.exec(query)]


def _hold(transaction: Transaction, due: PageDueRow) -> bool:
    """Take a line for one call; False: it is held, or it waits for its moment."""
    if due.due_at is not None and transaction.now < due.due_at:
        return False
    due.due_at = transaction.now + _HELD
    return True


def _due(transaction: Transaction, incident_id: str, owner: str, pager: str) -> PageDueRow:
    row = transaction.session.get(PageDueRow, (incident_id, owner, pager))
    if row is None:
        row = PageDueRow(incident_id=incident_id, owner=owner, pager=pager, since=transaction.now)
    transaction.session.add(row)
    return row
