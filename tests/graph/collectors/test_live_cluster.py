"""The live collectors against a cluster that serves the demo's world, emulated and real."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.sandbox.world import World
from graph.collector import CollectContext, Collector
from graph.collectors.external_secrets import ExternalSecretsCollector
from graph.collectors.kubernetes import KubernetesCollector
from graph.collectors.rbac import RbacCollector
from graph.connections import Connections, KubernetesSettings, VaultSettings
from graph.errors import AccessDeniedError, UnavailableError
from graph.fingerprints import Fingerprinter, generate_key
from graph.kubernetes_api import KubernetesApi
from graph.model import EdgeKind, Observation
from graph.secret_value import SecretValue

WORLDS = ["world", pytest.param("real_world", marks=pytest.mark.cluster)]
COLLECTORS: tuple[type[Collector], ...] = (
    KubernetesCollector,
    ExternalSecretsCollector,
    RbacCollector,
)


@pytest.fixture(params=WORLDS)
def served(request: pytest.FixtureRequest) -> World:
    world = request.getfixturevalue(request.param)
    assert isinstance(world, World)
    return world


def connections(world: World, **settings: Any) -> Connections:
    return Connections(
        vaults={"main": VaultSettings(address=world.openbao.address, token=world.bot_token)},
        clusters={"demo": KubernetesSettings(kubeconfig=str(world.kubeconfig), **settings)},
        issuers={},
    )


def look(collector: type[Collector], context: CollectContext) -> Observation:
    member = collector()
    (source,) = member.sources(context)
    (observation,) = member.collect(source, context)
    return observation


def edges(found: Observation, kind: EdgeKind) -> list[tuple[str, str]]:
    return [
        (edge.tail.removeprefix("k8s://demo/"), edge.head.removeprefix("k8s://demo/"))
        for edge in found.edges
        if edge.kind is kind
    ]


def test_every_consumer_of_the_world_is_found_without_any_right_on_secrets(served: World) -> None:
    found = look(KubernetesCollector, CollectContext(connections(served), None))
    assert found.complete
    consumes = edges(found, EdgeKind.CONSUMES)
    assert {tail for tail, head in consumes if head.endswith("Secret/payments-gateway")} == {
        "payments/Deployment/api",
        "payments/Deployment/worker",
        "payments/StatefulSet/ledger",
        "payments/Deployment/webhook",
        "payments/CronJob/settlement",
        "payments/Pod/debug-shell",
        "shop/Deployment/checkout",
        "shop/Deployment/refunds",
    }
    assert ("platform/Deployment/ci-runner", "platform/Secret/registry") in consumes
    assert not found.fingerprints
    assert ("-/Namespace/payments", "team:payments") in edges(found, EdgeKind.OWNED_BY)
    assert not any("ReplicaSet" in tail for tail, _ in consumes)


def test_each_use_of_the_world_says_how_it_follows(served: World) -> None:
    found = look(KubernetesCollector, CollectContext(connections(served), None))
    follows = {
        edge.tail.rpartition("/")[2]: str(edge.attributes["picks_up"])
        for edge in found.edges
        if edge.kind is EdgeKind.CONSUMES and edge.head.endswith("Secret/payments-gateway")
    }
    assert follows == {
        "api": "restart",
        "worker": "restart",
        "ledger": "sync",
        "webhook": "restart",
        "settlement": "next_run",
        "debug-shell": "sync",
        "checkout": "sync",
        "refunds": "restart",
    }


def test_fingerprint_mode_recognises_values_and_keeps_none(served: World) -> None:
    fingerprinter = Fingerprinter(SecretValue(generate_key()))
    settings = {"mode": "fingerprint", "namespaces": ("payments",)}
    found = look(
        KubernetesCollector, CollectContext(connections(served, **settings), fingerprinter)
    )
    leaked = {one.digest for one in fingerprinter.of_leaked(SecretValue(served.leaked_token))}
    assert {
        (str(stored.secret), stored.key)
        for stored in found.fingerprints
        if stored.fingerprint.digest in leaked
    } == {("k8s://demo/payments/Secret/payments-gateway", "token")}
    assert served.leaked_token not in repr(found)
    (secret,) = [node for node in found.nodes if node.ref == found.fingerprints[0].secret]
    assert "exists" not in secret.attributes
    assert secret.attributes["keys"]


def test_copies_lead_from_the_configured_vault_to_every_namespace(served: World) -> None:
    found = look(ExternalSecretsCollector, CollectContext(connections(served), None))
    copies = edges(found, EdgeKind.COPIES)
    assert {head for tail, head in copies if tail == "vault://main/kv/payments/gateway"} == {
        f"{namespace}/Secret/payments-gateway" for namespace in ("payments", "shop", "reporting")
    }
    assert edges(found, EdgeKind.CONSUMES) == [
        ("-/ClusterSecretStore/openbao", "platform/Secret/openbao-token")
    ]
    assert not found.gaps


def test_readers_of_the_world_are_found_with_their_directness(served: World) -> None:
    found = look(RbacCollector, CollectContext(connections(served), None))
    reads = {
        (
            edge.tail.removeprefix("k8s://demo/"),
            edge.head.removeprefix("k8s://demo/"),
        ): edge.attributes["direct"]
        for edge in found.edges
        if edge.kind is EdgeKind.CAN_READ
    }
    assert reads["-/Group/payments-dev", "-/Namespace/payments"] is True
    assert reads["-/User/rob@example.com", "-/Namespace/payments"] is True
    assert reads["platform/ServiceAccount/backup", "-/Cluster/demo"] is True
    assert reads["shop/ServiceAccount/ci", "-/Namespace/shop"] is False
    assert not any(tail == "-/Group/everyone" for tail, _ in reads)


def test_a_cluster_that_does_not_answer_is_unavailable_as_a_whole(tmp_path: Path) -> None:
    config = kubeconfig("http://127.0.0.1:9", "")
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    settings = KubernetesSettings(kubeconfig=str(tmp_path / "kubeconfig"))
    context = CollectContext(Connections(vaults={}, clusters={"x": settings}, issuers={}), None)
    for collector in COLLECTORS:
        with pytest.raises(UnavailableError):
            look(collector, context)


# -- a real API server: rights that are missing, controllers that fold ----------------------------


def kubeconfig(server: str, token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "c", "cluster": {"server": server, "insecure-skip-tls-verify": True}}
        ],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }


@pytest.fixture
def admin(real_cluster: Path) -> Iterator[KubernetesApi]:
    settings = KubernetesSettings(kubeconfig=str(real_cluster))
    facade = Connections(vaults={}, clusters={"real": settings}, issuers={})
    yield facade.kubernetes("real")
    facade.close()


@pytest.fixture
def namespace(admin: KubernetesApi) -> Iterator[str]:
    name = f"collect-{secrets.token_hex(3)}"
    admin.post("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    admin.delete(f"/api/v1/namespaces/{name}")


def limited(
    admin: KubernetesApi, namespace: str, folder: Path, real: Path, *rules: dict[str, Any]
) -> CollectContext:
    """Log in as a new service account that holds just these rules in the whole cluster."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "bot"}})
    role = {"metadata": {"name": namespace}, "rules": list(rules)}
    admin.post(f"{rbac}/clusterroles", role)
    subject = {"kind": "ServiceAccount", "name": "bot", "namespace": namespace}
    reference = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": namespace,
    }
    admin.post(
        f"{rbac}/clusterrolebindings",
        {"metadata": {"name": namespace}, "subjects": [subject], "roleRef": reference},
    )
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/bot/token"
    token = admin.post(path, {"spec": {"audiences": []}})["status"]["token"]
    server = yaml.safe_load(real.read_text())["clusters"][0]["cluster"]["server"]
    file = folder / "limited"
    file.write_text(yaml.safe_dump(kubeconfig(server, token)))
    settings = KubernetesSettings(kubeconfig=str(file))
    return CollectContext(Connections(vaults={}, clusters={"real": settings}, issuers={}), None)


