"""
Plays one run again and again, killed with SIGKILL at another point each time; prints JSON.

Run as a process of its own (`python -m tests.responders.crashing FOLDER EVERY`), so that what it
forks has no threads behind it. Of the points only each EVERYth is taken. Each line of the output is
one of them: how the first process ended, where the second one brought the incident, and which
effects the world saw, how often.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from responders.incident import IncidentState
from responders.step import VerdictKind
from tests.responders.room import (
    ANA,
    FALLBACK,
    PLAYBOOK,
    REPORTER,
    START,
    Room,
    making,
    observation,
    only_restarted,
    report,
)

_SECONDS = 40
_WORKERS = 2
_ALWAYS = {
    "rotate:clear-verify",
    "rotate:intent",
    "rotate:receipt",
    "revoke:receipt",
    "finish",
    "closed",
}


def _now() -> datetime:
    return datetime.now(UTC)


def _fork(play: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            play()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


def _first(folder: Path, point: str, passed: Path | None = None) -> None:
    ended = threading.Event()

    def passing(at: str) -> None:
        if passed is not None:
            with passed.open("a") as out:
                out.write(f"{at}\n")
        if at == point:
            os.kill(os.getpid(), signal.SIGKILL)
        if at == "closed":
            ended.set()
        if at == "undone":
            threading.Timer(1, ended.set).start()  # what follows it is one commit

    room = _room(folder, passing)
    room.graph.merge(only_restarted() if _goes_back(folder) else observation(), now=START)
    room.engine.launch()
    opened = room.desk.report(report())
    request = room.desk.ask_approval(opened.incident_id, REPORTER)
    room.desk.vote(request.id, ANA, approve=True)
    ended.wait(_SECONDS)


def _second(folder: Path, result: Path, point: str) -> None:
    room = _room(folder)
    room.engine.launch()
    _wait(room)
    (case,) = room.desk.cases()
    intents = [each.sentence for each in case.timeline if each.kind == "intent"]
    found = {
        "point": point,
        "state": case.state,
        "effects": room.effect_lines(),
        "steps": [each.state for each in case.progress],
        "next": case.next_action,
        "audit": room.records.verify_audit().finding,
        "again": sum("Takes up again" in intent for intent in intents),
    }
    with result.open("a") as out:
        out.write(json.dumps(found) + "\n")


def _room(folder: Path, passing: Callable[[str], None] = lambda at: None) -> Room:
    """A run that goes back has something made, and its second wave is always refuted."""
    if not _goes_back(folder):
        return Room(folder, now=_now, passing=passing)
    script: dict[str, list[Exception | VerdictKind]] = {
        "verify restart 2": [VerdictKind.REFUTED] * 9
    }
    books = (making(PLAYBOOK), FALLBACK)
    return Room(folder, now=_now, passing=passing, script=script, playbooks=books)


def _goes_back(folder: Path) -> bool:
    return (folder.parent / "back").exists()


def _wait(room: Room) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        cases = room.desk.cases()
        if cases and cases[0].state in {IncidentState.VERIFIED, IncidentState.STOPPED}:
            return
        time.sleep(0.05)


def main(folder: Path, every: int, back: str = "") -> None:
    result, passed = folder / "result.jsonl", folder / "points.txt"
    if back:
        (folder / "back").touch()
    (folder / "whole").mkdir()
    _fork(lambda: _first(folder / "whole", "", passed))
    points = list(dict.fromkeys(passed.read_text().split("\n")[:-1]))
    if back:  # forwards is the other sweep's business
        points = points[points.index("restart:2:verdict") :]
    points = [at for number, at in enumerate(points) if number % every == 0 or at in _ALWAYS]
    workers = [_fork_off(folder, result, points, worker) for worker in range(_WORKERS)]
    if any(os.waitpid(worker, 0)[1] for worker in workers):
        raise SystemExit("a process was not killed where it should have been")


def _fork_off(folder: Path, result: Path, points: list[str], worker: int) -> int:
    """Play every `_WORKERS`th point in a process of its own: most of the time they wait."""
    child = os.fork()
    if child:
        return child
    for number in range(worker, len(points), _WORKERS):
        place, point = folder / str(number), points[number]
        place.mkdir()
        if not os.WIFSIGNALED(_fork(lambda place=place, point=point: _first(place, point))):  # type: ignore[misc]
            os._exit(1)
        _fork(lambda place=place, point=point: _second(place, result, point))  # type: ignore[misc]
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
