"""From External Secrets objects to copies: which store, which keys, how long it takes."""

from typing import Any

import pytest
from pydantic import SecretStr

from graph.connections import Connections, VaultSettings
from graph.gathered import Gathered
from graph.kubernetes.durations import seconds
from graph.kubernetes.listing import known_vaults
from graph.kubernetes.remotes import KnownVault, vault_path
from graph.kubernetes.selections import landing
from graph.kubernetes.syncs import Syncs
from graph.model import Edge, EdgeKind, Node, NodeKind, Observation
from graph.queries.copies import origins, spread
from graph.refs import Ref, vault, vault_store
from graph.snapshot import Snapshot

VERSION = "external-secrets.io/v1"
VAULTS = {"main": KnownVault(("https://vault.example.com",))}


def obj(kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    where = {} if kind.startswith("Cluster") else {"namespace": "pay"}
    return {
        "apiVersion": VERSION,
        "kind": kind,
        "metadata": {"name": name, **where, **metadata},
        "spec": spec,
    }


def store(kind: str = "SecretStore", name: str = "vault", **vault: Any) -> dict[str, Any]:
    settings = {"server": "https://vault.example.com:443/", "path": "kv", **vault}
    return obj(kind, name, {"provider": {"vault": settings}})


def external(name: str = "db", **spec: Any) -> dict[str, Any]:
    return obj("ExternalSecret", name, {"secretStoreRef": {"name": "vault"}, **spec})


def data(key: str = "pay/db", prop: str = "password", to: str = "PASSWORD") -> dict[str, Any]:
    return {"secretKey": to, "remoteRef": {"key": key, "property": prop}}


def observed(*objects: dict[str, Any]) -> Observation:
    gathered = Gathered("external_secrets/c", "c")
    syncs = Syncs(gathered, vaults=VAULTS)
    for one in objects:
        syncs.add(one)
    syncs.finish()
    return gathered.observation()


def edges(found: Observation, kind: EdgeKind = EdgeKind.COPIES) -> list[Edge]:
    return [edge for edge in found.edges if edge.kind is kind]


def copy(found: Observation) -> Edge:
    (edge,) = edges(found)
    return edge


def test_one_entry_copies_one_field_of_the_configured_vault_to_one_key() -> None:
    edge = copy(observed(store(), external(data=[data()])))
    assert (edge.tail, edge.head) == ("vault://main/kv/pay/db", "k8s://c/pay/Secret/db")
    assert edge.attributes == {
        "sync": "k8s://c/pay/ExternalSecret/db",
        "key": "PASSWORD",
        "from_key": "password",
        "refresh_interval": 3600,
    }


def test_extract_copies_all_keys_under_their_own_names() -> None:
    edge = copy(observed(store(), external(dataFrom=[{"extract": {"key": "pay/db"}}])))
    assert (edge.attributes["key"], edge.attributes["from_key"]) == ("", "")
    assert "widen" not in edge.attributes


def test_extract_with_rewrite_says_that_the_keys_are_others() -> None:
    rewrite = [{"regexp": {"source": "(.*)", "target": "DB_$1"}}]
    entry = {"extract": {"key": "pay/db"}, "rewrite": rewrite}
    assert copy(observed(store(), external(dataFrom=[entry]))).attributes["widen"] is True


def finds(pattern: str, **spec: Any) -> dict[str, Any]:
    entry = {"find": {"name": {"regexp": pattern}, **spec.pop("find", {})}, **spec.pop("entry", {})}
    return external(dataFrom=[entry], **spec)


def with_vault(found: Observation, *paths: str) -> Snapshot:
    """Add what a look at the vault sees: these secrets."""
    home = Node(vault_store("main"), NodeKind.STORE)
    secrets = [Node(vault("main", "kv", path), NodeKind.SECRET) for path in paths]
    stored = [Edge(secret.ref, home.ref, EdgeKind.STORED_IN) for secret in secrets]
    return Snapshot.of([*found.nodes, home, *secrets], [*found.edges, *stored])


def test_what_is_found_by_name_is_whatever_lies_in_the_store_then() -> None:
    found = observed(store(), finds("^pay/.*b$", find={"path": "pay"}))
    assert not found.gaps
    snapshot = with_vault(found, "pay/db", "pay/eu/web", "pay/api", "shop/db")
    copies = {
        path: [(one.secret, one.key) for one in spread(snapshot, [(vault("main", "kv", path), "")])]
        for path in ("pay/db", "pay/eu/web", "pay/api", "shop/db")
    }
    head = "k8s://c/pay/Secret/db"
    assert copies["pay/db"][1:] == [(head, "pay_db")]
    assert copies["pay/eu/web"][1:] == [(head, "pay_eu_web")]
    assert not copies["pay/api"][1:]
    assert not copies["shop/db"][1:]
    assert set(origins(snapshot, [(Ref(head), "")])) == {
        ("vault://main/kv/pay/db", ""),
        ("vault://main/kv/pay/eu/web", ""),
    }
    assert origins(snapshot, [(Ref(head), "pay_db")]) == (("vault://main/kv/pay/db", ""),)


def test_what_is_found_and_then_renamed_may_be_any_key() -> None:
    rewrite = [{"regexp": {"source": "pay_(.*)", "target": "$1"}}]
    for spec in ({"entry": {"rewrite": rewrite}}, {"target": {"template": {"data": {"x": "y"}}}}):
        snapshot = with_vault(observed(store(), finds("db", **spec)), "pay/db")
        (_, copied) = spread(snapshot, [(Ref("vault://main/kv/pay/db"), "password")])
        assert (copied.secret, copied.key) == ("k8s://c/pay/Secret/db", "")


def test_secrets_are_found_in_another_namespace_of_the_cluster_too() -> None:
    near = obj("SecretStore", "vault", {"provider": {"kubernetes": {"remoteNamespace": "ops"}}})
    found = observed(near, finds("^db"))
    gathered = Gathered("kubernetes/c", "c")
    gathered.refer_secret("ops", "db-1")
    gathered.refer_secret("ops", "web")
    seen = gathered.observation()
    snapshot = Snapshot.of([*found.nodes, *seen.nodes], [*found.edges, *seen.edges])
    assert origins(snapshot, [(Ref("k8s://c/pay/Secret/db"), "")]) == (
        ("k8s://c/ops/Secret/db-1", ""),
    )
    assert len(spread(snapshot, [(Ref("k8s://c/ops/Secret/web"), "")])) == 1


@pytest.mark.parametrize(
    ("found_by", "at"),
    [
        ({"tags": {"team": "pay"}}, store()),
        ({"name": {"regexp": "pay["}}, store()),
        ({"name": {"regexp": "pay"}}, store(server="https://elsewhere.example.com")),
        ({"name": {"regexp": "pay"}}, obj("SecretStore", "vault", {"provider": {"ibm": {}}})),
    ],
)
def test_what_only_the_store_can_find_is_a_gap(
    found_by: dict[str, Any], at: dict[str, Any]
) -> None:
    found = observed(at, external(dataFrom=[{"find": found_by}]))
    assert not edges(found)
    assert "k8s://c/pay/ExternalSecret/db" in [gap.scope for gap in found.gaps]


def test_secrets_are_pushed_by_their_labels_where_those_are_known() -> None:
    chosen = {"secret": {"selector": {"matchLabels": {"share": "yes"}}}}
    match = {"match": {"secretKey": "k", "remoteRef": {"remoteKey": "out/x"}}}
    push = obj(
        "PushSecret",
        "push",
        {"selector": chosen, "secretStoreRefs": [{"name": "vault"}], "data": [match]},
    )
    secrets = [
        {"kind": "Secret", "metadata": {"name": name, "namespace": "pay", "labels": {"share": say}}}
        for name, say in (("a", "yes"), ("b", "no"), ("c", "yes"))
    ]
    found = observed(store(), push, *secrets)
    assert {edge.tail for edge in edges(found)} == {"k8s://c/pay/Secret/a", "k8s://c/pay/Secret/c"}
    assert not found.gaps
    blind = observed(store(), push)
    assert not edges(blind)
    assert "labels" in blind.gaps[0].reason


def test_the_target_may_have_another_name_or_be_no_secret_at_all() -> None:
    named = observed(store(), external(data=[data()], target={"name": "other"}))
    assert copy(named).head == "k8s://c/pay/Secret/other"
    manifest = {"manifest": {"apiVersion": "v1", "kind": "ConfigMap"}}
    assert copy(observed(store(), external(data=[data()], target=manifest))).head == (
        "k8s://c/pay/ConfigMap/db"
    )
    assert not edges(observed(store(), external(data=[data()], target={"creationPolicy": "None"})))


@pytest.mark.parametrize(
    ("spec", "interval"),
    [
        ({}, 3600),
        ({"refreshInterval": "15m"}, 900),
        ({"refreshInterval": "0"}, 0),
        ({"refreshInterval": "0s"}, 0),
        ({"refreshPolicy": "CreatedOnce", "refreshInterval": "1m"}, 0),
        ({"refreshPolicy": "OnChange"}, 0),
        ({"target": {"immutable": True}}, 0),
    ],
)
def test_the_edge_says_how_long_a_new_value_takes_by_itself(
    spec: dict[str, Any], interval: int
) -> None:
    found = observed(store(), external(data=[data()], **spec))
    assert copy(found).attributes["refresh_interval"] == interval


def test_a_pinned_version_never_arrives() -> None:
    pinned = {"secretKey": "k", "remoteRef": {"key": "pay/db", "version": "3"}}
    attributes = copy(observed(store(), external(data=[pinned]))).attributes
    assert (attributes["version"], attributes["refresh_interval"]) == ("3", 0)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("1h0m0s", 3600),
        ("90s", 90),
        ("1.5h", 5400),
        ("250ms", 0),
        ("0", 0),
        ("soon", None),
        ("", None),
    ],
)
def test_go_durations_are_read(duration: str, expected: int | None) -> None:
    assert seconds(duration) == expected


