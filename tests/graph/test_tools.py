"""What each tool means by its fields: where a value comes from, and how a new one arrives."""

from typing import Any

import pytest

from graph.gathered import Gathered
from graph.kubernetes.inventory import Inventory
from graph.kubernetes.logins import login_references
from graph.kubernetes.remotes import KnownVault, cloud_ref
from graph.kubernetes.tool import Here
from graph.kubernetes.toolbox import Toolbox
from graph.kubernetes.tools.bank_vaults import vault_references
from graph.kubernetes.tools.storage import class_references
from graph.model import Edge, EdgeKind, Node, Observation

VAULTS = {"main": KnownVault(("https://vault.example.com",))}
TWO = {**VAULTS, "other": KnownVault(("https://other.example.com",))}
VSO = "secrets.hashicorp.com/v1beta1"
SPC = "secrets-store.csi.x-k8s.io/v1"


def observed(*objects: dict[str, Any], vaults: dict[str, KnownVault] | None = None) -> Observation:
    gathered = Gathered("kubernetes/c", "c")
    known = VAULTS if vaults is None else vaults
    tools = Toolbox(Here(gathered, "pay", known))
    inventory = Inventory(gathered, namespace="pay", readers=tools.pod_readers(), vaults=known)
    for obj in objects:
        tools.add(obj)
        inventory.add(obj)
    tools.finish()
    inventory.finish()
    return gathered.observation()


def obj(kind: str, version: str, name: str = "x", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "pay", **fields.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def deployment(spec: dict[str, Any], **annotations: str) -> dict[str, Any]:
    template = {"metadata": {"annotations": annotations}, "spec": spec}
    return obj("Deployment", "apps/v1", "api", spec={"template": template})


def edges(found: Observation, kind: EdgeKind) -> list[Edge]:
    return [edge for edge in found.edges if edge.kind is kind]


def copies(found: Observation) -> set[tuple[str, str, object, object]]:
    return {
        (edge.tail, edge.head, edge.attributes["from_key"], edge.attributes["key"])
        for edge in edges(found, EdgeKind.COPIES)
    }


def use(found: Observation, how: str) -> Edge:
    (edge,) = [one for one in edges(found, EdgeKind.CONSUMES) if one.attributes["how"] == how]
    return edge


def node(found: Observation, ref: str) -> Node:
    return next(one for one in found.nodes if one.ref == ref)


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


# -- cert-manager, Sealed Secrets, Argo CD, copies ------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "picks_up"), [("Never", "never"), ("Always", "poll"), ("", "poll")]
)
def test_a_renewal_that_keeps_the_key_is_said(policy: str, picks_up: str) -> None:
    spec = {"secretName": "tls", "privateKey": {"rotationPolicy": policy}}
    found = observed(obj("Certificate", "cert-manager.io/v1", "web", spec=spec))
    assert use(found, "certificate").attributes["picks_up"] == picks_up


def test_an_injected_authority_leads_to_the_secret_of_its_certificate() -> None:
    hook = obj(
        "ValidatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1",
        metadata={"annotations": {"cert-manager.io/inject-ca-from": "pay/web"}},
    )
    certificate = obj("Certificate", "cert-manager.io/v1", "web", spec={"secretName": "tls"})
    edge = use(observed(hook, certificate), "inject")
    assert (edge.head, "inferred" in edge.attributes) == ("k8s://c/pay/Secret/tls", False)
    edge = use(observed(hook), "inject")
    assert (edge.head, edge.attributes["inferred"]) == ("k8s://c/pay/Secret/web", True)


def test_references_of_a_cluster_issuer_lie_in_the_namespace_of_the_controller() -> None:
    spec = {"acme": {"solvers": [{"dns01": {"cloudflare": {"apiTokenSecretRef": {"name": "t"}}}}]}}
    issuer = obj("ClusterIssuer", "cert-manager.io/v1", spec=spec)
    assert use(observed(issuer), "issuer").head == "k8s://c/cert-manager/Secret/t"
    issuer["kind"] = "Issuer"
    assert use(observed(issuer), "issuer").head == "k8s://c/pay/Secret/t"


def test_a_sealed_secret_must_be_sealed_again() -> None:
    sealed = obj("SealedSecret", "bitnami.com/v1alpha1", "db", spec={"encryptedData": {"a": "AgB"}})
    edge = use(observed(sealed), "sealed")
    assert (edge.head, edge.attributes["picks_up"]) == ("k8s://c/pay/Secret/db", "never")
    assert "seal the new one" in str(edge.attributes["reason"])


def test_a_cluster_secret_of_argo_cd_opens_the_other_cluster() -> None:
    label = {"labels": {"argocd.argoproj.io/secret-type": "cluster"}}
    found = observed(obj("Secret", "v1", "prod-eu", metadata=label))
    (edge,) = edges(found, EdgeKind.OPENS)
    assert edge.head == "k8s://c/pay/ArgoCDCluster/prod-eu"


