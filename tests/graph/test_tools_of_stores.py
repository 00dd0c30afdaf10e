"""What operators, drivers and injectors mean that bring values out of a Vault or a cloud."""

from typing import Any

import pytest

from graph.kubernetes.remotes import KnownVault
from graph.kubernetes.tools.bank_vaults import vault_references
from graph.model import EdgeKind
from tests.graph.tool_parts import VAULTS, copies, deployment, edges, node, obj, observed, use

TWO = {**VAULTS, "other": KnownVault(("https://other.example.com",))}
VSO = "secrets.hashicorp.com/v1beta1"
SPC = "secrets-store.csi.x-k8s.io/v1"

# -- Vault Secrets Operator -----------------------------------------------------------------------


def connection(address: str = "https://vault.example.com") -> dict[str, Any]:
    spec = {"address": address, "caCertSecretRef": "ca"}
    return obj("VaultConnection", VSO, "conn", spec=spec)


def auth(**spec: Any) -> dict[str, Any]:
    spec = {"vaultConnectionRef": "conn", "appRole": {"roleId": "r", "secretRef": "sid"}, **spec}
    return obj("VaultAuth", VSO, "auth", spec=spec)


def static(**spec: Any) -> dict[str, Any]:
    base = {"mount": "kv", "path": "pay/db", "type": "kv-v2", "vaultAuthRef": "auth"}
    spec = {**base, "destination": {"name": "db"}, **spec}
    return obj("VaultStaticSecret", VSO, spec=spec)


def test_a_static_secret_is_found_behind_its_login_and_connection() -> None:
    found = observed(connection(), auth(), static(refreshAfter="30s"))
    (edge,) = edges(found, EdgeKind.COPIES)
    assert (edge.tail, edge.head) == ("vault://main/kv/pay/db", "k8s://c/pay/Secret/db")
    assert edge.attributes["refresh_interval"] == 30
    assert edge.attributes["sync"] == "k8s://c/pay/VaultStaticSecret/x"
    logins = {(e.tail, e.head) for e in edges(found, EdgeKind.CONSUMES)}
    assert logins == {
        ("k8s://c/pay/VaultAuth/auth", "k8s://c/pay/Secret/sid"),
        ("k8s://c/pay/VaultConnection/conn", "k8s://c/pay/Secret/ca"),
    }
    assert not found.gaps


def test_a_login_lies_in_the_namespaces_of_those_who_use_it() -> None:
    other = static(vaultAuthRef="pay/auth") | {"metadata": {"name": "y", "namespace": "shop"}}
    found = observed(connection(), auth(), other)
    heads = {e.head for e in edges(found, EdgeKind.CONSUMES) if "VaultAuth/" in e.tail}
    assert heads == {"k8s://c/shop/Secret/sid"}


def test_a_login_reads_what_its_syncs_fetch_and_says_as_which_role() -> None:
    login = {"role": "api", "serviceAccount": "ci"}
    found = observed(
        connection(), auth(method="kubernetes", mount="/k8s", kubernetes=login), static()
    )
    (reads,) = edges(found, EdgeKind.CAN_READ)
    assert (reads.tail, reads.head) == ("k8s://c/pay/VaultAuth/auth", "vault://main/kv/pay/db")
    (opens,) = edges(found, EdgeKind.OPENS)
    assert (opens.tail, opens.head) == (reads.tail, "vault://main/auth/k8s/role/api")


def test_a_global_login_says_what_the_login_leaves_out() -> None:
    shared = {
        "defaultAuthMethod": "jwt",
        "defaultMount": "all",
        "jwt": {"role": "web", "mount": "jwt-pay"},
        "vaultConnectionRef": "conn",
    }
    own = auth(vaultConnectionRef="", vaultAuthGlobalRef={"name": "all"})
    found = observed(obj("VaultAuthGlobal", VSO, "all", spec=shared), connection(), own)
    (opens,) = edges(found, EdgeKind.OPENS)
    assert opens.head == "vault://main/auth/jwt-pay/role/web"


@pytest.mark.parametrize(
    ("allowed", "places"),
    [([], ("pay",)), (["shop", "web"], ("pay", "shop", "web")), (["*"], None)],
)
def test_a_login_says_which_namespaces_may_use_it(
    allowed: list[str], places: tuple[str, ...] | None
) -> None:
    login = node(observed(auth(allowedNamespaces=allowed)), "k8s://c/pay/VaultAuth/auth")
    assert login.attributes.get("namespaces") == places


def test_a_global_login_names_the_connection_and_the_namespace() -> None:
    shared = obj(
        "VaultAuthGlobal",
        VSO,
        "all",
        spec={"vaultConnectionRef": "conn", "defaultVaultNamespace": "team"},
    )
    own = auth(vaultConnectionRef="", vaultAuthGlobalRef={"name": "all"})
    vaults = {"team": KnownVault(("https://vault.example.com",), "team")}
    found = observed(shared, connection(), own, static(), vaults=vaults)
    assert edges(found, EdgeKind.COPIES)[0].tail == "vault://team/kv/pay/db"


