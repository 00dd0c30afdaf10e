"""
What answers are measured against: a walk over bare dictionaries, and recursive SQL.

The walk visits the nodes and edges that the answer is made of, no more and no fewer, and keeps each
with its attributes in a list: nothing that gives the same answer in Python does less. Of a consumer
the answer says how many replicas it has and whose it is, or whose its namespace is: the walk goes
there, too.
"""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from sqlalchemy import Connection, text

from graph.model import Attributes, Edge, EdgeKind, Node
from graph.refs import Ref, cluster_of, namespace_of

Neighbours = dict[Ref, list[tuple[Ref, Attributes]]]
Found = list[tuple[Ref, Attributes]]
Clock = Callable[[], float]
_DEEP, _MANY = 3, 500  # as far as the blast radius follows what is opened


class Bare:
    """Two dictionaries of lists per edge kind, and one of what is said of nodes."""

    def __init__(self, nodes: Iterable[Node], edges: Iterable[Edge]) -> None:
        self._said = {node.ref: node.attributes for node in nodes}
        self._out: dict[EdgeKind, Neighbours] = {kind: {} for kind in EdgeKind}
        self._into: dict[EdgeKind, Neighbours] = {kind: {} for kind in EdgeKind}
        for edge in edges:
            self._out[edge.kind].setdefault(edge.tail, []).append((edge.head, edge.attributes))
            self._into[edge.kind].setdefault(edge.head, []).append((edge.tail, edge.attributes))

    def uses(self, secret: Ref) -> Found:
        found, places = self._copies(secret)
        self._owners(found, self._consumers(found, places))
        return found

    def readers(self, secret: Ref) -> Found:
        found, places = self._copies(secret)
        self._consumers(found, places)
        self._readers(found, places)
        return found

    def blast_radius(self, secret: Ref) -> Found:
        found, places = self._copies(secret)
        self._owners(found, self._consumers(found, places))
        self._readers(found, places)
        self._opened(found, places)
        return found

    def _copies(self, secret: Ref) -> tuple[Found, list[Ref]]:
        copies = self._out[EdgeKind.COPIES]
        found: Found = []
        seen = {secret}
        places = [secret]
        for at in places:
            for head, attributes in copies.get(at, ()):
                if head not in seen:
                    seen.add(head)
                    places.append(head)
                    found.append((head, attributes))
        return found, places

    def _consumers(self, found: Found, places: list[Ref]) -> Iterable[Ref]:
        consumes = self._into[EdgeKind.CONSUMES]
        consumers: dict[Ref, None] = {}
        for at in places:
            for tail, attributes in consumes.get(at, ()):
                found.append((tail, attributes))
                consumers[tail] = None
        return consumers

    def _owners(self, found: Found, consumers: Iterable[Ref]) -> None:
        """Walk from each consumer to what is said of it, and to its owner or its namespace's."""
        owned, placed = self._out[EdgeKind.OWNED_BY], self._out[EdgeKind.IN_NAMESPACE]
        for consumer in consumers:
            found.append((consumer, self._said[consumer]))
            named = owned.get(consumer)
            if named is None:
                ((home, _),) = placed[consumer]
                named = owned.get(home, [])
            found += named

    def _readers(self, found: Found, places: list[Ref]) -> None:
        """Walk from each place to who may read it, and on to who can act as such a reader."""
        can_read = self._into[EdgeKind.CAN_READ]
        for at in places:
            subjects: dict[Ref, None] = {}
            for scope in _scopes(at):
                for tail, attributes in can_read.get(scope, ()):
                    found.append((tail, attributes))
                    subjects[tail] = None
            self._takers(found, list(subjects))

    def _takers(self, found: Found, subjects: list[Ref]) -> None:
        opens, runs_as = self._into[EdgeKind.OPENS], self._into[EdgeKind.RUNS_AS]
        seen = set(subjects)
        for subject in subjects:  # grows while it is walked
            for workload, attributes in runs_as.get(subject, ()):
                if workload not in seen:
                    seen.add(workload)
                    found.append((workload, attributes))
            for scope in _scopes(subject):
                for above, attributes in opens.get(scope, ()):
                    if above not in seen:
                        seen.add(above)
                        subjects.append(above)
                        found.append((above, attributes))

    def _opened(self, found: Found, places: list[Ref]) -> None:
        seen = set(places)
        level: list[Ref] = places
        for _ in range(_DEEP):
            following: list[Ref] = []
            for at in level:
                for kind in (EdgeKind.OPENS, EdgeKind.CAN_READ):
                    for head, attributes in self._out[kind].get(at, ()):
                        if head not in seen:
                            seen.add(head)
                            following.append(head)
                            found.append((head, attributes))
                for kind in (EdgeKind.IN_NAMESPACE, EdgeKind.STORED_IN):
                    for tail, attributes in self._into[kind].get(at, ()):
                        if "/Secret/" in tail and tail not in seen:
                            seen.add(tail)
                            following.append(tail)
                            found.append((tail, attributes))
                if len(following) >= _MANY:
                    return
            level = following


def _scopes(ref: Ref) -> Iterator[Ref]:
    """Yield what a rule about `ref` may name: itself, its namespace, its cluster."""
    yield ref
    for scope in (namespace_of(ref), cluster_of(ref)):
        if scope is not None:
            yield scope


USES_IN_SQL = text(
    """
    WITH RECURSIVE place(ref) AS (
        SELECT CAST(:secret AS TEXT)
        UNION
        SELECT edge.head FROM place CROSS JOIN graph_edge AS edge
        WHERE edge.tail = place.ref AND edge.kind = 'copies'
    )
    SELECT edge.tail, edge.attributes FROM place CROSS JOIN graph_edge AS edge
    WHERE edge.head = place.ref AND edge.kind = 'consumes'
    """
)


def uses_in_sql(connection: Connection, secret: Ref) -> int:
    """Ask the database itself who uses a secret and its copies."""
    return len(connection.execute(USES_IN_SQL, {"secret": secret}).all())


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one question and its yardstick, measured in turns."""

    asked: tuple[float, ...]
    bare: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return median(self.asked) / median(self.bare)

    @property
    def late(self) -> float:
        """The 99th hundredth against the same of the yardstick's median."""
        return self.p99 / median(self.bare)

    @property
    def p50(self) -> float:
        return median(self.asked)

    @property
    def p99(self) -> float:
        return sorted(self.asked)[int(len(self.asked) * 0.99)]


def in_turns(
    ask: Callable[[], object],
    bare: Callable[[], object],
    *,
    rounds: int,
    clock: Clock = time.perf_counter,
) -> Times:
    """
    Measure both alternately, so that what slows the machine slows both.

    What answers inside of this thread can be measured by its own `clock`, `time.thread_time`: then
    waiting for a busy processor is not counted, which the longer of the two does more often.
    """
    asked, bares = [], []
    for _ in range(rounds):
        bares.append(seconds(bare, clock))
        asked.append(seconds(ask, clock))
    return Times(tuple(asked), tuple(bares))


@contextmanager
def settled() -> Iterator[None]:
    """Measure with the graph set aside, as the repository does with the one that it loads."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def seconds(act: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    began = clock()
    act()
    return clock() - began
