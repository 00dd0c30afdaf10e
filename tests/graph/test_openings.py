"""What a Secret opens elsewhere, from its shape; and that no value is kept for it."""

import base64
import json
from typing import Any

import pytest

from graph.fingerprints import Fingerprinter, generate_key
from graph.gathered import Gathered
from graph.kubernetes.inventory import Inventory
from graph.kubernetes.openings import openings
from graph.kubernetes.reduced import reduced
from graph.model import EdgeKind
from graph.secret_value import SecretValue

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: far, cluster: {server: "https://far.example:6443"}}]
users: [{name: root, user: {token: not-a-secret-only-a-test}}]
contexts: [{name: c, context: {cluster: far, user: root}}]
"""
DOCKER = json.dumps(
    {"auths": {"https://index.docker.io/v1/": {"auth": "x"}, "ghcr.io": {"auth": "y"}}}
)


def secret(data: dict[str, str], **labels: str) -> dict[str, Any]:
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "n", "labels": labels},
        "data": coded,
    }


@pytest.mark.parametrize(
    ("obj", "opened"),
    [
        (secret({"config": KUBECONFIG}), ["server:far.example:6443/root"]),
        (
            secret({".dockerconfigjson": DOCKER}),
            ["registry:ghcr.io", "registry:index.docker.io"],
        ),
        (
            secret(
                {"server": "https://far.example", "name": "far", "config": "{}"},
                **{"argocd.argoproj.io/secret-type": "cluster"},
            ),
            ["server:far.example"],
        ),
        (secret({"server": "https://far.example"}), []),
        (secret({"config": "kind: Config\nclusters: [: broken"}), []),
        (secret({".dockerconfigjson": "[]"}), []),
        ({"kind": "Secret", "data": {"a": None, "b": 1, "c": "!"}}, []),
    ],
)
def test_what_a_secret_opens_is_told_from_its_shape(obj: dict[str, Any], opened: list[str]) -> None:
    assert openings(obj) == opened


def test_a_reduced_secret_still_tells_and_holds_no_value() -> None:
    fingerprinter = Fingerprinter(SecretValue(generate_key()), key_id="k1")
    once = reduced(secret({"config": KUBECONFIG}), fingerprinter)
    twice = reduced(once, fingerprinter)
    assert once == twice
    assert "not-a-secret-only-a-test" not in json.dumps(once)
    assert openings(twice) == ["server:far.example:6443/root"]
    without = reduced(secret({"config": KUBECONFIG}), None)
    assert openings(without) == []


def test_the_graph_gets_an_edge_to_it() -> None:
    gathered = Gathered("kubernetes/c", "c")
    inventory = Inventory(gathered)
    inventory.add(secret({"config": KUBECONFIG}))
    inventory.finish()
    edges = [edge for edge in gathered.observation().edges if edge.kind is EdgeKind.OPENS]
    assert [(edge.tail, edge.head) for edge in edges] == [
        ("k8s://c/n/Secret/s", "server:far.example:6443/root")
    ]
