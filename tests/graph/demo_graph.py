"""
The world of the demo as the collectors describe it, made by hand: for tests of questions.

One OpenBao secret is synced into three namespaces, one of which does not use it; eight workloads
use it in every way that there is.
"""

from datetime import UTC, datetime

from graph import refs
from graph.model import Attributes, AttributeValue, Edge, EdgeKind, Gap, Node, NodeKind
from graph.refs import Ref
from graph.snapshot import Snapshot

NOW = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
CLUSTER = refs.k8s("demo", "", "Cluster", "demo")
GATEWAY = refs.vault("main", "kv", "payments/gateway")
CI_POLICY = refs.vault_policy("main", "ci")
CI_TOKEN = refs.credential("c1")
CI_ROLE = Ref("vault://main/auth/approle/role/ci")
BOT_GAP = Gap("kubernetes/other", "secrets in kube-system", "The API server answered 403.")


def namespace(name: str) -> Ref:
    return refs.k8s("demo", "", "Namespace", name)


def secret(where: str, name: str) -> Ref:
    return refs.k8s("demo", where, "Secret", name)


def sync(where: str) -> Ref:
    return refs.k8s("demo", where, "ExternalSecret", "payments-gateway")


def workload(where: str, kind: str, name: str) -> Ref:
    return refs.k8s("demo", where, kind, name)


def _node(ref: Ref, kind: NodeKind, **attributes: AttributeValue) -> Node:
    return Node(ref, kind, attributes)


_COPIED = (("token", "token"), ("webhook_secret", "webhook-secret"))
_OWNERS = {"payments": "payments", "shop": "shop", "reporting": "insight", "platform": "insight"}

# namespace, kind, name, replicas, then (secret, how, key, picks_up) of each use
_WORKLOADS: tuple[tuple[str, str, str, int | None, tuple[tuple[str, str, str, str], ...]], ...] = (
    (
        "payments",
        "Deployment",
        "api",
        3,
        (
            ("payments-gateway", "env", "token", "restart"),
            ("payments-db", "env", "password", "restart"),
        ),
    ),
    ("payments", "Deployment", "worker", 2, (("payments-gateway", "envFrom", "", "restart"),)),
    ("payments", "StatefulSet", "ledger", 2, (("payments-gateway", "volume", "", "sync"),)),
    (
        "payments",
        "Deployment",
        "webhook",
        2,
        (
            ("payments-gateway", "subPath", "token", "restart"),
            ("payments-gateway", "subPath", "webhook-secret", "restart"),
        ),
    ),
    (
        "payments",
        "CronJob",
        "settlement",
        None,
        (("payments-gateway", "env", "token", "next_run"),),
    ),
    ("payments", "Pod", "debug-shell", None, (("payments-gateway", "volume", "", "never"),)),
    ("shop", "Deployment", "checkout", 2, (("payments-gateway", "projected", "token", "sync"),)),
    ("shop", "Deployment", "refunds", 0, (("payments-gateway", "env", "token", "restart"),)),
    ("shop", "Deployment", "storefront", 2, (("stripe", "env", "api-key", "restart"),)),
)

CONSUMERS_OF_GATEWAY = tuple(
    sorted(workload(where, kind, name) for where, kind, name, _, _ in _WORKLOADS[:8])
)