@pytest.mark.parametrize(
    ("spec", "interval"),
    [
        ({}, 0),
        ({"refreshAfter": "1h"}, 3600),
        ({"syncConfig": {"instantUpdates": True}}, 1),
        ({"refreshAfter": "1h", "version": 3}, 0),
    ],
)
def test_a_pinned_or_unpolled_static_secret_never_arrives_by_itself(
    spec: dict[str, Any], interval: int
) -> None:
    (edge,) = edges(observed(connection(), auth(), static(**spec)), EdgeKind.COPIES)
    assert edge.attributes["refresh_interval"] == interval


def test_restart_targets_are_restarted_only_where_the_data_may_be_compared() -> None:
    targets = [{"kind": "Deployment", "name": "api"}, {"kind": "argo.Rollout", "name": "web"}]
    found = observed(connection(), auth(), static(rolloutRestartTargets=targets))
    tails = {
        edge.tail: edge.attributes["by_itself"]
        for edge in edges(found, EdgeKind.CONSUMES)
        if edge.attributes["how"] == "restartTarget"
    }
    assert tails == {"k8s://c/pay/Deployment/api": True, "k8s://c/pay/Rollout/web": True}
    without = static(rolloutRestartTargets=targets, hmacSecretData=False)
    found = observed(connection(), auth(), without)
    assert not any(e.attributes["how"] == "restartTarget" for e in edges(found, EdgeKind.CONSUMES))


def test_dynamic_and_pki_secrets_come_from_their_engines() -> None:
    dynamic = obj(
        "VaultDynamicSecret",
        VSO,
        "d",
        spec={
            "mount": "db",
            "path": "creds/app",
            "destination": {"name": "d"},
            "renewalPercent": 50,
        },
        status={"secretLease": {"duration": 600}},
    )
    pki = obj(
        "VaultPKISecret",
        VSO,
        "p",
        spec={"mount": "pki", "role": "web", "destination": {"name": "p"}},
    )
    found = observed(dynamic, pki)
    assert {(tail, head) for tail, head, *_ in copies(found)} == {
        ("vault://main/db/creds/app", "k8s://c/pay/Secret/d"),
        ("vault://main/pki/issue/web", "k8s://c/pay/Secret/p"),
    }
    assert node(found, "k8s://c/pay/VaultDynamicSecret/d").attributes["refresh_interval"] == 300


def test_an_address_that_nothing_names_is_a_gap_once_several_vaults_are_configured() -> None:
    found = observed(
        static(), static() | {"metadata": {"name": "z", "namespace": "pay"}}, vaults=TWO
    )
    (gap,) = found.gaps
    assert "several vaults" in gap.reason
    assert edges(found, EdgeKind.COPIES)[0].tail == "vault://unknown/kv/pay/db"


# -- Secrets Store CSI ----------------------------------------------------------------------------


def provider(name: str, **spec: Any) -> dict[str, Any]:
    return obj("SecretProviderClass", SPC, "files", spec={"provider": name, **spec})


def test_a_class_copies_from_the_store_and_into_the_secrets_that_it_makes() -> None:
    objects = "- objectName: pw\n  secretPath: kv/data/pay/db\n  secretKey: password\n"
    made = [{"secretName": "db", "data": [{"objectName": "pw", "key": "pass"}]}]
    found = observed(
        provider(
            "vault",
            parameters={"objects": objects, "vaultAddress": "https://vault.example.com"},
            secretObjects=made,
        )
    )
    bundle = "k8s://c/pay/SecretProviderClass/files"
    assert copies(found) == {
        ("vault://main/kv/pay/db", bundle, "password", "pw"),
        (bundle, "k8s://c/pay/Secret/db", "pw", "pass"),
    }


def test_a_pod_consumes_the_class_that_it_mounts_and_a_sub_path_never_follows() -> None:
    attributes = {"secretProviderClass": "files"}
    source = {"csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": attributes}}
    mounts = [{"name": "v", "mountPath": "/a"}]
    bound = [{"name": "v", "mountPath": "/b", "subPath": "k"}]
    spec = {
        "containers": [{"name": "a", "volumeMounts": mounts}, {"name": "b", "volumeMounts": bound}],
        "volumes": [{"name": "v", **source}],
    }
    found = observed(deployment(spec))
    follows = {
        edge.attributes["container"]: (edge.head, edge.attributes["picks_up"])
        for edge in edges(found, EdgeKind.CONSUMES)
    }
    bundle = "k8s://c/pay/SecretProviderClass/files"
    assert follows == {"a": (bundle, "poll"), "b": (bundle, "restart")}


