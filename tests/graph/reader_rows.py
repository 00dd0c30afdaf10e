"""
One row per kind of reader, each with a graph in which somebody is one.

The rights come from the code's own table (`detours.py`), so that none can be forgotten; what needs
two rights, or no rule at all, is here. Run as a module it prints the table of docs/readers.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graph import refs
from graph.kubernetes import detours
from graph.kubernetes.detours import DETOURS, Detour
from graph.model import Attributes, Edge, EdgeKind, Node, NodeKind
from graph.queries import identities
from graph.refs import Ref
from graph.snapshot import Snapshot
from tests.graph.queries.test_taking_over import CI, DB, KV, MINTS, READS, ROLE, world
from tests.graph.test_grants import GROUP, account, bind, role, rule, user

API = refs.k8s("c", "pay", "Deployment", "api")
STORE = refs.k8s("c", "pay", "SecretStore", "vault")
LOGIN = refs.k8s("c", "pay", "VaultAuth", "vault")
TOKEN = refs.k8s("c", "pay", "Secret", "t")
WORKLOAD = (Edge(API, DB, EdgeKind.CONSUMES, {"key": ""}), Edge(API, CI, EdgeKind.RUNS_AS))
BY_STORE: Attributes = {"verb": "read", "direct": False, "kind": "store", "note": "Reads it."}
IN_STORE = (
    *(
        edge
        for store in (STORE, LOGIN)
        for edge in (
            Edge(store, refs.k8s("c", "", "Namespace", "pay"), EdgeKind.IN_NAMESPACE),
            Edge(store, KV, EdgeKind.CAN_READ, BY_STORE),
        )
    ),
    Edge(STORE, TOKEN, EdgeKind.CONSUMES, {"how": "storeAuth"}),
)
SERVER = "a real API server"
RULES = "its rules"
_LISTED = 6  # resources in one cell; more are listed below the table


@dataclass(frozen=True)
class Row:
    """
    `right` is what it takes ("" for what `detours.py` says), `gives` what one gets by it.

    `shown` says where it was shown that this is so; somebody is a reader of `secret` in `graph`.
    """

    kind: str
    right: str
    gives: str
    shown: str
    graph: Snapshot
    secret: Ref = DB


def graph(*objects: dict[str, Any], edges: tuple[Edge, ...] = ()) -> Snapshot:
    """Join rights with a workload that uses `db`, and a store that reads `KV`."""
    made = world(*objects, edges=(*WORKLOAD, *IN_STORE, *edges))
    more = (
        Node(API, NodeKind.WORKLOAD),
        Node(STORE, NodeKind.STORE),
        Node(LOGIN, NodeKind.STORE, {"namespaces": ("pay",)}),
        Node(CI, NodeKind.SUBJECT),
    )
    return Snapshot.of([*made.nodes(), *more], made.edges())


def granted(*rules: Any, wide: bool = False) -> Snapshot:
    home, kind = ("", "ClusterRole") if wide else ("pay", "Role")
    return graph(
        role("r", *rules, namespace=home), bind("r", user("ana"), namespace=home, kind=kind)
    )


def of_detour(row: Detour, verb: str) -> tuple[Snapshot, Ref]:
    """Grant one right of the table and nothing else; return with it the secret that it leads to."""
    right = rule(verb, row.resource, group=row.group)
    return granted(right, wide=row.cluster_only), DB if row.reaches else KV


def rows() -> Iterator[Row]:
    yield from _by_detours()
    yield from _by_two_rights()
    yield from _by_no_rule()


def _by_detours() -> Iterator[Row]:
    for kind in dict.fromkeys(row.kind for row in DETOURS):
        first = next(row for row in DETOURS if row.kind == kind)
        made, secret = of_detour(first, first.verbs[0])
        gives, shown = _DETOURS[kind]
        yield Row(kind, _rights(kind), gives, shown, made, secret)


_DETOURS = {
    detours.MAKE_POD: ("all Secrets and accounts of the namespace", SERVER),
    detours.CHANGE_POD: ("what running pods hold, by another image", RULES),
    detours.EXEC: ("what running pods hold", RULES),
    detours.ATTACH: ("what running pods hold", RULES),
    detours.EPHEMERAL: ("all Secrets of the namespace; accounts of running pods", RULES),
    detours.PORT_FORWARD: ("what the application tells, on its own level", RULES),
    detours.APP_PROXY: ("what the application tells, on its own level", RULES),
    detours.SECRET_STORE: ("Secrets and accounts there, sent anywhere", RULES),
    detours.PUSH_SECRET: ("Secrets of the namespace, sent to a store", RULES),
    detours.EXTERNAL_SECRET: ("whatever a store usable there reads", RULES),
    detours.VAULT_SECRET: ("whatever a VaultAuth usable there reads", RULES),
    detours.VAULT_CONNECTION: ("the logins of VaultAuths there, sent anywhere", RULES),
    detours.NODE_PROXY: ("what pods of every node hold", RULES),
    detours.WEBHOOK: ("every Secret that is created or changed", SERVER),
}


def _by_two_rights() -> Iterator[Row]:
    bindings = rule("create", "rolebindings", group=GROUP)
    yield Row(
        detours.MINT_TOKEN, "create serviceaccounts/token", "the account", SERVER, graph(*MINTS)
    )
    reads = (role("all", rule("get")), bind("all", account("ci")))
    creates = (rule("create"), rule("get", names="kept"))
    yield Row(
        detours.TOKEN_SECRET,
        "create secrets, and any reading verb",
        "any account of the namespace",
        SERVER,
        graph(role("r", *creates), bind("r", user("ana")), *reads),
    )
    yield Row(
        detours.VAULT_AUTH,
        "writing vaultauths, and vaultconnections",
        "any account of the namespace",
        RULES,
        graph(
            role("r", rule("create", "vaultauths vaultconnections", group=detours.VSO)),
            bind("r", user("ana")),
            *reads,
        ),
    )
    yield Row(
        detours.IMPERSONATE,
        "impersonate users or serviceaccounts; groups only together with one of these",
        "these; `system:masters` or unnamed groups: everything",
        SERVER,
        granted(rule("impersonate", "users groups"), wide=True),
    )
    yield Row(
        detours.BIND,
        "bind on a role, and writing bindings",
        "what the role gives; unnamed: everything there",
        SERVER,
        granted(rule("bind", "roles", group=GROUP), bindings),
    )
    yield Row(
        detours.ESCALATE,
        "escalate and changing roles",
        "everything there",
        SERVER,
        granted(rule("escalate update", "roles", group=GROUP)),
    )
    gathered = role("gathered", namespace="") | {"aggregationRule": {"clusterRoleSelectors": []}}
    labels = rule("escalate create", "clusterroles", group=GROUP)
    yield Row(
        detours.AGGREGATE,
        "escalate and create on clusterroles, holding an aggregated role",
        "everything there",
        SERVER,
        graph(
            role("r", labels, namespace=""),
            gathered,
            *(
                bind(one, user("ana"), namespace="", kind="ClusterRole")
                for one in ("r", "gathered")
            ),
        ),
    )


def _by_no_rule() -> Iterator[Row]:
    nobody = graph(role("r", rule("get", "pods")))
    holds: Attributes = {"kind": "vault-login", "verb": "login"}
    policy = refs.vault("main", "-", "Policy/pay")
    names = (Edge(ROLE, policy, EdgeKind.OPENS), Edge(policy, KV, EdgeKind.CAN_READ, READS))
    by_policy: Attributes = {"verb": "read", "direct": True, "kind": "resource-policy"}
    yield Row(
        detours.ALWAYS,
        "being in `system:masters`",
        "everything; no rule takes it away",
        RULES,
        nobody,
    )
    yield Row(detours.NODE, "being in `system:nodes`", "what pods of the node hold", RULES, nobody)
    yield Row(
        identities.HOLDS_TOKEN,
        "reading a Secret that holds a login",
        "whose login it is",
        RULES,
        graph(
            role("r", rule("get", names="t")),
            bind("r", user("ana")),
            role("all", rule("get", names="db")),
            bind("all", account("ci")),
            edges=(Edge(TOKEN, CI, EdgeKind.OPENS),),
        ),
    )
    yield Row(
        "store", "being a SecretStore or VaultAuth that is used", "what it reads", RULES, nobody, KV
    )
    logs_in: Attributes = {"kind": "store-login", "verb": "login"}
    stored = world(edges=(Edge(STORE, ROLE, EdgeKind.OPENS, logs_in), *names))
    yield Row(
        identities.LOGS_IN,
        "being a SecretStore or VaultAuth that logs in to a vault",
        "what its role reads",
        RULES,
        stored,
        KV,
    )
    yield Row(
        "vault-login",
        "an account bound to an auth role of a vault",
        "what the role's policies read",
        "a real OpenBao",
        graph(edges=(Edge(CI, ROLE, EdgeKind.OPENS, holds), *names)),
        KV,
    )
    yield Row(
        "resource-policy",
        "being named by the resource policy of a secret of AWS",
        "that secret",
        "a local AWS",
        graph(edges=(Edge(refs.cloud("aws", "1", "iam", "u"), KV, EdgeKind.CAN_READ, by_policy),)),
        KV,
    )
    yield Row(
        identities.MOUNTS, "being a workload that uses it", "the Secrets it names", RULES, nobody
    )
    yield Row(
        identities.RUNS_AS,
        "being a workload whose account reads it",
        "what its account reads",
        RULES,
        graph(*MINTS),
    )


def _rights(kind: str) -> str:
    """Say the rights of one kind as `detours.py` has them: verbs, then what they are needed on."""
    by_verbs: dict[tuple[str, ...], list[str]] = {}
    for row in DETOURS:
        if row.kind == kind:
            by_verbs.setdefault(row.verbs, []).append(row.resource)
    return "; ".join(
        f"{' or '.join(verbs)} {', '.join(named) if len(named) <= _LISTED else _ONE_OF_BELOW}"
        for verbs, named in by_verbs.items()
    )


_ONE_OF_BELOW = "one of the kinds below"


def table() -> str:
    """Write the part of docs/readers.md that the code knows."""
    lines = ["| kind | right that is needed | what it gives | shown on |", "|---|---|---|---|"]
    lines += [
        f"| `{row.kind}` | {row.right} | {row.gives} | {row.shown} |"
        for row in sorted(rows(), key=lambda row: row.kind)
    ]
    makers = [
        f"`{row.resource}` ({row.group or 'core'})"
        for row in DETOURS
        if row.kind == detours.MAKE_POD and row.resource != "pods"
    ]
    return "\n".join([*lines, "", f"Kinds that make pods: {', '.join(makers)}."])


if __name__ == "__main__":
    print(table())
