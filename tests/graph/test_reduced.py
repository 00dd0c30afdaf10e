"""What is remembered of an object: enough for the graph, and no value of a Secret."""

import base64
import json
from typing import Any

import pytest

from graph.fingerprints import Fingerprinter, generate_key
from graph.kubernetes.reduced import reduced, stored_fingerprints
from graph.secret_value import SecretValue

VALUE = "4fK9vQ2xLbV7rTzHn31"
FINGERPRINTER = Fingerprinter(SecretValue(generate_key()))


def secret(**more: Any) -> dict[str, Any]:
    encoded = base64.b64encode(VALUE.encode()).decode()
    applied = json.dumps({"stringData": {"password": VALUE}})
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": applied, "team": "shop"}
    metadata = {"name": "db", "namespace": "shop", "annotations": annotations, "managedFields": [1]}
    data = {"password": encoded, "binary": "/////w=="}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data} | more


@pytest.mark.parametrize("fingerprinter", [None, FINGERPRINTER])
def test_no_value_of_a_secret_is_left(fingerprinter: Fingerprinter | None) -> None:
    small = reduced(secret(stringData={"plain": VALUE}), fingerprinter)
    text = json.dumps(small)
    assert VALUE not in text
    assert base64.b64encode(VALUE.encode()).decode() not in text
    assert set(small["data"]) == {"password", "binary", "plain"}
    assert small["metadata"]["annotations"] == {"team": "shop"}
    assert "managedFields" not in small["metadata"]


def test_its_fingerprints_are_those_of_its_values() -> None:
    found = list(stored_fingerprints(reduced(secret(), FINGERPRINTER), "prod"))
    leaked = {one.digest for one in FINGERPRINTER.of_leaked(SecretValue(VALUE))}
    assert {one.key for one in found if one.fingerprint.digest in leaked} == {"password"}
    assert {one.secret for one in found} == {"k8s://prod/shop/Secret/db"}
    assert list(stored_fingerprints(reduced(secret(), None), "prod")) == []


def test_to_reduce_twice_is_to_reduce_once() -> None:
    once = reduced(secret(), FINGERPRINTER)
    assert reduced(json.loads(json.dumps(once)), FINGERPRINTER) == once


def test_what_changes_without_a_meaning_makes_no_difference() -> None:
    def pod(version: str, condition: str) -> dict[str, Any]:
        status = {
            "phase": "Running",
            "podIP": version,
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": condition}],
        }
        metadata = {"name": "a", "namespace": "b", "resourceVersion": version}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}

    assert reduced(pod("1", "then"), None) == reduced(pod("2", "now"), None)

    def external(status: str, at: str) -> dict[str, Any]:
        conditions = [{"type": "Ready", "status": status, "lastTransitionTime": at}]
        return {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": "a", "namespace": "b"},
            "status": {"conditions": conditions, "refreshTime": at, "syncedResourceVersion": at},
        }

    assert reduced(external("True", "1"), None) == reduced(external("True", "2"), None)
    assert reduced(external("True", "1"), None) != reduced(external("False", "1"), None)


@pytest.mark.parametrize(
    "strange",
    [
        {"kind": "Secret", "apiVersion": "v1", "metadata": None, "data": None},
        {
            "kind": "Secret",
            "apiVersion": "v1",
            "metadata": {"name": 3},
            "data": {"a": None, "b": 7},
        },
        {"kind": "Pod", "metadata": [], "status": "Running"},
        {"kind": None, "status": {"conditions": [None, "x", {"type": 1}]}},
        {},
    ],
)
def test_objects_of_any_shape_are_taken(strange: dict[str, Any]) -> None:
    small = reduced(strange, FINGERPRINTER)
    assert list(stored_fingerprints(small, "prod")) == []
