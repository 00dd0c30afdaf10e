"""Who can act as whom, followed to the end: from RBAC objects to readers, and back again."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph import refs
from graph.model import Attributes, Edge, EdgeKind, Node, NodeKind
from graph.queries.all_cuts import all_cuts
from graph.queries.cuts import cuts
from graph.queries.identities import implied_groups
from graph.queries.reach import reach
from graph.queries.readable import readable_by
from graph.queries.readers import Reader, readers
from graph.refs import Ref
from graph.snapshot import Snapshot
from tests.graph.test_grants import account, bind, observed, role, rule, user

DB = refs.k8s("c", "pay", "Secret", "db")
ANA = refs.k8s("c", "", "User", "ana")
CI = refs.k8s("c", "pay", "ServiceAccount", "ci")
KV = refs.vault("main", "kv", "payments/db")
ROLE = refs.vault("main", "auth", "kubernetes/role/api")
READS: Attributes = {"verb": "read", "direct": True}


def world(*objects: dict[str, Any], edges: tuple[Edge, ...] = ()) -> Snapshot:
    found = observed(*objects)
    secrets = [
        refs.k8s("c", where, "Secret", name) for where in ("a", "b", "pay") for name in ("db", "t")
    ]
    places = [
        edge
        for secret in secrets
        for edge in (
            Edge(secret, refs.namespace_of(secret) or secret, EdgeKind.IN_NAMESPACE),
            Edge(secret, refs.k8s("c", "", "Cluster", "c"), EdgeKind.STORED_IN),
        )
    ]
    nodes = [
        *found.nodes,
        *(Node(secret, NodeKind.SECRET) for secret in secrets),
        *(Node(refs.k8s("c", "", "Namespace", n), NodeKind.NAMESPACE) for n in ("a", "b", "pay")),
        Node(KV, NodeKind.SECRET),
        Node(ROLE, NodeKind.SUBJECT),
    ]
    return Snapshot.of(nodes, [*found.edges, *places, *edges])


def of(snapshot: Snapshot, secret: Ref) -> dict[Ref, Reader]:
    return {
        reader.subject: reader
        for reader in readers(snapshot, secret).readers
        if "Group/system:" not in reader.subject
    }


MINTS = (
    role("minter", rule("create", "serviceaccounts/token")),
    bind("minter", user("ana")),
    role("all", rule("list"), namespace=""),
    bind("all", account("ci", "pay"), kind="ClusterRole", namespace=""),
)


def test_who_mints_a_token_reads_what_the_account_reads() -> None:
    ana = of(world(*MINTS), DB)[ANA]
    assert (ana.direct, ana.kind, ana.verbs) == (False, "mint-token", ("list",))
    assert ana.path == (
        "k8s://c/pay/RoleBinding/to-minter",
        "k8s://c/pay/Role/minter",
        CI,
        "k8s://c/-/ClusterRoleBinding/to-all",
        "k8s://c/-/ClusterRole/all",
    )


def test_identities_are_followed_to_the_end_also_in_a_circle() -> None:
    mint = rule("create", "serviceaccounts/token")
    snapshot = world(
        role("a", mint, namespace="a"),
        role("b", mint, namespace="b"),
        role("c", rule("get"), namespace="pay"),
        bind("a", user("ana"), account("two", "b"), namespace="a"),
        bind("b", account("one", "a"), namespace="b"),
        bind("c", account("two", "b")),
    )
    found = of(snapshot, DB)
    assert list(found) == [
        refs.k8s("c", "b", "ServiceAccount", "two"),
        ANA,
        refs.k8s("c", "a", "ServiceAccount", "one"),
    ]
    assert DB in {way.secret for way in readable_by(snapshot, ANA).secrets}


def test_impersonation_leads_to_users_accounts_and_named_groups() -> None:
    grants = (role("r", rule("get")), bind("r", {"kind": "Group", "name": "ops"}, user("bob")))
    for resource, names in (("groups", "ops"), ("users", "bob"), ("users", "")):
        somebody = rule("impersonate", "users", names="nobody")
        found = of(
            world(
                role("i", rule("impersonate", resource, names=names), somebody, namespace=""),
                bind("i", user("ana"), kind="ClusterRole", namespace=""),
                *grants,
            ),
            DB,
        )
        assert found[ANA].kind == "impersonate", (resource, names)


def test_what_runs_gives_only_what_it_holds() -> None:
    deployment = refs.k8s("c", "pay", "Deployment", "api")
    edges = (
        Edge(deployment, DB, EdgeKind.CONSUMES, {"key": ""}),
        Edge(deployment, CI, EdgeKind.RUNS_AS),
    )
    snapshot = world(
        role("r", rule("create", "pods/exec")),
        bind("r", user("ana")),
        role("far", rule("get"), namespace="a"),
        bind("far", account("ci", "pay"), account("idle", "pay"), namespace="a"),
        edges=edges,
    )
    other = Snapshot.of([*snapshot.nodes(), Node(deployment, NodeKind.WORKLOAD)], snapshot.edges())
    assert of(other, DB)[ANA].kind == "exec"
    assert ANA not in of(other, refs.k8s("c", "pay", "Secret", "t"))
    far = of(other, refs.k8s("c", "a", "Secret", "t"))
    assert (far[ANA].kind, far[deployment].kind) == ("exec", "runs-as")
    assert CI in far[ANA].path


def test_who_writes_what_the_vault_operator_fetches_reads_by_the_logins_usable_there() -> None:
    login = refs.k8s("c", "a", "VaultAuth", "shared")
    edges = (
        Edge(login, refs.k8s("c", "", "Namespace", "a"), EdgeKind.IN_NAMESPACE),
        Edge(login, KV, EdgeKind.CAN_READ, {"verb": "read", "direct": False, "kind": "store"}),
    )
    writes = rule("create", "vaultstaticsecrets", group="secrets.hashicorp.com")
    for namespaces, reading in ((("a",), {"a"}), (("a", "b"), {"a", "b"}), (None, {"a", "b"})):
        limits: Attributes = {"namespaces": namespaces} if namespaces else {}
        for home in ("a", "b"):
            made = world(
                role("w", writes, namespace=home),
                bind("w", user("ana"), namespace=home),
                edges=edges,
            )
            snapshot = Snapshot.of(
                [*made.nodes(), Node(login, NodeKind.STORE, limits)], made.edges()
            )
            found = of(snapshot, KV)
            assert (ANA in found) == (home in reading), (namespaces, home)
            assert ANA not in found or found[ANA].kind == "vault-secret"
            below = {way.secret for way in readable_by(snapshot, ANA).secrets}
            assert (KV in below) == (home in reading)


def test_a_secret_with_a_token_lends_its_account_to_all_who_read_it() -> None:
    token = refs.k8s("c", "a", "Secret", "t")
    snapshot = world(
        role("r", rule("get", names="t"), namespace="a"),
        bind("r", user("ana"), namespace="a"),
        role("all", rule("get")),
        bind("all", account("ci")),
        edges=(Edge(token, CI, EdgeKind.OPENS),),
    )
    ana = of(snapshot, DB)[ANA]
    assert ana.kind == "token-in-secret"
    assert ana.path[2:4] == (token, CI)
    assert [step.ref for step in reach(snapshot, token).opens] == [
        CI,
        refs.k8s("c", "", "Namespace", "pay"),
        DB,
        refs.k8s("c", "pay", "Secret", "t"),
    ]
    assert DB in {way.secret for way in readable_by(snapshot, ANA).secrets}


def test_accounts_that_log_in_to_a_vault_read_its_paths_and_so_do_their_workloads() -> None:
    workload = refs.k8s("c", "pay", "Deployment", "api")
    snapshot = world(
        *MINTS,
        edges=(
            Edge(CI, ROLE, EdgeKind.OPENS, {"kind": "vault-login", "verb": "login"}),
            Edge(ROLE, KV, EdgeKind.CAN_READ, READS),
            Edge(workload, CI, EdgeKind.RUNS_AS),
        ),
    )
    found = of(snapshot, KV)
    assert (found[CI].direct, found[CI].kind) == (True, "vault-login")
    assert (found[workload].direct, found[workload].kind) == (False, "runs-as")
    assert (found[ANA].kind, found[ANA].verbs) == ("mint-token", ("read",))
    assert KV in {way.secret for way in readable_by(snapshot, ANA).secrets}


def test_a_role_bound_to_patterns_of_names_is_held_by_those_that_fit() -> None:
    place = refs.k8s("c", "", "Namespace", "pay")
    patterns: Attributes = {"kind": "vault-login", "accounts": ("c*",)}
    snapshot = world(
        role("r", rule("get", "pods")),
        role("all", rule("get", "secrets"), namespace="a"),
        bind("all", account("ci", "pay"), account("api", "pay"), namespace="a"),
        edges=(
            Edge(place, ROLE, EdgeKind.OPENS, patterns),
            Edge(ROLE, KV, EdgeKind.CAN_READ, READS),
        ),
    )
    assert {CI, ROLE} == set(of(snapshot, KV))
    assert KV in {way.secret for way in readable_by(snapshot, CI).secrets}
    api = refs.k8s("c", "pay", "ServiceAccount", "api")
    assert KV not in {way.secret for way in readable_by(snapshot, api).secrets}


def test_who_creates_external_secrets_reads_what_the_store_of_the_namespace_reads() -> None:
    store = refs.k8s("c", "pay", "SecretStore", "vault")
    login = refs.k8s("c", "pay", "Secret", "t")
    edges = (
        Edge(store, refs.k8s("c", "", "Namespace", "pay"), EdgeKind.IN_NAMESPACE),
        Edge(store, KV, EdgeKind.CAN_READ, {"verb": "read", "direct": True}),
        Edge(store, login, EdgeKind.CONSUMES, {"how": "storeAuth"}),
    )
    creates = rule("create", "externalsecrets", group="external-secrets.io")
    snapshot = world(
        role("r", creates),
        bind("r", user("ana")),
        role("login", rule("get", names="t")),
        bind("login", user("bob")),
        edges=edges,
    )
    snapshot = Snapshot.of([*snapshot.nodes(), Node(store, NodeKind.STORE)], snapshot.edges())
    found = of(snapshot, KV)
    assert found[ANA].kind == "external-secret"
    assert found[refs.k8s("c", "", "User", "bob")].kind == "token-in-secret"
    assert {step.ref for step in reach(snapshot, login).opens} == {store, KV}
    assert KV in {way.secret for way in readable_by(snapshot, ANA).secrets}


def test_the_rule_that_cuts_most_is_named_first() -> None:
    snapshot = world(
        role("wide", rule("get")),
        bind("wide", user("ana"), user("bob"), account("ci")),
        role("narrow", rule("get", names="db")),
        bind("narrow", user("ana")),
        role("minter", rule("create", "serviceaccounts/token")),
        bind("minter", user("eve")),
    )
    found = cuts(snapshot, DB)
    eve, bob = refs.k8s("c", "", "User", "eve"), refs.k8s("c", "", "User", "bob")
    assert found.readers == 5  # with the group that is always allowed
    by_rule = {cut.rule.rpartition("/")[2]: cut.readers for cut in found.cuts}
    assert by_rule == {
        "to-wide": (bob, eve, CI),
        "wide": (bob, eve, CI),
        "to-minter": (eve,),
        "minter": (eve,),
    }
    assert [len(cut.readers) for cut in found.cuts] == [3, 3, 1, 1]


def test_of_the_whole_graph_the_rule_that_cuts_most_ways_is_first_and_the_rest_is_counted() -> None:
    snapshot = world(
        role("wide", rule("get")),
        bind("wide", user("ana")),
        role("narrow", rule("get", names="db")),
        bind("narrow", user("ana"), user("bob"), account("ci")),
    )
    found = all_cuts(snapshot)
    each = [cuts(snapshot, node.ref) for node in snapshot.nodes(NodeKind.SECRET)]
    assert found.ways == sum(one.readers for one in each)
    for cut in found.cuts:
        alone = [got.readers for one in each for got in one.cuts if got.rule == cut.rule]
        assert (cut.ways, cut.secrets) == (sum(map(len, alone)), len(alone))
        assert set(cut.readers) == {who for readers in alone for who in readers}
    assert [cut.ways for cut in found.cuts] == sorted((c.ways for c in found.cuts), reverse=True)
    assert found.cuts
    few = all_cuts(snapshot, groups=1)
    assert (few.secrets + few.left_out, found.left_out) == (found.secrets, 0)
    assert few.left_out
    assert f"{found.secrets - few.secrets} secrets were left out" in few.gaps[-1].reason


_places = st.sampled_from(["a", "b", "pay", ""])
_subjects = st.sampled_from(
    [
        user("ana"),
        user("bob"),
        {"kind": "Group", "name": "ops"},
        {"kind": "Group", "name": "system:serviceaccounts:a"},
        {"kind": "Group", "name": "system:serviceaccounts"},
        account("one", "a"),
        account("two", "b"),
    ]
)
_granted = st.sampled_from(
    [
        rule("get"),
        rule("list", names="db"),
        rule("create", "serviceaccounts/token"),
        rule("create", "serviceaccounts/token", names="one"),
        rule("impersonate", "serviceaccounts", names="two"),
        rule("impersonate", "users"),
        rule("impersonate", "users", names="bob"),
        rule("impersonate", "groups", names="ops"),
        rule("impersonate", "groups serviceaccounts", names="ops two"),
        rule("create", "pods"),
        rule("create", "secrets"),
        rule("create", "externalsecrets", group="external-secrets.io"),
        rule("create", "vaultstaticsecrets", group="secrets.hashicorp.com"),
        rule("patch", "vaultconnections", group="secrets.hashicorp.com"),
        rule("create", "vaultauths vaultconnections", group="secrets.hashicorp.com"),
    ]
)
_KV_STORES = {
    refs.k8s("c", "a", "SecretStore", "own"): None,
    refs.k8s("c", "", "ClusterSecretStore", "all"): None,
    refs.k8s("c", "a", "VaultAuth", "own"): ("a",),
    refs.k8s("c", "b", "VaultAuth", "two"): ("a", "b"),
    refs.k8s("c", "b", "VaultAuth", "all"): None,
}


@given(
    st.lists(st.tuples(_places, _granted, _subjects), min_size=1, max_size=8),
    st.sets(st.sampled_from(sorted(_KV_STORES))),
)
@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
def test_both_directions_agree(
    grants: list[tuple[str, dict[str, Any], dict[str, str]]], stores: set[Ref]
) -> None:
    objects = []
    for number, (place, granted, subject) in enumerate(grants):
        name = f"r{number}"
        objects.append(role(name, granted, namespace=place))
        kind = "Role" if place else "ClusterRole"
        objects.append(bind(name, subject, namespace=place, kind=kind))
    token = refs.k8s("c", "b", "Secret", "t")
    one = refs.k8s("c", "a", "ServiceAccount", "one")
    home = refs.k8s("c", "", "Namespace", "a")
    by_store: Attributes = {"verb": "read", "direct": False, "kind": "store"}
    edges = (
        Edge(token, one, EdgeKind.OPENS),
        Edge(one, home, EdgeKind.IN_NAMESPACE),
        *(Edge(store, KV, EdgeKind.CAN_READ, by_store) for store in stores),
        *(
            Edge(store, place, EdgeKind.IN_NAMESPACE)
            for store in stores
            if (place := refs.namespace_of(store)) is not None
        ),
    )
    snapshot = world(*objects, edges=edges)
    added = (
        Node(store, NodeKind.STORE, {"namespaces": limits} if (limits := _KV_STORES[store]) else {})
        for store in stores
    )
    snapshot = Snapshot.of(
        [*snapshot.nodes(), Node(one, NodeKind.SUBJECT), *added], snapshot.edges()
    )
    subjects = {node.ref for node in snapshot.nodes(NodeKind.SUBJECT)}
    for secret in (DB, KV, refs.k8s("c", "a", "Secret", "t"), refs.k8s("c", "b", "Secret", "db")):
        found = {reader.subject for reader in readers(snapshot, secret).readers}
        for who in sorted(subjects):
            expected = who in found or any(group in found for group in implied_groups(who))
            below = {way.secret for way in readable_by(snapshot, who).secrets}
            assert (secret in below) is expected, (who, secret)
        cut = cuts(snapshot, secret)
        assert cut.readers == len(found & subjects)
