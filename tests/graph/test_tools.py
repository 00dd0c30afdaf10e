"""What each tool means by its fields: where a value comes from, and how a new one arrives."""

from typing import Any

import pytest

from graph.kubernetes.logins import login_references
from graph.kubernetes.remotes import cloud_ref
from graph.kubernetes.tools.storage import class_references
from graph.model import EdgeKind
from tests.graph.tool_parts import copies, deployment, edges, node, obj, observed, use

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
