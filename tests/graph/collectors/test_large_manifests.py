"""Manifests as they really come: huge, made by Helm and Kustomize, with keys that stand twice."""

import io
import json
import tracemalloc
from pathlib import Path

import pytest

from graph.collectors.manifests import collect_manifests
from graph.kubernetes.manifest_stream import objects_from
from graph.kubernetes.manifest_text import Doubled, Unreadable, objects_in
from graph.model import EdgeKind, Observation

pytestmark = pytest.mark.slow

POD = """apiVersion: v1
kind: Pod
metadata: {name: pod-%d, namespace: pay}
spec:
  containers:
  - name: app
    envFrom: [{secretRef: {name: db}}]
"""
FILLER = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big-%d}\ndata:\n  text: |\n%s"
MIB = 1 << 20


def consumers(found: Observation) -> set[str]:
    return {edge.tail.rpartition("/")[2] for edge in found.edges if edge.kind is EdgeKind.CONSUMES}


def test_fifty_megabytes_are_read_document_by_document_in_bounded_memory(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    text = ("    " + "x" * 95 + "\n") * 10_000
    with file.open("w") as out:
        for number in range(56):
            out.write(f"---\n{FILLER % (number, text)}---\n{POD % number}")
    assert file.stat().st_size > 50 * MIB
    tracemalloc.start()
    try:
        found = collect_manifests([file], cluster="prod")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(consumers(found)) == 56
    assert not found.gaps
    assert peak < 40 * MIB


def test_a_large_list_of_kubectl_is_read_item_by_item(tmp_path: Path) -> None:
    items = "".join(
        "- " + (POD % number).replace("\n", "\n  ").rstrip() + f"\n  # {'x' * 900}\n"
        for number in range(5_000)
    )
    file = tmp_path / "list.yaml"
    file.write_text(
        f"apiVersion: v1\nitems:\n{items}kind: List\nmetadata: {{}}\n---\n{POD % 5_000}"
    )
    assert file.stat().st_size > 4 * MIB
    with file.open("rb") as stream:
        names = [obj["metadata"]["name"] for obj in objects_from(stream) if isinstance(obj, dict)]
    assert names == [f"pod-{number}" for number in range(5_001)]


@pytest.mark.parametrize("indent", [None, 4])
def test_a_large_list_in_json_is_read_item_by_item(indent: int | None) -> None:
    items = [
        {"metadata": {"name": f"pod-{number}", "labels": {"x": "]}," * 20}}, "spec": {}}
        for number in range(40_000)
    ]
    text = json.dumps({"kind": "PodList", "apiVersion": "v1", "items": items}, indent=indent)
    assert len(text) > 4 * MIB
    found = [obj for obj in objects_from(io.BytesIO(text.encode())) if isinstance(obj, dict)]
    assert [obj["metadata"]["name"] for obj in found] == [f"pod-{n}" for n in range(40_000)]
    assert {obj["kind"] for obj in found} == {"Pod"}
    broken = text[: len(text) - 100]
    *read, last = objects_from(io.BytesIO(broken.encode()))
    assert isinstance(last, Unreadable)
    assert len(read) > 39_000


def test_large_and_small_are_read_alike_with_windows_line_ends() -> None:
    text = "".join(f"---\n{POD % number}# {'é' * 900}\n" for number in range(5_000))
    data = text.replace("\n", "\r\n").encode("utf-16")
    assert len(text) > 4 * MIB
    names = [
        obj["metadata"]["name"] for obj in objects_from(io.BytesIO(data)) if isinstance(obj, dict)
    ]
    assert names == [f"pod-{number}" for number in range(5_000)]


def test_keys_that_stand_twice_are_said_with_their_line_and_the_last_one_counts(
    tmp_path: Path,
) -> None:
    twice = (POD % 1).replace("    envFrom", "    envFrom: [{secretRef: {name: old}}]\n    envFrom")
    (tmp_path / "a.yaml").write_text(f"# one\n---\n{twice}")
    found = collect_manifests([tmp_path], cluster="prod")
    heads = {edge.head for edge in found.edges if edge.kind is EdgeKind.CONSUMES}
    assert heads == {"k8s://prod/pay/Secret/db"}
    (gap,) = found.gaps
    assert "1 key(s) stand twice" in gap.reason
    assert "(line 10)" in gap.reason
    merge = "a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, x: 3}\napiVersion: v1\nkind: Pod\n"
    assert not [one for one in objects_in(merge) if isinstance(one, Doubled)]


HELM = """---
# Source: shop/templates/secret.yaml
apiVersion: v1
kind: Secret
metadata:
  name: release-name-shop
  labels: {helm.sh/chart: shop-1.2.3, app.kubernetes.io/managed-by: Helm}
type: Opaque
stringData:
  password: "hunter2"
---
# Source: shop/templates/empty.yaml

---
# Source: shop/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: release-name-shop
spec:
  template:
    metadata:
      annotations:
        checksum/secret: 0f1e2d
    spec:
      containers:
        - name: shop
          envFrom:
            - secretRef:
                name: release-name-shop
---
# Source: shop/templates/tests/test-connection.yaml
apiVersion: v1
kind: Pod
metadata:
  name: "release-name-shop-test-connection"
  annotations:
    "helm.sh/hook": test
spec:
  containers:
    - name: wget
      env:
        - {name: PASSWORD, valueFrom: {secretKeyRef: {name: release-name-shop, key: password}}}
  restartPolicy: Never
"""
KUSTOMIZE = """apiVersion: v1
data:
  password: aHVudGVyMg==
kind: Secret
metadata:
  name: db-7g2f8hk4t9
  namespace: shop
type: Opaque
---
apiVersion: batch/v1
kind: CronJob
metadata:
  name: report
  namespace: shop
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers:
          - envFrom:
            - secretRef:
                name: db-7g2f8hk4t9
            name: report
          imagePullSecrets:
          - name: registry
  schedule: 0 * * * *
"""


def test_output_of_helm_template_is_read(tmp_path: Path) -> None:
    (tmp_path / "helm.yaml").write_text(HELM)
    found = collect_manifests([tmp_path], cluster="prod", namespace="shop")
    assert consumers(found) == {"release-name-shop", "release-name-shop-test-connection"}
    assert not found.gaps
    assert "hunter2" not in repr(found)
    (secret,) = [node for node in found.nodes if node.ref.endswith("Secret/release-name-shop")]
    assert secret.attributes["keys"] == ("password",)


def test_output_of_kustomize_build_is_read(tmp_path: Path) -> None:
    (tmp_path / "kustomize.yaml").write_text(KUSTOMIZE)
    found = collect_manifests([tmp_path], cluster="prod")
    uses = {
        (edge.head.rpartition("/")[2], edge.attributes["picks_up"])
        for edge in found.edges
        if edge.kind is EdgeKind.CONSUMES
    }
    assert uses == {("db-7g2f8hk4t9", "next_run"), ("registry", "poll")}
    assert not found.gaps


def test_a_secret_with_ten_thousand_keys_and_odd_names_is_read(tmp_path: Path) -> None:
    keys = "".join(f"  key-{number}: dg==\n" for number in range(10_000))
    labels = "{team: '<!channel> *bold* _ü_ \\u202e'}"
    head = f'apiVersion: v1\nkind: Secret\nmetadata: {{name: "päy <b>&", labels: {labels}}}'
    text = f"{head}\ndata:\n{keys}"
    (tmp_path / "s.yaml").write_text(text)
    found = collect_manifests([tmp_path], cluster="prod")
    (secret,) = [node for node in found.nodes if "/Secret/" in node.ref]
    assert secret.ref == "k8s://prod/default/Secret/p%C3%A4y%20%3Cb%3E%26"
    keys_found = secret.attributes["keys"]
    assert isinstance(keys_found, tuple)
    assert len(keys_found) == 10_000
