from dataclasses import replace
from itertools import pairwise
from random import Random

import orjson
from hypothesis import given
from hypothesis import strategies as st

from graph import refs
from graph.model import Edge, EdgeKind, Gap, Node, NodeKind
from graph.queries.blast_radius import (
    MAX_DEPTH,
    MAX_OPENED,
    BlastRadius,
    blast_radius,
    blast_radius_from_json,
    to_json,
)
from graph.refs import Ref
from graph.snapshot import Snapshot
from tests.graph.demo_graph import (
    BOT_GAP,
    CI_POLICY,
    CI_TOKEN,
    CLUSTER,
    CONSUMERS_OF_GATEWAY,
    GATEWAY,
    NOW,
    demo_edges,
    demo_graph,
    demo_nodes,
    secret,
    sync,
)

TOKEN = (GATEWAY, "token")


def test_every_copy_is_listed_and_the_idle_one_is_marked() -> None:
    copies = blast_radius(demo_graph(), [TOKEN]).copies
    assert [(copy.secret, copy.key, copy.via, copy.idle) for copy in copies] == [
        (secret(where, "payments-gateway"), "token", sync(where), where == "reporting")
        for where in ("payments", "reporting", "shop")
    ]
    assert {copy.refresh_interval for copy in copies} == {3600}


def test_all_parts_of_the_answer_are_there() -> None:
    found = blast_radius(demo_graph(), [TOKEN])
    assert found.secrets == (TOKEN,)
    assert tuple(consumer.workload for consumer in found.consumers) == CONSUMERS_OF_GATEWAY
    assert [claim.owner for claim in found.owners] == ["team:payments", "team:shop"]
    assert found.readers[0].direct
    assert found.opens == ()
    assert found.gaps == (BOT_GAP,)


def test_a_value_found_in_a_copy_is_traced_to_its_origin_and_all_copies() -> None:
    from_copy = blast_radius(demo_graph(), [(secret("shop", "payments-gateway"), "token")])
    assert from_copy == blast_radius(demo_graph(), [TOKEN])
    places = [TOKEN, (secret("reporting", "payments-gateway"), "token")]
    assert blast_radius(demo_graph(), places) == from_copy


def test_a_token_opens_its_policies_and_the_secrets_behind_them() -> None:
    found = blast_radius(demo_graph(), [], credential=CI_TOKEN)
    assert [(opened.ref, opened.depth) for opened in found.opens[:1]] == [(CI_POLICY, 1)]
    behind = {opened.ref: opened for opened in found.opens if opened.depth == 2}
    assert GATEWAY in behind
    assert behind[GATEWAY].path == (CI_TOKEN, CI_POLICY, GATEWAY)
    assert behind[GATEWAY].note == "read"
    assert found.gaps == (BOT_GAP,)


def test_places_known_to_hold_the_credential_count_as_its_secrets() -> None:
    same = Edge(CI_TOKEN, GATEWAY, EdgeKind.SAME_VALUE, {"key": "token", "version": 1})
    snapshot = Snapshot.of(demo_nodes(), [*demo_edges(), same])
    found = blast_radius(snapshot, [], credential=CI_TOKEN)
    assert found.secrets == (TOKEN,)
    assert len(found.consumers) == len(CONSUMERS_OF_GATEWAY)
    assert GATEWAY not in {opened.ref for opened in found.opens}


def test_an_account_with_rights_on_a_cluster_opens_its_secrets() -> None:
    account = refs.k8s("demo", "platform", "ServiceAccount", "backup")
    holds = Edge(secret("shop", "stripe"), account, EdgeKind.OPENS)
    snapshot = Snapshot.of(demo_nodes(), [*demo_edges(), holds])
    found = blast_radius(snapshot, [(secret("shop", "stripe"), "")])
    by_ref = {opened.ref: opened for opened in found.opens}
    assert by_ref[account].depth == 1
    assert by_ref[CLUSTER].depth == 2
    assert by_ref[GATEWAY_COPY].path[1:3] == (account, CLUSTER)


GATEWAY_COPY = secret("payments", "payments-gateway")


def _chain(length: int) -> list[Edge]:
    names = [Ref(f"credential:{number}") for number in range(length + 1)]
    return [Edge(tail, head, EdgeKind.OPENS) for tail, head in pairwise(names)]


def test_depth_is_bounded_and_said_so_only_when_something_was_cut() -> None:
    start = Ref("credential:0")
    whole = blast_radius(Snapshot.of([], _chain(MAX_DEPTH)), [], credential=start)
    assert (len(whole.opens), whole.gaps) == (MAX_DEPTH, ())
    cut = blast_radius(Snapshot.of([], _chain(MAX_DEPTH + 1)), [], credential=start)
    assert len(cut.opens) == MAX_DEPTH
    assert "3 steps" in cut.gaps[0].reason


def test_breadth_is_bounded_and_said_so() -> None:
    start = Ref("credential:0")
    wide = [
        Edge(start, Ref(f"vault://s/kv/{number}"), EdgeKind.OPENS)
        for number in range(MAX_OPENED + 1)
    ]
    found = blast_radius(Snapshot.of([], wide), [], credential=start)
    assert len(found.opens) == MAX_OPENED
    assert "500 things" in found.gaps[0].reason
    assert blast_radius(Snapshot.of([], wide[:-1]), [], credential=start).gaps == ()


def test_circles_end() -> None:
    a, b = Ref("credential:a"), Ref("credential:b")
    edges = [Edge(a, b, EdgeKind.OPENS), Edge(b, a, EdgeKind.OPENS)]
    found = blast_radius(Snapshot.of([], edges), [], credential=a)
    assert [opened.ref for opened in found.opens] == [b]


def test_a_frozen_answer_reads_back_equal() -> None:
    found = blast_radius(demo_graph(), [TOKEN], credential=CI_TOKEN)
    found = replace(found, gaps=(*found.gaps, Gap("s", "x", "no", since=NOW)))
    frozen = orjson.loads(orjson.dumps(to_json(found)))
    assert blast_radius_from_json(frozen) == found


def test_a_frozen_answer_of_an_older_version_reads_back_with_empty_parts() -> None:
    old = blast_radius_from_json({"secrets": [[GATEWAY, "token"]]})
    assert old == BlastRadius(secrets=(TOKEN,))


def test_a_node_of_a_kind_without_access_is_not_walked_through() -> None:
    start, workload = Ref("credential:a"), Ref("k8s://c/n/Deployment/w")
    edges = [Edge(start, workload, EdgeKind.OPENS), Edge(workload, GATEWAY, EdgeKind.CONSUMES)]
    snapshot = Snapshot.of([Node(workload, NodeKind.WORKLOAD)], edges)
    found = blast_radius(snapshot, [], credential=start)
    assert [opened.ref for opened in found.opens] == [workload]


@given(random=st.randoms(use_true_random=False))
def test_the_answer_does_not_depend_on_the_order_of_the_rows(random: Random) -> None:
    edges = [*demo_edges(), Edge(CI_TOKEN, CLUSTER, EdgeKind.OPENS)]
    before = blast_radius(Snapshot.of(demo_nodes(), edges), [TOKEN], credential=CI_TOKEN)
    random.shuffle(edges)
    after = blast_radius(Snapshot.of(demo_nodes(), edges), [TOKEN], credential=CI_TOKEN)
    assert after == before
