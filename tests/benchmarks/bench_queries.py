"""
How fast the questions are, as ratios: `python -m tests.benchmarks.bench_queries [SECRETS…]`.

The yardstick is the bare cost of walking a dict adjacency over the nodes and edges of the same
answer: no attributes, no result values. A second pass over a graph ten times as large shows that
answers cost what they find, not what the graph holds.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from graph import refs
from graph.database import Database
from graph.model import Edge, EdgeKind, Node, NodeKind, Observation
from graph.queries.blast_radius import blast_radius
from graph.queries.consumers import consumers
from graph.queries.readers import readers
from graph.queries.search import resolve
from graph.refs import Ref
from graph.repository import GraphRepository
from graph.snapshot import Snapshot

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_ROUNDS = 300
_COPIES, _CONSUMERS, _NAMESPACE_READERS, _CLUSTER_READERS = 2, 3, 6, 10
_HUB_CONSUMERS = 500
HUB = refs.vault("main", "kv", "shared/hub")


@dataclass(frozen=True, slots=True)
class Company:
    """Every namespace has the same inside, so that answers stay the same while it grows."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def company(secrets: int, *, per_namespace: int = 100) -> Company:
    """Make one Vault secret per number, with copies in clusters, consumers and readers."""
    nodes: dict[Ref, Node] = {}
    edges: list[Edge] = []

    def add(ref: Ref, kind: NodeKind) -> Ref:
        nodes.setdefault(ref, Node(ref, kind, {}))
        return ref

    add(HUB, NodeKind.SECRET)
    for number in range(secrets):
        space = f"ns-{number // per_namespace}"
        origin = add(refs.vault("main", "kv", f"{space}/s-{number}"), NodeKind.SECRET)
        for which in range(_COPIES):
            copy = add(refs.k8s(f"c{which}", space, "Secret", f"s-{number}"), NodeKind.SECRET)
            home = add(refs.k8s(f"c{which}", "", "Namespace", space), NodeKind.NAMESPACE)
            edges.append(Edge(origin, copy, EdgeKind.COPIES, _copied(which, space)))
            edges.append(Edge(copy, home, EdgeKind.IN_NAMESPACE))
            for user in range(_CONSUMERS):
                name = f"w-{number}-{user}"
                workload = add(refs.k8s(f"c{which}", space, "Deployment", name), NodeKind.WORKLOAD)
                edges.append(Edge(workload, copy, EdgeKind.CONSUMES, _USES[user]))
            if number % per_namespace == 0:
                edges += _readers(f"c{which}", space, home)
    for which in range(_COPIES):
        cluster = add(refs.k8s(f"c{which}", "", "Cluster", f"c{which}"), NodeKind.STORE)
        for number in range(_CLUSTER_READERS):
            subject = refs.k8s(f"c{which}", "", "User", f"admin-{number}")
            edges.append(Edge(subject, cluster, EdgeKind.CAN_READ, {"verb": "get", "direct": True}))
    for number in range(_HUB_CONSUMERS):
        workload = refs.k8s("c0", "ns-0", "Deployment", f"hub-user-{number}")
        edges.append(Edge(add(workload, NodeKind.WORKLOAD), HUB, EdgeKind.CONSUMES, _USES[0]))
    return Company(tuple(nodes.values()), tuple(edges))


_USES = tuple(
    {"how": how, "container": "main", "key": "", "picks_up": picks_up, "reason": "as measured"}
    for how, picks_up in (("env", "restart"), ("volume", "sync"), ("envFrom", "restart"))
)


def _copied(which: int, space: str) -> dict[str, str | int]:
    sync = refs.k8s(f"c{which}", space, "ExternalSecret", "all")
    return {"sync": sync, "key": "", "from_key": "", "refresh_interval": 3600}


def _readers(cluster: str, space: str, home: Ref) -> Iterator[Edge]:
    for number in range(_NAMESPACE_READERS):
        subject = refs.k8s(cluster, space, "ServiceAccount", f"reader-{number}")
        yield Edge(subject, home, EdgeKind.CAN_READ, {"verb": "get", "direct": True})


