"""Custom resources of a live cluster: found by discovery, in whatever the cluster serves."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from graph.collector import CollectContext
from graph.collectors.custom_resources import CustomResourcesCollector
from graph.collectors.kubernetes import KubernetesCollector
from graph.connections import Connections, KubernetesSettings, VaultSettings
from graph.kubernetes.toolbox import Declared
from graph.kubernetes_api import KubernetesApi
from graph.model import EdgeKind, Observation
from graph.queries.consumers import consumers
from graph.refs import Ref
from graph.snapshot import Snapshot

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def context(real_cluster: Path) -> Iterator[CollectContext]:
    settings = KubernetesSettings(kubeconfig=str(real_cluster), mode="fingerprint")
    connections = Connections(vaults={}, clusters={"c": settings}, issuers={})
    yield CollectContext(connections, None)
    connections.close()


@pytest.fixture
def admin(context: CollectContext) -> KubernetesApi:
    return context.connections.kubernetes("c")


@pytest.fixture
def namespace(admin: KubernetesApi) -> Iterator[str]:
    name = f"custom-{secrets.token_hex(3)}"
    admin.post("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    admin.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def kinds(admin: KubernetesApi) -> Iterator[str]:
    """Install two kinds with open schemas; return the group of the one that nobody knows."""
    own = f"x{secrets.token_hex(3)}.example.com"
    made = [("cert-manager.io", "Issuer", "issuers"), (own, "Database", "databases")]
    for group, kind, plural in made:
        schema = {
            "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        }
        version = {"name": "v1", "served": True, "storage": True, "schema": schema}
        names = {
            "kind": kind,
            "plural": plural,
            "singular": kind.lower(),
            "listKind": f"{kind}List",
        }
        spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
        admin.post(CRDS, {"metadata": {"name": f"{plural}.{group}"}, "spec": spec})
    deadline = time.monotonic() + 30
    while not all((group, plural) in admin.rediscover() for group, _, plural in made):
        assert time.monotonic() < deadline, "the kinds did not appear"
        time.sleep(0.1)
    yield own
    for group, _, plural in made:
        admin.delete(f"{CRDS}/{plural}.{group}")


def look(context: CollectContext) -> Observation:
    (observation,) = CustomResourcesCollector().collect("custom_resources/c", context)
    return observation


def put(admin: KubernetesApi, group: str, plural: str, namespace: str, obj: dict[str, Any]) -> None:
    admin.post(
        f"/apis/{group}/v1/namespaces/{namespace}/{plural}", {"apiVersion": f"{group}/v1", **obj}
    )


@pytest.mark.cluster
def test_known_declared_and_unknown_kinds_are_read_and_what_is_not_served_is_no_gap(
    admin: KubernetesApi, namespace: str, kinds: str, context: CollectContext
) -> None:
    spec = {"vault": {"auth": {"tokenSecretRef": {"name": "token", "key": "t"}}}}
    issuer = {"kind": "Issuer", "metadata": {"name": "i"}, "spec": spec}
    put(admin, "cert-manager.io", "issuers", namespace, issuer)
    database = {
        "kind": "Database",
        "metadata": {"name": "d"},
        "spec": {"login": {"secretName": "pw"}},
    }
    put(admin, kinds, "databases", namespace, database)

    def uses(found: Observation) -> set[tuple[str, str, object]]:
        here = f"k8s://c/{namespace}/"
        return {
            (
                edge.tail.removeprefix(here),
                edge.head.removeprefix(here),
                edge.attributes.get("inferred"),
            )
            for edge in found.edges
            if edge.kind is EdgeKind.CONSUMES and edge.tail.startswith(here)
        }

    known = ("Issuer/i", "Secret/token", None)
    found = look(context)
    assert found.complete
    assert not found.gaps
    assert uses(found) == {known}
    declared = Declared(kind="Database", group=kinds, name="spec.login.secretName")
    told = CollectContext(context.connections, None, references=(declared,))
    assert uses(look(told)) == {known, ("Database/d", "Secret/pw", None)}
    guessing = CollectContext(context.connections, None, infer=True)
    assert uses(look(guessing)) == {known, ("Database/d", "Secret/pw", True)}


@pytest.mark.cluster
def test_a_secret_that_does_not_exist_is_missing_where_secrets_may_be_read(
    admin: KubernetesApi, namespace: str, context: CollectContext
) -> None:
    envs = [{"secretRef": {"name": name, "optional": True}} for name in ("there", "gone")]
    spec = {"containers": [{"name": "c", "image": "simulated", "envFrom": envs}]}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": spec}
    body = {"selector": {"matchLabels": {"app": "x"}}, "replicas": 0, "template": template}
    admin.post(f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": "there"}})
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    admin.post(path, {"metadata": {"name": "x"}, "spec": body})
    (found,) = KubernetesCollector().collect("kubernetes/c", context)
    missing = {
        node.ref.rpartition("/")[2]: node.attributes.get("missing")
        for node in found.nodes
        if node.ref.startswith(f"k8s://c/{namespace}/Secret/")
    }
    assert missing["there"] is None
    assert missing["gone"] is True


@pytest.mark.cluster
def test_the_settings_of_a_vault_agent_are_followed_where_config_maps_are_read(
    admin: KubernetesApi, namespace: str, real_cluster: Path
) -> None:
    template = 'template { contents = "{{ with secret \\"kv/data/pay/db\\" }}x{{ end }}" }'
    config_map = {"metadata": {"name": "agent"}, "data": {"config.hcl": template}}
    admin.post(f"/api/v1/namespaces/{namespace}/configmaps", config_map)
    asked = {"agent-inject": "true", "agent-configmap": "agent"}
    annotations = {f"vault.hashicorp.com/{name}": value for name, value in asked.items()}
    pod = {
        "metadata": {"labels": {"app": "x"}, "annotations": annotations},
        "spec": {"containers": [{"name": "c", "image": "simulated"}]},
    }
    body = {"selector": {"matchLabels": {"app": "x"}}, "replicas": 0, "template": pod}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    admin.post(path, {"metadata": {"name": "x"}, "spec": body})

    def users(*, config_maps: bool) -> list[str]:
        settings = KubernetesSettings(kubeconfig=str(real_cluster), config_maps=config_maps)
        vaults = {"main": VaultSettings(address="https://vault.example.com", token=SecretStr("x"))}
        connections = Connections(vaults, {"c": settings}, {})
        context = CollectContext(connections, None)
        (workloads,) = KubernetesCollector().collect("kubernetes/c", context)
        found = look(context)
        connections.close()
        snapshot = Snapshot.of([*workloads.nodes, *found.nodes], [*workloads.edges, *found.edges])
        return [
            one.workload for one in consumers(snapshot, Ref("vault://main/kv/pay/db")).consumers
        ]

    assert users(config_maps=True) == [f"k8s://c/{namespace}/Deployment/x"]
    assert users(config_maps=False) == []
