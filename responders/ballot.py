"""
Approvals as rows: asked, voted on, decided once, expired, void.

A decision is one conditional UPDATE: it counts only while the request is pending, unexpired and
about the plan that counts now. A person's second vote meets a unique key. Who may vote was worked
out by `approvals.py` and comes in as an electorate. Part of the room's only SQL.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select as core_select
from sqlalchemy import update
from sqlmodel import Session, col, select

from graph.errors import ConflictError, NotFoundError, RefusedError
from responders import codec
from responders.approvals import Electorate, decide, fold
from responders.incident import ApprovalRequest, ApprovalState, IncidentState, Person
from responders.ledger import Ledger, Transaction
from responders.reading import request_of, votes_of
from responders.summons import summon, take_back
from responders.tables import ApprovalRequestRow, IncidentRow, PlanRow, VoteRow


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with what belongs to it."""

    request: ApprovalRequest
    incident_id: str
    plan_id: str


class Ballot:
    """Writes requests and votes, each in one transaction with its audit entry."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def find(self, request_id: str) -> Asked:
        """
        Return a request with its votes.

        Raises:
            NotFoundError: no such request.
        """
        with self._ledger.reading() as session:
            row = _request(session, request_id)
            request = request_of(row, votes_of(session, row.id))
            return Asked(request, row.incident_id, row.plan_id)

    def ask(
        self,
        incident_id: str,
        person: Person,
        *,
        plan_hash: str,
        electorate: Electorate,
        needed: int,
        expires_at: datetime,
        escalates_at: datetime | None = None,
    ) -> str:
        """
        Open a request for the plan that counts now; one that is pending already is returned.

        Raises:
            ConflictError: the plan changed meanwhile, or the incident moved on.
        """
        with self._ledger.transaction() as transaction:
            row = transaction.session.get_one(IncidentRow, incident_id)
            plan = transaction.session.get(PlanRow, row.plan_id)
            if pending := _pending(transaction.session, row.plan_id):
                return pending.id
            if row.state != IncidentState.PLANNED or plan is None or plan.hash != plan_hash:
                raise ConflictError(
                    f"{incident_id} is {row.state}, and its plan may have changed.",
                    means="No approval was asked for.",
                    do_now="Look at the plan as it is now and ask again.",
                )
            request_id = f"req-{secrets.token_hex(8)}"
            names = sorted(one.name or one.identity for one in electorate.may.values())
            transaction.session.add(
                ApprovalRequestRow(
                    id=request_id,
                    incident_id=incident_id,
                    plan_id=plan.id,
                    plan_hash=plan.hash,
                    state=ApprovalState.PENDING,
                    requested_by=codec.person_to_json(person),
                    requested_at=transaction.now,
                    expires_at=expires_at,
                    needed=needed,
                    approvers=names,
                )
            )
            transaction.incident(incident_id).state = IncidentState.WAITING
            if escalates_at is not None and escalates_at < expires_at:
                summon(transaction, incident_id, _waits(plan.hash), at=escalates_at)
            transaction.log(
                incident_id,
                "asked",
                f"Approval of plan {plan.hash[:8]} asked of {', '.join(names)} ({needed} needed).",
                actor=person,
                facts={"request": request_id, "plan_hash": plan.hash, "expires_at": expires_at},
            )
            return request_id

    def vote(
        self,
        request_id: str,
        person: Person,
        *,
        approve: bool,
        reason: str,
        electorate: Electorate,
        signed_in: str = "",
    ) -> ApprovalState:
        """
        Take one vote, and decide if it is the one that decides; `signed_in`: where, for it.

        Raises:
            RefusedError: decided already, expired, void, or this person has voted.
        """
        with self._ledger.transaction() as transaction:
            session = transaction.session
            row = _request(session, request_id)
            require_pending(request_of(row, votes_of(session, request_id)), transaction.now)
            if session.get(VoteRow, (request_id, fold(person.identity))):
                raise RefusedError(
                    f"{person.name or person.identity} has decided on this already.",
                    means="A person counts once.",
                    do_now=f"Wait for {electorate.who}.",
                )
            session.add(
                VoteRow(
                    request_id=request_id,
                    identity=fold(person.identity),
                    person=codec.person_to_json(person),
                    approve=approve,
                    at=transaction.now,
                    reason=reason,
                )
            )
            session.flush()
            votes = votes_of(session, request_id)
            state = decide(votes, needed=row.needed, electorate=electorate)
            incident = transaction.incident(row.incident_id)
            transaction.log(
                row.incident_id,
                "approved" if approve else "denied",
                f"{'Approves' if approve else 'Denies'} plan {row.plan_hash[:8]}"
                + (f", signed in anew at {signed_in}" if signed_in else "")
                + (f": {reason}" if reason else "."),
                actor=person,
                facts={"request": request_id, "plan_hash": row.plan_hash, "signed_in": signed_in},
            )
            if state is not ApprovalState.PENDING:
                _decide(transaction, row, incident, state)
            return state

    def start_unasked(self, incident_id: str, plan_hash: str) -> str:
        """Let the plan run by the policy's word (mode act); its id, "" if it is not ready."""
        with self._ledger.transaction() as transaction:
            row = transaction.session.get_one(IncidentRow, incident_id)
            plan = transaction.session.get(PlanRow, row.plan_id)
            if row.state != IncidentState.PLANNED or plan is None or plan.hash != plan_hash:
                return ""
            transaction.incident(incident_id).state = IncidentState.RUNNING
            plan.run += 1
            transaction.session.add(plan)
            sentence = f"Plan {plan.hash[:8]} runs without being asked for: the mode is “act”."
            facts = {"plan_hash": plan.hash}
            transaction.log(incident_id, "decided", sentence, facts=facts)
            return plan.id

    def expire_due(self) -> None:
        """Mark what nobody decided in time; nothing is ever approved by the clock."""
        with self._ledger.reading() as session:
            if not _due(session, self._ledger.now()):
                return
        with self._ledger.transaction() as transaction:
            for row in _due(transaction.session, transaction.now):
                row.state, row.decided_at = ApprovalState.EXPIRED, transaction.now
                incident = transaction.incident(row.incident_id)
                if incident.state == IncidentState.WAITING:
                    incident.state = IncidentState.PLANNED
                transaction.log(
                    row.incident_id,
                    "expired",
                    f"Nobody decided on plan {row.plan_hash[:8]} in time; nothing was changed.",
                    facts={"request": row.id},
                )
                take_back(transaction.session, row.incident_id, _waits(row.plan_hash))
                summon(transaction, row.incident_id, f"nobody approved {row.plan_hash[:8]} in time")


