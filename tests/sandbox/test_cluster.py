"""
The same expectations of an API, met by the embedded cluster and by a real one.

What passes here on both is what the demo may count on.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes.client
import kubernetes.config
import kubernetes.watch
import pytest

from bot.sandbox.cluster import EmbeddedCluster
from bot.sandbox.objects import ClusterObjects

_SCRATCH = "api-expectations"


@pytest.fixture(
    params=["embedded", pytest.param("real", marks=pytest.mark.cluster)], scope="module"
)
def kubeconfig(request: pytest.FixtureRequest) -> Iterator[Path]:
    if request.param == "real":
        path: Path = request.getfixturevalue("real_cluster")
    else:
        cluster: EmbeddedCluster = request.getfixturevalue("embedded_cluster")
        path = cluster.kubeconfig
    objects = ClusterObjects(path)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _SCRATCH}}
    objects.apply(namespace)
    yield path
    objects.delete(namespace)
    objects.wait_until_gone(namespace, seconds=60)
    objects.close()


@pytest.fixture
def client(kubeconfig: Path) -> Iterator[kubernetes.client.ApiClient]:
    found = kubernetes.config.new_client_from_config(config_file=str(kubeconfig))
    yield found
    found.rest_client.pool_manager.clear()


@pytest.fixture
def core(client: kubernetes.client.ApiClient) -> kubernetes.client.CoreV1Api:
    return kubernetes.client.CoreV1Api(client)


@pytest.fixture
def apps(client: kubernetes.client.ApiClient) -> kubernetes.client.AppsV1Api:
    return kubernetes.client.AppsV1Api(client)


def _secret(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"app": name}}, "stringData": {"key": "text"}}


def _deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "main", "image": "registry.example/pause:1", "env": [{"name": "A"}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }


def test_the_server_completes_a_new_object(core: kubernetes.client.CoreV1Api) -> None:
    made = core.create_namespaced_secret(_SCRATCH, _secret("completed"))
    assert made.metadata.uid
    assert made.metadata.resource_version
    assert made.metadata.creation_timestamp.tzinfo
    assert (made.type, made.data) == ("Opaque", {"key": "dGV4dA=="})


def test_a_second_object_of_the_same_name_is_a_conflict(
    core: kubernetes.client.CoreV1Api,
) -> None:
    core.create_namespaced_secret(_SCRATCH, _secret("twice"))
    with pytest.raises(kubernetes.client.ApiException) as refused:
        core.create_namespaced_secret(_SCRATCH, _secret("twice"))
    assert refused.value.status == 409


def test_what_is_not_there_is_not_found(core: kubernetes.client.CoreV1Api) -> None:
    with pytest.raises(kubernetes.client.ApiException) as refused:
        core.read_namespaced_secret("nowhere", _SCRATCH)
    assert refused.value.status == 404


def test_a_write_on_an_old_version_is_a_conflict(core: kubernetes.client.CoreV1Api) -> None:
    old = core.create_namespaced_secret(_SCRATCH, _secret("stale"))
    core.patch_namespaced_secret("stale", _SCRATCH, {"metadata": {"labels": {"new": "er"}}})
    with pytest.raises(kubernetes.client.ApiException) as refused:
        core.replace_namespaced_secret("stale", _SCRATCH, old)
    assert refused.value.status == 409


def test_a_replaced_object_loses_what_the_new_one_lacks(
    core: kubernetes.client.CoreV1Api,
) -> None:
    core.create_namespaced_secret(_SCRATCH, _secret("replaced"))
    made = core.replace_namespaced_secret(
        "replaced", _SCRATCH, {"metadata": {"name": "replaced"}, "stringData": {"other": "text"}}
    )
    assert set(made.data) == {"other"}


def test_a_dry_run_changes_nothing(core: kubernetes.client.CoreV1Api) -> None:
    core.create_namespaced_secret(_SCRATCH, _secret("dry"))
    change = {"stringData": {"key": "changed"}}
    answer = core.patch_namespaced_secret("dry", _SCRATCH, change, dry_run="All")
    assert answer.data == {"key": "Y2hhbmdlZA=="}
    assert core.read_namespaced_secret("dry", _SCRATCH).data == {"key": "dGV4dA=="}


def test_labels_and_names_select(core: kubernetes.client.CoreV1Api) -> None:
    for name in ("chosen", "other"):
        core.create_namespaced_secret(_SCRATCH, _secret(name))
    by_label = core.list_namespaced_secret(_SCRATCH, label_selector="app=chosen")
    by_name = core.list_namespaced_secret(_SCRATCH, field_selector="metadata.name=chosen")
    assert [item.metadata.name for item in by_label.items] == ["chosen"]
    assert [item.metadata.name for item in by_name.items] == ["chosen"]


def test_a_template_annotation_leaves_the_containers_alone(
    apps: kubernetes.client.AppsV1Api,
) -> None:
    before = apps.create_namespaced_deployment(_SCRATCH, _deployment("annotated"))
    change = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
    after = apps.patch_namespaced_deployment("annotated", _SCRATCH, change)
    assert after.metadata.generation == before.metadata.generation + 1
    assert after.spec.template.metadata.annotations == {"restarted": "now"}
    assert after.spec.template.spec.containers[0].env[0].name == "A"


def test_a_change_that_changes_nothing_makes_no_version(
    core: kubernetes.client.CoreV1Api,
) -> None:
    made = core.create_namespaced_secret(_SCRATCH, _secret("same"))
    again = core.patch_namespaced_secret(
        "same", _SCRATCH, {"metadata": {"labels": {"app": "same"}}}
    )
    assert again.metadata.resource_version == made.metadata.resource_version


def test_status_is_written_apart_from_the_rest(apps: kubernetes.client.AppsV1Api) -> None:
    apps.create_namespaced_deployment(_SCRATCH, _deployment("statusful"))
    conditions = [{"type": "Tested", "status": "True"}]
    through_main = apps.patch_namespaced_deployment(
        "statusful", _SCRATCH, {"status": {"conditions": conditions}}
    )
    shown = (through_main.status and through_main.status.conditions) or []
    assert "Tested" not in [item.type for item in shown]
    through_status = apps.patch_namespaced_deployment_status(
        "statusful", _SCRATCH, {"spec": {"replicas": 9}, "status": {"conditions": conditions}}
    )
    assert "Tested" in [item.type for item in through_status.status.conditions]
    assert through_status.spec.replicas == 0


def test_a_watch_tells_what_happened_since(core: kubernetes.client.CoreV1Api) -> None:
    core.create_namespaced_secret(_SCRATCH, _secret("before"))
    since = core.list_namespaced_secret(_SCRATCH).metadata.resource_version
    seen: list[tuple[str, str]] = []

    def follow() -> None:
        watch = kubernetes.watch.Watch()
        for event in watch.stream(
            core.list_namespaced_secret, _SCRATCH, resource_version=since, timeout_seconds=10
        ):
            name = event["object"].metadata.name
            seen.append((event["type"], name))
            if event["type"] == "DELETED":
                watch.stop()

    follower = threading.Thread(target=follow)
    follower.start()
    core.create_namespaced_secret(_SCRATCH, _secret("watched"))
    core.patch_namespaced_secret("watched", _SCRATCH, {"metadata": {"labels": {"a": "b"}}})
    core.delete_namespaced_secret("watched", _SCRATCH)
    follower.join(timeout=15)
    assert [kind for kind, name in seen if name == "watched"][-1] == "DELETED"
    assert "before" not in [name for _, name in seen]


def test_an_access_review_is_answered(client: kubernetes.client.ApiClient) -> None:
    authorization = kubernetes.client.AuthorizationV1Api(client)
    attributes = {"verb": "get", "resource": "secrets", "namespace": _SCRATCH}
    answer = authorization.create_self_subject_access_review(
        {"spec": {"resourceAttributes": attributes}}
    )
    assert answer.status.allowed


def test_discovery_tells_what_is_served(kubeconfig: Path) -> None:
    objects = ClusterObjects(kubeconfig)
    assert objects.serves("v1", "Secret")
    assert objects.serves("apps/v1", "StatefulSet")
    assert not objects.serves("apps/v1", "Nothing")
    assert objects.versions("no.such.group") == ()
    objects.close()
