from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from graph.adjacency import StoredEdge
from graph.model import Edge, EdgeKind, Node, NodeKind, merge_nodes
from graph.refs import Ref
from graph.snapshot import Snapshot

A, B, C = Ref("vault://s/kv/a"), Ref("vault://s/kv/b"), Ref("vault://s/kv/c")


def test_several_uses_between_the_same_two_nodes_are_kept_apart() -> None:
    uses = [Edge(A, B, EdgeKind.CONSUMES, {"how": how}) for how in ("env", "volume")]
    snapshot = Snapshot.of([], uses)
    assert list(snapshot.out(A, EdgeKind.CONSUMES)) == uses
    assert list(snapshot.into(B, EdgeKind.CONSUMES)) == uses
    assert not list(snapshot.out(A, EdgeKind.COPIES))


def test_a_thing_that_nobody_described_is_none_and_has_no_edges() -> None:
    snapshot = Snapshot.of([], [])
    assert snapshot.node(A) is None
    assert not list(snapshot.out(A, EdgeKind.COPIES))


def test_who_saw_a_node_overrules_who_only_saw_it_referred_to() -> None:
    spoken_of = Node(A, NodeKind.SECRET, {"exists": False, "keys": ("guess",), "type": "x"})
    seen = Node(A, NodeKind.SECRET, {"keys": ("token",)})
    merged = merge_nodes([spoken_of, seen])
    assert merged.attributes == {"keys": ("token",), "exists": True, "type": "x"}


def test_a_node_that_is_only_referred_to_stays_so() -> None:
    spoken_of = Node(A, NodeKind.SECRET, {"exists": False})
    assert merge_nodes([spoken_of, spoken_of]).attributes["exists"] is False


def test_keys_seen_by_several_sources_add_up() -> None:
    said = [Node(A, NodeKind.SECRET, {"keys": keys}) for keys in (("a", "b"), ("b", "c"))]
    assert merge_nodes(said).attributes["keys"] == ("a", "b", "c")


def test_an_older_snapshot_does_not_change_when_a_newer_one_is_made() -> None:
    old = Snapshot.build([Node(A, NodeKind.SECRET)], [], revision=1)
    new = old.advance(
        revision=2,
        nodes={A: None, B: Node(B, NodeKind.STORE)},
        edges=[StoredEdge(b"1", Edge(A, B, EdgeKind.COPIES))],
    )
    assert (old.revision, new.revision) == (1, 2)
    assert old.node(A)
    assert not list(old.out(A, EdgeKind.COPIES))
    assert new.node(A) is None
    assert [node.ref for node in new.nodes(NodeKind.STORE)] == [B]
    assert len(list(new.out(A, EdgeKind.COPIES))) == 1
    assert old.named("b") == ()
    assert new.named("b") == (B,)


def test_what_is_made_of_a_place_is_kept_until_an_edge_into_it_changes() -> None:
    made: list[int] = []

    def tails(into: Mapping[Ref, object]) -> tuple[Ref, ...]:
        made.append(len(into))
        return tuple(into)

    old = Snapshot.build([], [StoredEdge(b"1", Edge(A, C, EdgeKind.CAN_READ))])
    assert old.said_of(C, EdgeKind.CAN_READ, tails) == (A,)
    elsewhere = StoredEdge(b"2", Edge(A, B, EdgeKind.CAN_READ))
    next_one = old.advance(revision=1, nodes={}, edges=[elsewhere])
    assert next_one.said_of(C, EdgeKind.CAN_READ, tails) == (A,)
    assert made == [1]
    here = StoredEdge(b"3", Edge(B, C, EdgeKind.CAN_READ))
    changed = next_one.advance(revision=2, nodes={}, edges=[here])
    assert changed.said_of(C, EdgeKind.CAN_READ, tails) == (A, B)
    assert old.said_of(C, EdgeKind.CAN_READ, tails) == (A,)  # somebody still reads the old one
    gone = StoredEdge(b"1", Edge(A, C, EdgeKind.CAN_READ), gone=True)
    last = changed.advance(revision=3, nodes={}, edges=[gone])
    assert last.said_of(C, EdgeKind.CAN_READ, tails) == (B,)


_refs = st.sampled_from([A, B, C])
_edges = st.builds(
    Edge,
    tail=_refs,
    head=_refs,
    kind=st.sampled_from([EdgeKind.COPIES, EdgeKind.OPENS]),
    attributes=st.fixed_dictionaries({"key": st.sampled_from(["", "x"])}),
)


def _stored(edge: Edge) -> StoredEdge:
    return StoredEdge(repr(edge).encode(), edge)


@given(st.lists(_edges), st.lists(_edges))
def test_advancing_equals_building_from_scratch(before: list[Edge], after: list[Edge]) -> None:
    old = Snapshot.build([], map(_stored, before))
    gone = [edge for edge in before if edge not in after]
    changes = [StoredEdge(_stored(edge).identity, edge, gone=True) for edge in gone]
    new = old.advance(revision=1, nodes={}, edges=[*changes, *map(_stored, after)])
    scratch = Snapshot.build([], map(_stored, after))
    for kind in EdgeKind:
        ours, theirs = new.layer(kind), scratch.layer(kind)
        assert sorted(ours.nodes) == sorted(theirs.nodes)
        assert sorted(map(repr, new.edges(kind))) == sorted(map(repr, scratch.edges(kind)))
        assert ours.number_of_edges() == theirs.number_of_edges()
        assert {ref: ours.in_degree(ref) for ref in ours} == {
            ref: theirs.in_degree(ref) for ref in theirs
        }
    assert sorted(map(repr, old.edges())) == sorted(repr(edge) for edge in unique(before))


def unique(edges: list[Edge]) -> list[Edge]:
    return list({repr(edge): edge for edge in edges}.values())


def test_what_is_shared_between_nodes_is_not_changed_by_a_later_snapshot() -> None:
    same = {"key": ""}
    edges = [Edge(A, C, EdgeKind.COPIES, same), Edge(B, C, EdgeKind.COPIES, same)]
    old = Snapshot.build([], [StoredEdge(b"same", edge) for edge in edges])
    assert old.uses_from(A, EdgeKind.COPIES) is old.uses_from(B, EdgeKind.COPIES)
    more = Edge(A, C, EdgeKind.COPIES, {"key": "x"})
    new = old.advance(revision=1, nodes={}, edges=[StoredEdge(b"more", more)])
    assert list(new.out(A, EdgeKind.COPIES)) == [edges[0], more]
    assert list(new.out(B, EdgeKind.COPIES)) == [edges[1]]
    assert list(old.out(A, EdgeKind.COPIES)) == [edges[0]]


def test_a_question_is_answered_once_per_snapshot() -> None:
    snapshot = Snapshot.of([], [])
    answers = iter("ab")
    assert [snapshot.once("question", lambda: next(answers)) for _ in range(2)] == ["a", "a"]
    later = snapshot.advance(revision=1, nodes={}, edges=())
    assert later.once("question", lambda: next(answers)) == "b"
