"""
How long a plan will probably take: by what the same steps took in earlier incidents. Pure.

A step is the same where it did the same to the same targets; where that never happened, what the
step took elsewhere counts. The median of the newest is taken, so that one bad night does not count.
Where a step never ran to its end, nothing is expected of it, and the plan says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from responders.incident import Plan, PlannedStep

NEWEST = 20  # runs of one step


@dataclass(frozen=True, slots=True)
class Took:
    """One step that was confirmed, and how many seconds that took, its verification included."""

    use: str
    targets: tuple[str, ...]
    seconds: float


def expected(plan: Plan, history: Sequence[Took]) -> Plan:
    """Write into the plan what its steps are expected to take; `history` has the newest first."""
    steps = tuple(_expected(step, history) for step in plan.steps)
    known = [each.expected_seconds for each in steps if each.expected_seconds is not None]
    return replace(
        plan,
        steps=steps,
        expected=_sentence(len(steps), known),
        expected_seconds=sum(known) if steps and len(known) == len(steps) else None,
    )


def _expected(step: PlannedStep, history: Sequence[Took]) -> PlannedStep:
    of_kind = [one for one in history if one.use == step.use]
    same = [one for one in of_kind if one.targets == step.targets]
    found = [one.seconds for one in (same or of_kind)[:NEWEST]]
    if not found:
        return step
    return replace(step, expected_seconds=round(median(found), 1), measured=len(found))


def expected_of(step: PlannedStep) -> str:
    """Say what one step is expected to take, and by how many earlier runs."""
    if step.expected_seconds is None:
        return "no history"
    runs = "1 run" if step.measured == 1 else f"{step.measured} runs"
    return f"about {spoken(step.expected_seconds)} ({runs})"


def _sentence(steps: int, known: Sequence[float]) -> str:
    if not known:
        return "No history: no step like these has run here before."
    said = f"about {spoken(sum(known))}, by what the same steps took before"
    if len(known) == steps:
        return f"Expected to take {said}."
    missing = steps - len(known)
    return f"{len(known)} of {steps} steps are expected to take {said}; no history of the other" + (
        "." if missing == 1 else f" {missing}."
    )


def spoken(seconds: float) -> str:
    """Say a span roughly: "8 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 1:
        return "1 s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, left = divmod(minutes, 60)
    parts = [(hours, "h"), (left, "min"), (rest, "s")]
    shown = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(shown[:2])
