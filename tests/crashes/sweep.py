"""
Plays each playbook again and again, killed with SIGKILL at another point each time.

`sweep` forks from a process without threads that has imported everything already: one fork plays
until it is killed, the next one, on the same files, has to bring the incident to its end; then the
servers are asked what they hold. Databases begin as copies of one that is set up.
"""

import json
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy.orm import configure_mappers

from bot.graph_parts import graph_parts
from bot.logs import configure_logging
from bot.wiring import response_parts
from graph.collect import found_collectors
from graph.plugins import discover
from responders.step import Step
from tests.crashes.place import Place
from tests.crashes.playing import Played, config_of, play
from tests.crashes.points import Points
from tests.crashes.town import Town, running_town

WORKERS = 2


@dataclass(frozen=True)
class Outcome:
    """What one point came to; `reached` is False where this run did not pass it."""

    place: str
    playbook: str
    point: str
    reached: bool
    played: Played


Choose = Callable[[Sequence[str]], Sequence[str]]
AFTER_THE_FIRST_CHANGE = "after the first change"  # its effect is there, its receipt is not
_LOOKS = ("GET", "SELECT", "commit")


def sweep(
    places: Sequence[type[Place]],
    folder: Path,
    choose: Choose | None = None,
    *,
    kubeconfig: str = "",
) -> Iterator[Outcome]:
    """
    Kill at each point that `choose` takes of a place's; yield what came of it.

    Without `choose` each place is killed once, after the first change that it makes. What `folder`
    has from a sweep that was stopped is not played again.
    """
    _load_everything()
    with ExitStack() as stack:
        files = Path(stack.enter_context(TemporaryDirectory(prefix="locksmith-crashes-")))
        town = stack.enter_context(running_town(files, workers=WORKERS, kubeconfig=kubeconfig))
        usable = [place for place in places if place.is_possible(town)]
        _fork(lambda: _template(usable[0](town, town.issuers[0]), files / "template"))
        works = [_Work(town, number, files, folder) for number in range(WORKERS)]
        if choose is None:
            points = [(place, AFTER_THE_FIRST_CHANGE) for place in usable]
        else:
            _at_once(
                [partial(each.list_points, usable[n::WORKERS]) for n, each in enumerate(works)]
            )
            points = [(place, point) for place in usable for point in choose(listed(folder, place))]
        done = {(each.place, each.point) for each in outcomes(folder)}
        left = [(place, at) for place, at in points if (place.__name__, at) not in done]
        _at_once([partial(each.all, left[n::WORKERS]) for n, each in enumerate(works)])
    yield from outcomes(folder)


def outcomes(folder: Path) -> Iterator[Outcome]:
    """Give what is known so far."""
    for result in sorted(folder.glob("worker-*.jsonl")):
        for line in result.read_text().splitlines():
            found = json.loads(line)
            yield Outcome(**found | {"played": Played(**found["played"])})


def listed(folder: Path, place: type[Place]) -> list[str]:
    """Give the points of a place; none where it was not played to its end without being killed."""
    file = folder / f"{place.__name__}.points"
    return file.read_text().splitlines() if file.exists() else []


class _Work:
    """One of the processes that play at the same time; it has an issuer of its own."""

    def __init__(self, town: Town, number: int, files: Path, folder: Path) -> None:
        self._town = town
        self._issuer = town.issuers[number]
        self._files = files
        self._folder = folder
        self._result = folder / f"worker-{number}.jsonl"

    def list_points(self, places: Sequence[type[Place]]) -> None:
        for kind in places:
            if not listed(self._folder, kind):
                found = self._files / f"{kind.__name__}.points"
                self._one(kind, "", found)
                shutil.move(found, self._folder / found.name)

    def all(self, points: Sequence[tuple[type[Place], str]]) -> None:
        for kind, point in points:
            self._one(kind, point)

    def _one(self, kind: type[Place], point: str, listed: Path | None = None) -> None:
        place = kind(self._town, self._issuer)
        place.set_up()
        data = self._files / place.key
        shutil.copytree(self._files / "template", data)
        said = self._files / f"{place.key}.json"
        killed = os.WIFSIGNALED(_fork(lambda: _first(place, data, point, listed)))
        if _fork(lambda: said.write_text(json.dumps(asdict(play(place, data))))):
            said.write_text(json.dumps(asdict(Played(wrongs=["lost: it did not come to its end"]))))
        played = Played(**json.loads(said.read_text()))
        played.wrongs += place.wrongs()
        outcome = Outcome(kind.__name__, kind.playbook, point, killed, played)
        with self._result.open("a") as out:
            out.write(json.dumps(asdict(outcome)) + "\n")
        shutil.rmtree(data)


def _at_once(jobs: Sequence[Callable[[], object]]) -> None:
    """Do each in a process of its own, and wait for all."""
    children = []
    for job in jobs:
        child = os.fork()
        if child == 0:
            _leave_after(job)
        children.append(child)
    codes = [os.waitpid(child, 0)[1] for child in children]
    if any(codes):
        raise RuntimeError(f"a worker of the sweep ended with {codes}")


def _first(place: Place, data: Path, point: str, listed: Path | None) -> None:
    changed = threading.Event()

    def passing(at: str) -> None:
        if listed is not None:
            with listed.open("a") as out:
                out.write(f"{at}\n")
        if at == point or (point == AFTER_THE_FIRST_CHANGE and changed.is_set()):
            os.kill(os.getpid(), signal.SIGKILL)
        if _is_change(at):
            changed.set()

    points = Points(passing)
    points.watch()
    play(place, data, points=points)


def _is_change(point: str) -> bool:
    step, _, what = point.rpartition(":")
    return step not in {"person", "engine"} and what.partition("#")[0] not in _LOOKS


def _load_everything() -> None:
    """Load here, once, what each fork would load by itself."""
    found_collectors()
    discover(Step, "responders.steps")
    configure_mappers()


def _template(place: Place, folder: Path) -> None:
    """Make the tables once: ours, and those of the workflow engine."""
    place.set_up()
    graph = graph_parts(config_of(place, folder))
    parts = response_parts(graph)
    parts.engine.launch()
    parts.engine.stop(seconds=0)
    graph.close()


def _fork(play_it: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        _leave_after(play_it)
    return os.waitpid(child, 0)[1]


def _leave_after(play_it: Callable[[], object]) -> None:
    configure_logging("ERROR", as_json=False, stream=sys.stderr)
    try:
        play_it()
    except BaseException:  # noqa: BLE001 - a fork must not return into the code of its parent
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