def test_replicated_secrets_are_copies_and_patterns_of_namespaces_are_a_gap() -> None:
    said = {"annotations": {"replicator.v1.mittwald.de/replicate-to": "shop, team-.*"}}
    found = observed(obj("Secret", "v1", "db", metadata=said))
    assert copies(found) == {("k8s://c/pay/Secret/db", "k8s://c/shop/Secret/db", "", "")}
    assert "team-.*" in found.gaps[0].reason


# -- volumes --------------------------------------------------------------------------------------


def test_templates_in_the_parameters_of_a_class_are_kept_as_they_are() -> None:
    prefix = "csi.storage.k8s.io/node-publish-secret"
    parameters = {f"{prefix}-name": "${pvc.name}", f"{prefix}-namespace": "${pvc.namespace}"}
    found = observed(obj("StorageClass", "storage.k8s.io/v1", parameters=parameters))
    head = use(found, "storageClass").head
    assert "%24%7Bpvc.name%7D" in head
    assert node(found, head).attributes["template"] is True


def test_parameters_of_old_drivers_are_matched_without_case_and_a_plain_password_is_said() -> None:
    parameters = {"adminSecretName": "a", "USERSECRETNAME": "u", "restuserkey": "hunter2"}
    volume_class = obj("StorageClass", "storage.k8s.io/v1", parameters=parameters)
    assert {(one.namespace, one.name) for one in class_references(volume_class)} == {
        ("default", "a"),
        ("${pvc.namespace}", "u"),
    }
    found = observed(volume_class)
    assert "plain text" in found.gaps[0].reason
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("spec", "head"),
    [
        ({"rbd": {"secretRef": {"name": "s"}}}, "k8s://c/pay/Secret/s"),
        ({"rbd": {"secretRef": {"name": "s", "namespace": "ceph"}}}, "k8s://c/ceph/Secret/s"),
        ({"azureFile": {"secretName": "s"}}, "k8s://c/pay/Secret/s"),
        ({"azureFile": {"secretName": "s", "secretNamespace": "a"}}, "k8s://c/a/Secret/s"),
    ],
)
def test_the_namespace_of_a_volume_falls_back_to_that_of_its_claim(
    spec: dict[str, Any], head: str
) -> None:
    claim = {"claimRef": {"namespace": "pay", "name": "data"}}
    volume = obj("PersistentVolume", "v1", "pv", spec={**claim, **spec})
    source = {"persistentVolumeClaim": {"claimName": "data"}}
    found = observed(deployment({"containers": [], "volumes": [{"name": "v", **source}]}), volume)
    assert {(edge.tail, edge.head) for edge in edges(found, EdgeKind.CONSUMES)} == {
        ("k8s://c/-/PersistentVolume/pv", head),
        ("k8s://c/pay/Deployment/api", head),
    }


def test_what_a_controller_of_a_driver_uses_is_no_use_of_the_pods() -> None:
    csi = {"driver": "d", "controllerExpandSecretRef": {"name": "s", "namespace": "ceph"}}
    claim = {"claimRef": {"namespace": "pay", "name": "data"}}
    volume = obj("PersistentVolume", "v1", "pv", spec={**claim, "csi": csi})
    source = {"persistentVolumeClaim": {"claimName": "data"}}
    found = observed(deployment({"containers": [], "volumes": [{"name": "v", **source}]}), volume)
    assert use(found, "persistentVolume").tail == "k8s://c/-/PersistentVolume/pv"


# -- logins and clouds ----------------------------------------------------------------------------


def test_logins_are_found_in_the_settings_of_any_provider() -> None:
    settings = {
        "gitlab": {"auth": {"SecretRef": {"accessToken": {"name": "a", "key": "k"}}}},
        "infisical": {"auth": {"universal": {"clientId": {"name": "b", "key": "k"}}}},
        "kubernetes": {"auth": {"cert": {"clientKey": {"name": "c", "key": "k"}}}},
        "webhook": {"secrets": [{"name": "label", "secretRef": {"name": "d"}}]},
        "oracle": {
            "serviceAccountRef": {"name": "no"},
            "caProvider": {"type": "ConfigMap", "name": "no"},
        },
    }
    assert [one.name for one in login_references(settings, "spec.provider")] == list("abcd")


@pytest.mark.parametrize(
    ("provider_name", "key", "place", "expected"),
    [
        ("aws", "pay/db", "eu-west-1", "aws://-/eu-west-1/secretsmanager/pay%2Fdb"),
        ("gcpsm", "db", "project", "gcp://project/secretmanager/db"),
        ("azurekv", "cert/web", "https://kv.vault.azure.net", "azure://kv/cert/web"),
        ("azurekv", "db", "https://kv.vault.azure.net", "azure://kv/secret/db"),
        ("aws", "", "", None),
    ],
)
def test_secrets_of_clouds_have_refs(
    provider_name: str, key: str, place: str, expected: str | None
) -> None:
    assert cloud_ref(provider_name, key, place=place) == expected
