"""
The silence gate at work: before a step that revokes, the logs are read and the case is judged.

What holds and who may waive it is `silence.py` and `waivers.py`; what a log says is `old_use.py`.
What was seen goes into the record before the step, so that the card, the exit gate and a waiver
speak of the same list. In a plan that revokes first it is written down, and nothing waits for it.
"""

from datetime import timedelta

from graph.uses import UseLogs
from responders.incident import Case, PlannedStep, UseState
from responders.old_use import judged_use, moved_at
from responders.records import IncidentRecords
from responders.run_rows import Run
from responders.silence import require_silence, rotates_first
from responders.step import StepContext

_PACE = 1.0  # seconds between two looks at a log
_MORE = 5.0  # seconds beyond the silence that is asked for


class SilenceGate:
    """Asked before each step; `silent_seconds`: how long a log has to have told of no use."""

    def __init__(
        self,
        records: IncidentRecords,
        logs: UseLogs | None,
        *,
        silent_seconds: float,
    ) -> None:
        self._records = records
        self._logs = logs
        self._silent = timedelta(seconds=silent_seconds)

    def require(self, run: Run, step: PlannedStep, context: StepContext) -> None:
        """
        Let the step pass, if need be after a wait.

        Raises:
            RefusedError: somebody may still need the old value; it says who.
        """
        case = self._records.case(run.incident_id)
        if (
            self._logs is not None
            and step.phase == "revoke"
            and step.shown_in in self._logs.sources
        ):
            self._look(self._logs, case, step, context)
            case = self._records.case(run.incident_id)
        require_silence(case, step)

    def _look(self, logs: UseLogs, case: Case, step: PlannedStep, context: StepContext) -> None:
        source, since, waits = step.shown_in, moved_at(case), rotates_first(case)
        known_as = self._records.identities(case.id)
        seen = None
        for _ in context.attempts(seconds=self._silent.total_seconds() + _MORE, every=_PACE):
            now = context.now()
            told = logs.ask(source, known_as, since=since, now=now)
            seen = judged_use(source, told, since=since, now=now, silent=self._silent)
            if not waits or seen.state is not UseState.SILENT or now - since >= self._silent:
                break
            context.progress(
                f"Waits until {source} has told of no use of the old value for"
                f" {self._silent.total_seconds():.0f} s."
            )
        if seen is not None:
            self._records.journal.saw_use(case.id, step.id, seen)