def test_an_entry_may_read_from_a_store_of_its_own() -> None:
    entry = {**data(), "sourceRef": {"storeRef": {"name": "all", "kind": "ClusterSecretStore"}}}
    found = observed(store("ClusterSecretStore", "all", path="other"), external(data=[entry]))
    assert copy(found).tail == "vault://main/other/pay/db"


@pytest.mark.parametrize(
    ("server", "namespace", "expected"),
    [
        ("http://vault.example.com:443", "", "main"),  # a proxy ends TLS: still the same store
        ("https://VAULT.example.com", "", "main"),
        ("https://vault.example.com:8200", "", "vault.example.com:8200"),
        ("https://vault.example.com", "team-a", "vault.example.com:443~team-a"),
        ("", "", "unknown"),
    ],
)
def test_a_store_is_the_configured_one_when_address_and_namespace_agree(
    server: str, namespace: str, expected: str
) -> None:
    found = observed(store(server=server, namespace=namespace), external(data=[data()]))
    assert copy(found).tail == f"vault://{expected}/kv/pay/db"
    assert bool(found.gaps) is (expected != "main")


@pytest.mark.parametrize(
    ("key", "mount", "version", "expected"),
    [
        ("pay/db", "kv", "v2", ("kv", "pay/db")),
        ("kv/pay/db", "kv", "v2", ("kv", "pay/db")),
        ("kv/data/pay/db", "kv", "v2", ("kv", "pay/db")),
        ("kv/data/pay/db", "kv", "v1", ("kv", "data/pay/db")),
        ("/pay/db", "team/kv", "v2", ("team/kv", "pay/db")),
        ("kv/data/pay/db", "", "v2", ("kv", "pay/db")),
        ("team/kv/data/pay/db", "", "v2", ("team/kv", "pay/db")),
        ("kv/pay/db", "", "v2", ("kv", "pay/db")),
    ],
)
def test_a_remote_key_is_split_as_the_operator_splits_it(
    key: str, mount: str, version: str, expected: tuple[str, str]
) -> None:
    assert vault_path(key, mount=mount, version=version) == expected


