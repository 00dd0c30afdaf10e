"""
Runs as rows: intent, receipt and verdict of every step, and where the run as a whole stands.

The engine calls these in order, each one transaction with its audit entry; nothing is done
without the intent being committed first. A step belongs to one executor at a time: whoever wants
to write about it must still hold it. Part of the room's only SQL; what a step does is not here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from graph.errors import NotFoundError, RefusedError
from responders import codec
from responders.incident import IncidentState, Person, Plan, StepState
from responders.leases import LostStepError, take
from responders.ledger import Ledger, Transaction
from responders.pages import PageBook
from responders.step import Receipt, Verdict, VerdictKind
from responders.tables import IncidentRow, PlanRow, StepRunRow

DONE = frozenset({StepState.CONFIRMED, StepState.SKIPPED})

_STATES = {
    VerdictKind.CONFIRMED: StepState.CONFIRMED,
    VerdictKind.REFUTED: StepState.REFUTED,
    VerdictKind.UNKNOWN: StepState.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Run:
    """A plan with the number of its current start; `undoing` goes backwards."""

    plan_id: str
    incident_id: str
    plan: Plan
    number: int
    undoing: bool

    @property
    def workflow_id(self) -> str:
        way = "undo" if self.undoing else "run"
        return f"{way}:{self.plan_id}" + (f":{self.number}" if self.number > 1 else "")


@dataclass(frozen=True, slots=True)
class Ticket:
    """Permission to work on one step; `go` is False where there is nothing (more) to do."""

    go: bool
    state: StepState
    receipt: Receipt | None
    receipts: Mapping[str, Receipt]  # of the steps before, by id


class Journal:
    """Writes what the engine does, as it does it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.pages = PageBook(ledger)

    def run(self, plan_id: str) -> Run:
        """
        Read the plan to run.

        Raises:
            NotFoundError: no such plan.
        """
        with self.ledger.reading() as session:
            row = session.get(PlanRow, plan_id)
            if row is None:
                raise NotFoundError(f"There is no plan “{plan_id}”.")
            return _run(row)

    def running(self) -> tuple[Run, ...]:
        """Return the plan of every incident that is running according to its row."""
        query = (
            select(PlanRow)
            .join(IncidentRow, col(IncidentRow.plan_id) == col(PlanRow.id))
            .where(IncidentRow.state == IncidentState.RUNNING)
        )
        with self.ledger.reading() as session:
            return tuple(_run(row) for row in session.exec(query).all())

    def begin(self, plan_id: str, step_id: str, executor: str) -> Ticket:
        """
        Commit the intent, or say that there is nothing to do.

        Raises:
            LostStepError: another live process works on this step.
        """
        with self.ledger.transaction() as transaction:
            session = transaction.session
            plan, row = _rows(session, plan_id, step_id)
            incident = session.get_one(IncidentRow, plan.incident_id)
            receipts = _receipts(session, plan_id, before=row.position)
            state = StepState(row.state)
            # A step that is retried is applied again; one that was cut off goes on where it was.
            receipt = _receipt(row) if state is StepState.RUNNING else None
            current = incident.state == IncidentState.RUNNING and incident.plan_id == plan_id
            if state in DONE or not current:
                return Ticket(go=False, state=state, receipt=receipt, receipts=receipts)
            take(session, row, executor, transaction.now)
            resumed = state is StepState.RUNNING
            planned = next(step for step in _run(plan).plan.steps if step.id == step_id)
            if not resumed:
                row.started_at, row.finished_at = transaction.now, None
                row.sentence, row.evidence = "", {}
            row.state = StepState.RUNNING
            session.add(row)
            transaction.incident(incident.id)
            sentence = ("Takes up again: " if resumed else "") + planned.sentence
            facts: dict[str, object] = {"step": step_id, "use": planned.use}
            facts |= {"targets": list(planned.targets), "resumed": resumed, "executor": executor}
            transaction.log(incident.id, "intent", sentence, facts=facts)
            return Ticket(go=True, state=StepState.RUNNING, receipt=receipt, receipts=receipts)

    def received(self, plan_id: str, step_id: str, executor: str, receipt: Receipt) -> None:
        """Commit what `apply` said."""
        with self.ledger.transaction() as transaction:
            plan, row = _held(transaction.session, plan_id, step_id, executor)
            row.receipt = {"sentence": receipt.sentence, "facts": dict(receipt.facts)}
            row.sentence = receipt.sentence
            transaction.session.add(row)
            transaction.incident(plan.incident_id)
            facts = {"step": step_id, "facts": dict(receipt.facts)}
            transaction.log(plan.incident_id, "receipt", receipt.sentence, facts=facts)

    def progress(self, plan_id: str, step_id: str, executor: str, sentence: str) -> None:
        """Show how far the step is; not an audit matter."""
        with self.ledger.transaction() as transaction:
            plan, row = _held(transaction.session, plan_id, step_id, executor)
            if row.sentence == sentence:
                return
            row.sentence = sentence
            transaction.session.add(row)
            transaction.incident(plan.incident_id)

    def judged(self, plan_id: str, step_id: str, executor: str, verdict: Verdict) -> StepState:
        """Commit the verdict, set the clocks that it proves; stop the run if it is not good."""
        with self.ledger.transaction() as transaction:
            plan, row = _held(transaction.session, plan_id, step_id, executor)
            state = _STATES[verdict.kind]
            end_step(transaction, row, state, verdict.sentence, dict(verdict.facts))
            incident = transaction.incident(plan.incident_id)
            facts = {"step": step_id, "verdict": verdict.kind, "facts": dict(verdict.facts)}
            transaction.log(incident.id, "verdict", verdict.sentence, facts=facts)
            set_clocks(transaction, incident, plan)
            if state is not StepState.CONFIRMED:
                _stop(transaction, incident, plan, step_id, f"is {state}: {verdict.sentence}")
            return state

    def failed(self, plan_id: str, step_id: str, executor: str, sentence: str) -> None:
        """Commit that the step could not be done, and stop the run."""
        with self.ledger.transaction() as transaction:
            plan, row = _held(transaction.session, plan_id, step_id, executor)
            end_step(transaction, row, StepState.FAILED, sentence, {})
            incident = transaction.incident(plan.incident_id)
            transaction.log(incident.id, "failed", sentence, facts={"step": step_id})
            _stop(transaction, incident, plan, step_id, f"failed: {sentence}")

    def finish(self, plan_id: str) -> bool:
        """Verify the incident if every step is done; False if the run has to stay as it is."""
        with self.ledger.transaction() as transaction:
            session = transaction.session
            plan = session.get_one(PlanRow, plan_id)
            incident = session.get_one(IncidentRow, plan.incident_id)
            rows = _steps(session, plan_id)
            if incident.state != IncidentState.RUNNING or incident.plan_id != plan_id:
                return False
            if any(row.state not in DONE for row in rows):
                return False
            incident = transaction.incident(incident.id)
            incident.state = IncidentState.VERIFIED
            skipped = sum(row.state == StepState.SKIPPED for row in rows)
            sentence = f"All {len(rows)} steps are done" + (
                f", {skipped} skipped." if skipped else "."
            )
            transaction.log(incident.id, "verified", sentence, facts={"plan_hash": plan.hash})
            return True

    def begin_undo(self, plan_id: str, step_id: str, executor: str) -> Ticket:
        """Commit the intent to take one step back; nothing to do where it left no receipt."""
        with self.ledger.transaction() as transaction:
            plan, row = _rows(transaction.session, plan_id, step_id)
            receipts = _receipts(transaction.session, plan_id, before=row.position)
            receipt = _receipt(row)
            incident = transaction.session.get_one(IncidentRow, plan.incident_id)
            state = StepState(row.state)
            done = state in {StepState.UNDONE, StepState.SKIPPED}
            if receipt is None or done or incident.state != IncidentState.RUNNING:
                return Ticket(go=False, state=state, receipt=receipt, receipts=receipts)
            take(transaction.session, row, executor, transaction.now)
            transaction.incident(plan.incident_id)
            planned = next(step for step in _run(plan).plan.steps if step.id == step_id)
            facts = {"step": step_id, "undo": True, "executor": executor}
            transaction.log(incident.id, "intent", f"Takes back: {planned.title}.", facts=facts)
            return Ticket(go=True, state=state, receipt=receipt, receipts=receipts)

    def undone(self, plan_id: str, step_id: str, executor: str, receipt: Receipt) -> None:
        with self.ledger.transaction() as transaction:
            plan, row = _held(transaction.session, plan_id, step_id, executor)
            end_step(transaction, row, StepState.UNDONE, receipt.sentence, dict(receipt.facts))
            row.receipt = None
            incident = transaction.incident(plan.incident_id)
            facts = {"step": step_id, "undo": True}
            transaction.log(incident.id, "receipt", receipt.sentence, facts=facts)
            set_clocks(transaction, incident, plan)

    def halt(
        self, incident_id: str, because: str, *, actor: Person | str, kind: str, number: int = 0
    ) -> bool:
        """
        Stop a running incident where it stands; the step in flight ends.

        `number` narrows it to one start of the plan. False: not running (any more).
        """
        with self.ledger.transaction() as transaction:
            incident = transaction.session.get(IncidentRow, incident_id)
            if incident is None or incident.state != IncidentState.RUNNING:
                return False
            plan = transaction.session.get_one(PlanRow, incident.plan_id)
            if number not in {0, plan.run}:
                return False
            incident = transaction.incident(incident_id)
            incident.state, incident.stopped_because = IncidentState.STOPPED, because
            transaction.log(incident_id, kind, because, actor=actor)
            return True

    def begin_again(self, run: Run) -> None:
        """Give a running plan its next number, because its workflow is of an older version."""
        with self.ledger.transaction() as transaction:
            plan = transaction.session.get_one(PlanRow, run.plan_id)
            incident = transaction.session.get_one(IncidentRow, run.incident_id)
            if incident.state != IncidentState.RUNNING or plan.run != run.number:
                return
            plan.run = run.number + 1
            words = "Goes on under a new version of Locksmith; what is done stays done."
            transaction.log(run.incident_id, "upgraded", words)

    def resume(
        self,
        incident_id: str,
        sentence: str,
        *,
        actor: Person,
        step_id: str = "",
        become: StepState = StepState.WAITING,
        evidence: Mapping[str, object] | None = None,
        undoing: bool = False,
    ) -> str:
        """
        Let a stopped incident go on, with `step_id` (if given) in its new state; its plan's id.

        Raises:
            RefusedError: the incident is not stopped, or the step is not in a state for this.
        """
        with self.ledger.transaction() as transaction:
            session = transaction.session
            incident = session.get_one(IncidentRow, incident_id)
            if incident.state != IncidentState.STOPPED:
                raise RefusedError(
                    f"{incident_id} is {incident.state}, not stopped.",
                    means="Nothing was changed.",
                    do_now="Look at the incident as it is now.",
                )
            plan = session.get_one(PlanRow, incident.plan_id)
            incident = transaction.incident(incident_id)
            if step_id:
                _, row = _rows(session, plan.id, step_id)
                _turn(transaction, row, become, sentence, evidence)
            kind = "undo" if undoing else {StepState.WAITING: "retried"}.get(become, str(become))
            transaction.log(incident_id, kind, sentence, actor=actor, facts={"step": step_id})
            set_clocks(transaction, incident, plan)
            incident.state, incident.stopped_because = IncidentState.RUNNING, ""
            plan.run, plan.undoing = plan.run + 1, undoing
            session.add(plan)
            return plan.id


