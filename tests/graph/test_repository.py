from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.database import Database
from graph.model import (
    ChangeKind,
    Edge,
    EdgeKind,
    Fingerprint,
    Gap,
    Node,
    NodeKind,
    Observation,
    StoredFingerprint,
)
from graph.refs import Ref
from graph.repository import GraphRepository
from graph.snapshot import Snapshot
from tests.graph.demo_graph import NOW

A, B = Ref("vault://main/kv/a"), Ref("vault://main/kv/b")
LATER = NOW + timedelta(hours=1)

_refs = st.sampled_from([A, B, Ref("vault://main/kv/c")])
_nodes = st.builds(
    Node,
    ref=_refs,
    kind=st.sampled_from([NodeKind.SECRET, NodeKind.STORE]),
    attributes=st.fixed_dictionaries(
        {},
        optional={
            "exists": st.booleans(),
            "version": st.sampled_from([1, 2, None]),
            "keys": st.sampled_from([(), ("a",), ("b", "c")]),
        },
    ),
)
_edges = st.builds(
    Edge,
    tail=_refs,
    head=_refs,
    kind=st.sampled_from([EdgeKind.COPIES, EdgeKind.CONSUMES]),
    attributes=st.dictionaries(st.sampled_from(["key", "path"]), st.sampled_from(["", ("a",)])),
)
_gaps = st.builds(
    Gap, source=st.just("s"), scope=st.sampled_from("ab"), reason=st.sampled_from(["no", "late"])
)


def _observations(sources: str = "xyz") -> st.SearchStrategy[Observation]:
    return st.builds(
        Observation,
        source=st.sampled_from(sources),
        nodes=st.lists(_nodes, max_size=4).map(tuple),
        edges=st.lists(_edges, max_size=5).map(tuple),
        gaps=st.lists(_gaps, max_size=2).map(tuple),
        complete=st.booleans(),
    )


def _content(snapshot: Snapshot) -> tuple[list[str], list[str], tuple[Gap, ...], list[str]]:
    nodes = sorted(
        repr((n.ref, n.kind, sorted(n.attributes.items(), key=repr))) for n in snapshot.nodes()
    )
    edges = sorted(
        repr((e.tail, e.head, e.kind, sorted(e.attributes.items()))) for e in snapshot.edges()
    )
    return nodes, edges, snapshot.gaps, sorted(snapshot.names)


_fast = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def fresh(database: Database) -> GraphRepository:
    """Hypothesis runs many examples in one test: `_emptied` starts each from nothing."""
    return GraphRepository(database.engine)


def _emptied(repository: GraphRepository) -> GraphRepository:
    for source in repository.sources():
        repository.merge(Observation(source.name), now=NOW)
    return repository


@_fast
@given(seen=_observations())
def test_the_same_look_twice_changes_nothing(fresh: GraphRepository, seen: Observation) -> None:
    repository = _emptied(fresh)
    repository.merge(seen, now=NOW)
    before = _content(repository.snapshot())
    assert repository.merge(seen, now=LATER) == ()
    assert _content(repository.snapshot()) == before


@_fast
@given(looks=st.tuples(*(_observations(source) for source in "xyz")))
def test_the_order_of_the_sources_does_not_matter(
    fresh: GraphRepository, looks: tuple[Observation, ...]
) -> None:
    contents = []
    for order in permutations(looks):
        repository = _emptied(fresh)
        for seen in order:
            repository.merge(seen, now=NOW)
        contents.append(_content(repository.snapshot()))
    assert all(content == contents[0] for content in contents)


@_fast
@given(looks=st.lists(_observations(), max_size=6))
def test_a_snapshot_kept_current_equals_one_from_scratch(
    fresh: GraphRepository, database: Database, looks: list[Observation]
) -> None:
    repository = _emptied(fresh)
    for seen in looks:
        repository.merge(seen, now=NOW)
        kept = repository.snapshot()
        scratch = GraphRepository(database.engine).snapshot()
        assert kept.revision == scratch.revision
        assert _content(kept) == _content(scratch)


@_fast
@given(first=_observations("x"), second=_observations("x"))
def test_a_complete_look_replaces_and_an_incomplete_one_deletes_nothing(
    fresh: GraphRepository, first: Observation, second: Observation
) -> None:
    repository = _emptied(fresh)
    repository.merge(first, now=NOW)
    before = repository.snapshot()
    changes = repository.merge(second, now=NOW)
    after = repository.snapshot()
    nodes = {node.ref for node in second.nodes}
    if second.complete:
        assert {node.ref for node in after.nodes()} == nodes
    else:
        assert {node.ref for node in after.nodes()} == nodes | {n.ref for n in before.nodes()}
        assert {repr(edge) for edge in before.edges()} <= {repr(edge) for edge in after.edges()}
        removed = [change for change in changes if change.kind is ChangeKind.REMOVED]
        assert all(change.subject.startswith("gap ") for change in removed)


