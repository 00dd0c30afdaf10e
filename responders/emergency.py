"""
Break-glass as rows: a plan that one person ran alone, and the review that it needs afterwards.

Starting is one transaction under the same lock as every vote, so that a plan is started once,
whether by approval or by this. Who may is `breaking_glass.py`'s. Part of the room's only SQL.
"""

import secrets

from sqlmodel import Session, col, select

from graph.errors import ConflictError, RefusedError
from responders import codec
from responders.approvals import fold
from responders.ballot import void_requests
from responders.incident import IncidentState, Person
from responders.ledger import Ledger
from responders.summons import summon
from responders.tables import EmergencyRow, IncidentRow, PlanRow


class Emergencies:
    """Writes each of them with its audit entry and its call."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def start(self, incident_id: str, person: Person, *, plan_hash: str, reason: str) -> str:
        """
        Make the plan run without approval; its id.

        Raises:
            ConflictError: the plan changed meanwhile, or it runs already.
        """
        with self._ledger.transaction() as transaction:
            row = transaction.session.get_one(IncidentRow, incident_id)
            plan = transaction.session.get(PlanRow, row.plan_id)
            ready = row.state in {IncidentState.PLANNED, IncidentState.WAITING}
            if not ready or plan is None or plan.hash != plan_hash:
                raise ConflictError(
                    f"{incident_id} is {row.state}, and its plan may have changed.",
                    means="Nothing was started.",
                    do_now="Look at the incident as it is now.",
                )
            void_requests(transaction, incident_id, "it was run by break-glass")
            incident = transaction.incident(incident_id)
            incident.state = IncidentState.RUNNING
            plan.run += 1
            transaction.session.add(plan)
            emergency = EmergencyRow(
                id=f"glass-{secrets.token_hex(6)}",
                incident_id=incident_id,
                plan_hash=plan.hash,
                person=codec.person_to_json(person),
                reason=reason,
                at=transaction.now,
            )
            transaction.session.add(emergency)
            name = person.name or person.identity
            transaction.log(
                incident_id,
                "broke_glass",
                f"{name} runs plan {plan.hash[:8]} alone, without approval: {reason}",
                actor=person,
                facts={"plan_hash": plan.hash, "emergency": emergency.id},
            )
            summon(transaction, incident_id, f"{name} ran {plan.hash[:8]} by break-glass")
            return plan.id

    def review(self, incident_id: str, person: Person, finding: str) -> None:
        """
        Note what somebody else found about it.

        Raises:
            RefusedError: there is nothing to review, or it is this person's own.
        """
        with self._ledger.transaction() as transaction:
            rows = _unreviewed(transaction.session, incident_id)
            if not rows:
                raise RefusedError(
                    f"No break-glass run of {incident_id} waits for a review.",
                    means="Nothing was changed.",
                    do_now="Look at the incident as it is now.",
                )
            for row in rows:
                runner = codec.person_from_json(row.person)
                if fold(runner.identity) == fold(person.identity):
                    raise RefusedError(
                        "Nobody reviews a run of their own.",
                        means="Nothing was changed.",
                        do_now="Ask another approver.",
                    )
                row.reviewer, row.finding = codec.person_to_json(person), finding
                row.reviewed_at = transaction.now
                transaction.session.add(row)
            transaction.incident(incident_id)
            transaction.log(
                incident_id,
                "reviewed",
                f"The break-glass run was reviewed: {finding}",
                actor=person,
                facts={"emergencies": [row.id for row in rows]},
            )


def _unreviewed(session: Session, incident_id: str) -> list[EmergencyRow]:
    query = select(EmergencyRow).where(
        EmergencyRow.incident_id == incident_id, col(EmergencyRow.reviewed_at).is_(None)
    )
    return list(session.exec(query).all())
