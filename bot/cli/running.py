"""
A run on the command line: each step as it changes, how far it is, and which commands go on.

`follow` prints for people, with the steps done of all in front, or one JSON object a line: `event`
is `step` (id, state, sentence, done, of) or, at the end, `ended` (state, next).
"""

import sys
import time
from collections.abc import Mapping

import orjson
import typer

from bot.cli.output import say
from bot.wiring import ResponseParts
from responders.incident import Case, IncidentState, StepProgress, StepState, taken_back

_LOOK_SECONDS = 0.3  # between two looks at the rows
_SETTLED = frozenset({StepState.CONFIRMED, StepState.SKIPPED, StepState.UNDONE})
_CELLS = 12  # of the bar


def follow(parts: ResponseParts, incident_id: str, *, as_json: bool = False) -> None:
    """
    Print each step as it changes, until the run is over or stands still.

    Raises:
        typer.Exit: code 1, the run stopped before its end.
    """
    shown: dict[str, tuple[str, str]] = {}
    while True:
        case = parts.desk.case(incident_id)
        for progress in case.progress:
            now = (str(progress.state), progress.sentence)
            if progress.sentence and shown.get(progress.step.id) != now:
                shown[progress.step.id] = now
                _tell(case, progress, as_json=as_json)
        closing = case.state == IncidentState.VERIFIED and parts.desk.gate(incident_id).open
        if case.state != IncidentState.RUNNING and not closing:
            break
        time.sleep(_LOOK_SECONDS)
    if as_json:
        ended = {"event": "ended", "incident": case.id, "state": str(case.state)}
        _line(ended | {"next": case.next_action})
    else:
        say(f"{incident_id} is {case.state}. {case.next_action}{ways_on(case)}")
    if case.state == IncidentState.STOPPED:
        raise typer.Exit(1)


def await_decision(parts: ResponseParts, incident_id: str) -> Case:
    """Wait until the request for approval is decided, expired or void."""
    while True:
        case = parts.desk.case(incident_id)
        if case.state != IncidentState.WAITING:
            return case
        time.sleep(_LOOK_SECONDS)


def ways_on(case: Case) -> str:
    """Name the commands that go on with a run that stands still."""
    if case.state != IncidentState.STOPPED:
        return ""
    if taken_back(case):
        return f" Then: locksmith plan {case.id}"
    return f" Then: locksmith retry {case.id} (or: confirm, skip, undo; each has --help)."


def _tell(case: Case, progress: StepProgress, *, as_json: bool) -> None:
    done, of = sum(each.state in _SETTLED for each in case.progress), len(case.progress)
    if as_json:
        _line(
            {
                "event": "step",
                "incident": case.id,
                "step": progress.step.id,
                "state": str(progress.state),
                "sentence": progress.sentence,
                "done": done,
                "of": of,
            }
        )
        return
    bar = "█" * (done * _CELLS // of) + "░" * (_CELLS - done * _CELLS // of)
    say(f"{bar} {done}/{of} {progress.state:<10} {progress.step.title}: {progress.sentence}")


def _line(event: Mapping[str, object]) -> None:
    sys.stdout.write(orjson.dumps(dict(event)).decode() + "\n")
    sys.stdout.flush()