def test_the_feed_counts_on_without_holes_and_says_what_changed(
    repository: GraphRepository,
) -> None:
    edge = Edge(A, B, EdgeKind.COPIES, {"key": "x"})
    node = Node(A, NodeKind.SECRET)
    repository.merge(Observation("s", (node,), (edge,)), now=NOW)
    repository.merge(Observation("s", (Node(A, NodeKind.SECRET, {"version": 2}),)), now=LATER)
    changes = repository.changes_since(0)
    assert [(change.revision, change.kind, change.subject) for change in changes] == [
        (1, "added", f"node {A}"),
        (2, "added", f"edge {A} -copies-> {B}"),
        (3, "changed", f"node {A}"),
        (4, "removed", f"edge {A} -copies-> {B}"),
    ]
    assert changes[3].at == LATER
    assert repository.changes_since(2) == changes[2:]
    assert repository.changes_since(0, limit=1) == changes[:1]
    assert repository.snapshot().revision == 4


def test_an_unchanged_graph_is_handed_out_as_it_is(repository: GraphRepository) -> None:
    repository.merge(Observation("s", (Node(A, NodeKind.SECRET),)), now=NOW)
    assert repository.snapshot() is repository.snapshot()


def test_attributes_keep_their_types(repository: GraphRepository) -> None:
    attributes = {"keys": ("a", "b"), "version": 3, "exists": True, "type": None, "schedule": "@x"}
    node, edge = Node(A, NodeKind.SECRET, attributes), Edge(A, B, EdgeKind.OPENS, attributes)
    repository.merge(Observation("s", (node,), (edge,)), now=NOW)
    snapshot = repository.snapshot()
    assert snapshot.node(A) == node
    assert list(snapshot.out(A, EdgeKind.OPENS)) == [edge]


def test_what_two_sources_say_stays_until_both_take_it_back(repository: GraphRepository) -> None:
    edge = Edge(A, B, EdgeKind.COPIES)
    for source in ("one", "two"):
        repository.merge(Observation(source, (Node(A, NodeKind.SECRET),), (edge,)), now=NOW)
    assert len(list(repository.snapshot().out(A, EdgeKind.COPIES))) == 1
    repository.merge(Observation("one"), now=NOW)
    assert repository.snapshot().node(A)
    assert len(list(repository.snapshot().out(A, EdgeKind.COPIES))) == 1
    repository.merge(Observation("two"), now=NOW)
    assert repository.snapshot().node(A) is None
    assert not list(repository.snapshot().out(A, EdgeKind.COPIES))


def test_a_refused_source_keeps_its_rows_and_is_stale_since_the_first_refusal(
    repository: GraphRepository,
) -> None:
    repository.merge(Observation("vault/main/kv", (Node(A, NodeKind.SECRET),)), now=NOW)
    for moment in (LATER, LATER + timedelta(hours=1)):
        gap = Gap("vault/main", "vault/main", "The server is sealed.", "Unseal it.")
        repository.record_gaps("vault/main", [gap], now=moment)
    (known,) = repository.snapshot().gaps
    assert known.since == LATER
    assert repository.snapshot().node(A)
    assert {state.name: state.stale_since for state in repository.sources()} == {
        "vault/main": LATER,
        "vault/main/kv": LATER,
    }


def test_the_next_good_run_ends_a_refusal_and_retires_what_is_gone(
    repository: GraphRepository,
) -> None:
    for mount, ref in (("vault/main/kv", A), ("vault/main/old", B)):
        repository.merge(Observation(mount, (Node(ref, NodeKind.SECRET),)), now=NOW)
    repository.record_gaps("vault/main", [Gap("vault/main", "all", "sealed")], now=NOW)
    repository.merge(Observation("vault/main/kv", (Node(A, NodeKind.SECRET),)), now=LATER)
    repository.finish("vault/main", {"vault/main/kv"}, complete=True, now=LATER)
    assert repository.snapshot().gaps == ()
    assert repository.snapshot().node(B) is None
    (state,) = repository.sources()
    assert (state.name, state.stale_since, state.last_complete) == ("vault/main/kv", None, LATER)
    assert (state.nodes, state.edges) == (1, 0)


def test_an_unfinished_run_retires_nothing(repository: GraphRepository) -> None:
    repository.merge(Observation("vault/main/old", (Node(B, NodeKind.SECRET),)), now=NOW)
    repository.finish("vault/main", set(), complete=False, now=LATER)
    assert repository.snapshot().node(B)


