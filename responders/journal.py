"""
Runs as rows: intent, receipt and verdict of every step, and where the run as a whole stands.

The engine calls these in order, each one transaction with its audit entry; nothing is done
without the intent being committed first. A step belongs to one executor at a time: whoever wants
to write about it must still hold it. Part of the room's only SQL; what a step does is not here.
"""

from collections.abc import Mapping, Sequence

from sqlmodel import col, select

from graph.errors import NotFoundError, RefusedError
from graph.words import every
from responders.incident import IncidentState, Person, StepState, UseSeen
from responders.leases import take
from responders.ledger import Ledger, Transaction
from responders.pages import PageBook
from responders.run_rows import (
    DONE,
    Run,
    Ticket,
    end_step,
    held,
    receipt_of,
    receipts_of,
    rows_of,
    run_of,
    set_clocks,
    steps_of,
)
from responders.silence import SEEN, WAIVED, although
from responders.step import Receipt, Verdict, VerdictKind
from responders.tables import IncidentRow, PlanRow, StepRunRow
from responders.undoing import WayBackBook, stop_or_turn

_STATES = {
    VerdictKind.CONFIRMED: StepState.CONFIRMED,
    VerdictKind.REFUTED: StepState.REFUTED,
    VerdictKind.UNKNOWN: StepState.UNKNOWN,
}


