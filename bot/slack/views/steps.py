"""The plan and its run as lines: what will happen, what happens, what was proven."""

from bot.slack.views.blocks import Block, button
from bot.slack.views.names import STEP_ICON, order_words
from bot.slack.views.text import counted, duration, joined, said, top
from responders.history import expected_of
from responders.incident import (
    Case,
    Forecast,
    Plan,
    StepProgress,
    StepState,
)
from responders.silence import still_loud
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


def ways_on(case: Case, step: StepProgress) -> list[Block]:
    """Draw what a person can do about a step that broke."""
    value = f"{case.id}:{step.step.id}"
    offered = [
        button("Try this step again", "step_retry", value, style="primary"),
        button("Skip it, with a reason", "step_skip", value),
    ]
    if step.state is StepState.UNKNOWN:
        offered.insert(1, button("I can confirm it", "step_confirm", value))
    if still_loud(case, step.step):
        offered.insert(1, button("Revoke all the same", "step_although", value, style="danger"))
    return offered


def plan_lines(plan: Plan) -> list[str]:
    """List the steps of a plan that has not run, with numbers."""
    lines, said_of = [], words(plan)
    for number, step in enumerate(plan.steps, 1):
        back = f" · _{said_of[step.id]}_"
        if step.title in plan.irreversible or step.way_back == WayBack.NONE:
            back = f" · *{said_of[step.id]}*"
        tail = (f" · {expected_of(step)}" if step.measured else "") + back
        lines.append(f"{number}. *{said(step.title, 120)}*: {said(step.sentence, 240)}{tail}")
    return lines


def progress_lines(progress: tuple[StepProgress, ...]) -> list[str]:
    """One line for each step of a run: its state, and what was seen last."""
    lines = []
    for each in progress:
        words = each.sentence if each.state is not StepState.WAITING else ""
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
    """Draw the live list while there is a run, else the plan, else say that there is none."""
    if case.progress and any(each.state is not StepState.WAITING for each in case.progress):
        return joined(progress_lines(case.progress), limit)
    if case.plan:
        return joined(plan_lines(case.plan), limit)
    return "No plan yet."


def progress_count(case: Case) -> str:
    done = sum(each.state in SETTLED for each in case.progress)
    return f"{done} of {counted(len(case.progress), 'step')}"


def forecast_text(forecast: Forecast, *, chosen: bool, limit: int = 500) -> str:
    """One order and its consequence."""
    mark = " ← chosen" if chosen else ""
    broken = [each for each in forecast.breakages if each.breaks]
    count = f"{len(broken)} of {counted(len(forecast.breakages), 'consumer')} would break"
    return (
        f"*{said(order_words(forecast.order))}*{mark}: {said(forecast.sentence, limit)} _({count})_"
    )


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
