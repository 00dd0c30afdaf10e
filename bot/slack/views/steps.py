"""The plan and its run as lines: what will happen, what happens, what was proven."""

from bot.slack.views.names import STEP_ICON, order_words
from bot.slack.views.text import duration, joined, said, top
from graph.words import counted
from responders.evidence import in_short
from responders.history import expected_of
from responders.incident import (
    Case,
    Forecast,
    Plan,
    StepProgress,
    StepState,
)
from responders.way_back import WayBack, words

SETTLED = frozenset({StepState.CONFIRMED, StepState.SKIPPED, StepState.UNDONE})
BROKEN = frozenset({StepState.REFUTED, StepState.FAILED, StepState.UNKNOWN})
PHASE_WORDS = {
    "rotate": "New value written",
    "refresh": "Copies synced",
    "reload": "Consumers on the new value",
    "revoke": "Old value revoked",
    "verify": "Proven",
}


def plan_lines(plan: Plan, *, brief: bool = False) -> list[str]:
    """List the steps of a plan that has not run, with numbers; `brief`: what is final, no more."""
    lines, said_of = [], words(plan)
    for number, step in enumerate(plan.steps, 1):
        final = step.title in plan.irreversible or step.way_back == WayBack.NONE
        back = f" · *{said_of[step.id]}*" if final else f" · _{said_of[step.id]}_"
        tail = f" · {expected_of(step)}" if step.measured else ""
        if brief:
            lines.append(f"{number}. {said(step.title, 120)}{tail}{back if final else ''}")
            continue
        lines.append(f"{number}. *{said(step.title, 120)}*: {said(step.sentence, 240)}{tail}{back}")
    return lines


def progress_lines(
    progress: tuple[StepProgress, ...], *, brief: bool = False, told: str = ""
) -> list[str]:
    """
    One line for each step of a run: its state, and what was seen last, unless `told` has it.

    `brief`: of what is confirmed no more than that; the thread has what proves it.
    """
    lines = []
    silent = {StepState.WAITING, StepState.CONFIRMED} if brief else {StepState.WAITING}
    for each in progress:
        words = "" if each.state in silent else in_short(each)
        words = "" if words.rstrip(".") in told else words
        took = ""
        if each.started_at and each.finished_at:
            took = f" ({duration((each.finished_at - each.started_at).total_seconds())})"
        tail = f": {said(words, 200)}" if words else ""
        lines.append(f"{STEP_ICON[each.state]} *{said(each.step.title, 120)}*{took}{tail}")
    return lines


def finding_lines(progress: tuple[StepProgress, ...], *, most: int = 12) -> list[str]:
    """One line for each thing that the last step with several of them looked at."""
    for each in reversed(progress):
        found = each.evidence.get("each")
        if isinstance(found, (list, tuple)) and found:
            return top([f"• {said(str(one), 200)}" for one in found], most, "consumer")
    return []


def steps_text(case: Case, limit: int = 2400) -> str:
    """Draw the live list in brief while there is a run, else the plan, else say so."""
    if case.progress and any(each.state is not StepState.WAITING for each in case.progress):
        return joined(progress_lines(case.progress, brief=True, told=case.next_action), limit)
    if case.plan:
        return joined(plan_lines(case.plan, brief=True), limit)
    return "No plan yet."


def progress_count(case: Case) -> str:
    done = sum(each.state in SETTLED for each in case.progress)
    return f"{done} of {counted(len(case.progress), 'step')}"


def forecast_text(forecast: Forecast, *, chosen: bool, limit: int = 500) -> str:
    """One order and its consequence."""
    mark = " ← chosen" if chosen else ""
    return f"*{said(order_words(forecast.order))}*{mark}: {said(forecast.sentence, limit)}"


def broken_step(case: Case) -> StepProgress | None:
    """Return the step that stopped the run, if one did."""
    return next((each for each in case.progress if each.state in BROKEN), None)


def finished_phases(case: Case) -> list[tuple[str, list[StepProgress]]]:
    """Return the phases of which each step is settled, in the order of the plan."""
    phases: dict[str, list[StepProgress]] = {}
    for each in case.progress:
        phases.setdefault(each.step.phase, []).append(each)
    return [
        (phase, steps)
        for phase, steps in phases.items()
        if all(each.state in SETTLED for each in steps)
    ]