def void_requests(transaction: Transaction, incident_id: str, why: str) -> None:
    """Make every pending request of the incident worthless, inside the caller's transaction."""
    query = select(ApprovalRequestRow).where(
        ApprovalRequestRow.incident_id == incident_id,
        ApprovalRequestRow.state == ApprovalState.PENDING,
    )
    for row in transaction.session.exec(query).all():
        row.state, row.decided_at = ApprovalState.VOID, transaction.now
        transaction.session.add(row)
        transaction.log(
            incident_id,
            "void",
            f"The approval asked for plan {row.plan_hash[:8]} is void: {why}.",
            facts={"request": row.id},
        )
        take_back(transaction.session, incident_id, _waits(row.plan_hash))


def _waits(plan_hash: str) -> str:
    return f"the approval of {plan_hash[:8]} waits"


def _decide(
    transaction: Transaction,
    row: ApprovalRequestRow,
    incident: IncidentRow,
    state: ApprovalState,
) -> None:
    counts_now = core_select(col(PlanRow.hash)).where(
        col(PlanRow.id) == incident.plan_id, col(PlanRow.id) == row.plan_id
    )
    decided = (
        update(ApprovalRequestRow)
        .where(
            col(ApprovalRequestRow.id) == row.id,
            col(ApprovalRequestRow.state) == ApprovalState.PENDING,
            col(ApprovalRequestRow.expires_at) > transaction.now,
            col(ApprovalRequestRow.plan_hash) == counts_now.scalar_subquery(),
        )
        .values(state=state, decided_at=transaction.now)
    )
    changed = transaction.session.connection().execute(decided).rowcount
    if changed != 1 or incident.state != IncidentState.WAITING:
        raise RefusedError(
            "This approval no longer fits the incident: the plan or the state changed.",
            means="The vote was not counted and nothing runs.",
            do_now="Look at the plan as it is now and ask for approval again.",
        )
    transaction.session.expire(row)
    take_back(transaction.session, incident.id, _waits(row.plan_hash))
    plan = transaction.session.get_one(PlanRow, row.plan_id)
    if state is ApprovalState.APPROVED:
        incident.state = IncidentState.RUNNING
        plan.run += 1
        transaction.log(
            incident.id,
            "decided",
            f"Plan {plan.hash[:8]} is approved and runs.",
            facts={"request": row.id, "plan_hash": plan.hash},
        )
    else:
        incident.state = IncidentState.PLANNED


def require_pending(request: ApprovalRequest, now: datetime) -> None:
    """
    Refuse what comes too late, and say who decided.

    Raises:
        RefusedError: the request was decided, or it has expired.
    """
    if request.state is ApprovalState.PENDING and request.expires_at > now:
        return
    expired = request.state is ApprovalState.PENDING
    state, votes = ApprovalState.EXPIRED if expired else request.state, request.votes
    by = ""
    if votes and state in {ApprovalState.APPROVED, ApprovalState.DENIED}:
        last = votes[-1]
        by = f" by {last.person.name or last.person.identity} at {last.at:%Y-%m-%d %H:%M:%S} UTC"
    raise RefusedError(
        f"This request is {state} already{by}.",
        means="The click changed nothing.",
        do_now="Look at the incident as it is now; ask for approval again if it still needs one.",
    )


def _request(session: Session, request_id: str) -> ApprovalRequestRow:
    row = session.get(ApprovalRequestRow, request_id)
    if row is None:
        raise NotFoundError(
            "This approval request does not exist.", do_now="Open the incident's card again."
        )
    return row


def _pending(session: Session, plan_id: str) -> ApprovalRequestRow | None:
    query = select(ApprovalRequestRow).where(
        ApprovalRequestRow.plan_id == plan_id, ApprovalRequestRow.state == ApprovalState.PENDING
    )
    return session.exec(query).first()


def _due(session: Session, now: datetime) -> list[ApprovalRequestRow]:
    query = select(ApprovalRequestRow).where(
        ApprovalRequestRow.state == ApprovalState.PENDING,
        col(ApprovalRequestRow.expires_at) <= now,
    )
    return list(session.exec(query).all())
