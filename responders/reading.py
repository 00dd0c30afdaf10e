"""
Reads one incident as a `Case`: everything that the rows say of it, at one moment.

The only reader that cards, the command line and the evidence need. Writes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session, col, func, select

from graph.errors import AmbiguousError, NotFoundError
from graph.queries.blast_radius import blast_radius_from_json
from responders import codec
from responders.history import Took
from responders.incident import (
    ApprovalRequest,
    ApprovalState,
    Case,
    Clocks,
    Emergency,
    IncidentState,
    Lead,
    PageState,
    Person,
    Plan,
    Severity,
    Sighting,
    StepProgress,
    StepState,
    TimelineEntry,
    UseSeen,
    UseState,
    Vote,
)
from responders.next_action import next_action
from responders.silence import SEEN, WAIVED
from responders.stats import Lived
from responders.tables import (
    ApprovalRequestRow,
    AuditEventRow,
    EmergencyRow,
    IncidentRow,
    LeadRow,
    PageAnswerRow,
    PageRow,
    PlanRow,
    SightingRow,
    StepRunRow,
    VoteRow,
)

_HISTORY = 500  # steps: what ran longer ago says little of today

# What shows that a person took the incident on.
_DEEDS = ("acknowledged", "page_answered", "asked", "approved", "denied", "decided", "stopped")


def read_case(session: Session, incident_id: str) -> Case:
    """
    Put the case together.

    Raises:
        NotFoundError: no such incident.
    """
    row = session.get(IncidentRow, incident_id)
    if row is None:
        raise NotFoundError(
            f"There is no incident “{incident_id}”.",
            do_now="`locksmith incident list` shows the ids.",
        )
    plan_row = session.get(PlanRow, row.plan_id) if row.plan_id else None
    plan = codec.plan_from_json(plan_row.body) if plan_row else None
    case = Case(
        id=row.id,
        title=row.title,
        state=IncidentState(row.state),
        severity=Severity(row.severity),
        severity_reasons=tuple(row.severity_reasons),
        detector_name=row.detector_name,
        credential=row.credential,
        fingerprint_short=row.fingerprint_short,
        matches=codec.matches_from_json(row.matches),
        blast_radius=blast_radius_from_json(row.blast_radius),
        sightings=_sightings(session, incident_id),
        clocks=Clocks(
            exposed=row.exposed_at,
            reported=row.reported_at,
            contained=row.contained_at,
            rotated=row.rotated_at,
            proven_dead=row.proven_dead_at,
        ),
        reporter=codec.person_from_json(row.reporter),
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        plan=plan,
        progress=_progress(session, row.plan_id, plan),
        approval=latest_request(session, incident_id, row.plan_id),
        pages=_pages(session, incident_id),
        timeline=_timeline(session, incident_id),
        next_action="",
        revision=row.revision,
        emergency=_emergency(session, incident_id),
        lead=read_lead(session, incident_id),
        identity_facts=codec.facts_from_json(row.identity_facts),
        silence_waived=_waived(session, incident_id),
        use_seen=_use_seen(session, incident_id),
    )
    return replace(case, next_action=next_action(case, row.stopped_because))


def read_lived(session: Session) -> tuple[Lived, ...]:
    """Read all incidents but drills and false alarms, without their facts."""
    deeds = select(AuditEventRow.incident_id, func.min(AuditEventRow.at)).where(
        col(AuditEventRow.kind).in_(_DEEDS)
    )
    acted = dict(session.exec(deeds.group_by(AuditEventRow.incident_id)).all())
    query = select(IncidentRow).where(
        IncidentRow.state != IncidentState.FALSE_ALARM, col(IncidentRow.drill).is_(False)
    )
    return tuple(
        Lived(
            id=row.id,
            severity=row.severity,
            state=row.state,
            credential_type=row.detector_name,
            teams=tuple(
                dict.fromkeys(claim["owner"] for claim in row.blast_radius.get("owners") or ())
            ),
            reported=row.reported_at,
            clocks={
                "exposed": row.exposed_at,
                "acknowledged": acted.get(row.id),
                "contained": row.contained_at,
                "rotated": row.rotated_at,
                "proven_dead": row.proven_dead_at,
                "closed": row.closed_at,
            },
        )
        for row in session.exec(query.order_by(col(IncidentRow.reported_at))).all()
    )


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts for metrics, by their labels."""

    pages: Mapping[tuple[str, ...], int]  # (pager, result)
    approvals: Mapping[tuple[str, ...], int]  # (state,)
    steps: Mapping[tuple[str, ...], int]  # (step, state)