@pytest.fixture
def tidy(admin: KubernetesApi, namespace: str) -> Iterator[None]:
    yield
    for plural in ("clusterroles", "clusterrolebindings"):
        admin.delete(f"/apis/rbac.authorization.k8s.io/v1/{plural}/{namespace}")


@pytest.mark.cluster
@pytest.mark.usefixtures("tidy")
def test_what_may_not_be_listed_is_a_gap_that_names_the_rule_to_grant(
    admin: KubernetesApi, namespace: str, tmp_path: Path, real_cluster: Path
) -> None:
    readable = {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["list"]}
    context = limited(admin, namespace, tmp_path, real_cluster, readable)
    found = look(KubernetesCollector, context)
    assert not found.complete
    gaps = {gap.scope: gap.do_now for gap in found.gaps}
    assert "pods" not in gaps
    assert 'verb "list" on resource "deployments" of apiGroup "apps"' in gaps["deployments"]
    with pytest.raises(AccessDeniedError):
        look(RbacCollector, context)


@pytest.mark.cluster
def test_pods_of_real_controllers_are_folded_and_leftovers_stay(
    admin: KubernetesApi, namespace: str, real_cluster: Path
) -> None:
    settings = KubernetesSettings(kubeconfig=str(real_cluster))
    context = CollectContext(Connections(vaults={}, clusters={"c": settings}, issuers={}), None)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"

    def env(secret: str) -> list[dict[str, Any]]:
        ref = {"name": secret, "key": "k", "optional": True}
        return [{"name": "A", "valueFrom": {"secretKeyRef": ref}}]

    def template(secret: str) -> dict[str, Any]:
        return {
            "metadata": {"labels": {"app": "api"}},
            "spec": {"containers": [{"name": "app", "image": "simulated", "env": env(secret)}]},
        }

    spec = {"selector": {"matchLabels": {"app": "api"}}, "template": template("old")}
    admin.post(path, {"metadata": {"name": "api"}, "spec": spec})
    api = f"k8s://c/{namespace}/Deployment/api"

    def uses() -> set[tuple[str, str]]:
        found = look(KubernetesCollector, context)
        return {
            (edge.head.rpartition("/")[2], str(edge.attributes["field"]))
            for edge in found.edges
            if edge.kind is EdgeKind.CONSUMES
            and edge.tail == api
            and edge.attributes["how"] == "env"
        }

    template_field = "spec.template.spec.containers[app].env[A].valueFrom.secretKeyRef"
    wait_until_pods(admin, namespace, 1)
    assert uses() == {("old", template_field)}
    admin.patch(f"{path}/api", {"spec": {"paused": True, "template": template("new")}})
    # The ReplicaSet of the old template stays as a place to roll back to.
    here = {(name, "rollback" if "rollback" in field else field) for name, field in uses()}
    assert here >= {("new", template_field), ("old", "pod")}
    assert here <= {("new", template_field), ("old", "pod"), ("old", "rollback")}


def wait_until_pods(admin: KubernetesApi, namespace: str, count: int) -> None:
    """Poll until the controllers have made so many pods."""
    deadline = time.monotonic() + 60
    while len(list(admin.list(f"/api/v1/namespaces/{namespace}/pods"))) < count:
        assert time.monotonic() < deadline, f"{count} pod(s) did not appear"
        time.sleep(0.1)
