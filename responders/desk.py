"""
The desk: everything that people may do to an incident, whether from Slack, shell or web.

One core, one policy: every refusal is a `RefusedError` that says why and who can. The desk reads
the graph, thinks with the pure modules (severity, planner, approvals, evidence) and lets the
records write; the engine carries out. It talks to no store and no cluster.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from graph.environments import EnvironmentRule
from graph.errors import LocksmithError, RefusedError
from graph.repository import GraphRepository
from responders.approvals import ApprovalPolicy, Electorate, Resolve
from responders.ballot import Asked
from responders.breaking_glass import BreakingGlass, require_review
from responders.closing import close_if_proven
from responders.drafting import Drafting
from responders.engine import RunEngine
from responders.evidence import Gate, gate, vouched
from responders.incident import (
    OPEN_STATES,
    ApprovalRequest,
    ApprovalState,
    Case,
    IncidentState,
    LeakReport,
    Person,
    Plan,
    StepProgress,
    StepState,
    taken_back,
)
from responders.last_word import second_to, too_late
from responders.late_owners import LateOwners
from responders.limits import Mode
from responders.opening import NOT_BEGUN, Opened
from responders.places import Places
from responders.planner import Planner
from responders.records import IncidentRecords
from responders.reporting import opening_of
from responders.severity import DEFAULT_RULES, SeverityRule
from responders.standing import Standing, require_reason, step_of
from responders.step_up import SignedIn, StepUp
from responders.triage import Triage
from responders.waivers import SilenceWaivers

_log = structlog.get_logger()


class IncidentDesk:
    """The one place where incidents are acted upon; `places`: where the values were seen."""

    def __init__(
        self,
        records: IncidentRecords,
        graph: GraphRepository,
        *,
        planner: Planner,
        engine: RunEngine,
        policy: ApprovalPolicy,
        resolve: Resolve,
        now: Callable[[], datetime],
        rules: Sequence[SeverityRule] = DEFAULT_RULES,
        environments: Sequence[EnvironmentRule] = (),
        step_up_minutes: int | None = None,
    ) -> None:
        self._environments = environments
        self._records = records
        self._graph = graph
        self._drafting = Drafting(records, graph, planner)
        self._standing = Standing(policy, resolve)
        self.triage = Triage(
            records, self._standing, engine.page, page_answered=engine.page_answered, now=now
        )
        self._engine = engine
        engine.chores.append(LateOwners(records, graph, engine.page, now=now).look)
        self._policy = policy
        self._rules = rules
        self.places = Places(records.ledger, rules, page=engine.page)
        self._now = now
        self.glass = BreakingGlass(records, self._drafting, self._standing, engine)
        self.waivers = SilenceWaivers(records, self._standing)
        self.step_up = StepUp(records, self._drafting, self._standing, minutes=step_up_minutes)

    def report(self, report: LeakReport, also: Sequence[LeakReport] = ()) -> Opened:
        """
        Open an incident or join the one that this credential has; draft the plan, page owners.

        `also`: the same credential in further places. Safe to repeat: what a crash cut off is made
        up for. Raises BadInputError: the report names neither a value, a ref nor an alert.
        """
        opening = opening_of(report, self._graph.snapshot(), self._rules, also, self._environments)
        opened = self._records.open_or_join(opening, also)
        fresh = self._get_going(opened.incident_id)
        if (fresh and opened.outcome == "joined") or opened.raised:
            # Only now its owners are known, or others may answer for what is worse.
            self._engine.page(opened.incident_id, self._now())
        _log.info("leak.reported", incident=opened.incident_id, outcome=opened.outcome)
        return opened

    def case(self, incident_id: str) -> Case:
        """Everything known of one incident; raises NotFoundError."""
        return self._records.case(incident_id)

    def cases(self, state: IncidentState | None = None) -> tuple[Case, ...]:
        return self._records.cases((state,) if state else ())

    def open_cases(self) -> tuple[Case, ...]:
        return self._records.cases(tuple(sorted(OPEN_STATES)))

    def find_id(self, part: str) -> str:
        """Complete an incident's id; raises NotFoundError or AmbiguousError."""
        return self._records.find_id(part)

    def gate(self, incident_id: str) -> Gate:
        """Say what is missing until the incident may close by itself."""
        return gate(self.case(incident_id))

    def plan(
        self,
        incident_id: str,
        order: str | None = None,
        *,
        person: Person | None = None,
        anew: bool = False,
    ) -> Plan:
        """
        Return the plan as the graph stands now; `order` changes it.

        A plan that runs, or was stopped on its way, is returned as it is, unless `order` or
        `anew` ask for another one. A changed plan voids what was approved.

        Raises:
            RefusedError: the plan cannot change now. BadInputError: no such order.
        """
        case = self.case(incident_id)
        anew = anew or taken_back(case)
        if case.plan is not None and not (order or anew) and case.state not in NOT_BEGUN:
            return case.plan
        return self._drafting.redraft(case, order=order, person=person)

    def ask_approval(self, incident_id: str, person: Person) -> ApprovalRequest:
        """
        Ask those who may approve; a request that is pending already is returned.

        Raises:
            RefusedError: the quorum is out of reach, the plan exceeds the allow-list, or the
                incident is not at that point.
        """
        self._records.ballot.expire_due()
        case = self.case(incident_id)
        if case.state not in {IncidentState.PLANNED, IncidentState.WAITING}:
            raise RefusedError(
                f"{incident_id} is {case.state}: there is nothing to approve now.",
                means=too_late(case),
                do_now=case.next_action,
            )
        plan = self._drafting.redraft(case)
        self._engine.settings.require(target for step in plan.steps for target in step.targets)
        may = self._standing.electorate(self.case(incident_id), requester=person)
        may.require(self._policy.quorum)
        request_id = self._records.ballot.ask(
            incident_id,
            person,
            plan_hash=plan.hash,
            electorate=may,
            needed=self._policy.quorum,
            expires_at=self._policy.expires_at(self._now()),
            escalates_at=self._policy.escalates_at(self._now()),
        )
        return self._records.ballot.find(request_id).request

    def permit_vote(self, request_id: str, person: Person) -> None:
        """Refuse, before a form is filled in, who could not decide; raises RefusedError."""
        asked = self._records.ballot.find(request_id)
        self._voter(asked, self.case(asked.incident_id), person)

    def vote(
        self,
        request_id: str,
        person: Person,
        *,
        approve: bool,
        reason: str = "",
        signed_in: SignedIn | None = None,
    ) -> ApprovalRequest:
        """
        Approve or deny; with the last vote that is needed the run starts.

        Raises:
            RefusedError: this person may not, the request is decided, expired or void, the facts
                changed since it was made, or a sign-in is needed first.
        """
        self._records.ballot.expire_due()
        asked = self._records.ballot.find(request_id)
        case = self.case(asked.incident_id)
        may = self._voter(asked, case, person)
        if approve and asked.request.state is ApprovalState.PENDING:
            self._drafting.require(case, asked.request.plan_hash)
        where = self.step_up.require(case, asked.request, person, signed_in) if approve else ""
        state = self._records.ballot.vote(
            request_id, person, approve=approve, reason=reason, electorate=may, signed_in=where
        )
        if state is ApprovalState.APPROVED:
            self._engine.start(asked.plan_id)
        return self._records.ballot.find(request_id).request

    def stop(self, incident_id: str, person: Person, reason: str) -> None:
        """Stop after the step that is in flight; anybody may. Raises RefusedError."""
        because = f"{_name(person)} stopped the run: {reason or 'no reason given'}."
        because += " An approver retries, or plans anew."
        halted = self._records.journal.halt(incident_id, because, actor=person, kind="stopped")
        if not halted:
            case = self.case(incident_id)
            raise RefusedError(
                f"{incident_id} is {case.state}: nothing runs that could be stopped.",
                means=too_late(case),
                do_now="Deny the approval instead, if one is asked for.",
            )

    def retry(self, incident_id: str, person: Person, step_id: str = "") -> None:
        """Go on with a stopped run at `step_id` (default: the first that is not done)."""
        case = self.case(incident_id)
        again = step_of(case, step_id)
        self._standing.carrier(case).permit(person, "retry a step")
        self._go_on(incident_id, f"Again: {again.step.title}.", person, step=again)

    def skip(self, incident_id: str, person: Person, step_id: str, reason: str) -> None:
        """Leave a step out and go on; the incident then needs a waiver to close."""
        case = self.case(incident_id)
        self._standing.decider(case).permit(person, "skip a step")
        require_reason(reason, "skip a step")
        step = step_of(case, step_id)
        sentence = f"Skipped by {_name(person)}: {reason}"
        self._go_on(incident_id, sentence, person, step=step, become=StepState.SKIPPED)

    def confirm(self, incident_id: str, person: Person, step_id: str, evidence: str) -> None:
        """
        Confirm, in this person's name, a step whose outcome is unknown or that people carry out.

        Raises:
            RefusedError: the step is not waiting for a person, or no evidence is given.
        """
        case = self.case(incident_id)
        self._standing.carrier(case, owners_too=True).permit(person, "confirm a step")
        require_reason(evidence, "confirm a step")
        step = step_of(case, step_id)
        if step.state is not StepState.UNKNOWN:
            raise RefusedError(
                f"“{step.step.title}” is {step.state}: it waits for nobody's word.",
                means=too_late(case),
                do_now="Retry it, or skip it with a reason.",
            )
        sentence = f"On the word of {_name(person)}: {evidence}"
        proof, become = vouched(case, step, person, evidence), StepState.CONFIRMED
        self._go_on(incident_id, sentence, person, step=step, become=become, evidence=proof)

    def undo(self, incident_id: str, person: Person) -> None:
        """
        Take back what can be taken back, the last step first.

        Raises:
            RefusedError: something is revoked already, so going back would break it, or nothing
                of this plan can be undone.
        """
        case = self.case(incident_id)
        self._standing.carrier(case).permit(person, "undo")
        touched = [each for each in case.progress if each.state is not StepState.WAITING]
        if any(each.step.phase == "revoke" for each in touched):
            raise RefusedError(
                "The old value may be revoked already: going back would put a dead value in use.",
                means="Nothing was changed.",
                do_now="Go forward: retry the step, or rotate again with a new plan.",
            )
        if not any(each.step.reversible for each in touched):
            raise RefusedError(
                "Nothing that was done can be undone.",
                means="What it changed stays changed.",
                do_now="Go forward: retry the step, or make a new plan.",
            )
        self._go_on(incident_id, f"{_name(person)} has it undone.", person, undoing=True)

    def close(self, incident_id: str, person: Person, waiver: str = "") -> None:
        """
        Close through the exit gate, or with a reason past it.

        Raises:
            RefusedError: something is not proven and no waiver is given, or a run is under way.
        """
        case = self.case(incident_id)
        if close_if_proven(self._records, incident_id):
            self._engine.call_off(incident_id)
            return
        missing = gate(case).missing
        if case.state is IncidentState.RUNNING or case.state not in OPEN_STATES:
            raise _cannot_close(case, case.next_action)
        if not waiver.strip():
            raise RefusedError(
                f"Not everything is proven: {'; '.join(missing[:3])}"
                + (f"; and {len(missing) - 3} more." if len(missing) > 3 else "."),  # noqa: PLR2004 - as many as fit a message
                means="The incident stays open.",
                do_now=f"Bring the proof, or have {self._standing.decider(case).who} waive it.",
            )
        require_review(case)
        self._standing.decider(case).permit(person, "waive what is not proven")
        sentence = f"Closed by {_name(person)} without full proof: {waiver}"
        self._end(case, person, sentence, waiver=waiver, missing=missing)

    def dismiss(self, incident_id: str, person: Person, reason: str) -> None:
        """Close as a false alarm; raises RefusedError (nobody's right, no reason, a run)."""
        case = self.case(incident_id)
        self._standing.decider(case).permit(person, "call it a false alarm")
        require_reason(reason, "call it a false alarm")
        require_review(case)
        sentence = f"False alarm, says {_name(person)}: {reason}"
        self._end(case, person, sentence, state=IncidentState.FALSE_ALARM)

    def _voter(self, asked: Asked, case: Case, person: Person) -> Electorate:
        may = self._standing.electorate(case, requester=asked.request.requested_by)
        may.permit(person, "decide on this plan")
        return may

    def _get_going(self, incident_id: str) -> bool:
        case = self.case(incident_id)
        if fresh := case.state is IncidentState.OPEN:
            try:
                self._drafting.redraft(case)
            except LocksmithError as error:
                _log.warning("plan.failed", incident=incident_id, happened=error.happened)
                self._records.no_plan(incident_id, f"{error.happened} {error.do_now}".strip())
            case = self.case(incident_id)
        if case.state in OPEN_STATES:
            self._engine.page(case.id, case.clocks.reported)
        if self._engine.settings.mode is Mode.ACT and case.plan is not None:
            targets = [target for step in case.plan.steps for target in step.targets]
            allowed = not self._engine.settings.forbidden(targets)
            start = self._records.ballot.start_unasked
            if allowed and (plan_id := start(incident_id, case.plan.hash)):
                self._engine.start(plan_id)
        return fresh

    def _go_on(
        self,
        incident_id: str,
        sentence: str,
        person: Person,
        *,
        step: StepProgress | None = None,
        become: StepState = StepState.WAITING,
        evidence: dict[str, object] | None = None,
        undoing: bool = False,
    ) -> None:
        with second_to(lambda: self.case(incident_id)):
            plan_id = self._records.journal.resume(
                incident_id,
                sentence,
                actor=person,
                step_id=step.step.id if step else "",
                become=become,
                evidence=evidence,
                undoing=undoing,
            )
        self._engine.start(plan_id)

    def _end(
        self,
        case: Case,
        person: Person,
        sentence: str,
        *,
        state: IncidentState = IncidentState.CLOSED,
        waiver: str = "",
        missing: Sequence[str] = (),
    ) -> None:
        closed = self._records.close(
            case.id,
            sentence,
            actor=person,
            state=state,
            only_from=OPEN_STATES - {IncidentState.RUNNING},
            waiver=waiver,
            facts={"missing": list(missing)},
        )
        if not closed:
            raise _cannot_close(self.case(case.id), "Stop the run first, if there is one.")
        self._engine.call_off(case.id)


def _name(person: Person) -> str:
    return person.name or person.identity


def _cannot_close(case: Case, do_now: str) -> RefusedError:
    happened = f"{case.id} is {case.state} and cannot be closed now."
    return RefusedError(happened, means=too_late(case), do_now=do_now)