def end_step(
    transaction: Transaction,
    row: StepRunRow,
    state: StepState,
    sentence: str,
    evidence: Mapping[str, object],
) -> None:
    row.state, row.sentence, row.evidence = state, sentence, dict(evidence)
    row.finished_at, row.executor = transaction.now, ""
    transaction.session.add(row)
    transaction.session.flush()


def set_clocks(transaction: Transaction, incident: IncidentRow, plan: PlanRow) -> None:
    """Set what the confirmed steps prove, and take back what an undone step no longer does."""
    states = {row.step_id: row for row in _steps(transaction.session, plan.id)}
    steps = _run(plan).plan.steps

    def all_confirmed(phase: str) -> bool:
        rows = [states[step.id] for step in steps if step.phase == phase]
        return bool(rows) and all(row.state == StepState.CONFIRMED for row in rows)

    rotated, contained = all_confirmed("rotate"), all_confirmed("revoke")
    dead = any(
        row.state == StepState.CONFIRMED and row.evidence.get("old_value_refused") is True
        for row in states.values()
    )
    incident.rotated_at = (incident.rotated_at or transaction.now) if rotated else None
    incident.contained_at = (incident.contained_at or transaction.now) if contained else None
    incident.proven_dead_at = (incident.proven_dead_at or transaction.now) if dead else None
    transaction.session.add(incident)