class Journal:
    """Writes what the engine does, as it does it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.pages = PageBook(ledger)
        self.way_back = WayBackBook(ledger)

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
            return run_of(row)

    def running(self) -> tuple[Run, ...]:
        """Return the plan of every incident that is running according to its row."""
        query = (
            select(PlanRow)
            .join(IncidentRow, col(IncidentRow.plan_id) == col(PlanRow.id))
            .where(IncidentRow.state == IncidentState.RUNNING)
        )
        with self.ledger.reading() as session:
            return tuple(run_of(row) for row in session.exec(query).all())

    def begin(self, run: Run, step_id: str, executor: str) -> Ticket:
        """
        Commit the intent, or say that there is nothing to do.

        Raises:
            LostStepError: another live process works on this step.
        """
        with self.ledger.transaction() as transaction:
            session, plan_id = transaction.session, run.plan_id
            plan, row = rows_of(session, plan_id, step_id)
            incident = session.get_one(IncidentRow, plan.incident_id)
            receipts = receipts_of(session, plan_id, before=row.position)
            state = StepState(row.state)
            # A step that is retried is applied again; one that was cut off goes on where it was.
            receipt = receipt_of(row) if state is StepState.RUNNING else None
            current = incident.state == IncidentState.RUNNING and incident.plan_id == plan_id
            turned = plan.undoing or plan.run != run.number  # this start is not the one that counts
            if state in DONE or not current or turned:
                return Ticket(go=False, state=state, receipt=receipt, receipts=receipts)
            take(session, row, executor, transaction.now)
            resumed = state is StepState.RUNNING
            planned = next(step for step in run_of(plan).plan.steps if step.id == step_id)
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
            return Ticket(
                go=True,
                state=StepState.RUNNING,
                receipt=receipt,
                receipts=receipts,
                began=row.started_at,
            )

    def received(self, plan_id: str, step_id: str, executor: str, receipt: Receipt) -> None:
        """Commit what `apply` said."""
        with self.ledger.transaction() as transaction:
            plan, row = held(transaction.session, plan_id, step_id, executor)
            row.receipt = {"sentence": receipt.sentence, "facts": dict(receipt.facts)}
            row.sentence = receipt.sentence
            transaction.session.add(row)
            transaction.incident(plan.incident_id)
            facts = {"step": step_id, "facts": dict(receipt.facts)}
            transaction.log(plan.incident_id, "receipt", receipt.sentence, facts=facts)

    def progress(self, plan_id: str, step_id: str, executor: str, sentence: str) -> None:
        """Show how far the step is; not an audit matter."""
        with self.ledger.transaction() as transaction:
            plan, row = held(transaction.session, plan_id, step_id, executor)
            if row.sentence == sentence:
                return
            row.sentence = sentence
            transaction.session.add(row)
            transaction.incident(plan.incident_id)

    def judged(
        self, plan_id: str, step_id: str, executor: str, verdict: Verdict, *, turn: bool = False
    ) -> StepState:
        """
        Commit the verdict, set the clocks that it proves; stop the run if it is not good.

        `turn`: if it is refuted, the run goes back by itself as far as it can.
        """
        with self.ledger.transaction() as transaction:
            plan, row = held(transaction.session, plan_id, step_id, executor)
            state = _STATES[verdict.kind]
            end_step(transaction, row, state, verdict.sentence, dict(verdict.facts))
            incident = transaction.incident(plan.incident_id)
            facts = {"step": step_id, "verdict": verdict.kind, "facts": dict(verdict.facts)}
            transaction.log(incident.id, "verdict", verdict.sentence, facts=facts)
            set_clocks(transaction, incident, plan)
            if state is not StepState.CONFIRMED:
                seen = "is not confirmed yet" if state is StepState.UNKNOWN else f"is {state}"
                what, turn = f"{seen}: {verdict.sentence}", turn and state is StepState.REFUTED
                stop_or_turn(transaction, incident, plan, step_id, what, turn=turn)
            return state

    def failed(
        self, plan_id: str, step_id: str, executor: str, sentence: str, *, turn: bool = False
    ) -> None:
        """Commit that the step could not be done, and stop the run, or with `turn` go back."""
        with self.ledger.transaction() as transaction:
            plan, row = held(transaction.session, plan_id, step_id, executor)
            end_step(transaction, row, StepState.FAILED, sentence, {})
            incident = transaction.incident(plan.incident_id)
            transaction.log(incident.id, "failed", sentence, facts={"step": step_id})
            stop_or_turn(transaction, incident, plan, step_id, f"failed: {sentence}", turn=turn)

    def finish(self, plan_id: str) -> bool:
        """Verify the incident if every step is done; False if the run has to stay as it is."""
        with self.ledger.transaction() as transaction:
            session = transaction.session
            plan = session.get_one(PlanRow, plan_id)
            incident = session.get_one(IncidentRow, plan.incident_id)
            rows = steps_of(session, plan_id)
            if incident.state != IncidentState.RUNNING or incident.plan_id != plan_id:
                return False
            if any(row.state not in DONE for row in rows):
                return False
            incident = transaction.incident(incident.id)
            incident.state = IncidentState.VERIFIED
            skipped = sum(row.state == StepState.SKIPPED for row in rows)
            done = every(len(rows), "step")
            sentence = f"{done[0].upper()}{done[1:]} {'is' if len(rows) == 1 else 'are'} done" + (
                f", {skipped} skipped." if skipped else "."
            )
            transaction.log(incident.id, "verified", sentence, facts={"plan_hash": plan.hash})
            return True

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

    def saw_use(self, incident_id: str, step_id: str, seen: UseSeen) -> None:
        """Note what an audit log told of the old value's use before this step."""
        with self.ledger.transaction() as transaction:
            transaction.incident(incident_id)
            facts: dict[str, object] = {"step": step_id, "source": seen.source}
            facts |= {"state": seen.state, "users": list(seen.users)}
            transaction.log(incident_id, SEEN, seen.sentence, facts=facts)

    def waive_silence(
        self,
        incident_id: str,
        step_id: str,
        person: Person,
        reason: str,
        *,
        copies: Mapping[str, Sequence[str]],
    ) -> None:
        """Note that this person has the old value revoked though these may need it."""
        with self.ledger.transaction() as transaction:
            transaction.incident(incident_id)
            who = person.name or person.identity
            said = f"{who} has it revoked although {although(copies)}: {reason}"
            facts = {"step": step_id, "copies": {copy: list(them) for copy, them in copies.items()}}
            transaction.log(incident_id, WAIVED, said, actor=person, facts=facts)

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
            back = any(row.state == StepState.UNDONE for row in steps_of(session, plan.id))
            if back and not undoing:
                raise RefusedError(
                    "What this plan did is taken back: there is nothing to go on with.",
                    means="Nothing was changed.",
                    do_now="Make a new plan.",
                )
            incident = transaction.incident(incident_id)
            if step_id:
                _, row = rows_of(session, plan.id, step_id)
                _turn(transaction, row, become, sentence, evidence)
            kind = "undo" if undoing else {StepState.WAITING: "retried"}.get(become, str(become))
            transaction.log(incident_id, kind, sentence, actor=actor, facts={"step": step_id})
            set_clocks(transaction, incident, plan)
            incident.state = IncidentState.RUNNING
            incident.stopped_because = sentence if undoing else ""
            plan.run, plan.undoing = plan.run + 1, undoing
            session.add(plan)
            return plan.id


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
