from collections.abc import Iterator
from typing import ClassVar

from graph.collect import collect, found_collectors
from graph.collector import CollectContext, Collector, Permission
from graph.connections import Connections
from graph.errors import AccessDeniedError, LocksmithError, UnavailableError
from graph.model import Edge, EdgeKind, Gap, Node, NodeKind, Observation
from graph.refs import Ref
from graph.repository import GraphRepository
from tests.graph.demo_graph import NOW

A, B = Ref("vault://main/kv/a"), Ref("vault://main/kv/b")
CONTEXT = CollectContext(Connections({}, {}, {}), None)


class Remembered(Collector):
    """A source as a list: what it yields, and the error at its end if any."""

    name: ClassVar[str] = "remembered"
    permissions: ClassVar[tuple[Permission, ...]] = ()

    def __init__(self, *said: Observation | LocksmithError, source: str = "store/main") -> None:
        self._said = said
        self._source = source

    def sources(self, context: CollectContext) -> tuple[str, ...]:
        return (self._source,)

    def collect(self, source: str, context: CollectContext) -> Iterator[Observation]:
        for one in self._said:
            if isinstance(one, LocksmithError):
                raise one
            yield one


def _secret(ref: Ref) -> tuple[Node, ...]:
    return (Node(ref, NodeKind.SECRET),)


def test_what_a_source_says_is_stored_and_counted(repository: GraphRepository) -> None:
    edge = Edge(A, B, EdgeKind.COPIES)
    collector = Remembered(Observation("store/main", _secret(A), (edge,)))
    (result,) = collect(repository, CONTEXT, now=NOW, collectors={"x": collector})
    assert (result.source, result.nodes, result.edges, result.changes) == ("store/main", 1, 1, 2)
    assert (result.gaps, result.refused) == ((), "")
    assert result.seconds >= 0
    assert repository.snapshot().node(A)


def test_a_refusal_is_a_gap_and_the_other_sources_go_on(repository: GraphRepository) -> None:
    good = Remembered(Observation("store/main", _secret(A)))
    list(collect(repository, CONTEXT, now=NOW, collectors={"x": good}))
    refusals = {
        "denied": Remembered(AccessDeniedError("It says no.", do_now="Grant it.")),
        "away": Remembered(UnavailableError("It is away."), source="store/other"),
        "good": Remembered(Observation("store/third", _secret(B)), source="store/third"),
    }
    results = list(collect(repository, CONTEXT, now=NOW, collectors=refusals))
    assert [result.refused for result in results] == ["It says no.", "It is away.", ""]
    assert repository.snapshot().node(A)
    assert repository.snapshot().node(B)
    assert repository.snapshot().gaps == (
        Gap("store/main", "store/main", "It says no.", "Grant it.", NOW),
        Gap("store/other", "store/other", "It is away.", "", NOW),
    )


def test_a_source_that_breaks_off_keeps_what_it_said_before_and_after(
    repository: GraphRepository,
) -> None:
    whole = Remembered(
        Observation("store/main/a", _secret(A)), Observation("store/main/b", _secret(B))
    )
    list(collect(repository, CONTEXT, now=NOW, collectors={"x": whole}))
    broken = Remembered(Observation("store/main/a", _secret(A)), UnavailableError("Gone."))
    list(collect(repository, CONTEXT, now=NOW, collectors={"x": broken}))
    assert repository.snapshot().node(B)
    list(collect(repository, CONTEXT, now=NOW, collectors={"x": whole}))
    assert repository.snapshot().gaps == ()


def test_a_mount_that_is_gone_leaves_the_graph_unless_the_run_had_gaps(
    repository: GraphRepository,
) -> None:
    a = Observation("store/main/a", _secret(A))
    both = Remembered(a, Observation("store/main/b", _secret(B)))
    list(collect(repository, CONTEXT, now=NOW, collectors={"x": both}))
    unsure = Remembered(
        Observation("store/main/a", _secret(A), gaps=(Gap("store/main", "mounts", "403"),))
    )
    list(collect(repository, CONTEXT, now=NOW, collectors={"x": unsure}))
    assert repository.snapshot().node(B)
    list(collect(repository, CONTEXT, now=NOW, collectors={"x": Remembered(a)}))
    assert repository.snapshot().node(B) is None
    assert repository.snapshot().node(A)


def test_every_installed_collector_can_be_made() -> None:
    for name, collector in found_collectors().items():
        assert collector.name == name
        assert collector.sources(CONTEXT) == ()
