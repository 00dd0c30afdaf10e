"""
The way back as rows: when a run turns round, and each step taken back with intent and verdict.

A run turns round in the transaction that says why, so that a crash right after it loses nothing:
the incident goes on running, its plan `undoing`, and whichever process sees that carries it on.
What may be taken back, and in which order, is `way_back.py`'s. Part of the room's only SQL.
"""

from collections.abc import Mapping

from graph.errors import ConflictError
from responders.incident import IncidentState, PlannedStep, StepState
from responders.leases import take
from responders.ledger import Ledger, Transaction
from responders.run_rows import (
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
from responders.step import Fact, Receipt, Verdict, VerdictKind
from responders.tables import IncidentRow, PlanRow, StepRunRow
from responders.way_back import WayBack, barred

_CLEARED, _LEFT = "cleared", "left"  # in the evidence of a step that had something made
_DID_NOTHING = frozenset({StepState.WAITING, StepState.SKIPPED, StepState.UNDONE})


class WayBackBook:
    """Writes what the engine takes back, as it does it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def begin(self, run: Run, step: PlannedStep, executor: str) -> Ticket:
        """Commit the intent to take one step back; nothing to do where it did nothing."""
        with self._ledger.transaction() as transaction:
            session = transaction.session
            plan, row = rows_of(session, run.plan_id, step.id)
            receipts = receipts_of(session, run.plan_id, before=row.position)
            receipt, state = receipt_of(row), StepState(row.state)
            incident = session.get_one(IncidentRow, plan.incident_id)
            current = incident.state == IncidentState.RUNNING and plan.undoing
            begun = receipt is not None or step.way_back == WayBack.FOLLOWS
            if state in _DID_NOTHING or not begun or not current or plan.run != run.number:
                return Ticket(go=False, state=state, receipt=receipt, receipts=receipts)
            take(session, row, executor, transaction.now)
            transaction.incident(plan.incident_id)
            facts = {"step": step.id, "use": step.use, "undo": True, "executor": executor}
            facts |= {"targets": list(step.targets)}
            transaction.log(incident.id, "intent", f"Takes back: {step.title}.", facts=facts)
            return Ticket(go=True, state=state, receipt=receipt, receipts=receipts)

    def received(self, run: Run, step: PlannedStep, executor: str, undone: Receipt) -> None:
        """Commit what `undo` said; the step's own receipt stays until it is seen to be back."""
        with self._ledger.transaction() as transaction:
            plan, row = held(transaction.session, run.plan_id, step.id, executor)
            row.sentence = undone.sentence
            transaction.session.add(row)
            transaction.incident(plan.incident_id)
            facts = {"step": step.id, "undo": True, "facts": dict(undone.facts)}
            transaction.log(plan.incident_id, "receipt", undone.sentence, facts=facts)

    def judged(
        self, run: Run, step: PlannedStep, executor: str, undone: Receipt, verdict: Verdict
    ) -> None:
        """
        Commit whether it is back.

        Raises:
            ConflictError: it is not, or nobody can tell: the way back ends here.
        """
        with self._ledger.transaction() as transaction:
            plan, row = held(transaction.session, run.plan_id, step.id, executor)
            incident = transaction.incident(plan.incident_id)
            facts = {"step": step.id, "undo": True, "verdict": verdict.kind}
            facts |= {"facts": dict(verdict.facts)}
            transaction.log(incident.id, "verdict", verdict.sentence, facts=facts)
            if verdict.kind is VerdictKind.CONFIRMED:
                found = {**undone.facts, **verdict.facts}
                end_step(transaction, row, StepState.UNDONE, undone.sentence, found)
                row.receipt = None
                _note_restored(incident, undone.facts)
                set_clocks(transaction, incident, plan)
                return
        raise ConflictError(f"It was taken back, but that is {verdict.kind}: {verdict.sentence}")

    def begin_clearing(self, run: Run, step: PlannedStep, executor: str) -> Ticket:
        """Commit the intent to end what a step had made; nothing to do where it was not undone."""
        with self._ledger.transaction() as transaction:
            plan, row = rows_of(transaction.session, run.plan_id, step.id)
            incident = transaction.session.get_one(IncidentRow, plan.incident_id)
            current = incident.state == IncidentState.RUNNING and plan.undoing
            due = row.state == StepState.UNDONE and not {_CLEARED, _LEFT} & row.evidence.keys()
            undone = Receipt(row.sentence, row.evidence)
            if not due or not current or plan.run != run.number:
                return Ticket(go=False, state=StepState(row.state), receipt=None, receipts={})
            take(transaction.session, row, executor, transaction.now)
            transaction.incident(incident.id)
            facts = {"step": step.id, "use": step.use, "clears": True, "executor": executor}
            said = f"Ends what “{step.title}” made."
            transaction.log(incident.id, "intent", said, facts=facts)
            return Ticket(go=True, state=StepState.UNDONE, receipt=undone, receipts={})

    def cleared(
        self,
        run: Run,
        step: PlannedStep,
        executor: str,
        undone: Receipt,
        *,
        ended: Receipt,
        verdict: Verdict,
    ) -> None:
        """Commit whether what the step had made is ended."""
        facts: dict[str, object] = {"step": step.id, "clears": True}
        seen = facts | {"verdict": verdict.kind, "facts": dict(verdict.facts)}
        note = {_CLEARED: ended.sentence}
        if verdict.kind is not VerdictKind.CONFIRMED:
            note = {_LEFT: f"{ended.sentence} That is {verdict.kind}: {verdict.sentence}"}
        with self._ledger.transaction() as transaction:
            plan, row = held(transaction.session, run.plan_id, step.id, executor)
            transaction.incident(plan.incident_id)
            transaction.log(plan.incident_id, "receipt", ended.sentence, facts=facts)
            transaction.log(plan.incident_id, "verdict", verdict.sentence, facts=seen)
            end_step(transaction, row, StepState.UNDONE, undone.sentence, {**undone.facts, **note})

    def leave(self, run: Run, step: PlannedStep, executor: str, undone: Receipt, why: str) -> None:
        """Note that what a step had made stays as it is, and why."""
        note = {_LEFT: why}
        with self._ledger.transaction() as transaction:
            plan, row = held(transaction.session, run.plan_id, step.id, executor)
            transaction.incident(plan.incident_id)
            transaction.log(plan.incident_id, "left", why, facts={"step": step.id})
            end_step(transaction, row, StepState.UNDONE, undone.sentence, {**undone.facts, **note})

    def finish(self, run: Run) -> None:
        """Stop the incident where the way back ended, and report."""
        with self._ledger.transaction() as transaction:
            plan = transaction.session.get_one(PlanRow, run.plan_id)
            incident = transaction.session.get_one(IncidentRow, run.incident_id)
            if incident.state != IncidentState.RUNNING or plan.run != run.number:
                return
            incident = transaction.incident(run.incident_id)
            rows = {row.step_id: row for row in steps_of(transaction.session, run.plan_id)}
            back = [s for s in run.plan.steps if rows[s.id].state == StepState.UNDONE]
            said = f"Taken back and seen to be back: {_titles(back)}." if back else ""
            ended = [str(rows[s.id].evidence.get(_CLEARED) or "") for s in back]
            left = [str(rows[s.id].evidence.get(_LEFT) or "") for s in back]
            parts = (incident.stopped_because, said, *ended, *left, "Make a new plan to go on.")
            incident.state = IncidentState.STOPPED
            incident.stopped_because = " ".join(part for part in parts if part)
            facts = {"undone": [step.id for step in back]}
            transaction.log(run.incident_id, "stopped", incident.stopped_because, facts=facts)


def stop_or_turn(
    transaction: Transaction,
    incident: IncidentRow,
    plan: PlanRow,
    step_id: str,
    what: str,
    *,
    turn: bool,
) -> None:
    """Stop a run whose step is not good; with `turn` it goes back by itself where it can."""
    if incident.state != IncidentState.RUNNING:
        return
    whole = run_of(plan).plan
    rows = {row.step_id: row for row in steps_of(transaction.session, plan.id)}
    states = {name: StepState(row.state) for name, row in rows.items()}
    planned = next(step for step in whole.steps if step.id == step_id)
    cause = f"“{planned.title}” {what}"
    back = [step for step in whole.steps if _can_go_back(step, rows[step.id])]
    wall = barred(whole, states)
    if turn and not wall and any(step.way_back == WayBack.UNDONE for step in back):
        plan.undoing, plan.run = True, plan.run + 1
        transaction.session.add(plan)
        incident.stopped_because = cause
        said = f"{cause} What was done before is taken back: {_titles(back)}."
        transaction.log(incident.id, "undo", said, facts={"step": step_id})
        return
    ways = ["retry it", "skip it with a reason"]
    if states[step_id] is StepState.UNKNOWN:
        ways.insert(0, "confirm it with evidence")
    if undo := [step for step in back if step.reversible]:
        ways.append(f"undo {_titles(undo)}")
    forward = f" Past “{wall}” there is no way back, only forward." if turn and wall else ""
    incident.state = IncidentState.STOPPED
    incident.stopped_because = f"{cause}{forward} An approver can {', or '.join(ways)}."
    transaction.log(incident.id, "stopped", incident.stopped_because, facts={"step": step_id})


def _can_go_back(step: PlannedStep, row: StepRunRow) -> bool:
    if step.way_back == WayBack.FOLLOWS:
        return StepState(row.state) not in _DID_NOTHING
    return step.reversible and row.receipt is not None


def _note_restored(incident: IncidentRow, facts: Mapping[str, Fact]) -> None:
    """Move the matches to the version that holds the former value now."""
    secret, version = facts.get("restored_secret"), facts.get("restored_version")
    if not secret or not isinstance(version, int):
        return
    field = str(facts.get("restored_field", ""))
    incident.matches = [
        match | {"version": version, "current": True}
        if match["secret"] == secret and match["key"] in {field, ""}
        else match
        for match in incident.matches
    ]


def _titles(steps: list[PlannedStep]) -> str:
    return ", ".join(f"“{step.title}”" for step in steps)