class Bare:
    """The yardstick: a dict of lists per direction, and the walk of the same answer over it."""

    def __init__(self, edges: tuple[Edge, ...]) -> None:
        self.out: dict[tuple[str, EdgeKind], list[Ref]] = {}
        self.into: dict[tuple[str, EdgeKind], list[Ref]] = {}
        for edge in edges:
            self.out.setdefault((edge.tail, edge.kind), []).append(edge.head)
            self.into.setdefault((edge.head, edge.kind), []).append(edge.tail)

    def blast_radius(self, secret: Ref) -> set[Ref]:
        seen = {secret}
        queue = [secret]
        for at in queue:
            for head in self.out.get((at, EdgeKind.COPIES), ()):
                if head not in seen:
                    seen.add(head)
                    queue.append(head)
        answer = set(seen)
        for at in queue:
            for tail in self.into.get((at, EdgeKind.CONSUMES), ()):
                answer.add(tail)
            for place in (at, refs.namespace_of(at), refs.cluster_of(at)):
                for tail in self.into.get((place or "", EdgeKind.CAN_READ), ()):
                    answer.add(tail)
        return answer


def _microseconds(ask: Callable[[], object]) -> tuple[float, float]:
    times = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1e6)
    times.sort()
    return median(times), times[int(len(times) * 0.99)]


def _stored(made: Company, folder: str) -> Snapshot:
    database = Database(f"sqlite:///{Path(folder) / f'{len(made.edges)}.db'}")
    database.create_all()
    repository = GraphRepository(database.engine)
    began = time.perf_counter()
    repository.merge(Observation("bench", made.nodes, made.edges), now=NOW)
    merged = time.perf_counter()
    snapshot = repository.snapshot()
    loaded = time.perf_counter()
    repository.merge(Observation("bench", made.nodes, made.edges), now=NOW)
    again = time.perf_counter()
    repository.merge(Observation("other", made.nodes[:1], made.edges[:1]), now=NOW)
    began_advance = time.perf_counter()
    repository.snapshot()
    advanced = time.perf_counter()
    unchanged, _ = _microseconds(repository.snapshot)
    print(
        f"  first merge {merged - began:.2f} s, same again {again - loaded:.2f} s, "
        f"load {loaded - merged:.2f} s, two changes applied "
        f"{1e3 * (advanced - began_advance):.1f} ms, unchanged {unchanged:.0f} us"
    )
    database.close()
    return snapshot


def measure(secrets: int, folder: str) -> None:
    made = company(secrets)
    print(f"{len(made.nodes)} nodes, {len(made.edges)} edges")
    snapshot = _stored(made, folder)
    bare = Bare(made.edges)
    small = refs.vault("main", "kv", "ns-0/s-7")
    for name, secret in (("small", small), ("hub", HUB)):
        floor, _ = _microseconds(lambda secret=secret: bare.blast_radius(secret))  # type: ignore[misc]
        questions: dict[str, Callable[[], object]] = {
            "blast radius": lambda secret=secret: blast_radius(snapshot, [(secret, "")]),  # type: ignore[misc]
            "uses": lambda secret=secret: consumers(snapshot, secret),  # type: ignore[misc]
            "readers": lambda secret=secret: readers(snapshot, secret),  # type: ignore[misc]
        }
        found = len(bare.blast_radius(secret))
        print(f"  {name}: {found} things in the answer, bare walk {floor:.0f} us")
        for question, ask in questions.items():
            p50, p99 = _microseconds(ask)
            print(f"    {question:<13} p50 {p50:7.0f} us  p99 {p99:7.0f} us  {p50 / floor:5.1f}x")
    p50, _ = _microseconds(lambda: resolve(snapshot, "ns-0/s-7", kinds={NodeKind.SECRET}))
    print(f"  search by name: p50 {p50:.0f} us")


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or [1_000, 10_000]
    with TemporaryDirectory() as folder:
        for size in sizes:
            measure(size, folder)


if __name__ == "__main__":
    main()
