"""Manifests as strangers write them: many documents, lists, templates, broken files."""

import io
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from graph.collectors.manifests import collect_manifests
from graph.database import Database
from graph.errors import NotFoundError
from graph.fingerprints import Fingerprint
from graph.kubernetes.manifest_text import Unreadable, decoded, objects_in
from graph.kubernetes.wrong_shapes import wrong_shapes
from graph.model import EdgeKind, Observation, StoredFingerprint
from graph.queries.consumers import consumers as consumers_of_secret
from graph.refs import Ref
from graph.repository import GraphRepository

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: pay}
spec:
  template:
    spec:
      containers:
      - name: app
        envFrom: [{secretRef: {name: db}}]
"""


def consumers(found: Observation) -> set[tuple[str, str]]:
    return {(edge.tail, edge.head) for edge in found.edges if edge.kind is EdgeKind.CONSUMES}


API_USES_DB = {("k8s://prod/pay/Deployment/api", "k8s://prod/pay/Secret/db")}


def test_a_folder_is_read_with_all_below_it_but_nothing_hidden(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / "b" / "deployment.yml").write_text(DEPLOYMENT)
    (tmp_path / ".git" / "other.yaml").write_text(DEPLOYMENT.replace("name: api", "name: hidden"))
    (tmp_path / "notes.txt").write_text("kind: [")
    found = collect_manifests([tmp_path], cluster="prod")
    assert found.source == "manifests/prod"
    assert consumers(found) == API_USES_DB
    assert found.complete
    assert not found.gaps


def test_a_broken_document_is_named_with_its_line_and_hides_nobody(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(f"a: [1\nb: hunter2: x\n---\n{DEPLOYMENT}\n---\nkind: '\n")
    found = collect_manifests([file], cluster="prod")
    assert consumers(found) == API_USES_DB
    (gap,) = found.gaps
    assert gap.scope == str(file)
    assert "2 document(s)" in gap.reason
    assert "not valid YAML" in gap.reason
    assert "hunter2" not in gap.reason


def test_a_template_is_told_apart_from_broken_yaml(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("a: {{ .Values.x }}\nb: {{- if }}\n")
    (gap,) = collect_manifests([tmp_path], cluster="prod").gaps
    assert "templates" in gap.reason
    assert "helm template" in gap.do_now


def test_lists_json_and_crlf_and_marks_are_read(tmp_path: Path) -> None:
    items = '[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%s"},"spec":{"imagePullSecrets"'
    items += ':[{"name":"r"}]}}]'
    (tmp_path / "list.json").write_text(
        '{"apiVersion":"v1","kind":"List","items":' + items % "one" + "}"
    )
    (tmp_path / "typed.json").write_text(
        '{"apiVersion":"v1","kind":"PodList","items":'
        + items.replace('"apiVersion":"v1","kind":"Pod",', "") % "two"
        + "}"
    )
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + DEPLOYMENT.replace("\n", "\r\n").encode())
    (tmp_path / "wide.yaml").write_bytes(
        DEPLOYMENT.replace("name: api", "name: wide").encode("utf-16")
    )
    found = collect_manifests([tmp_path], cluster="prod")
    assert not found.gaps
    assert {tail.rpartition("/")[2] for tail, _ in consumers(found)} == {
        "one",
        "two",
        "api",
        "wide",
    }


def test_a_file_that_is_no_text_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\x00\xfa\x81")
    (gap,) = collect_manifests([tmp_path], cluster="prod").gaps
    assert "not text" in gap.reason


def test_a_path_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file or folder"):
        collect_manifests([tmp_path / "gone"], cluster="prod")


def test_standard_input_is_read_as_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(DEPLOYMENT.encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert consumers(collect_manifests(["-"], cluster="prod")) == API_USES_DB


def test_many_broken_files_are_counted_after_the_first_hundred(tmp_path: Path) -> None:
    for number in range(103):
        (tmp_path / f"{number}.yaml").write_text("a: [")
    gaps = collect_manifests([tmp_path], cluster="prod").gaps
    assert len(gaps) == 101
    assert gaps[-1].scope == "3 more files"


def test_base_and_overlay_of_one_workload_both_count(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(DEPLOYMENT)
    (tmp_path / "overlay.yaml").write_text(DEPLOYMENT.replace("{name: db}", "{name: db-new}"))
    found = collect_manifests([tmp_path], cluster="prod")
    assert {head.rpartition("/")[2] for _, head in consumers(found)} == {"db", "db-new"}


def test_objects_without_namespace_go_to_the_given_one(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text(DEPLOYMENT.replace(", namespace: pay", ""))
    found = collect_manifests([tmp_path], cluster="prod", namespace="shop")
    assert consumers(found) == {("k8s://prod/shop/Deployment/api", "k8s://prod/shop/Secret/db")}


def test_dates_stay_text_and_other_yaml_is_passed_over() -> None:
    (obj,) = objects_in("apiVersion: v1\nkind: Pod\nmetadata: {name: 2024-01-01}\n")
    assert not isinstance(obj, Unreadable)
    assert obj["metadata"] == {"name": "2024-01-01"}
    assert list(objects_in("just: values\n--- # nothing\n...\n---\n- 1\n- kind: x\n")) == []


@pytest.mark.parametrize("bad", ["a: [" * 5, "[" * 20000, "a: !vault x", "? [a]\n: b", "a:\n\t- b"])
def test_odd_documents_are_unreadable_and_never_fatal(bad: str) -> None:
    (found,) = objects_in(bad)
    assert isinstance(found, Unreadable)
    assert not found.templated


def test_anchors_that_multiply_are_not_expanded() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    (obj,) = objects_in(f"apiVersion: v1\nkind: Pod\n{bomb}")
    assert not isinstance(obj, Unreadable)


def test_bytes_are_decoded_by_their_mark() -> None:
    assert decoded("ä".encode()) == "ä"
    assert decoded("ä".encode("utf-16")) == "ä"
    assert decoded(b"\xe4") is None


def test_what_has_no_name_yet_goes_by_how_its_name_will_begin(tmp_path: Path) -> None:
    text = DEPLOYMENT.replace("name: api", "generateName: api-").replace("Deployment", "ReplicaSet")
    (tmp_path / "all.yaml").write_text(text)
    found = collect_manifests([tmp_path], cluster="prod")
    assert consumers(found) == {("k8s://prod/pay/ReplicaSet/api-", "k8s://prod/pay/Secret/db")}
    assert not found.gaps


ODD = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r, namespace: pay}
rules: [null, {verbs: get, apiGroups: [""], resources: [secrets]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: pay}
roleRef: r
subjects: {kind: User, name: ana}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: odd, namespace: pay, labels: 7}
spec: {template: []}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: e, namespace: pay}
spec: {data: {a: b}, dataFrom: [text], target: null}
---
apiVersion: v1
kind: Secret
metadata: null
data: [a]
"""