def test_a_template_moves_values_to_the_keys_that_mention_them() -> None:
    template = {"template": {"data": {"dsn": "postgres://u:{{ .PASSWORD }}@db", "x": "plain"}}}
    assert landing("PASSWORD", template) == ("dsn",)
    assert landing("unused", template) == (None,)
    merged = {"template": {"mergePolicy": "Merge", **template["template"]}}
    assert landing("PASSWORD", merged) == ("dsn", "PASSWORD")
    elsewhere = {"template": {"templateFrom": [{"configMap": {"name": "t"}}]}}
    assert landing("PASSWORD", elsewhere) == (None,)
    assert landing("PASSWORD", {"template": {"type": "Opaque"}}) == ("PASSWORD",)


def test_a_cluster_external_secret_copies_into_each_selected_namespace() -> None:
    spec = {
        "externalSecretName": "db",
        "namespaceSelectors": [{"matchLabels": {"db": "yes"}}],
        "namespaces": ["extra"],
        "externalSecretSpec": {
            "secretStoreRef": {"name": "vault", "kind": "ClusterSecretStore"},
            "data": [data()],
        },
    }
    namespaces = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"db": wanted}},
        }
        for name, wanted in (("a", "yes"), ("b", "no"))
    ]
    found = observed(
        *namespaces, store("ClusterSecretStore"), obj("ClusterExternalSecret", "all", spec)
    )
    assert {edge.head for edge in edges(found)} == {
        "k8s://c/a/Secret/db",
        "k8s://c/extra/Secret/db",
    }


