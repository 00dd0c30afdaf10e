"""
The playbooks of what lives in Kubernetes alone, planned and carried out on a real control plane.

The Secret asks for its playbook in its annotations, as the collector reads them.
"""

import base64
import json
from pathlib import Path
from typing import Any

import hvac
import pytest
import yaml

from graph.collector import CollectContext
from graph.collectors.kubernetes import KubernetesCollector
from graph.connections import Connections, KubernetesSettings
from graph.model import Node, NodeKind
from graph.refs import Ref
from graph.snapshot import Snapshot
from tests.responders.steps.homes import TOKEN, Home, decoded, encoded
from tests.responders.steps.parts import FINGERPRINTER, Store
from tests.responders.steps.to_the_end import carry_out, drafted
from tests.servers.processes import ROOT

RIGHTS = ROOT / "deploy" / "kubernetes" / "rbac-replace.yaml"
pytestmark = pytest.mark.cluster


def collected(home: Home) -> Snapshot:
    given = CollectContext(connections=home.connections, fingerprinter=FINGERPRINTER)
    collector = KubernetesCollector()
    seen = [one for source in collector.sources(given) for one in collector.collect(source, given)]
    nodes = [node for one in seen for node in one.nodes]
    return Snapshot.of(nodes, [edge for one in seen for edge in one.edges])


@pytest.fixture
def connections(home: Home, store: Store, tmp_path: Path) -> Connections:
    """Log in as an account that may do what rbac-replace.yaml grants, and nothing else."""
    home.make("v1", "ServiceAccount", "locksmith")
    for item in yaml.safe_load_all(RIGHTS.read_text()):
        item["metadata"]["name"] += f"-{home.namespace}"
        if "namespace" in item["metadata"]:
            item["metadata"]["namespace"] = home.namespace
        if "roleRef" in item:
            item["roleRef"]["name"] += f"-{home.namespace}"
            item["subjects"][0]["namespace"] = home.namespace
        home.objects.create(item)
    where = f"/api/v1/namespaces/{home.namespace}/serviceaccounts/locksmith/token"
    made = home.connections.kubernetes("real").post(where, {"spec": {"expirationSeconds": 3600}})
    content = yaml.safe_load(home.kubeconfig.read_text())
    content["contexts"] = [{**content["contexts"][0]}]
    content["current-context"] = content["contexts"][0]["name"]
    content["contexts"][0]["context"]["user"] = "bot"
    content["users"] = [{"name": "bot", "user": {"token": made["status"]["token"]}}]
    (tmp_path / "bot").mkdir()
    kubeconfig = tmp_path / "bot" / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(content))
    cluster = KubernetesSettings(
        kubeconfig=str(kubeconfig), mode="fingerprint", namespaces=(home.namespace,)
    )
    return store.connections(clusters={"real": cluster})


def asking(playbook: str) -> dict[str, Any]:
    return {"annotations": {"locksmith/playbook": playbook}}


def uses(secret: str) -> dict[str, Any]:
    source = {"secretKeyRef": {"name": secret, "key": "key"}}
    env = [{"name": "K", "valueFrom": source}]
    return {"containers": [{"name": "c", "image": "simulated", "env": env}]}


def test_a_generated_value(home: Home, connections: Connections) -> None:
    metadata = asking("kubernetes-generated")
    home.make("v1", "Secret", "session", data={"key": encoded("leaked")}, metadata=metadata)
    home.deployment("api", **uses("session"))
    plan, note = drafted(collected(home), home.ref("Secret", "session"), "key", "rotate-first")
    assert (plan.playbook, note) == ("kubernetes-generated", "")
    assert [step.id for step in plan.steps] == ["rotate", "restart:1", "consumers", "prove"]
    assert carry_out(plan, connections) == ["prove"]
    assert decoded(home.get("Secret", "session"), "key") != "leaked"


def test_an_immutable_secret(home: Home, connections: Connections) -> None:
    metadata = asking("kubernetes-immutable")
    leaked = {"key": encoded("leaked")}
    home.make("v1", "Secret", "signing", data=leaked, immutable=True, metadata=metadata)
    home.deployment("api", **uses("signing"))
    plan, _ = drafted(collected(home), home.ref("Secret", "signing"), "key", "rotate-first")
    assert plan.playbook == "kubernetes-immutable"

    assert carry_out(plan, connections) == ["prove"]
    assert home.get("Secret", "signing") is None
    (env,) = _template(home)["containers"][0]["env"]
    successor = env["valueFrom"]["secretKeyRef"]["name"]
    assert successor.startswith("signing-")
    assert decoded(home.get("Secret", successor), "key") != "leaked"


def test_a_kept_token_of_an_account(home: Home, connections: Connections) -> None:
    home.make("v1", "ServiceAccount", "deployer")
    metadata = asking("kubernetes-account-token")
    metadata["annotations"]["kubernetes.io/service-account.name"] = "deployer"
    home.make("v1", "Secret", "kept", type=TOKEN, metadata=metadata)
    home.until(lambda: "token" in ((home.get("Secret", "kept") or {}).get("data") or {}))
    leaked = decoded(home.get("Secret", "kept"), "token")
    home.deployment("api", volumes=[{"name": "t", "secret": {"secretName": "kept"}}])
    plan, _ = drafted(collected(home), home.ref("Secret", "kept"), "token", "rotate-first")
    assert plan.playbook == "kubernetes-account-token"

    assert carry_out(plan, connections) == []
    assert not home.reviewed(leaked)
    successor = _template(home)["volumes"][0]["secret"]["secretName"]
    assert home.reviewed(decoded(home.get("Secret", successor), "token"))


def test_the_login_of_a_registry(home: Home, connections: Connections, store: Store) -> None:
    registry, target = "registry.example.com", home.ref("Secret", "registry")
    auths = {registry: {"auth": encoded("ci:leaked")}, "other.example.com": {"auth": "c3RheXM="}}
    held = {".dockerconfigjson": encoded(json.dumps({"auths": auths}))}
    home.make("v1", "Secret", "registry", type="kubernetes.io/dockerconfigjson", data=held)
    store.put("shop/registry", username="ci", password="leaked")
    said = {"playbook": "image-pull-secret", "playbook_target": target, "version": 1}
    said["playbook_registry"] = registry
    secret = store.ref("shop/registry")
    snapshot = Snapshot.of([Node(Ref(secret), NodeKind.SECRET, {"type": "kv-v2", **said})], [])
    plan, _ = drafted(snapshot, secret, "password", "rotate-first")
    assert plan.playbook == "image-pull-secret"

    def person(step_id: str) -> None:
        if step_id == "replace":
            store.put("shop/registry", username="ci", password="new")

    assert carry_out(plan, connections, person) == ["replace", "revoke"]
    text = decoded(home.get("Secret", "registry"), ".dockerconfigjson")
    after = json.loads(text)["auths"]
    assert base64.b64decode(after[registry]["auth"]).decode() == "ci:new"
    assert after["other.example.com"] == auths["other.example.com"]
    with pytest.raises(hvac.exceptions.InvalidPath):
        store.read("shop/registry", 1)


def _template(home: Home) -> dict[str, Any]:
    found = home.get("Deployment", "api", "apps/v1")
    assert found is not None
    spec: dict[str, Any] = found["spec"]["template"]["spec"]
    return spec