def test_each_field_of_a_wrong_type_is_named_and_hides_nobody(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(f"{ODD}---\n{DEPLOYMENT}")
    found = collect_manifests([tmp_path], cluster="prod")
    assert consumers(found) == API_USES_DB
    reasons = " ".join(gap.reason for gap in found.gaps)
    for said in ("Role r: rules[0]", "Role r: rules[1].verbs", "RoleBinding b: roleRef"):
        assert said in reasons
    assert "RoleBinding b: subjects, Deployment odd: metadata.labels and 5 more" in reasons
    fields = [
        field for one in objects_in(ODD) if isinstance(one, dict) for field in wrong_shapes(one)
    ]
    assert fields[-5:] == [
        "spec.template",
        "spec.data",
        "spec.dataFrom[0]",
        "metadata.name",
        "data",
    ]
    assert not list(wrong_shapes({"apiVersion": "v1", "kind": "ConfigMap", "metadata": None}))


HOSTILE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: "a\\0b", namespace: "p\\u0007", labels: 7}
spec:
  replicas: 1000000000000000000000000000000
  template: {spec: {containers: [{name: "c\\0", envFrom: [{secretRef: {name: "d\\0b"}}]}]}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: v, namespace: p}
spec: {provider: {vault: {server: "https://vault.example.com", path: kv}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: "e\\0", namespace: p}
spec:
  refreshInterval: 99999999999999999999h
  secretStoreRef: {name: v}
  data: [{secretKey: "k\\0", remoteRef: {key: "a//b/", property: "p\\0"}}]
  dataFrom: [{find: {tags: {a: b}}}]
"""


def test_no_text_or_number_is_too_odd_for_a_database(postgres_url: str, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(HOSTILE)
    found = collect_manifests([tmp_path], cluster="prod")
    assert any("a\N{REPLACEMENT CHARACTER}b: metadata.labels" in gap.reason for gap in found.gaps)
    odd = StoredFingerprint(Fingerprint("d", "plain", "k"), Ref("k8s://prod/p/Secret/s"), "a\0")
    for url in (postgres_url, f"sqlite:///{tmp_path}/graph.db"):
        database = Database(url)
        database.create_all()
        repository = GraphRepository(database.engine)
        repository.merge(replace(found, fingerprints=(odd,)), now=datetime.now(UTC))
        snapshot = repository.snapshot()
        (edge,) = snapshot.edges(EdgeKind.COPIES)
        assert edge.tail == "vault://vault.example.com:443/kv/a/b"
        assert edge.attributes["refresh_interval"] == 3600
        (consumer,) = consumers_of_secret(snapshot, Ref("k8s://prod/p%07/Secret/d%00b")).consumers
        assert consumer.replicas == 1  # what is no number is the default
        database.close()
