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
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.logs import configure_logging
from bot.wiring import graph_parts, response_parts
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
    places: Sequence[type[Place]], folder: Path, choose: Choose | None = None
) -> Iterator[Outcome]:
    """
    Kill at each point that `choose` takes of a place's; yield what came of it.

    Without `choose` each place is killed once, after the first change that it makes.
    """
    with running_town(folder, workers=WORKERS) as town:
        usable = [place for place in places if town.postgres or not place.needs_postgres]
        _fork(lambda: _template(usable[0](town, town.issuers[0]), folder / "template"))
        results = [folder / f"worker-{number}.jsonl" for number in range(WORKERS)]
        children = []
        for number, result in enumerate(results):
            mine = usable[number::WORKERS]
            work = _Work(town, town.issuers[number], folder, result)
            child = os.fork()
            if child == 0:
                _leave_after(lambda mine=mine, work=work: work.all(mine, choose))  # type: ignore[misc]
            children.append(child)
        codes = [os.waitpid(child, 0)[1] for child in children]
        if any(codes):
            raise RuntimeError(f"a worker of the sweep ended with {codes}")
    for result in results:
        for line in result.read_text().splitlines():
            found = json.loads(line)
            yield Outcome(**found | {"played": Played(**found["played"])})


class _Work:
    def __init__(self, town: Town, issuer: tuple[str, str], folder: Path, result: Path) -> None:
        self._town = town
        self._issuer = issuer
        self._folder = folder
        self._result = result

    def all(self, places: Sequence[type[Place]], choose: Choose | None) -> None:
        self._result.touch()
        for kind in places:
            if choose is None:
                self._one(kind, AFTER_THE_FIRST_CHANGE)
                continue
            listed = self._folder / f"{kind.__name__}.points"
            self._one(kind, "", listed)
            for point in choose(listed.read_text().splitlines()):
                self._one(kind, point)

    def _one(self, kind: type[Place], point: str, listed: Path | None = None) -> None:
        place = kind(self._town, self._issuer)
        place.set_up()
        data = self._folder / place.key
        shutil.copytree(self._folder / "template", data)
        said = self._folder / f"{place.key}.json"
        killed = os.WIFSIGNALED(_fork(lambda: _first(place, data, point, listed)))
        if _fork(lambda: said.write_text(json.dumps(asdict(play(place, data))))):
            said.write_text(json.dumps(asdict(Played(wrongs=["lost: it did not come to its end"]))))
        played = Played(**json.loads(said.read_text()))
        played.wrongs += place.wrongs()
        outcome = Outcome(kind.__name__, kind.playbook, point, killed, played)
        with self._result.open("a") as out:
            out.write(json.dumps(asdict(outcome)) + "\n")
        shutil.rmtree(data)


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