def _turn(
    transaction: Transaction,
    row: StepRunRow,
    become: StepState,
    sentence: str,
    evidence: Mapping[str, object] | None,
) -> None:
    """Change a step by a person's word; a step that is done stays done."""
    if StepState(row.state) in DONE:
        raise RefusedError(
            f"The step {row.step_id} is {row.state} already.",
            means="Nothing was changed.",
            do_now="Look at the incident as it is now.",
        )
    if become is StepState.WAITING:
        row.state, row.executor = become, ""
        transaction.session.add(row)
        return
    end_step(transaction, row, become, sentence, evidence or {})


def _stop(
    transaction: Transaction, incident: IncidentRow, plan: PlanRow, step_id: str, what: str
) -> None:
    if incident.state != IncidentState.RUNNING:
        return
    steps = _run(plan).plan.steps
    planned = next(step for step in steps if step.id == step_id)
    rows = {row.step_id: row for row in _steps(transaction.session, plan.id)}
    back = [step for step in steps if step.reversible and rows[step.id].receipt]
    ways = ["retry it", "skip it with a reason"]
    if rows[step_id].state == StepState.UNKNOWN:
        ways.insert(0, "confirm it with evidence")
    if back:
        ways.append(f"undo {', '.join(f'“{step.title}”' for step in back)}")
    incident.state = IncidentState.STOPPED
    incident.stopped_because = f"“{planned.title}” {what} An approver can {', or '.join(ways)}."
    transaction.log(incident.id, "stopped", incident.stopped_because, facts={"step": step_id})


