"""
Incidents as rows: opening, joining, planning, closing, and reading them back as cases.

With `ledger`, `journal` (runs and pages), `ballot` (approvals) and `reading` this is the only SQL
of the room. One credential has one open incident: its identities are unique while it is open, and
a later report of the same value joins; after closing it reopens, because then something is wrong
again. Every change is one short transaction with its audit entry. Who may do it is `desk`'s.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine
from sqlmodel import col, select

from graph.errors import RefusedError
from graph.model import Match
from graph.queries.blast_radius import BlastRadius, blast_radius_from_json, to_json
from graph.queries.owners import OwnerClaim
from graph.words import counted
from responders import codec
from responders.audit import AuditChain, AuditVerdict, Checkpoint
from responders.ballot import Ballot, void_requests
from responders.emergency import Emergencies
from responders.escalation import ACKNOWLEDGED
from responders.follow_ups import FollowUps
from responders.frozen import Frozen, freeze, read_frozen
from responders.history import Took
from responders.incident import (
    OPEN_STATES,
    Case,
    IncidentState,
    LeakReport,
    Person,
    Plan,
    Severity,
    StepState,
)
from responders.journal import Journal
from responders.leads import Leads
from responders.ledger import Ledger, Transaction
from responders.opening import BY_PERSON, Opened, Opening, free_identities, open_or_join
from responders.reading import Counted, find_id, read_case, read_counted, read_lived, read_took
from responders.stats import Lived
from responders.summons import Summons
from responders.tables import (
    IncidentFingerprintRow,
    IncidentRow,
    PlanRow,
    StepRunRow,
)

PLANNABLE = frozenset(
    {IncidentState.OPEN, IncidentState.PLANNED, IncidentState.WAITING, IncidentState.STOPPED}
)


@dataclass(frozen=True, slots=True)
class Underlying:
    """What a plan is drafted from, as it was reported."""

    detector: str
    named_ref: str
    plan_id: str


class IncidentRecords:
    """All that is kept of incidents, in one SQLite or PostgreSQL database."""

    def __init__(self, engine: Engine, audit: AuditChain, *, now: Callable[[], datetime]) -> None:
        self._audit = audit
        self.ledger = Ledger(engine, audit, now=now)
        self.journal = Journal(self.ledger)
        self.ballot = Ballot(self.ledger)
        self.summons = Summons(self.ledger)
        self.emergencies = Emergencies(self.ledger)
        self.follow_ups = FollowUps(self.ledger)
        self.leads = Leads(self.ledger)

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener(incident_id)` after each committed change; it must be quick."""
        self.ledger.on_change(listener)

    def open_or_join(self, opening: Opening, also: Sequence[LeakReport] = ()) -> Opened:
        """Open an incident, or add sightings to the one that this credential has."""
        with self.ledger.transaction() as transaction:
            return open_or_join(transaction, opening, also)

    def case(self, incident_id: str) -> Case:
        """
        Read one incident.

        Raises:
            NotFoundError: there is none of this id.
        """
        with self.ledger.reading() as session:
            return read_case(session, incident_id)

    def cases(self, states: Sequence[IncidentState] = ()) -> tuple[Case, ...]:
        """Read all incidents, the newest first; `states` narrows it."""
        query = select(IncidentRow.id).order_by(col(IncidentRow.opened_at).desc())
        if states:
            query = query.where(col(IncidentRow.state).in_(states))
        with self.ledger.reading() as session:
            return tuple(read_case(session, found) for found in session.exec(query).all())

    def frozen(self, incident_id: str) -> tuple[Frozen, ...]:
        """Return the facts of the graph as they were, the oldest first."""
        with self.ledger.reading() as session:
            return read_frozen(session, incident_id)

    def lived(self) -> tuple[Lived, ...]:
        """Return every incident reduced to what is counted; cheap."""
        with self.ledger.reading() as session:
            return read_lived(session)

    def counted(self) -> Counted:
        """Count pages, approvals and steps, for metrics."""
        with self.ledger.reading() as session:
            return read_counted(session)

    def took(self) -> tuple[Took, ...]:
        """Return what the steps of the last runs took, the newest first."""
        with self.ledger.reading() as session:
            return read_took(session)

    def find_id(self, part: str) -> str:
        """Complete an id; raises NotFoundError or AmbiguousError (see `reading.find_id`)."""
        with self.ledger.reading() as session:
            return find_id(session, part)

    def revisions(self) -> dict[str, int]:
        """Return the revision of every incident, for a publisher that catches up."""
        with self.ledger.reading() as session:
            return dict(session.exec(select(IncidentRow.id, IncidentRow.revision)).all())

    def still_open(self) -> tuple[tuple[str, IncidentState, datetime], ...]:
        """Return id, state and time of report of every open incident; cheap."""
        query = select(IncidentRow.id, IncidentRow.state, IncidentRow.reported_at).where(
            col(IncidentRow.state).in_(OPEN_STATES)
        )
        with self.ledger.reading() as session:
            return tuple(
                (found, IncidentState(state), reported)
                for found, state, reported in session.exec(query).all()
            )

    def identities(self, incident_id: str) -> tuple[str, ...]:
        """Return what the credential of an incident is recognised by: digests of ours, versions."""
        query = select(IncidentFingerprintRow.identity).where(
            IncidentFingerprintRow.incident_id == incident_id
        )
        with self.ledger.reading() as session:
            return tuple(session.exec(query).all())

    def underlying(self, incident_id: str) -> Underlying:
        with self.ledger.reading() as session:
            row = session.get_one(IncidentRow, incident_id)
            return Underlying(row.detector, row.named_ref, row.plan_id)

    def save_plan(
        self,
        incident_id: str,
        plan: Plan,
        *,
        blast_radius: BlastRadius,
        matches: tuple[Match, ...] = (),
        actor: Person | str = "locksmith",
        note: str = "",
    ) -> bool:
        """
        Make `plan` the one that counts; approvals of another one become void.

        Return False, and change nothing, where the same plan lies ready already.

        Raises:
            RefusedError: the incident runs, is verified or closed.
        """
        with self.ledger.transaction() as transaction:
            row = transaction.session.get_one(IncidentRow, incident_id)
            if row.state not in PLANNABLE:
                raise RefusedError(
                    f"The plan of {incident_id} cannot change now: the incident is {row.state}.",
                    do_now="Stop the run first."
                    if row.state == IncidentState.RUNNING
                    else "A new report of the same value reopens it.",
                )
            old = transaction.session.get(PlanRow, row.plan_id) if row.plan_id else None
            ready = row.state in {IncidentState.PLANNED, IncidentState.WAITING}
            if ready and old is not None and old.hash == plan.hash:
                return False
            void_requests(transaction, incident_id, f"the plan is now {plan.hash[:8]}")
            row = transaction.incident(incident_id)
            _insert_plan(transaction, row, plan)
            row.state = IncidentState.PLANNED
            row.blast_radius = to_json(blast_radius)
            freeze(transaction, incident_id, "planned", row.blast_radius)
            row.matches = codec.matches_to_json(matches)
            row.stopped_because = ""
            sentence = (
                f"Plan {plan.hash[:8]}: playbook {plan.playbook}, {plan.order}, "
                f"{counted(len(plan.steps), 'step')}.{' ' + note if note else ''}"
            )
            facts = {"plan_hash": plan.hash, "steps": [step.id for step in plan.steps]}
            transaction.log(incident_id, "planned", sentence, actor=actor, facts=facts)
            return True

    def learn_owners(self, incident_id: str, named: Sequence[OwnerClaim]) -> bool:
        """Add owners that were not known of an open incident; False where all of them were."""
        with self.ledger.transaction() as transaction:
            row = transaction.session.get_one(IncidentRow, incident_id)
            radius = blast_radius_from_json(row.blast_radius)
            known = {claim.owner for claim in radius.owners}
            fresh = tuple(claim for claim in named if claim.owner not in known)
            if not fresh or row.state not in OPEN_STATES:
                return False
            row = transaction.incident(incident_id)
            row.blast_radius = to_json(replace(radius, owners=(*radius.owners, *fresh)))
            freeze(transaction, incident_id, "owner found", row.blast_radius)
            for claim in fresh:
                sentence = f"{claim.owner} owns it, says {claim.source}; that was not known before."
                transaction.log(incident_id, "owner", sentence, facts={"owner": claim.owner})
            return True

    def no_plan(self, incident_id: str, because: str) -> None:
        """Note why there is no plan, so that the card says what a person must do."""
        with self.ledger.transaction() as transaction:
            row = transaction.incident(incident_id)
            if row.stopped_because != because:
                row.stopped_because = because
                transaction.log(incident_id, "not_planned", because)

    def acknowledge(self, incident_id: str, person: Person) -> None:
        """Note that this person works on it; what that means for pagers is `escalation.py`'s."""
        with self.ledger.transaction() as transaction:
            transaction.incident(incident_id)
            sentence = f"{person.name or person.identity} works on it."
            transaction.log(incident_id, ACKNOWLEDGED, sentence, actor=person)

    def change_severity(
        self, incident_id: str, person: Person, severity: Severity, reason: str, *, raised: bool
    ) -> None:
        """Keep how bad this person says it is, before what the rules said."""
        with self.ledger.transaction() as transaction:
            row = transaction.incident(incident_id)
            way = "raised" if raised else "lowered"
            said = f"{way} from {row.severity} by {person.name or person.identity}: {reason}"
            facts = {"from": row.severity, "to": severity, "reason": reason}
            row.severity, row.severity_reasons = severity, [said, *row.severity_reasons]
            sentence = f"Severity {severity}, {said}"
            transaction.log(incident_id, BY_PERSON, sentence, actor=person, facts=facts)

    def close(
        self,
        incident_id: str,
        sentence: str,
        *,
        actor: Person | str = "locksmith",
        state: IncidentState = IncidentState.CLOSED,
        only_from: frozenset[IncidentState] = OPEN_STATES,
        waiver: str = "",
        facts: Mapping[str, object] | None = None,
    ) -> bool:
        """End the incident; its credential is free for a new one. False: it was not open."""
        with self.ledger.transaction() as transaction:
            row = transaction.session.get_one(IncidentRow, incident_id)
            if row.state not in only_from:
                return False
            void_requests(transaction, incident_id, "the incident is over")
            row = transaction.incident(incident_id)
            row.state, row.closed_at, row.waiver = state, transaction.now, waiver
            row.stopped_because = ""
            free_identities(transaction.session, incident_id)
            transaction.log(incident_id, str(state), sentence, actor=actor, facts=facts)
            return True

    def verify_audit(self, checkpoints: Sequence[Checkpoint] = ()) -> AuditVerdict:
        """Check the whole chain, against checkpoints that were kept elsewhere where given."""
        return self._audit.verify(self.ledger.entries(), checkpoints)

    def checkpoint(self) -> Checkpoint:
        return self.ledger.checkpoint()


def _insert_plan(transaction: Transaction, row: IncidentRow, plan: Plan) -> None:
    session = transaction.session
    plan_id = f"plan-{secrets.token_hex(6)}"
    session.add(
        PlanRow(
            id=plan_id,
            incident_id=row.id,
            hash=plan.hash,
            drafted_at=transaction.now,
            body=codec.plan_to_json(plan),
        )
    )
    session.flush()
    for position, step in enumerate(plan.steps):
        session.add(
            StepRunRow(plan_id=plan_id, step_id=step.id, position=position, state=StepState.WAITING)
        )
    row.plan_id = plan_id
    session.add(row)