def test_objects_of_the_clouds_are_named_by_account_region_and_vault() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:pay/db-AbC123"
    aws = (
        f"- objectName: {arn}\n  jmesPath:\n  - path: password\n    objectAlias: pw\n"
        "- objectName: /pay/token\n  objectType: ssmparameter\n  objectVersion: '3'\n"
    )
    found = observed(provider("aws", parameters={"region": "eu-west-1", "objects": aws}))
    bundle = "k8s://c/pay/SecretProviderClass/files"
    assert copies(found) == {
        ("aws://111122223333/eu-west-1/secretsmanager/pay%2Fdb", bundle, "", arn),
        ("aws://111122223333/eu-west-1/secretsmanager/pay%2Fdb", bundle, "password", "pw"),
        ("aws://-/eu-west-1/ssm/pay%2Ftoken", bundle, "", "/pay/token"),
    }
    azure = (
        "array:\n- |\n  objectName: db\n  objectType: secret\n  objectAlias: pw\n"
        "- '{objectName: crt, objectType: cert}'\n"
    )
    found = observed(provider("azure", parameters={"keyvaultName": "kv", "objects": azure}))
    assert {tail for tail, *_ in copies(found)} == {"azure://kv/secret/db", "azure://kv/cert/crt"}
    gcp = "- resourceName: projects/p/secrets/db/versions/7\n  path: a\n"
    (edge,) = edges(observed(provider("gcp", parameters={"secrets": gcp})), EdgeKind.COPIES)
    assert (edge.tail, edge.attributes["version"]) == ("gcp://p/secretmanager/db", "7")
    assert edge.attributes["refresh_interval"] == 0


@pytest.mark.parametrize("objects", ["a: [", "just text", "- 3\n- []", "array: 7", ""])
def test_objects_that_are_no_yaml_are_said_and_never_fatal(objects: str) -> None:
    found = observed(provider("vault", parameters={"objects": objects}))
    assert bool(found.gaps) is (objects == "a: [")
    assert "could not be read" in observed(provider("akeyless")).gaps[0].reason


# -- injectors ------------------------------------------------------------------------------------

AGENT = "vault.hashicorp.com/"


def test_paths_are_read_out_of_templates_with_the_keys_that_they_use() -> None:
    template = '{{ with secret "kv/data/pay/db" -}} {{ .Data.data.password }} {{- end }}'
    found = observed(
        deployment(
            {"containers": []},
            **{f"{AGENT}agent-inject": "true", f"{AGENT}agent-inject-template-db": template},
        )
    )
    edge = use(found, "agent")
    assert (edge.head, edge.attributes["key"]) == ("vault://main/kv/pay/db", "password")
    assert edge.attributes["picks_up"] == "poll"


def test_without_a_sidecar_a_file_stays_as_the_pod_began() -> None:
    said = {
        f"{AGENT}agent-inject": "true",
        f"{AGENT}agent-pre-populate-only": "true",
        f"{AGENT}agent-inject-secret-db": "kv/data/pay/db",
    }
    assert use(observed(deployment({}, **said)), "agent").attributes["picks_up"] == "restart"
    said[f"{AGENT}agent-inject"] = "false"
    assert not edges(observed(deployment({}, **said)), EdgeKind.CONSUMES)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("vault:kv/data/db#password", [("kv/data/db", "password")]),
        ("vault:kv/data/db#password#3", [("kv/data/db", "password")]),
        (">>vault:kv/data/db#password", [("kv/data/db", "password")]),
        ("vault:kv/data/db#${.user}:${.password}", [("kv/data/db", "")]),
        ("x ${vault:a/b#c} ${vault:d/e#f}", [("a/b", "c"), ("d/e", "f")]),
        ("vault:v1:ciphertext-of-transit", []),
        ("not a vault: reference", []),
        ("", []),
    ],
)
def test_references_of_bank_vaults_are_read(value: str, expected: list[tuple[str, str]]) -> None:
    assert list(vault_references(value)) == expected


def test_a_variable_of_bank_vaults_takes_a_restart_and_other_values_are_not_kept() -> None:
    env = [{"name": "A", "value": "vault:kv/data/db#k"}, {"name": "B", "value": "hunter2"}]
    found = observed(
        deployment({"containers": [{"name": "c", "env": env}]}),
        obj("Secret", "v1", "s", data={"a": "dmF1bHQ6a3YvZGF0YS9kYiNr", "b": "aHVudGVyMg=="}),
    )
    pod, secret = edges(found, EdgeKind.CONSUMES)[::-1]
    assert {pod.tail, secret.tail} == {"k8s://c/pay/Deployment/api", "k8s://c/pay/Secret/s"}
    assert {edge.head for edge in (pod, secret)} == {"vault://main/kv/db"}
    assert "hunter2" not in repr(found)
    assert "aHVudGVyMg" not in repr(found)