def _run(row: PlanRow) -> Run:
    plan = codec.plan_from_json(row.body)
    return Run(row.id, row.incident_id, plan, row.run, row.undoing)


def _rows(session: Session, plan_id: str, step_id: str) -> tuple[PlanRow, StepRunRow]:
    plan = session.get_one(PlanRow, plan_id)
    row = session.get(StepRunRow, (plan_id, step_id))
    if row is None:
        known = ", ".join(each.step_id for each in _steps(session, plan_id))
        raise NotFoundError(f"The plan has no step “{step_id}”.", do_now=f"Its steps are: {known}.")
    return plan, row


def _held(
    session: Session, plan_id: str, step_id: str, executor: str
) -> tuple[PlanRow, StepRunRow]:
    plan, row = _rows(session, plan_id, step_id)
    if row.executor != executor:
        raise LostStepError(
            f"The step {step_id} belongs to another process now.",
            means="This process was taken for dead; what it saw is not written.",
            do_now="Nothing: the other process goes on.",
        )
    return plan, row


def _steps(session: Session, plan_id: str) -> Sequence[StepRunRow]:
    query = select(StepRunRow).where(StepRunRow.plan_id == plan_id)
    return session.exec(query.order_by(col(StepRunRow.position))).all()


def _receipt(row: StepRunRow) -> Receipt | None:
    if row.receipt is None:
        return None
    return Receipt(str(row.receipt["sentence"]), row.receipt["facts"])


def _receipts(session: Session, plan_id: str, *, before: int) -> dict[str, Receipt]:
    return {
        row.step_id: receipt
        for row in _steps(session, plan_id)
        if row.position < before and (receipt := _receipt(row))
    }
