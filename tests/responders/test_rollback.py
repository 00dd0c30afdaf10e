"""A run that fails before its point of no return goes back by itself; after it, only forward."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from graph.errors import ConflictError, LocksmithError, RefusedError, UnavailableError
from responders.incident import Case, IncidentState, StepState
from responders.step import VerdictKind
from responders.way_back import Rollback, WayBack, words
from tests.responders.room import (
    ANA,
    FALLBACK,
    PLAYBOOK,
    REPORTER,
    START,
    Room,
    making,
    only_restarted,
    report,
)

Until = Callable[..., Case]
Running = Callable[..., Room]

FOLLOWED = PLAYBOOK.replace(
    'refresh: {use: lines.write, title: "Copy', 'refresh: {use: lines.follow, title: "Copy'
)
MADE = making(FOLLOWED)
SETTLED = (IncidentState.STOPPED, IncidentState.VERIFIED)


def approve(room: Room) -> str:
    opened = room.desk.report(report())
    request = room.desk.ask_approval(opened.incident_id, REPORTER)
    room.desk.vote(request.id, ANA, approve=True)
    return opened.incident_id


@pytest.mark.parametrize(
    "played",
    [
        {"verify restart 2": [VerdictKind.REFUTED]},
        {"apply restart 2": [ConflictError("Somebody else rolls it out.")]},
    ],
)
def test_a_failed_wave_is_taken_back_in_reverse_and_each_undo_is_seen_to_be_back(
    running: Running, until: Until, played: dict[str, list[object]]
) -> None:
    room = running(script=played)
    case = until(room, approve(room), *SETTLED)
    assert case.state is IncidentState.STOPPED
    assert room.effect_lines() == []
    took_back = [
        each.sentence.removeprefix("Takes back: ")
        for each in case.timeline
        if each.kind == "intent" and each.sentence.startswith("Takes back: ")
    ]
    begun = [each.step.title for each in case.progress if each.state is StepState.UNDONE]
    assert [title + "." for title in reversed(begun)] == took_back
    assert len(begun) >= 4
    for kind, words_of in (("receipt", "Took "), ("verdict", "gone.")):
        assert sum(e.kind == kind and words_of in e.sentence for e in case.timeline) == len(begun)
    # The report: what failed, what is back, what a person does now.
    assert "“Wave 2 of 3”" in case.next_action
    assert "Taken back and seen to be back: “New value in" in case.next_action
    assert "Make a new plan" in case.next_action
    assert case.clocks.rotated is None
    assert room.records.verify_audit().finding == "intact"
    with pytest.raises(RefusedError, match="taken back"):
        room.desk.retry(case.id, ANA)
    plan = room.desk.plan(case.id, anew=True)
    request = room.desk.ask_approval(case.id, REPORTER)
    assert request.plan_hash == plan.hash
    played.clear()
    room.desk.vote(request.id, ANA, approve=True)
    assert until(room, case.id, *SETTLED).state is IncidentState.VERIFIED
    assert room.effect_lines().count("rotate") == 1


def test_what_follows_is_done_again_after_its_source_is_back(
    running: Running, until: Until
) -> None:
    order: list[str] = []
    room = running(
        script={"verify restart 1": [VerdictKind.REFUTED]},
        playbooks=(FOLLOWED, FALLBACK),
        passing=lambda point: order.append(point) if point.endswith(":undo") else None,
    )
    case = until(room, approve(room), *SETTLED)
    assert order == ["restart:1:undo", "rotate:undo", "refresh:1:undo", "refresh:2:undo"]
    # Copied once forwards and, under a key of its own, once on the way back.
    assert sum("refresh" in line for line in room.effect_lines()) == 4
    assert {each.state for each in case.progress} == {StepState.UNDONE, StepState.WAITING}


def went_back(running: Running, until: Until, script: dict[str, list[object]], **room: Any) -> Case:
    made = room.pop("observed", None)
    script = {"verify restart 1": [VerdictKind.REFUTED], **script}
    here = running(script=script, playbooks=(MADE, FALLBACK), **room)
    if made is not None:
        here.graph.merge(made, now=START)
    return until(here, approve(here), *SETTLED)


def test_what_a_run_had_made_is_ended_last_once_everybody_is_back(
    running: Running, until: Until
) -> None:
    order: list[str] = []
    case = went_back(running, until, {}, observed=only_restarted(), passing=order.append)
    done = [at for at in order if at.endswith((":undo", ":clear"))]
    assert done == [
        "restart:1:undo",
        "rotate:undo",
        "refresh:1:undo",
        "refresh:2:undo",
        "rotate:clear",
    ]
    assert "Ended what rotate made. Make a new plan" in case.next_action
    assert case.progress[0].state is StepState.UNDONE


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            {"clear rotate": [ConflictError("The issuer says no.")]},
            "may still be valid: The issuer",
        ),
        ({"clear rotate": [UnavailableError("Down.")] * 9}, "may still be valid: Down."),
        ({"verify-clear rotate": [VerdictKind.REFUTED]}, "That is refuted: It is refuted."),
    ],
)
def test_what_could_not_be_ended_is_said_and_stands_in_nobodys_way(
    running: Running, until: Until, script: dict[str, list[object]], words: str
) -> None:
    case = went_back(running, until, script, observed=only_restarted())
    assert words in case.next_action
    assert "Make a new plan" in case.next_action


def test_where_no_clock_says_that_nobody_has_it_any_more_it_stays_valid(
    running: Running, until: Until
) -> None:
    case = went_back(running, until, {})
    assert "made stays valid: no clock says when jobs" in case.next_action
    assert not any("Ended what" in each.sentence for each in case.timeline)


@pytest.mark.parametrize(
    "played",
    [
        {"verify restart 1": [VerdictKind.UNKNOWN]},
        {"apply restart 1": [UnavailableError("Down.")] * 9},
        {"apply restart 1": [RefusedError("It is paused.")]},
        {"apply restart 1": [ValueError("a bug")]},
    ],
)
def test_what_is_not_known_or_can_be_put_right_asks_a_person(
    running: Running, until: Until, played: dict[str, list[object]]
) -> None:
    room = running(script=played)
    case = until(room, approve(room), *SETTLED)
    assert case.state is IncidentState.STOPPED
    assert "rotate" in room.effect_lines()
    assert "retry it" in case.next_action
    played.clear()
    room.desk.retry(case.id, ANA)
    assert until(room, case.id, *SETTLED).state is IncidentState.VERIFIED


@pytest.mark.parametrize("order", ["rotate-first", "revoke-first"])
def test_past_the_point_of_no_return_the_run_goes_forward(
    running: Running, until: Until, order: str
) -> None:
    failing = {"rotate-first": "apply revoke", "revoke-first": "verify restart 3"}[order]
    trouble: Exception | VerdictKind = ConflictError("The issuer says no.")
    played = {failing: [trouble if failing.startswith("apply") else VerdictKind.REFUTED]}
    room = running(script=played)
    opened = room.desk.report(report())
    room.desk.plan(opened.incident_id, order)
    request = room.desk.ask_approval(opened.incident_id, REPORTER)
    room.desk.vote(request.id, ANA, approve=True)
    case = until(room, opened.incident_id, *SETTLED)
    assert case.state is IncidentState.STOPPED
    assert "Past “Old value dead” there is no way back, only forward." in case.next_action
    assert "rotate" in room.effect_lines()
    room.desk.retry(case.id, ANA)
    assert until(room, case.id, *SETTLED).state is IncidentState.VERIFIED


@pytest.mark.parametrize(
    "trouble", [ConflictError("Somebody wrote after us."), VerdictKind.REFUTED]
)
def test_a_way_back_that_fails_stops_and_says_where(
    running: Running, until: Until, trouble: LocksmithError | VerdictKind
) -> None:
    moment = "undo" if isinstance(trouble, LocksmithError) else "verify-undo"
    played: dict[str, list[object]] = {
        "verify restart 1": [VerdictKind.REFUTED],
        f"{moment} rotate": [trouble],
    }
    room = running(script=played)
    case = until(room, approve(room), *SETTLED)
    assert case.state is IncidentState.STOPPED
    assert "“New value in" in case.next_action
    assert "could not be undone" in case.next_action
    assert case.progress[0].state is StepState.CONFIRMED
    room.desk.undo(case.id, ANA)  # a person has it tried again
    assert "Taken back" in until(room, case.id, IncidentState.STOPPED).next_action
    assert room.effect_lines() == []


def test_the_plan_says_beforehand_where_the_way_back_ends(room: Room) -> None:
    opened = room.desk.report(report())
    plan = room.desk.plan(opened.incident_id)
    said = words(plan)
    assert said["rotate"] == "undone by itself if a later step fails"
    assert said["revoke"] == "point of no return: from here only forward"
    assert plan.steps[-1].way_back == WayBack.NONE
    first = room.desk.plan(opened.incident_id, "revoke-first")
    said = words(first)
    assert said["revoke"] == "point of no return: from here only forward"
    assert said["rotate"] == "only forward"
    assert "approver" in words(replace(plan, rollback=Rollback.ASK))["rotate"]
