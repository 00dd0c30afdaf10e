"""
The rows of a run: read as values, held by one executor at a time, ended with their clocks.

What `journal.py` (forwards) and `undoing.py` (backwards) share. Part of the room's only SQL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from graph.errors import NotFoundError
from responders import codec
from responders.incident import Plan, StepState
from responders.leases import LostStepError
from responders.ledger import Transaction
from responders.step import Receipt
from responders.tables import IncidentRow, PlanRow, StepRunRow

DONE = frozenset({StepState.CONFIRMED, StepState.SKIPPED})


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
    began: datetime | None = None  # this try of it; a crash does not change it


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
    states = {row.step_id: row for row in steps_of(transaction.session, plan.id)}
    steps = run_of(plan).plan.steps

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


def run_of(row: PlanRow) -> Run:
    plan = codec.plan_from_json(row.body)
    return Run(row.id, row.incident_id, plan, row.run, row.undoing)


def rows_of(session: Session, plan_id: str, step_id: str) -> tuple[PlanRow, StepRunRow]:
    plan = session.get_one(PlanRow, plan_id)
    row = session.get(StepRunRow, (plan_id, step_id))
    if row is None:
        known = ", ".join(each.step_id for each in steps_of(session, plan_id))
        raise NotFoundError(f"The plan has no step “{step_id}”.", do_now=f"Its steps are: {known}.")
    return plan, row


def held(session: Session, plan_id: str, step_id: str, executor: str) -> tuple[PlanRow, StepRunRow]:
    plan, row = rows_of(session, plan_id, step_id)
    if row.executor != executor:
        raise LostStepError(
            f"The step {step_id} belongs to another process now.",
            means="This process was taken for dead; what it saw is not written.",
            do_now="Nothing: the other process goes on.",
        )
    return plan, row


def steps_of(session: Session, plan_id: str) -> Sequence[StepRunRow]:
    query = select(StepRunRow).where(StepRunRow.plan_id == plan_id)
    return session.exec(query.order_by(col(StepRunRow.position))).all()


def receipt_of(row: StepRunRow) -> Receipt | None:
    if row.receipt is None:
        return None
    return Receipt(str(row.receipt["sentence"]), row.receipt["facts"])


def receipts_of(session: Session, plan_id: str, *, before: int) -> dict[str, Receipt]:
    """Give what the steps before said; of one that was taken back, what that said."""
    found: dict[str, Receipt] = {}
    for row in steps_of(session, plan_id):
        receipt = receipt_of(row)
        if row.state == StepState.UNDONE:
            receipt = Receipt(row.sentence, row.evidence)
        if row.position < before and receipt is not None:
            found[row.step_id] = receipt
    return found
