"""Every field of a pod spec that names a Secret is found, in every kind that carries pods."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.collectors.manifests import collect_manifests
from graph.kubernetes.references import (
    CARRIERS,
    inherited_pull_secrets,
    pod_references,
    service_account_of,
    template_of,
)

CORPORA = Path(__file__).parents[2].parent / "shared" / "corpora"
MARKER = "the-secret"


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "app", **fields}


def mounted(volume: dict[str, Any], **mount: Any) -> dict[str, Any]:
    mounts = [{"name": "v", "mountPath": "/v", **mount}]
    return {
        "containers": [container(volumeMounts=mounts)],
        "volumes": [{"name": "v", **volume}],
    }


KEY_REF = {"name": MARKER, "key": "password"}
ENV = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": KEY_REF}}]
SECRET = {"secret": {"secretName": MARKER}}
ITEMS = [{"key": "password", "path": "db/password"}, {"key": "user", "path": "db/user"}]
PROJECTED = {"projected": {"sources": [{"configMap": {"name": "x"}}, {"secret": {"name": MARKER}}]}}

# name of the case, pod spec, expected (how, container, key) of each use
KINDS_OF_REFERENCE: list[tuple[str, dict[str, Any], list[tuple[str, str, str]]]] = [
    (
        "imagePullSecrets",
        {"imagePullSecrets": [{"name": MARKER}]},
        [("imagePull", "", "")],
    ),
    ("env", {"containers": [container(env=ENV)]}, [("env", "app", "password")]),
    ("env of init", {"initContainers": [container(env=ENV)]}, [("env", "app", "password")]),
    (
        "env of a native sidecar",
        {"initContainers": [container(env=ENV, restartPolicy="Always")]},
        [("env", "app", "password")],
    ),
    (
        "env of an ephemeral container",
        {"ephemeralContainers": [container(env=ENV)]},
        [("env", "app", "password")],
    ),
    (
        "envFrom",
        {"containers": [container(envFrom=[{"prefix": "X_", "secretRef": {"name": MARKER}}])]},
        [("envFrom", "app", "")],
    ),
    ("secret volume", mounted(SECRET), [("volume", "app", "")]),
    (
        "secret volume that nobody mounts",
        {"volumes": [{"name": "v", **SECRET}]},
        [("volume", "", "")],
    ),
    (
        "secret volume with items",
        mounted({"secret": {"secretName": MARKER, "items": ITEMS}}),
        [("volume", "app", "password"), ("volume", "app", "user")],
    ),
    ("subPath", mounted(SECRET, subPath="token"), [("subPath", "app", "token")]),
    ("subPathExpr", mounted(SECRET, subPathExpr="$(KEY)"), [("subPath", "app", "")]),
    (
        "subPath of one item",
        mounted({"secret": {"secretName": MARKER, "items": ITEMS}}, subPath="db/user"),
        [("subPath", "app", "user")],
    ),
    (
        "subPath of a folder of items",
        mounted({"secret": {"secretName": MARKER, "items": ITEMS}}, subPath="db"),
        [("subPath", "app", "password"), ("subPath", "app", "user")],
    ),
    ("projected", mounted(PROJECTED), [("projected", "app", "")]),
    ("projected by subPath", mounted(PROJECTED, subPath="a"), [("subPath", "app", "a")]),
    (
        "csi nodePublishSecretRef",
        mounted({"csi": {"driver": "d", "nodePublishSecretRef": {"name": MARKER}}}),
        [("csi", "app", "")],
    ),
    ("azureFile", mounted({"azureFile": {"secretName": MARKER}}), [("volume", "app", "")]),
    *(
        (kind, mounted({kind: {"secretRef": {"name": MARKER}}}), [("volume", "app", "")])
        for kind in ("cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos")
    ),
    (
        "token volume of admission",
        mounted(SECRET, mountPath="/var/run/secrets/kubernetes.io/serviceaccount"),
        [("serviceAccountToken", "app", "")],
    ),
]


@pytest.mark.parametrize(
    ("spec", "uses"),
    [case[1:] for case in KINDS_OF_REFERENCE],
    ids=[case[0] for case in KINDS_OF_REFERENCE],
)
def test_every_kind_of_reference_is_found_once_per_use(
    spec: dict[str, Any], uses: list[tuple[str, str, str]]
) -> None:
    found = list(pod_references(spec))
    assert [(use.how, use.container, use.key) for use in found] == uses
    assert {use.name for use in found} == {MARKER}
    assert all(use.field.startswith("spec.") for use in found)


def test_one_secret_in_two_mounts_gives_two_uses_that_follow_differently() -> None:
    mounts = [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b", "subPath": "k"}]
    spec = {
        "containers": [{"name": "a", "volumeMounts": mounts[:1]}],
        "initContainers": [{"name": "b", "volumeMounts": mounts[1:]}],
        "volumes": [{"name": "v", **SECRET}],
    }
    assert {(use.container, use.how, use.key) for use in pod_references(spec)} == {
        ("a", "volume", ""),
        ("b", "subPath", "k"),
    }


def test_optional_references_are_references_and_say_that_they_are_optional() -> None:
    ref = {"name": MARKER, "key": "k", "optional": True}
    spec = {
        "containers": [
            container(
                env=[{"name": "A", "valueFrom": {"secretKeyRef": ref}}],
                envFrom=[{"secretRef": {"name": MARKER, "optional": True}}],
            )
        ],
        "volumes": [{"name": "v", "secret": {"secretName": MARKER, "optional": True}}],
    }
    assert [use.optional for use in pod_references(spec)] == [True, True, True]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"containers": None, "volumes": None, "imagePullSecrets": None},
        {"containers": "text", "volumes": [None, 3, "x"], "imagePullSecrets": [{}]},
        {"containers": [{"env": [{"valueFrom": None}, {"valueFrom": {"secretKeyRef": 1}}]}]},
        {"containers": [{"envFrom": [{"secretRef": {"name": 7}}]}]},
        {"volumes": [{"name": "v", "secret": {"secretName": None, "items": {}}}]},
    ],
)
def test_null_and_wrong_typed_fields_are_no_references_and_no_crash(spec: dict[str, Any]) -> None:
    assert list(pod_references(spec)) == []


@pytest.mark.parametrize(
    ("api_version", "kind", "way"),
    [
        ("v1", "Pod", []),
        ("v1", "PodTemplate", ["template"]),
        ("v1", "ReplicationController", ["spec", "template"]),
        ("apps/v1", "ReplicaSet", ["spec", "template"]),
        ("apps/v1", "Deployment", ["spec", "template"]),
        ("extensions/v1beta1", "Deployment", ["spec", "template"]),
        ("apps/v1beta2", "StatefulSet", ["spec", "template"]),
        ("apps/v1", "DaemonSet", ["spec", "template"]),
        ("batch/v1", "Job", ["spec", "template"]),
        ("batch/v1", "CronJob", ["spec", "jobTemplate", "spec", "template"]),
        ("batch/v1beta1", "CronJob", ["spec", "jobTemplate", "spec", "template"]),
        ("batch/v2alpha1", "ScheduledJob", ["spec", "jobTemplate", "spec", "template"]),
        ("argoproj.io/v1alpha1", "Rollout", ["spec", "template"]),
        ("serving.knative.dev/v1", "Service", ["spec", "template"]),
        ("serving.knative.dev/v1", "Configuration", ["spec", "template"]),
        ("serving.knative.dev/v1", "Revision", []),
        ("apps.openshift.io/v1", "DeploymentConfig", ["spec", "template"]),
        ("keda.sh/v1alpha1", "ScaledJob", ["spec", "jobTargetRef", "template"]),
    ],
)
def test_the_pod_template_is_found_in_every_kind_and_version(
    api_version: str, kind: str, way: list[str]
) -> None:
    inner: dict[str, Any] = {"spec": {"containers": [container(env=ENV)]}}
    for step in reversed(way):
        inner = {step: inner}
    template = template_of({"apiVersion": api_version, "kind": kind, **inner})
    assert template is not None
    (use,) = pod_references(template.spec, template.prefix)
    path = ".".join([*way, "spec", "containers[app].env[PASSWORD].valueFrom.secretKeyRef"])
    assert (use.name, use.field) == (MARKER, path)
    assert kind in CARRIERS


def test_kinds_of_other_groups_with_the_same_name_carry_no_pods() -> None:
    spec = {"template": {"spec": {"imagePullSecrets": [{"name": MARKER}]}}}
    assert template_of({"apiVersion": "v1", "kind": "Service", "spec": spec}) is None
    assert template_of({"apiVersion": "x.io/v1", "kind": "Deployment", "spec": spec}) is None


def test_pull_secrets_are_inherited_only_by_pods_without_any_of_their_own() -> None:
    account = {"metadata": {"name": "builder"}, "imagePullSecrets": [{"name": MARKER}]}
    assert [use.name for use in inherited_pull_secrets({}, account)] == [MARKER]
    own = {"imagePullSecrets": [{"name": "own"}]}
    assert not list(inherited_pull_secrets(own, account))
    assert not list(inherited_pull_secrets({}, None))


def test_the_service_account_has_an_old_spelling_and_a_default() -> None:
    assert service_account_of({"serviceAccountName": "a", "serviceAccount": "b"}) == "a"
    assert service_account_of({"serviceAccount": "b"}) == "b"
    assert service_account_of({}) == "default"


# -- the property: a marker planted in any field that names a Secret is found -------------------

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", min_size=1, max_size=12)
noise = st.none() | st.booleans() | st.integers() | names | st.lists(names, max_size=2)


def planted(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Generate a pod spec in which `name` is planted in exactly one field."""
    env = {"name": "A", "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}}
    in_container = st.sampled_from(
        [{"env": [env]}, {"envFrom": [{"secretRef": {"name": name}}]}]
    ).flatmap(
        lambda fields: st.sampled_from(["initContainers", "containers", "ephemeralContainers"]).map(
            lambda group: {group: [{"name": "c", **fields}]}
        )
    )
    ref = {"secretRef": {"name": name}}
    volumes: list[dict[str, Any]] = [
        {"secret": {"secretName": name}},
        {"projected": {"sources": [{"secret": {"name": name}}]}},
        {"csi": {"driver": "d", "nodePublishSecretRef": {"name": name}}},
        {"azureFile": {"secretName": name}},
        *({kind: ref} for kind in ("cephfs", "cinder", "flexVolume", "rbd")),
        *({kind: ref} for kind in ("scaleIO", "iscsi", "storageos")),
    ]
    in_volume = st.sampled_from(volumes).map(lambda one: {"volumes": [{"name": "v", **one}]})
    pull = st.just({"imagePullSecrets": [{"name": name}]})
    return in_container | in_volume | pull


def around(spec: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Surround the planted field with noise in the same lists and in other fields."""
    fields = ("containers", "initContainers", "volumes", "imagePullSecrets", "nodeName", "x")

    def mixed(more: dict[str, list[Any]], first: bool) -> dict[str, Any]:  # noqa: FBT001
        result: dict[str, Any] = dict(more)
        for key, entries in spec.items():
            others = more.get(key, [])
            result[key] = [*entries, *others] if first else [*others, *entries]
        return result

    extra = st.dictionaries(st.sampled_from(fields), st.lists(noise, max_size=3), max_size=4)
    return st.builds(mixed, extra, st.booleans())


@settings(max_examples=100, deadline=None)
@given(names.flatmap(lambda n: planted(n).flatmap(around).map(lambda spec: (n, spec))))
def test_a_marker_planted_in_any_field_that_names_a_secret_is_found(
    case: tuple[str, dict[str, Any]],
) -> None:
    name, spec = case
    assert name in {use.name for use in pod_references(spec)}


@settings(max_examples=100, deadline=None)
@given(st.recursive(noise, lambda x: st.lists(x) | st.dictionaries(names, x), max_leaves=20))
def test_no_shape_of_a_pod_spec_crashes(spec: Any) -> None:
    list(pod_references(spec))


# -- other people's manifests ------------------------------------------------------------------

corpora = sorted(folder for folder in CORPORA.glob("*") if folder.is_dir())


@pytest.mark.skipif(not corpora, reason="the corpora are not next to this checkout")
@pytest.mark.parametrize("folder", corpora, ids=[folder.name for folder in corpora])
def test_every_file_of_the_corpora_is_read_or_named_as_a_gap(folder: Path) -> None:
    found = collect_manifests([folder], cluster="corpus")
    assert found.nodes
    assert found.complete
    assert all(gap.scope and gap.reason for gap in found.gaps)
    known = {node.ref for node in found.nodes}
    assert all(edge.tail in known and edge.head in known for edge in found.edges)