def read_counted(session: Session) -> Counted:
    """Count pages, approvals and steps."""
    pages = select(PageRow.pager, PageRow.confirmed, func.count())
    approvals = select(ApprovalRequestRow.state, func.count())
    steps: dict[tuple[str, ...], int] = {}
    for step_id, state, count in session.exec(
        select(StepRunRow.step_id, StepRunRow.state, func.count()).group_by(
            StepRunRow.step_id, StepRunRow.state
        )
    ).all():
        # "refresh:k8s://…" is one of many refreshes: what it touches is nobody's label.
        place = (step_id.partition(":")[0], state)
        steps[place] = steps.get(place, 0) + count
    return Counted(
        {
            (pager, "taken" if confirmed else "not_taken"): count
            for pager, confirmed, count in session.exec(
                pages.group_by(PageRow.pager, col(PageRow.confirmed))
            ).all()
        },
        {
            (state,): count
            for state, count in session.exec(approvals.group_by(ApprovalRequestRow.state)).all()
        },
        steps,
    )


def read_took(session: Session) -> tuple[Took, ...]:
    """Return what the steps that were confirmed last took, the newest first."""
    rows = session.exec(
        select(StepRunRow)
        .where(StepRunRow.state == StepState.CONFIRMED, col(StepRunRow.finished_at).is_not(None))
        .order_by(col(StepRunRow.finished_at).desc())
        .limit(_HISTORY)
    ).all()
    ids = {row.plan_id for row in rows}
    plans = session.exec(select(PlanRow).where(col(PlanRow.id).in_(ids))).all() if ids else ()
    steps = {
        (row.id, step.id): step for row in plans for step in codec.plan_from_json(row.body).steps
    }
    return tuple(
        Took(step.use, step.targets, (row.finished_at - row.started_at).total_seconds())
        for row in rows
        if row.started_at and row.finished_at
        if (step := steps.get((row.plan_id, row.step_id)))
    )


def find_id(session: Session, part: str) -> str:
    """
    Complete an id from any part of it that is unique.

    Raises:
        NotFoundError: nothing fits. AmbiguousError: several fit; they are named.
    """
    wanted = part.strip().lower()
    query = select(IncidentRow.id).where(col(IncidentRow.id).contains(wanted, autoescape=True))
    found = session.exec(query.order_by(col(IncidentRow.id))).all() if wanted else []
    if wanted in found or len(found) == 1:
        return wanted if wanted in found else found[0]
    if found:
        raise AmbiguousError(
            f"“{part}” fits {len(found)} incidents: {', '.join(found[:10])}.",
            candidates=found,
            do_now="Give more of the id.",
        )
    raise NotFoundError(
        f"There is no incident “{part}”.", do_now="`locksmith incident list` shows the ids."
    )


def latest_request(session: Session, incident_id: str, plan_id: str) -> ApprovalRequest | None:
    """Return the newest request; one for an older plan only to show that it is void."""
    query = (
        select(ApprovalRequestRow)
        .where(ApprovalRequestRow.incident_id == incident_id)
        .order_by(col(ApprovalRequestRow.requested_at).desc(), col(ApprovalRequestRow.id))
    )
    rows = session.exec(query).all()
    for row in rows:
        if row.plan_id == plan_id:
            return request_of(row, votes_of(session, row.id))
    return request_of(rows[0], votes_of(session, rows[0].id)) if rows else None


def votes_of(session: Session, request_id: str) -> tuple[Vote, ...]:
    query = select(VoteRow).where(VoteRow.request_id == request_id)
    return tuple(
        Vote(codec.person_from_json(row.person), row.approve, row.at, row.reason)
        for row in session.exec(query.order_by(col(VoteRow.at), col(VoteRow.identity)))
    )


def request_of(row: ApprovalRequestRow, votes: Sequence[Vote]) -> ApprovalRequest:
    return ApprovalRequest(
        id=row.id,
        state=ApprovalState(row.state),
        plan_hash=row.plan_hash,
        requested_by=codec.person_from_json(row.requested_by),
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        needed=row.needed,
        approvers=tuple(row.approvers),
        votes=tuple(votes),
    )