def demo_nodes() -> list[Node]:
    nodes = [
        _node(CLUSTER, NodeKind.STORE),
        _node(GATEWAY, NodeKind.SECRET, keys=("token", "webhook_secret"), owner="team:payments"),
        _node(CI_POLICY, NodeKind.POLICY),
        _node(CI_ROLE, NodeKind.SUBJECT),
        _node(CI_TOKEN, NodeKind.CREDENTIAL),
        _node(refs.team("payments"), NodeKind.TEAM),
        _node(refs.vault("main", "kv", "payments/db"), NodeKind.SECRET),
        _node(refs.vault("main", "kv", "shop/stripe"), NodeKind.SECRET),
        _node(refs.k8s("demo", "", "Group", "payments-dev"), NodeKind.SUBJECT),
        _node(refs.k8s("demo", "platform", "ServiceAccount", "backup"), NodeKind.SUBJECT),
    ]
    nodes += [
        _node(namespace(name), NodeKind.NAMESPACE, owner=f"team:{owner}")
        for name, owner in _OWNERS.items()
    ]
    nodes += [
        _node(secret(where, "payments-gateway"), NodeKind.SECRET, keys=("token", "webhook-secret"))
        for where in ("payments", "shop", "reporting")
    ]
    nodes += [
        _node(sync(where), NodeKind.SYNC, refresh_interval=3600)
        for where in ("payments", "shop", "reporting")
    ]
    nodes.append(_node(secret("shop", "stripe"), NodeKind.SECRET))
    nodes.append(_node(secret("payments", "payments-db"), NodeKind.SECRET))
    nodes += [
        _node(workload(where, kind, name), NodeKind.WORKLOAD, replicas=replicas)
        for where, kind, name, replicas, _ in _WORKLOADS
    ]
    return nodes


def demo_edges() -> list[Edge]:
    edges = [
        _edge(CI_TOKEN, CI_POLICY, EdgeKind.OPENS),
        _edge(CI_ROLE, CI_POLICY, EdgeKind.OPENS),
        _reads(CI_POLICY, GATEWAY, "read"),
        _reads(CI_POLICY, refs.vault("main", "kv", "payments/db"), "read"),
        _reads(CI_POLICY, refs.vault("main", "kv", "shop/stripe"), "read"),
        _edge(namespace("payments"), refs.team("payments"), EdgeKind.OWNED_BY),
    ]
    for where in ("payments", "shop", "reporting"):
        edges += [
            _edge(
                GATEWAY,
                secret(where, "payments-gateway"),
                EdgeKind.COPIES,
                sync=sync(where),
                from_key=from_key,
                key=key,
                refresh_interval=3600,
            )
            for from_key, key in _COPIED
        ]
        edges += _lies_in(secret(where, "payments-gateway"), where)
    edges += [*_lies_in(secret("shop", "stripe"), "shop")]
    edges += [*_lies_in(secret("payments", "payments-db"), "payments")]
    for verb in ("get", "list", "watch"):
        edges += [
            _reads(
                refs.k8s("demo", "", "Group", "payments-dev"),
                namespace("payments"),
                verb,
                path=(
                    refs.k8s("demo", "payments", "RoleBinding", "secret-readers"),
                    refs.k8s("demo", "payments", "Role", "secret-reader"),
                ),
            )
        ]
    backup = refs.k8s("demo", "platform", "ServiceAccount", "backup")
    edges += [_reads(backup, CLUSTER, verb) for verb in ("get", "list")]
    for where, kind, name, _, uses in _WORKLOADS:
        edges += [
            _edge(
                workload(where, kind, name),
                secret(where, used),
                EdgeKind.CONSUMES,
                how=how,
                container="main",
                key=key,
                field=f"spec.containers[main].{how}",
                picks_up=picks_up,
                reason=f"because of {how}",
            )
            for used, how, key, picks_up in uses
        ]
    return edges


def demo_graph() -> Snapshot:
    return Snapshot.of(demo_nodes(), demo_edges(), (BOT_GAP,))


def _edge(tail: Ref, head: Ref, kind: EdgeKind, **attributes: AttributeValue) -> Edge:
    return Edge(tail, head, kind, attributes)


def _reads(tail: Ref, head: Ref, verb: str, **attributes: AttributeValue) -> Edge:
    said: Attributes = {"verb": verb, "direct": True, **attributes}
    return Edge(tail, head, EdgeKind.CAN_READ, said)


def _lies_in(ref: Ref, where: str) -> list[Edge]:
    return [
        _edge(ref, namespace(where), EdgeKind.IN_NAMESPACE),
        _edge(ref, CLUSTER, EdgeKind.STORED_IN),
    ]
