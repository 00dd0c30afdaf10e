"""
The way back: what of a plan is taken back by itself when a later step fails, and until when. Pure.

A plan has a point of no return: the first step that ends something or that nobody can take back.
Before it, a step that fails makes Locksmith put back what was done (`response.rollback`); from it
on a failed run stops, and goes forward: retried, mended, or planned anew. Approvers are told which
is which before they decide.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum

from responders.incident import Plan, PlannedStep, StepState


class Rollback(StrEnum):
    """What happens when a step fails before the point of no return."""

    AUTOMATIC = "automatic"
    ASK = "ask"  # a person says so


class WayBack(StrEnum):
    """What becomes of a step when the run goes back."""

    UNDONE = "undone"
    FOLLOWS = "follows"  # done once more, when what it copies is back
    STAYS = "stays"  # it only looked, or what it left is in nobody's way
    NONE = "none"


BACK = frozenset({WayBack.UNDONE, WayBack.FOLLOWS})
_UNBOUNDED = frozenset({"poll", "run", "unknown"})
_DID_NOTHING = frozenset({StepState.WAITING, StepState.SKIPPED, StepState.UNDONE})


def in_order(plan: Plan) -> tuple[PlannedStep, ...]:
    """Order the way back: changes in reverse; then, forward, what follows them."""
    undone = [step for step in plan.steps if step.reversible and step.way_back != WayBack.FOLLOWS]
    followers = [step for step in plan.steps if step.way_back == WayBack.FOLLOWS]
    return (*reversed(undone), *followers)


def barred(plan: Plan, states: Mapping[str, StepState]) -> str:
    """Name the step past whose point of no return the run may be; "" where it can go back."""
    for step in plan.steps:
        begun = states.get(step.id, StepState.WAITING) not in _DID_NOTHING
        if begun and step.way_back == WayBack.NONE:
            return step.title
    return ""


def made(plan: Plan, makes: Collection[str]) -> tuple[PlannedStep, ...]:
    """Name the steps that had something made, to be ended last; `makes`: what such steps use."""
    undone = (step for step in reversed(plan.steps) if step.way_back == WayBack.UNDONE)
    return tuple(step for step in undone if step.use in makes)


def settled_after(plan: Plan) -> float | None:
    """
    Say after how many seconds everybody is back who follows a copy by themselves.

    None where no clock bounds that: a job that runs, a program that polls.
    """
    follow = [each for forecast in plan.forecasts[:1] for each in forecast.breakages]
    if any(each.follows in _UNBOUNDED for each in follow):
        return None
    return max((each.seconds or 0.0 for each in follow), default=0.0)


def words(plan: Plan) -> dict[str, str]:
    """Say of each step, by its id, what becomes of it when a later one fails."""
    automatic = plan.rollback == Rollback.AUTOMATIC
    by_itself = "by itself " if automatic else "on an approver's word "
    said: dict[str, str] = {}
    passed = False
    for step in plan.steps:
        if not step.way_back and not step.reversible:
            said[step.id] = "no way back"  # of a plan from before there were such words
        elif step.way_back == WayBack.NONE:
            first = "point of no return: from here only forward"
            said[step.id] = "no way back" if passed else first
            passed = True
        elif passed:
            said[step.id] = "only forward"
        elif step.way_back == WayBack.STAYS:
            said[step.id] = "nothing to take back"
        else:
            said[step.id] = f"undone {by_itself}if a later step fails"
    return said
