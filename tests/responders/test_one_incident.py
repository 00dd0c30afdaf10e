"""One incident per credential: joined, raised, reopened; also with everybody reporting at once."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from responders.incident import Exposure, IncidentState, Person, Severity
from tests.responders.reporting_at_once import PLACES, VALUES
from tests.responders.room import ANA, Room, report
from tests.servers.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

ROOT = Path(__file__).parents[2]
THREADS = 8
OTHER = "77" * 32


def seen_by(people: int, **more: int) -> Exposure:
    return Exposure(people=people, apps=1, **more)


def reasons(room: Room, incident_id: str) -> str:
    return "; ".join(room.desk.case(incident_id).severity_reasons)


def test_a_more_public_place_raises_the_severity_and_a_quieter_one_lowers_nothing(
    room: Room,
) -> None:
    opened = room.desk.report(report(OTHER, matched=False, where="https://chat/quiet"))
    assert room.desk.case(opened.incident_id).severity is Severity.MEDIUM
    room.desk.places.exposed(opened.incident_id, "https://chat/quiet", seen_by(4))
    assert room.desk.case(opened.incident_id).severity is Severity.MEDIUM
    again = room.desk.report(report(OTHER, matched=False, where="https://chat/loud"))
    assert (again.incident_id, again.outcome) == (opened.incident_id, "joined")
    room.desk.places.exposed(opened.incident_id, "https://chat/loud", seen_by(40, outsiders=3))
    case = room.desk.case(opened.incident_id)
    assert case.severity is Severity.HIGH
    assert "3 people of other organisations could read it in" in case.severity_reasons[0]
    assert [entry.kind for entry in case.timeline].count("raised") == 1
    room.desk.places.exposed(opened.incident_id, "https://chat/loud", seen_by(2))
    assert room.desk.case(opened.incident_id).severity is Severity.HIGH
    assert case.sightings[1].exposure == seen_by(40, outsiders=3)
    assert room.records.verify_audit().finding == "intact"


def test_the_same_count_again_changes_nothing(room: Room) -> None:
    incident_id = room.desk.report(report()).incident_id
    room.desk.places.exposed(incident_id, "https://chat/1", seen_by(4))
    before = room.desk.case(incident_id)
    room.desk.places.exposed(incident_id, "https://chat/1", seen_by(4))
    assert room.desk.case(incident_id) == before


def test_what_a_later_report_knows_raises_it_too(room: Room) -> None:
    incident_id = room.desk.report(report(OTHER, matched=False)).incident_id
    joined = room.desk.report(report(OTHER, where="https://chat/2"))
    assert joined.incident_id == incident_id
    assert room.desk.case(incident_id).severity is Severity.CRITICAL


def test_what_a_person_said_of_the_severity_stands(room: Room) -> None:
    incident_id = room.desk.report(report(OTHER, matched=False)).incident_id
    room.desk.triage.change_severity(incident_id, ANA, Severity.LOW, "a test account")
    room.desk.places.exposed(incident_id, "https://chat/1", seen_by(40, outsiders=3))
    assert room.desk.case(incident_id).severity is Severity.LOW


def test_after_the_end_it_reopens_as_a_regression_and_never_twice(room: Room) -> None:
    first = room.desk.report(report()).incident_id
    room.desk.dismiss(first, ANA, "rotated long ago")
    again = room.desk.report(report(where="https://chat/2"))
    assert (again.incident_id, again.outcome) == (first, "reopened")
    assert "regression: it was false_alarm" in reasons(room, first)
    assert room.desk.report(report(where="https://chat/3")).outcome == "joined"
    assert len(room.desk.cases()) == 1


def test_the_same_message_found_again_after_the_end_is_known_and_opens_nothing(
    room: Room,
) -> None:
    found = replace(report(), once="slack:C1/1.1")
    first = room.desk.report(found).incident_id
    room.desk.dismiss(first, ANA, "rotated long ago")
    assert room.desk.report(found).outcome == "known"
    assert room.desk.case(first).state is IncidentState.FALSE_ALARM
    assert room.desk.report(replace(found, once="slack:C1/2.2")).outcome == "reopened"


def test_an_edit_stands_above_a_claim_and_below_the_places_own_word(room: Room) -> None:
    incident_id = room.desk.report(report()).incident_id
    told = []
    for how in ("edited", "claimed", "verified", "edited"):
        room.desk.places.gone(incident_id, ANA, how=how)  # type: ignore[arg-type]
        told.append(room.desk.case(incident_id).sightings[0].removed)
    assert told == ["edited away", "edited away", "verified", "verified"]


@pytest.mark.parametrize("after", ["nothing", "a closed one"])
def test_eight_threads_at_once_make_one_incident(
    make_room: Callable[..., Room], after: str
) -> None:
    room = make_room()
    if after != "nothing":
        room.desk.dismiss(room.desk.report(report()).incident_id, ANA, "rotated long ago")
    barrier = threading.Barrier(THREADS)

    def one(number: int) -> tuple[str, str]:
        found = report(where=f"https://chat/{number}x", reporter=Person(f"p{number}@example.com"))
        barrier.wait()
        opened = room.desk.report(found)
        return opened.incident_id, opened.outcome

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(one, range(THREADS)))
    assert len({incident for incident, _ in results}) == 1
    first = "opened" if after == "nothing" else "reopened"
    assert Counter(outcome for _, outcome in results) == {first: 1, "joined": THREADS - 1}
    assert len(room.desk.cases()) == 1
    assert room.records.verify_audit().finding == "intact"


def test_two_processes_on_postgresql_make_one_incident_of_each_value(
    postgres_url: str, tmp_path: Path
) -> None:
    with room_at(postgres_url, tmp_path / "ours") as room:
        with (
            process(postgres_url, tmp_path / "a", "kim") as kim,
            process(postgres_url, tmp_path / "b", "lou") as lou,
        ):
            opened = both(kim, lou, "1")
            assert_one_each(room, opened, first="opened")
            for case in room.desk.cases():
                room.desk.dismiss(case.id, ANA, "rotated long ago")
            again = both(kim, lou, "2")
            assert_one_each(room, again, first="reopened")
        assert incidents(opened) == incidents(again)
        for case in room.desk.cases():
            assert len(case.sightings) == 2 * 2 * PLACES
        assert room.records.verify_audit().finding == "intact"


def assert_one_each(room: Room, told: list[list[str]], *, first: str) -> None:
    assert len(told) == 2 * PLACES * len(VALUES)
    assert all(len(ids) == 1 for ids in incidents(told).values())
    outcomes = Counter((value, outcome) for value, _, outcome in told)
    assert {value for value, outcome in outcomes if outcome == first} == set(VALUES)
    assert all(outcomes[value, first] == 1 for value in VALUES)
    assert all(outcomes[value, "joined"] == 2 * PLACES - 1 for value in VALUES)
    assert len(room.desk.cases()) == len(VALUES)


def incidents(told: list[list[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for value, incident, _ in told:
        found.setdefault(value, set()).add(incident)
    return found


@contextmanager
def room_at(url: str, folder: Path) -> Iterator[Room]:
    folder.mkdir()
    room = Room(folder, url=url)
    try:
        yield room
    finally:
        room.engine.stop(seconds=0)
        room.database.close()


@contextmanager
def process(url: str, folder: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.responders.reporting_at_once", str(folder), url, name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as running:
        assert line_of(running) == "ready"
        yield running
        assert running.stdin is not None
        running.stdin.close()
        assert running.wait(20) == 0


def line_of(running: subprocess.Popen[str]) -> str:
    """Skip what the libraries print."""
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith(("ready", "[[")):
            return line.strip()
    raise AssertionError("the process ended")


def both(one: subprocess.Popen[str], other: subprocess.Popen[str], number: str) -> list[list[str]]:
    for running in (one, other):
        assert running.stdin is not None
        running.stdin.write(f"{number}\n")
        running.stdin.flush()
    return [outcome for running in (one, other) for outcome in json.loads(line_of(running))]
