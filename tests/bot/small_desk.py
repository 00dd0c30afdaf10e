"""A desk in memory with the few rules that the surface shows: joins, refusals, one decision."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from graph.errors import NotFoundError, RefusedError
from responders.incident import (
    ApprovalRequest,
    ApprovalState,
    Case,
    Exposure,
    IncidentState,
    LeakReport,
    Person,
    Plan,
    Sighting,
    Vote,
)
from responders.mine import Mine
from responders.places import Gone
from tests.bot.cases import NOW, RITA, make_case, make_plan, progress_of

APPROVERS = ("sue@example.com",)


@dataclass(frozen=True)
class SmallOpened:
    incident_id: str
    outcome: str


@dataclass(frozen=True)
class SmallGate:
    open: bool
    missing: tuple[str, ...] = ()


class SmallDesk:
    def __init__(self) -> None:
        self.kept: dict[str, Case] = {}
        self.reports: list[LeakReport] = []
        self.removals: list[tuple[str, str, str]] = []
        self.notes: list[tuple[str, str, str]] = []
        self.audit_fault: Exception | None = None
        self.changed: Callable[[str], None] = lambda incident_id: None
        self.fault: Exception | None = None
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()

    def put(self, case: Case) -> Case:
        with self._lock:
            last = self.kept.get(case.id)
            case = replace(case, revision=(last.revision if last else 0) + 1)
            self.kept[case.id] = case
        self.changed(case.id)
        return case

    def revisions(self) -> Mapping[str, int]:
        return {case.id: case.revision for case in list(self.kept.values())}

    def report(self, report: LeakReport, also: Sequence[LeakReport] = ()) -> SmallOpened:
        digests = [mark.digest for mark in report.fingerprints] or [report.named_ref]
        seen = Sighting(
            report.where, report.where_name, NOW, report.reporter, report.author, report.note
        )
        with self._lock:
            self.reports.append(report)
            known = next((self._known[each] for each in digests if each in self._known), "")
            incident_id = known or f"INC-{len(self.kept) + 1}"
            self._known |= dict.fromkeys(digests, incident_id)
        if known:
            case = self.case(known)
            if seen.where not in [each.where for each in case.sightings]:
                self.put(replace(case, sightings=(*case.sightings, seen)))
            return SmallOpened(known, "joined")
        base = replace(make_case(), approval=None, id=incident_id, reporter=report.reporter)
        self.put(replace(base, sightings=(seen,), matches=report.matches))
        return SmallOpened(incident_id, "opened")

    def plan(
        self, incident_id: str, order: str | None = None, *, person: Person | None = None
    ) -> Plan:
        case = self.case(incident_id)
        plan = make_plan(case.blast_radius.consumers, order=order or "rotate-first")
        self.put(replace(case, plan=plan, progress=progress_of(plan, case.state)))
        return plan

    def ask_approval(self, incident_id: str, person: Person) -> ApprovalRequest:
        case = self.case(incident_id)
        assert case.plan is not None
        request = ApprovalRequest(
            id=f"req-{case.revision}",
            state=ApprovalState.PENDING,
            plan_hash=case.plan.hash,
            requested_by=person,
            requested_at=NOW,
            expires_at=NOW.replace(year=2030),
            needed=1,
            approvers=("Sue",),
        )
        self.put(replace(case, state=IncidentState.WAITING, approval=request))
        return request

    def permit_vote(self, request_id: str, person: Person) -> None:
        if person.identity not in APPROVERS:
            raise RefusedError(
                f"{person.name} may not decide on this plan: reported the leak.",
                means="Nothing was changed.",
                do_now="Ask Sue.",
            )

    def vote(
        self, request_id: str, person: Person, *, approve: bool, reason: str = ""
    ) -> ApprovalRequest:
        self.permit_vote(request_id, person)
        case = next(c for c in self.kept.values() if c.approval and c.approval.id == request_id)
        assert case.approval is not None
        request = replace(
            case.approval,
            state=ApprovalState.APPROVED if approve else ApprovalState.DENIED,
            votes=(Vote(person, approve, NOW, reason),),
        )
        state = IncidentState.RUNNING if approve else IncidentState.PLANNED
        assert case.plan is not None
        progress = progress_of(case.plan, state)
        self.put(replace(case, state=state, approval=request, progress=progress))
        return request

    def move(self, incident_id: str, state: IncidentState) -> Case:
        case = self.case(incident_id)
        assert case.plan is not None
        closed = NOW.replace(hour=4) if state is IncidentState.CLOSED else None
        progress = progress_of(case.plan, state)
        return self.put(replace(case, state=state, progress=progress, closed_at=closed))

    def stop(self, incident_id: str, person: Person, reason: str) -> None:
        self.move(incident_id, IncidentState.STOPPED)

    def retry(self, incident_id: str, person: Person, step_id: str = "") -> None:
        self.move(incident_id, IncidentState.RUNNING)

    def skip(self, incident_id: str, person: Person, step_id: str, reason: str) -> None:
        self.move(incident_id, IncidentState.RUNNING)

    def confirm(self, incident_id: str, person: Person, step_id: str, evidence: str) -> None:
        self.move(incident_id, IncidentState.RUNNING)

    def undo(self, incident_id: str, person: Person) -> None:
        self.move(incident_id, IncidentState.STOPPED)

    def dismiss(self, incident_id: str, person: Person, reason: str) -> None:
        self.move(incident_id, IncidentState.FALSE_ALARM)

    @property
    def places(self) -> "SmallDesk":
        return self

    def gone(self, incident_id: str, person: Person, where: str = "", *, how: Gone) -> int:
        self.removals.append((incident_id, where, how))
        case = self.case(incident_id)
        removed = f"claimed by {person.name}" if how == "claimed" else how
        seen = tuple(replace(each, removed=removed) for each in case.sightings)
        self.put(replace(case, sightings=seen))
        return 1

    def exposed(self, incident_id: str, where: str, exposure: Exposure) -> None:
        self.put(with_exposure(self.case(incident_id), where, exposure))

    def note(
        self,
        incident_id: str,
        kind: str,
        sentence: str,
        *,
        actor: Person | str = "locksmith",
        facts: Mapping[str, object] | None = None,
    ) -> None:
        if self.audit_fault is not None:
            raise self.audit_fault
        self.notes.append((incident_id, kind, sentence))

    def close(self, incident_id: str, person: Person, waiver: str = "") -> None:
        self.move(incident_id, IncidentState.CLOSED)

    def gate(self, incident_id: str) -> SmallGate:
        return SmallGate(self.case(incident_id).state is IncidentState.VERIFIED)

    def case(self, incident_id: str) -> Case:
        if incident_id not in self.kept:
            raise NotFoundError(f"There is no incident {incident_id}.", do_now="Give another id.")
        return self.kept[incident_id]

    def cases(self, state: IncidentState | None = None) -> tuple[Case, ...]:
        return tuple(self.kept.values())

    def of(self, person: Person) -> Mine:
        return Mine((), (), (), (), {}, self.cases())

    def find_id(self, part: str) -> str:
        if self.fault is not None:
            raise self.fault
        return self.case(part.upper()).id


def with_exposure(case: Case, where: str, exposure: Exposure) -> Case:
    seen = tuple(
        replace(each, exposure=exposure) if each.where == where else each for each in case.sightings
    )
    return replace(case, sightings=seen)


__all__ = ["RITA", "SmallDesk"]