def test_a_push_secret_copies_the_other_way() -> None:
    spec = {
        "selector": {"secret": {"name": "db"}},
        "secretStoreRefs": [{"name": "vault"}],
        "data": [
            {"match": {"secretKey": "p", "remoteRef": {"remoteKey": "pay/db", "property": "x"}}}
        ],
    }
    edge = copy(observed(store(), obj("PushSecret", "push", spec)))
    assert (edge.tail, edge.head) == ("k8s://c/pay/Secret/db", "vault://main/kv/pay/db")
    assert (edge.attributes["from_key"], edge.attributes["key"]) == ("p", "x")


def test_a_store_uses_the_secrets_that_it_logs_in_with() -> None:
    auth = {
        "appRole": {"roleRef": {"name": "role", "key": "id"}, "secretRef": {"name": "sid"}},
        "kubernetes": {"serviceAccountRef": {"name": "not-a-secret"}},
    }
    authority = {"type": "Secret", "name": "ca", "key": "tls.crt"}
    found = observed(store(auth=auth, caProvider=authority))
    assert {edge.head.rpartition("/")[2] for edge in edges(found, EdgeKind.CONSUMES)} == {
        "role",
        "sid",
        "ca",
    }


def test_a_login_of_a_cluster_store_lies_in_its_namespace_or_in_those_that_use_it() -> None:
    auth = {"tokenSecretRef": {"name": "t"}}
    by_user = external(
        data=[data()], secretStoreRef={"name": "vault", "kind": "ClusterSecretStore"}
    )
    found = observed(store("ClusterSecretStore", auth=auth), by_user)
    assert edges(found, EdgeKind.CONSUMES)[0].head == "k8s://c/pay/Secret/t"
    fixed = {"tokenSecretRef": {"name": "t", "namespace": "ops"}}
    found = observed(store("ClusterSecretStore", auth=fixed), by_user)
    assert edges(found, EdgeKind.CONSUMES)[0].head == "k8s://c/ops/Secret/t"


def test_what_cannot_be_traced_is_a_gap() -> None:
    other = obj("SecretStore", "vault", {"provider": {"doppler": {"project": "x"}}})
    assert "doppler" in observed(other, external(data=[data()])).gaps[0].reason
    assert "not seen" in observed(external(data=[data()])).gaps[0].reason


def test_the_kubernetes_provider_copies_from_this_cluster() -> None:
    spec = {"provider": {"kubernetes": {"remoteNamespace": "shared"}}}
    found = observed(obj("SecretStore", "vault", spec), external(data=[data("db")]))
    assert copy(found).tail == "k8s://c/shared/Secret/db"


def test_objects_with_null_fields_do_not_crash() -> None:
    for kind in ("ExternalSecret", "ClusterExternalSecret", "PushSecret", "SecretStore"):
        assert observed({**obj(kind, "x", {}), "spec": None}).nodes


def test_an_address_that_is_none_hides_nobody() -> None:
    broken = store(name="broken", server="http://[::1")
    reads = external("other", secretStoreRef={"name": "broken"}, data=[data()])
    found = observed(broken, store(), reads, external(data=[data()]))
    assert {edge.head for edge in edges(found)} == {
        "k8s://c/pay/Secret/db",
        "k8s://c/pay/Secret/other",
    }
    assert any("http://[::1" in gap.reason for gap in found.gaps)
    elsewhere = {"provider": {"kubernetes": {"server": {"url": "https://[x"}}}}
    assert not edges(observed(obj("SecretStore", "vault", elsewhere), external(data=[data()])))


def test_a_store_is_recognised_by_any_address_it_is_known_under() -> None:
    settings = VaultSettings(
        address="https://vault.example",
        aliases=("http://vault.vault.svc:8200",),
        token=SecretStr("t"),
    )
    known = known_vaults(Connections({"main": settings}, {}, {}))
    assert known["main"].addresses == ("https://vault.example", "http://vault.vault.svc:8200")
