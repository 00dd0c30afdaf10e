"""
Runs one step of one plan: intent -> apply -> receipt -> verify -> verdict, each committed.

Safe to call again for the same step at any moment: what is done is not done again, a step that
was cut off after its intent is applied again under the same key (steps read before they write),
one that was cut off after its receipt goes on with verify. Nothing here is durable by itself:
`engine.py` calls it from a durable workflow.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from graph.connections import Connections
from graph.errors import BadInputError, LocksmithError, RefusedError, UnavailableError, raised_at
from graph.fingerprints import Fingerprinter
from responders.incident import PlannedStep, StepState
from responders.journal import Journal
from responders.leases import LostStepError
from responders.limits import EngineSettings
from responders.run_rows import DONE, Run, Ticket
from responders.step import AnyStep, Receipt, StepContext, Verdict
from responders.way_back import Rollback, WayBack, settled_after

_log = structlog.get_logger()

_LONGEST_WAIT = 300.0  # seconds, whatever the other side asks for

Result = TypeVar("Result")


class Leaving(BaseException):
    """The process ends: the step is left as it is, to be taken up by the next process."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What steps work with."""

    steps: Mapping[str, AnyStep]
    connections: Connections
    fingerprinter: Fingerprinter
    now: Callable[[], datetime]


class StepRunner:
    """
    Runs steps in the name of one executor. `passing` is told each point that it passes.

    `may` raises RefusedError where a step has to wait, whatever was approved.
    """

    def __init__(
        self,
        journal: Journal,
        tools: Tools,
        settings: EngineSettings,
        *,
        executor: str,
        leaving: threading.Event,
        passing: Callable[[str], None],
        may: Callable[[Run, PlannedStep, StepContext], None],
    ) -> None:
        self._may = may
        self._journal = journal
        self._tools = tools
        self._settings = settings
        self._executor = executor
        self._leaving = leaving
        self._passing = passing
        self._in_line: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def run(self, run: Run, step: PlannedStep) -> bool:
        """Bring one step to its verdict; False where the run must not go on."""
        # A run that was stopped and retried at once must wait for its own step in flight.
        with (
            self._in_line[run.plan_id],
            structlog.contextvars.bound_contextvars(incident=run.incident_id, step=step.id),
        ):
            try:
                self._passing(f"{step.id}:intent")
                ticket = self._journal.begin(run, step.id, self._executor)
                if not ticket.go:
                    return ticket.state in DONE
                return self._apply_and_verify(run, step, ticket)
            except LostStepError as error:
                _log.warning("step.lost", happened=error.happened)
                return False
            except LocksmithError as error:
                return self._fail(run, step, error)
            except Exception as error:  # noqa: BLE001 - the step border: a bug stops the run
                _log.error("step.crashed", kind=type(error).__name__, where=raised_at(error))
                return self._fail(run, step, error)

    def undo(self, run: Run, step: PlannedStep) -> None:
        """
        Take one step back, if it did something.

        Raises:
            LocksmithError: it could not be taken back.
        """
        self._passing(f"{step.id}:undo-intent")
        book = self._journal.way_back
        with structlog.contextvars.bound_contextvars(incident=run.incident_id, step=step.id):
            ticket = book.begin(run, step, self._executor)
            if not ticket.go:
                return
            member, settings = self._member(step)
            receipt = ticket.receipt or Receipt("")  # what follows is done again in any case
            follows = step.way_back == WayBack.FOLLOWS
            context = self._context(run, step, ticket, self._settings.apply_seconds)
            context = replace(context, key=f"{context.key}:undo")
            self._passing(f"{step.id}:undo")
            undone = self._patiently(
                lambda: (
                    member.apply(settings, context)
                    if follows
                    else member.undo(settings, receipt, context)
                )
            )
            self._passing(f"{step.id}:undo-receipt")
            book.received(run, step, self._executor, undone)
            context = replace(context, deadline=self._deadline(self._settings.verify_seconds))
            self._passing(f"{step.id}:undo-verify")
            verdict = self._patiently(
                lambda: (
                    member.verify(settings, undone, context)
                    if follows
                    else member.verify_undo(settings, receipt, undone, context)
                )
            )
            self._passing(f"{step.id}:undo-verdict")
            book.judged(run, step, self._executor, undone, verdict)

    def makes(self) -> frozenset[str]:
        """Name the steps that have a credential made."""
        return frozenset(name for name, step in self._tools.steps.items() if step.makes)

    def clear_up(self, run: Run, step: PlannedStep) -> None:
        """End what a step that is back had made, once nobody has it any more, or say why not."""
        self._passing(f"{step.id}:clear-intent")
        book = self._journal.way_back
        with structlog.contextvars.bound_contextvars(incident=run.incident_id, step=step.id):
            ticket = book.begin_clearing(run, step, self._executor)
            undone, seconds = ticket.receipt, settled_after(run.plan)
            if not ticket.go or undone is None:
                return
            what = f"What “{step.title}” made"
            if seconds is None:
                why = (
                    f"{what} stays valid: no clock says when jobs, or programs that poll, have let"
                    " go of it. End it where it was made."
                )
                book.leave(run, step, self._executor, undone, why)
                return
            try:
                ended, verdict = self._clear(run, step, ticket, undone, seconds)
            except LocksmithError as error:
                why = f"{what} may still be valid: {sentence_of(error)}"
                book.leave(run, step, self._executor, undone, why)
                return
            self._passing(f"{step.id}:clear-verdict")
            book.cleared(run, step, self._executor, undone, ended=ended, verdict=verdict)

    def _clear(
        self, run: Run, step: PlannedStep, ticket: Ticket, undone: Receipt, seconds: float
    ) -> tuple[Receipt, Verdict]:
        member, settings = self._member(step)
        context = self._context(run, step, ticket, self._settings.apply_seconds)
        for _ in context.attempts(seconds=seconds) if seconds else ():
            context.progress("Waits until mounted files are back on the former value.")
        self._passing(f"{step.id}:clear")
        ended = self._patiently(lambda: member.clear_up(settings, undone, context))
        self._passing(f"{step.id}:clear-verify")
        looking = replace(context, deadline=self._deadline(self._settings.verify_seconds))
        return ended, self._patiently(lambda: member.verify_cleared(settings, undone, looking))

    def _apply_and_verify(self, run: Run, step: PlannedStep, ticket: Ticket) -> bool:
        member, settings = self._member(step)
        if member.changes_world:
            self._settings.require(step.targets)
        receipt = ticket.receipt
        if receipt is None:
            context = self._context(run, step, ticket, self._settings.apply_seconds)
            self._may(run, step, context)
            context = replace(context, deadline=self._deadline(self._settings.apply_seconds))
            self._passing(f"{step.id}:apply")
            receipt = self._apply(member, settings, context)
            self._passing(f"{step.id}:receipt")
            self._journal.received(run.plan_id, step.id, self._executor, receipt)
            _log.info("step.applied", use=step.use)
        context = self._context(run, step, ticket, self._settings.verify_seconds)
        self._passing(f"{step.id}:verify")
        verdict = self._verify(member, settings, receipt, context)
        self._passing(f"{step.id}:verdict")
        turn = _turns(run) and member.changes_world
        state = self._journal.judged(run.plan_id, step.id, self._executor, verdict, turn=turn)
        self._passing(f"{step.id}:done")
        _log.info("step.verified", use=step.use, verdict=str(verdict.kind))
        return state is StepState.CONFIRMED

    def _apply(self, member: AnyStep, settings: object, context: StepContext) -> Receipt:
        return self._patiently(lambda: member.apply(settings, context))

    def _verify(
        self, member: AnyStep, settings: object, receipt: Receipt, context: StepContext
    ) -> Verdict:
        return self._patiently(lambda: member.verify(settings, receipt, context))

    def _member(self, step: PlannedStep) -> tuple[AnyStep, object]:
        member = self._tools.steps.get(step.use)
        if member is None:
            raise BadInputError(
                f"The step {step.use} is not installed in this process.",
                means="The plan was made by an installation that had it.",
                do_now="Install it, or make the plan anew.",
            )
        return member, member.Settings.model_validate(dict(step.settings))

    def _context(self, run: Run, step: PlannedStep, ticket: Ticket, seconds: float) -> StepContext:
        def progress(sentence: str) -> None:
            if self._leaving.is_set():
                raise Leaving
            self._journal.progress(run.plan_id, step.id, self._executor, sentence)

        return StepContext(
            connections=self._tools.connections,
            fingerprinter=self._tools.fingerprinter,
            key=f"{run.incident_id}:{run.plan_id}:{step.id}",
            began=ticket.began or self._tools.now(),
            incident_id=run.incident_id,
            receipts=ticket.receipts,
            progress=progress,
            now=self._tools.now,
            deadline=self._deadline(seconds),
        )

    def _deadline(self, seconds: float) -> datetime:
        return self._tools.now() + timedelta(seconds=seconds)

    def _patiently(self, call: Callable[[], Result]) -> Result:
        """Try again while something is not reachable; only UnavailableError is retried."""
        for wait in self._settings.retry_seconds:
            try:
                return call()
            except UnavailableError as error:
                seconds = min(max(wait, error.retry_after or 0), _LONGEST_WAIT)
                _log.warning("step.unavailable", happened=error.happened, wait_seconds=seconds)
                if self._leaving.wait(seconds):
                    raise Leaving from None
        return call()

    def _fail(self, run: Run, step: PlannedStep, error: Exception) -> bool:
        # What was not reached may have been done, and what was refused a person can put right.
        clear = isinstance(error, LocksmithError)
        clear = clear and not isinstance(error, (UnavailableError, RefusedError))
        turn, said = _turns(run) and clear, sentence_of(error)
        try:
            self._journal.failed(run.plan_id, step.id, self._executor, said, turn=turn)
        except LostStepError:
            return False
        _log.error("step.failed", use=step.use)
        return False


def _turns(run: Run) -> bool:
    """Whether a failed step is taken back by itself: as the plan said when it was approved."""
    return run.plan.rollback == Rollback.AUTOMATIC


def sentence_of(error: Exception) -> str:
    """Tell what went wrong; of a bug only its kind, since its text might hold anything."""
    if isinstance(error, LocksmithError):
        return " ".join(part for part in (error.happened, error.do_now) if part)
    return f"Locksmith itself failed ({type(error).__name__}); the log tells where."
