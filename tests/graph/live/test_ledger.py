"""Amendments, one after the other, leave the same rows as a look at everything at once."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.database import Database
from graph.live.ledger import Ledger, Looks, whole
from graph.model import Edge, EdgeKind, Gap, Node, NodeKind, Observation
from graph.refs import Ref
from graph.repository import GraphRepository

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = "kubernetes/prod"
REFS = [Ref(f"k8s://prod/ns/Secret/{number}") for number in range(5)]

nodes = st.builds(
    Node,
    st.sampled_from(REFS),
    st.just(NodeKind.SECRET),
    st.sampled_from([{"exists": False}, {"type": "Opaque"}, {"keys": ("a",), "type": "Opaque"}]),
)
edges = st.builds(
    Edge,
    st.sampled_from(REFS),
    st.sampled_from(REFS),
    st.sampled_from([EdgeKind.CONSUMES, EdgeKind.STORED_IN]),
    st.sampled_from([{"how": "env"}, {"how": "volume"}]),
)


def distinct(found: list[Node]) -> tuple[Node, ...]:
    return tuple({node.ref: node for node in found}.values())


looks = st.builds(
    lambda nodes, edges: (Observation(SOURCE, distinct(nodes), tuple(edges)),),
    st.lists(nodes, max_size=4),
    st.lists(edges, max_size=4),
)
steps = st.lists(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]), st.one_of(st.just(()), looks), min_size=1, max_size=2
    ),
    min_size=1,
    max_size=5,
)


def fresh_repository(folder: str, name: str) -> tuple[Database, GraphRepository]:
    database = Database(f"sqlite:///{Path(folder) / name}.db")
    database.create_all()
    return database, GraphRepository(database.engine)


def rows(repository: GraphRepository) -> tuple[object, ...]:
    snapshot = repository.snapshot()
    return (
        {node.ref: (node.kind, dict(node.attributes)) for node in snapshot.nodes()},
        sorted(
            (edge.tail, edge.head, str(edge.kind), sorted(edge.attributes.items()))
            for edge in snapshot.edges()
        ),
    )


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps)
def test_any_order_of_changes_ends_in_the_rows_of_what_is_true(changes: list[Looks]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database, amended = fresh_repository(folder, "amended")
        ledger = Ledger(SOURCE)
        now: dict[str, tuple[Observation, ...]] = {}
        for change in changes:
            amended.amend(ledger.amendment(change, (), fresh=True), now=NOW)
            ledger.say(change)
            now |= {scope: tuple(look) for scope, look in change.items()}
            amended.snapshot()  # so that the live one is advanced step by step
        other, merged = fresh_repository(folder, "merged")
        merged.merge(whole(SOURCE, now, ()), now=NOW)
        assert rows(amended) == rows(merged)
        database.close()
        other.close()


def test_a_row_that_two_scopes_say_stays_until_the_last_is_silent(
    repository: GraphRepository,
) -> None:
    team = Observation(SOURCE, (Node(Ref("team:shop"), NodeKind.TEAM),))
    ledger = Ledger(SOURCE)
    for change, there in (
        ({"a": (team,), "b": (team,)}, True),
        ({"a": ()}, True),
        ({"b": ()}, False),
    ):
        repository.amend(ledger.amendment(change, (), fresh=True), now=NOW)
        ledger.say(change)
        assert (repository.snapshot().node(Ref("team:shop")) is not None) is there


def test_the_same_amendment_twice_changes_nothing(repository: GraphRepository) -> None:
    edge = Edge(REFS[0], REFS[1], EdgeKind.COPIES)
    look = {"a": (Observation(SOURCE, (Node(REFS[0], NodeKind.SECRET),), (edge,)),)}
    amendment = Ledger(SOURCE).amendment(look, (), fresh=True)
    assert len(repository.amend(amendment, now=NOW)) == 2
    assert repository.amend(amendment, now=NOW) == ()


def test_while_something_cannot_be_read_nodes_stay_and_ended_uses_go(
    repository: GraphRepository,
) -> None:
    use = Edge(REFS[0], REFS[1], EdgeKind.CONSUMES)
    lies = Edge(REFS[0], REFS[2], EdgeKind.IN_NAMESPACE)
    said = tuple(Node(ref, NodeKind.SECRET) for ref in REFS[:3])
    unsure = Observation(SOURCE, said, (use, lies), complete=False)
    ledger = Ledger(SOURCE)
    first = {"a": (unsure,)}
    repository.amend(ledger.amendment(first, (), fresh=True), now=NOW)
    ledger.say(first)
    nothing = {"a": (Observation(SOURCE, complete=False),)}
    repository.amend(ledger.amendment(nothing, (), fresh=True), now=NOW)
    assert [edge.kind for edge in repository.snapshot().edges()] == [EdgeKind.IN_NAMESPACE]
    assert repository.snapshot().node(REFS[0])


def test_a_gap_of_many_namespaces_is_told_once() -> None:
    gaps = [Gap(SOURCE, "x", f"{number} pods do.") for number in range(3)]
    look = {str(number): (Observation(SOURCE, gaps=(gap,)),) for number, gap in enumerate(gaps)}
    (told,) = Ledger(SOURCE).amendment(look, (), fresh=True).gaps
    assert told.reason == "0 pods do. The same is so in 2 more place(s)."
