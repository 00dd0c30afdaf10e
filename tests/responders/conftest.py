"""Rooms for the tests of the responders."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from responders.incident import Case, IncidentState
from tests.responders.room import START, Room, observation


@pytest.fixture
def make_room(tmp_path: Path) -> Iterator[Callable[..., Room]]:
    rooms: list[Room] = []

    def make(**settings: Any) -> Room:
        room = Room(tmp_path, **settings)
        room.graph.merge(observation(), now=START)
        rooms.append(room)
        return room

    yield make
    for room in rooms:
        room.engine.stop(seconds=0)
        room.database.close()


@pytest.fixture
def room(make_room: Callable[..., Room]) -> Room:
    return make_room()


@pytest.fixture
def running(make_room: Callable[..., Room]) -> Callable[..., Room]:
    """A room whose engine runs, on the clock of the wall."""

    def make(**settings: Any) -> Room:
        room = make_room(now=lambda: datetime.now(UTC), **settings)
        room.engine.launch()
        return room

    return make


@pytest.fixture
def until() -> Callable[..., Case]:
    """Poll a case until it is in one of the states, and `where` holds."""

    def wait(
        room: Room,
        incident_id: str,
        *states: IncidentState,
        seconds: float = 30,
        where: Callable[[], bool] = lambda: True,
    ) -> Case:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            case = room.desk.case(incident_id)
            if case.state in states and where():
                return case
            time.sleep(0.05)
        case = room.desk.case(incident_id)
        trail = "\n".join(f"{each.kind}: {each.sentence}" for each in case.timeline)
        raise AssertionError(f"{case.state} after {seconds} s, not {states}\n{trail}")

    return wait
