from graph import refs
from graph.model import Node, NodeKind
from graph.queries.owners import owner_of, owners
from graph.snapshot import Snapshot
from tests.graph.demo_graph import GATEWAY, demo_edges, demo_graph, demo_nodes, secret, workload


def test_the_nearest_claim_comes_first_and_each_owner_once() -> None:
    found = owners(demo_graph(), GATEWAY)
    assert [(claim.owner, claim.ref) for claim in found] == [
        ("team:payments", GATEWAY),
        ("team:shop", refs.k8s("demo", "", "Namespace", "shop")),
    ]
    assert found[0].source == "owner label of the secret"
    assert found[1].source == "owner label of the namespace of a consumer"


def test_a_copy_asks_the_secret_that_it_is_copied_from() -> None:
    found = owners(demo_graph(), secret("reporting", "payments-gateway"))
    assert [claim.owner for claim in found] == ["team:payments", "team:insight"]
    assert found[0].ref == GATEWAY


def test_only_consumers_of_the_key_speak_for_it() -> None:
    found = owners(demo_graph(), refs.with_key(GATEWAY, "webhook_secret"))
    assert [claim.owner for claim in found] == ["team:payments"]


def test_a_workload_has_its_own_owner_or_the_one_of_its_namespace() -> None:
    api = workload("payments", "Deployment", "api")
    assert owner_of(demo_graph(), api) == "team:payments"
    named = Node(api, NodeKind.WORKLOAD, {"owner": "person:ana@example.com"})
    assert owner_of(Snapshot.of([*demo_nodes(), named], demo_edges()), api) == (
        "person:ana@example.com"
    )
    assert owner_of(Snapshot.of([], []), api) == ""