def read_lead(session: Session, incident_id: str) -> Lead | None:
    """Return who leads an incident now."""
    query = select(LeadRow).where(LeadRow.incident_id == incident_id)
    row = session.exec(query.order_by(col(LeadRow.id).desc())).first()
    if row is None:
        return None
    person, by = codec.person_from_json(row.person), codec.person_from_json(row.by)
    return Lead(person, by, row.at, row.note)


def _emergency(session: Session, incident_id: str) -> Emergency | None:
    query = select(EmergencyRow).where(EmergencyRow.incident_id == incident_id)
    row = session.exec(query.order_by(col(EmergencyRow.at).desc())).first()
    if row is None:
        return None
    return Emergency(
        person=codec.person_from_json(row.person),
        reason=row.reason,
        at=row.at,
        plan_hash=row.plan_hash,
        reviewer=_person(row.reviewer),
        finding=row.finding,
    )


def _sightings(session: Session, incident_id: str) -> tuple[Sighting, ...]:
    query = select(SightingRow).where(SightingRow.incident_id == incident_id)
    return tuple(
        Sighting(
            where=row.where,
            where_name=row.where_name,
            seen_at=row.seen_at,
            reporter=codec.person_from_json(row.reporter),
            author=_person(row.author),
            note=row.note,
            removed=row.removed,
            exposure=codec.exposure_from_json(row.exposure),
        )
        for row in session.exec(query.order_by(col(SightingRow.id)))
    )


def _person(stored: dict[str, str] | None) -> Person | None:
    return None if stored is None else codec.person_from_json(stored)


def _progress(session: Session, plan_id: str, plan: Plan | None) -> tuple[StepProgress, ...]:
    if plan is None:
        return ()
    query = select(StepRunRow).where(StepRunRow.plan_id == plan_id)
    rows = {row.step_id: row for row in session.exec(query)}
    return tuple(
        StepProgress(
            step=step,
            state=StepState(rows[step.id].state),
            sentence=rows[step.id].sentence,
            started_at=rows[step.id].started_at,
            finished_at=rows[step.id].finished_at,
            evidence=rows[step.id].evidence,
        )
        for step in plan.steps
    )


def _pages(session: Session, incident_id: str) -> tuple[PageState, ...]:
    query = select(PageRow).where(PageRow.incident_id == incident_id)
    said = select(PageAnswerRow).where(PageAnswerRow.incident_id == incident_id)
    who = {row.owner: row.who for row in session.exec(said).all()}
    return tuple(
        PageState(
            row.owner,
            row.pager,
            bool(row.confirmed),
            row.sentence,
            row.at,
            who.get(row.owner, "") if row.confirmed else "",
        )
        for row in session.exec(query.order_by(col(PageRow.owner), col(PageRow.pager)))
    )


def _waived(session: Session, incident_id: str) -> dict[str, tuple[str, ...]]:
    """Read what somebody answers for."""
    found: dict[str, tuple[str, ...]] = {}
    for row in _of_this_plan(session, incident_id, WAIVED):
        found |= {copy: tuple(them) for copy, them in row.facts.get("copies", {}).items()}
    return found


def _use_seen(session: Session, incident_id: str) -> dict[str, UseSeen]:
    """Read what the audit logs told last, by step."""
    return {
        row.facts["step"]: UseSeen(
            row.facts["source"],
            UseState(row.facts["state"]),
            row.sentence,
            tuple(row.facts["users"]),
        )
        for row in _of_this_plan(session, incident_id, SEEN)
    }


def _of_this_plan(session: Session, incident_id: str, kind: str) -> list[AuditEventRow]:
    """Read the entries of one kind; a new plan begins without them."""
    query = select(AuditEventRow).where(
        AuditEventRow.incident_id == incident_id, col(AuditEventRow.kind).in_(("planned", kind))
    )
    found: list[AuditEventRow] = []
    for row in session.exec(query.order_by(col(AuditEventRow.sequence))):
        found = [*found, row] if row.kind == kind else []
    return found


def _timeline(session: Session, incident_id: str) -> tuple[TimelineEntry, ...]:
    query = select(AuditEventRow).where(AuditEventRow.incident_id == incident_id)
    return tuple(
        TimelineEntry(row.sequence, row.at, row.kind, row.actor, row.sentence)
        for row in session.exec(query.order_by(col(AuditEventRow.sequence)))
    )
