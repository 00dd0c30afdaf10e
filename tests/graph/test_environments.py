import pytest

from graph.environments import EnvironmentRule, environment_of
from graph.model import Edge, EdgeKind, Node, NodeKind
from graph.refs import Ref
from graph.snapshot import Snapshot

SECRET = Ref("k8s://shared/payments/Secret/db")
STORE = Ref("k8s://shared/-/Cluster/shared")


def snapshot(**attributes: str) -> Snapshot:
    nodes = [Node(SECRET, NodeKind.SECRET), Node(STORE, NodeKind.STORE, attributes)]
    return Snapshot.of(nodes, [Edge(SECRET, STORE, EdgeKind.STORED_IN)])


@pytest.mark.parametrize(
    ("ref", "environment"),
    [
        ("k8s://prod-eu/payments/Secret/db", "prod"),
        ("k8s://shared/payments-staging/Secret/db", "staging"),
        ("k8s://prod/payments-stg/Secret/db", "staging"),  # the namespace says more
        ("vault://main/kv/production/db", "prod"),
        ("vault://main/kv/payments/db", ""),
        ("vault://main/kv/payments/test-keys", ""),  # its own name says nothing of the place
        ("aws://111122223333/eu-west-1/secretsmanager/db", ""),
    ],
)
def test_a_telling_name_is_the_default(ref: str, environment: str) -> None:
    assert environment_of(Snapshot.of([], []), Ref(ref)) == environment


def test_what_the_source_says_outweighs_the_name_and_a_rule_outweighs_both() -> None:
    assert environment_of(snapshot(), SECRET) == ""
    assert environment_of(snapshot(environment="edge"), SECRET) == "edge"
    rules = (
        EnvironmentRule(match="k8s://shared/other/*", environment="x"),
        EnvironmentRule(match="k8s://shared/payments/*", environment="prod"),
    )
    assert environment_of(snapshot(environment="edge"), SECRET, rules) == "prod"