def test_a_gap_keeps_the_moment_since_when_although_its_reason_changes(
    repository: GraphRepository,
) -> None:
    for moment, reason in ((NOW, "timeout"), (LATER, "403")):
        repository.merge(Observation("s", gaps=(Gap("s", "pods", reason),)), now=moment)
    assert repository.snapshot().gaps == (Gap("s", "pods", "403", since=NOW),)


def _stored(
    digest: str, *, version: int | None = 1, key: str = "token", **marks: object
) -> StoredFingerprint:
    form = str(marks.get("form", "as_is"))
    fingerprint = Fingerprint(digest, form, "k1", weak=bool(marks.get("weak")))
    return StoredFingerprint(fingerprint, A, key, version, current=bool(marks.get("current", True)))


def _asked(digest: str, form: str = "as_is", *, weak: bool = False) -> Fingerprint:
    return Fingerprint(digest, form, "k1", weak=weak)


def test_a_value_is_recognised_with_its_version_and_form(repository: GraphRepository) -> None:
    old = _stored("d1", version=1, current=False)
    derived = _stored("d1", version=7, key="url", form="dsn_password")
    repository.merge(Observation("s", fingerprints=(old, derived, _stored("d2"))), now=NOW)
    matches = repository.find([_asked("d1")])
    assert [(m.key, m.version, m.current, m.form, m.certainty) for m in matches] == [
        ("url", 7, True, "dsn_password", "derived"),
        ("token", 1, False, "as_is", "exact"),
    ]
    assert repository.find([_asked("d3")]) == ()
    assert repository.find([]) == ()
    assert repository.find([Fingerprint("d1", "as_is", "another key")]) == ()


def test_one_place_is_named_once_in_its_closest_form(repository: GraphRepository) -> None:
    wrapped = _stored("d2", form="base64")
    repository.merge(Observation("s", fingerprints=(_stored("d1"), wrapped)), now=NOW)
    (match,) = repository.find([_asked("d2", "base64"), _asked("d1")])
    assert (match.form, match.certainty) == ("as_is", "exact")


def test_a_weak_value_identifies_nothing_but_confirms(repository: GraphRepository) -> None:
    weak = _stored("weak", key="user", weak=True)
    repository.merge(Observation("s", fingerprints=(weak, _stored("strong"))), now=NOW)
    assert repository.find([_asked("weak")]) == ()
    assert repository.find([_asked("weak", weak=True)]) == ()
    matches = repository.find([_asked("weak", weak=True), _asked("strong")])
    assert [match.key for match in matches] == ["token", "user"]


def test_a_value_without_version_is_found_too(repository: GraphRepository) -> None:
    repository.merge(Observation("s", fingerprints=(_stored("d1", version=None),)), now=NOW)
    assert repository.find([_asked("d1")])[0].version is None


def test_a_replaced_value_is_no_longer_current(repository: GraphRepository) -> None:
    repository.merge(Observation("s", fingerprints=(_stored("d1"),)), now=NOW)
    look = Observation("s", fingerprints=(_stored("d2", version=2),), complete=False)
    repository.merge(look, now=NOW)
    assert repository.find([_asked("d1")])[0].current is False
    old = _stored("d1", current=False)
    repository.merge(Observation("s", fingerprints=(old, _stored("d2", version=2))), now=NOW)
    assert repository.find([_asked("d1")])[0].current is False
    repository.merge(Observation("s", fingerprints=(_stored("d2", version=2),)), now=NOW)
    assert repository.find([_asked("d1")]) == ()


def test_replicas_on_postgresql_see_the_same_graph(postgres_url: str) -> None:
    databases = [Database(postgres_url) for _ in range(2)]
    databases[0].create_all()
    one, two = (GraphRepository(database.engine) for database in databases)
    edge = Edge(A, B, EdgeKind.COPIES, {"path": ("x", "y")})
    fingerprints = (_stored("d1"),)
    one.merge(
        Observation("s", (Node(A, NodeKind.SECRET, {"version": 1}),), (edge,), (), fingerprints),
        now=NOW,
    )
    assert _content(two.snapshot()) == _content(one.snapshot())
    two.merge(Observation("t", (Node(B, NodeKind.SECRET),), gaps=(Gap("t", "x", "no"),)), now=NOW)
    assert _content(two.snapshot()) == _content(one.snapshot())
    assert one.snapshot().node(B)
    assert one.snapshot().gaps[0].since == NOW
    assert two.find([_asked("d1")])[0].secret == A
    two.merge(Observation("s"), now=LATER)
    assert [node.ref for node in one.snapshot().nodes()] == [B]
    assert [change.revision for change in one.changes_since(0)] == [1, 2, 3, 4, 5, 6]
    for database in databases:
        database.close()
