"""
How fast questions are answered, as ratios: `python -m tests.benchmarks.bench_queries [SCALE…]`.

Each question is measured in turns with the walk over bare dictionaries that touches the same nodes
and edges (`yardstick`). "first" is the first question of all to a graph that was just loaded,
"changed" the first to a later revision, after something else changed, "again" any later time;
"readers warm" is about a secret that was not asked for, when others of the same namespaces were:
see its "again". With several scales it shows what growth does to answers that stay the same.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from statistics import median

from graph.model import Edge, NodeKind, Observation
from graph.queries.blast_radius import blast_radius
from graph.queries.consumers import Consumer, Use, consumers
from graph.queries.copies import spread
from graph.queries.readers import readers, readers_of
from graph.queries.search import resolve
from graph.refs import Ref
from graph.repository import expect_many_objects
from graph.snapshot import Snapshot
from tests.benchmarks.company import HUB, SMALL, TOKEN, company
from tests.benchmarks.yardstick import Bare, Found, Times, in_turns, seconds, settled

Ask = Callable[[Snapshot, Ref], object]

OWN = time.thread_time  # of the asking thread: other people's work does not count
SCALES = (0.1, 1.0)
_ROUNDS = {SMALL: 300, TOKEN: 300, HUB: 40}
_NAMES = {SMALL: "small", TOKEN: "token", HUB: "hub"}


@dataclass(frozen=True, slots=True)
class Measured:
    """One question about one secret; `found` nodes and edges are in the walk."""

    secret: str
    question: str
    found: int
    first: Times
    changed: Times
    again: Times


def measure(
    snapshot: Snapshot, bare: Bare, *, rounds_of: Mapping[Ref, int] = _ROUNDS
) -> Iterator[Measured]:
    for secret, rounds in rounds_of.items():
        for question, ask, walk in _questions(bare):
            unasked = iter([fresh(snapshot) for _ in range(rounds)])
            bare_walk = partial(walk, secret)
            first = in_turns(_first(ask, unasked, secret), bare_walk, rounds=rounds, clock=OWN)
            ask(snapshot, secret)
            later = iter([following(snapshot) for _ in range(rounds)])
            changed = in_turns(_first(ask, later, secret), bare_walk, rounds=rounds, clock=OWN)
            again = in_turns(partial(ask, snapshot, secret), bare_walk, rounds=rounds, clock=OWN)
            yield Measured(_NAMES[secret], question, len(walk(secret)), first, changed, again)


def values_alone(snapshot: Snapshot, bare: Bare, secret: Ref, *, rounds: int) -> Times:
    """Measure what no answer can do without: its values, made of parts that are found already."""
    parts = [
        (one.workload, [astuple(use) for use in one.via], one.picks_up, one.reason, one.replicas)
        for one in consumers(snapshot, secret).consumers
    ]

    def make() -> list[Consumer]:
        return [
            Consumer(workload, tuple([Use(*use) for use in uses]), picks_up, reason, replicas)
            for workload, uses, picks_up, reason, replicas in parts
        ]

    return in_turns(make, partial(bare.uses, secret), rounds=rounds, clock=OWN)


def _first(ask: Ask, unasked: Iterator[Snapshot], secret: Ref) -> Callable[[], object]:
    return lambda: ask(next(unasked), secret)


def fresh(snapshot: Snapshot) -> Snapshot:
    """Return the same graph as if it had just been loaded: nothing was asked of it, ever."""
    return Snapshot(
        snapshot._nodes,
        snapshot._layers,
        snapshot.gaps,
        revision=snapshot.revision,
        names=snapshot._names,
        by_kind=snapshot._by_kind,
    )


def following(snapshot: Snapshot) -> Snapshot:
    """Return the next revision, which knows no answer, only what it took over."""
    return snapshot.advance(revision=snapshot.revision + 1, nodes={}, edges=())


def _questions(bare: Bare) -> Iterator[tuple[str, Ask, Callable[[Ref], Found]]]:
    yield "uses", consumers, bare.uses
    yield "readers", readers, bare.readers
    yield "readers warm", _readers_warm, bare.readers
    yield (
        "blast radius",
        lambda snapshot, ref: blast_radius(snapshot, [(ref, "")]),
        bare.blast_radius,
    )


def _readers_warm(snapshot: Snapshot, ref: Ref) -> object:
    """Answer anew from the parts that the snapshot remembers, not from the whole answer."""
    return readers_of(snapshot, spread(snapshot, [(ref, "")]))


def graph_of(looks: Sequence[Observation]) -> tuple[Snapshot, Bare]:
    nodes = [node for look in looks for node in look.nodes]
    edges: list[Edge] = [edge for look in looks for edge in look.edges]
    snapshot = Snapshot.of(nodes, edges)
    return snapshot, Bare(snapshot.nodes(), edges)


def main(scales: Sequence[float]) -> None:
    expect_many_objects()
    for scale in scales:
        looks = tuple(company(scale))
        snapshot, bare = graph_of(looks)
        edges = sum(len(look.edges) for look in looks)
        del looks
        print(f"scale {scale}: {edges:,} edges")
        with settled():
            for one in measure(snapshot, bare):
                print(
                    f"  {one.secret:<6}{one.question:<13}{one.found:>6} found"
                    f"  first p50 {one.first.p50 * 1e6:8.0f} us p99 {one.first.p99 * 1e6:8.0f} us"
                    f" {one.first.ratio:6.1f}x"
                    f"  changed p50 {one.changed.p50 * 1e6:8.0f} us {one.changed.ratio:6.1f}x"
                    f"  again p50 {one.again.p50 * 1e6:6.1f} us {one.again.ratio:6.2f}x"
                )
            for secret in (SMALL, HUB):
                made = values_alone(snapshot, bare, secret, rounds=_ROUNDS[secret])
                print(f"  {_NAMES[secret]:<6}the values of uses alone {made.ratio:6.1f}x")
            print(f"  search by name p50 {_search(snapshot) * 1e6:.0f} us")
        del snapshot, bare


def _search(snapshot: Snapshot) -> float:
    def ask() -> Ref:
        return resolve(snapshot, "kv/team-3/s-8", kinds={NodeKind.SECRET})

    return median(seconds(ask, OWN) for _ in range(100))


if __name__ == "__main__":
    main([float(scale) for scale in sys.argv[1:]] or SCALES)
