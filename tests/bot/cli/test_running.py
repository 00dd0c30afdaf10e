"""A run on the command line: a line for each change, for people or as events."""

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
import typer

from bot.cli.running import await_decision, follow
from bot.wiring import ResponseParts
from responders.incident import IncidentState
from responders.step import VerdictKind
from responders.way_back import Rollback
from tests.responders.conftest import make_room, running
from tests.responders.room import ANA, REPORTER, Room, report

__all__ = ["make_room", "running"]

Running = Callable[..., Room]


def approved(room: Room) -> str:
    opened = room.desk.report(report())
    request = room.desk.ask_approval(opened.incident_id, REPORTER)
    room.desk.vote(request.id, ANA, approve=True)
    return opened.incident_id


def parts(room: Room) -> ResponseParts:
    return cast(ResponseParts, room)  # of which only the desk is asked


def test_each_change_of_a_run_is_one_event(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    room = running()
    incident_id = approved(room)
    assert await_decision(parts(room), incident_id).state is not IncidentState.WAITING
    follow(parts(room), incident_id, as_json=True)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    steps = [each for each in events if each["event"] == "step"]
    assert {each["state"] for each in steps} >= {"confirmed"}
    assert {each["incident"] for each in events} == {incident_id}
    assert [each["done"] for each in steps] == sorted(each["done"] for each in steps)
    assert steps[-1]["done"] == steps[-1]["of"] == 7
    assert events[-1] | {"next": ""} == {
        "event": "ended",
        "incident": incident_id,
        "state": "verified",
        "next": "",
    }


def test_a_run_that_stops_ends_with_1_and_says_how_to_go_on(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    room = running(script={"verify restart 1": [VerdictKind.REFUTED]}, rollback=Rollback.ASK)
    incident_id = approved(room)
    with pytest.raises(typer.Exit) as ended:
        follow(parts(room), incident_id)
    assert ended.value.exit_code == 1
    said = capsys.readouterr().out
    assert "3/7 refuted" in said
    assert f"locksmith retry {incident_id}" in said


def test_a_run_that_went_back_says_that_a_new_plan_is_needed(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    room = running(script={"verify restart 1": [VerdictKind.REFUTED]})
    incident_id = approved(room)
    with pytest.raises(typer.Exit):
        follow(parts(room), incident_id)
    said = capsys.readouterr().out
    assert "Taken back and seen to be back" in said
    assert f"locksmith plan {incident_id}" in said
    before = room.desk.case(incident_id).plan
    assert room.desk.plan(incident_id) == before  # the same facts, to be approved once more
    assert room.desk.case(incident_id).state == "planned"
