"""From core objects to the graph: folding, idle and leftover uses, accounts, owners, Ingress."""

from typing import Any

from graph.gathered import Gathered
from graph.kubernetes.inventory import Inventory
from graph.model import Edge, EdgeKind, Node, Observation
from graph.owners import owner_named
from graph.refs import Ref

HERE = "k8s://c/pay"


def observed(*objects: dict[str, Any]) -> Observation:
    gathered = Gathered("kubernetes/c", "c")
    inventory = Inventory(gathered)
    for obj in objects:
        inventory.add(obj)
    inventory.finish()
    return gathered.observation()


def obj(kind: str, name: str, version: str = "v1", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "pay", **fields.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def pod_spec(*secrets: str, **more: Any) -> dict[str, Any]:
    env = [
        {"name": name.upper(), "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}}
        for name in secrets
    ]
    return {"containers": [{"name": "app", "env": env}], **more}


def deployment(name: str, *secrets: str, **more: Any) -> dict[str, Any]:
    spec = {"template": {"spec": pod_spec(*secrets)}, **more}
    return obj("Deployment", name, "apps/v1", spec=spec)


def owned(kind: str, name: str) -> dict[str, Any]:
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True}]}


def uses(found: Observation) -> set[tuple[str, str, object]]:
    return {
        (edge.tail.removeprefix(f"{HERE}/"), edge.head.rpartition("/")[2], edge.attributes["field"])
        for edge in found.edges
        if edge.kind is EdgeKind.CONSUMES
    }


def consumers(found: Observation) -> set[tuple[str, str]]:
    return {(tail, head) for tail, head, _ in uses(found)}


def node(found: Observation, ref: str) -> Node:
    return next(one for one in found.nodes if one.ref == ref)


def edges(found: Observation, kind: EdgeKind) -> list[Edge]:
    return [edge for edge in found.edges if edge.kind is kind]


def test_pods_and_replicasets_are_folded_into_the_deployment() -> None:
    found = observed(
        obj("Pod", "api-1-x", metadata=owned("ReplicaSet", "api-1"), spec=pod_spec("db")),
        obj(
            "ReplicaSet",
            "api-1",
            "apps/v1",
            metadata=owned("Deployment", "api"),
            spec={"template": {"spec": pod_spec("db")}},
        ),
        deployment("api", "db"),
    )
    assert consumers(found) == {("Deployment/api", "db")}
    assert len(edges(found, EdgeKind.CONSUMES)) == 1


def test_a_running_pod_that_still_uses_what_the_template_no_longer_says_keeps_its_use() -> None:
    found = observed(
        deployment("api", "db-new"),
        obj("Pod", "api-1", metadata=owned("Deployment", "api"), spec=pod_spec("db-old", "db-new")),
    )
    assert ("Deployment/api", "db-old", "pod") in uses(found)
    assert ("Deployment/api", "db-new", "pod") not in uses(found)


def test_an_ephemeral_container_adds_a_use_to_the_workload() -> None:
    debug = {"name": "debug", "envFrom": [{"secretRef": {"name": "admin"}}]}
    spec = pod_spec("db", ephemeralContainers=[debug])
    found = observed(
        deployment("api", "db"), obj("Pod", "p", metadata=owned("Deployment", "api"), spec=spec)
    )
    assert ("Deployment/api", "admin", "pod") in uses(found)


def test_a_finished_pod_of_a_workload_adds_nothing() -> None:
    found = observed(
        deployment("api", "new"),
        obj(
            "Pod",
            "p",
            metadata=owned("Deployment", "api"),
            spec=pod_spec("old"),
            status={"phase": "Succeeded"},
        ),
    )
    assert consumers(found) == {("Deployment/api", "new")}


def test_what_runs_nothing_now_is_a_consumer_all_the_same() -> None:
    cron = obj(
        "CronJob",
        "nightly",
        "batch/v1beta1",
        spec={
            "schedule": "0 3 * * *",
            "suspend": True,
            "jobTemplate": {"spec": {"template": {"spec": pod_spec("db")}}},
        },
    )
    found = observed(deployment("idle", "db", replicas=0), cron)
    assert consumers(found) == {("Deployment/idle", "db"), ("CronJob/nightly", "db")}
    assert node(found, f"{HERE}/Deployment/idle").attributes["replicas"] == 0
    attributes = node(found, f"{HERE}/CronJob/nightly").attributes
    assert (attributes["schedule"], attributes["suspended"]) == ("0 3 * * *", True)


def test_a_pod_of_an_unknown_kind_is_that_things_and_one_of_a_node_its_own() -> None:
    found = observed(
        obj("Pod", "a", metadata=owned("Workflow", "etl"), spec=pod_spec("db")),
        obj("Pod", "static", metadata=owned("Node", "n1"), spec=pod_spec("db")),
        obj("Pod", "bare", spec=pod_spec("db")),
    )
    assert {tail for tail, _ in consumers(found)} == {"Workflow/etl", "Pod/static", "Pod/bare"}


def test_a_statefulset_that_an_operator_made_stays_the_thing_to_restart() -> None:
    made = obj(
        "StatefulSet",
        "prometheus",
        "apps/v1",
        metadata=owned("Prometheus", "main"),
        spec={"template": {"spec": pod_spec("db")}},
    )
    found = observed(
        made, obj("Pod", "p-0", metadata=owned("StatefulSet", "prometheus"), spec=pod_spec("db"))
    )
    assert consumers(found) == {("StatefulSet/prometheus", "db")}


def test_owners_in_a_circle_do_not_hang() -> None:
    found = observed(
        obj("ReplicaSet", "a", "apps/v1", metadata=owned("ReplicaSet", "b"), spec={}),
        obj("ReplicaSet", "b", "apps/v1", metadata=owned("ReplicaSet", "a"), spec={}),
    )
    assert not edges(found, EdgeKind.CONSUMES)


def test_pull_secrets_of_the_account_are_used_by_its_workloads() -> None:
    account = obj("ServiceAccount", "default", imagePullSecrets=[{"name": "registry"}])
    found = observed(deployment("api", "db"), account)
    assert ("Deployment/api", "registry") in consumers(found)
    assert edges(found, EdgeKind.RUNS_AS)[0].head == f"{HERE}/ServiceAccount/default"


def test_the_token_secret_of_an_account_opens_it() -> None:
    account = obj(
        "ServiceAccount", "ci", secrets=[{"name": "ci-token-x1"}, {"name": "robot-password"}]
    )
    found = observed(account)
    assert [(edge.tail, edge.head) for edge in edges(found, EdgeKind.OPENS)] == [
        (f"{HERE}/Secret/ci-token-x1", f"{HERE}/ServiceAccount/ci")
    ]
    assert consumers(found) == {("ServiceAccount/ci", "robot-password")}


def test_a_rollout_uses_what_the_deployment_that_it_borrows_from_uses() -> None:
    rollout = obj(
        "Rollout",
        "api",
        "argoproj.io/v1alpha1",
        spec={"workloadRef": {"kind": "Deployment", "name": "api"}},
    )
    found = observed(rollout, deployment("api", "db"))
    assert ("Rollout/api", "db") in consumers(found)


def test_certificates_of_ingress_and_gateway_are_used_also_across_namespaces() -> None:
    ingress = obj("Ingress", "web", "extensions/v1beta1", spec={"tls": [{"secretName": "tls"}]})
    certificate = [{"name": "gw", "namespace": "certs"}, {"kind": "ConfigMap", "name": "no"}]
    listeners = [{"name": "https", "tls": {"certificateRefs": certificate}}]
    gateway = obj("Gateway", "edge", "gateway.networking.k8s.io/v1", spec={"listeners": listeners})
    found = observed(ingress, gateway)
    assert {(edge.tail, edge.head) for edge in edges(found, EdgeKind.CONSUMES)} == {
        (f"{HERE}/Ingress/web", f"{HERE}/Secret/tls"),
        (f"{HERE}/Gateway/edge", "k8s://c/certs/Secret/gw"),
    }


def test_a_secret_says_what_it_is_and_never_what_it_says() -> None:
    secret = obj(
        "Secret",
        "db",
        type="Opaque",
        immutable=True,
        data={"password": "aHVudGVyMg=="},
        stringData={"user": "hunter2"},
    )
    found = observed(deployment("api", "db"), secret)
    known = node(found, f"{HERE}/Secret/db").attributes
    assert known == {"keys": ("password", "user"), "type": "Opaque", "immutable": True}
    assert edges(found, EdgeKind.CONSUMES)[0].attributes["picks_up"] == "never"
    assert "hunter2" not in repr(found)
    assert "aHVudGVyMg" not in repr(found)


def test_a_secret_that_is_only_referred_to_is_marked_and_lies_in_namespace_and_cluster() -> None:
    found = observed(deployment("api", "db"))
    secret = Ref(f"{HERE}/Secret/db")
    assert node(found, secret).attributes == {"exists": False}
    assert [edge.head for edge in found.edges if edge.tail == secret] == [
        "k8s://c/-/Namespace/pay",
        "k8s://c/-/Cluster/c",
    ]


def test_owners_are_read_from_namespaces_and_workloads() -> None:
    namespace = obj("Namespace", "pay", metadata={"annotations": {"a8r.io/owner": "payments"}})
    labelled = deployment("api")
    labelled["metadata"]["labels"] = {"owner": "ana@example.com"}
    found = observed(namespace, labelled)
    assert {(edge.tail, edge.head) for edge in edges(found, EdgeKind.OWNED_BY)} == {
        ("k8s://c/-/Namespace/pay", "team:payments"),
        (f"{HERE}/Deployment/api", "person:ana@example.com"),
    }


def test_an_owner_is_read_in_every_usual_spelling() -> None:
    assert owner_named("@payments") == owner_named("team:payments") == "team:payments"
    assert owner_named(" Ana@Example.com ") == "person:ana@example.com"
    assert owner_named("Team Payments") == "team:Team%20Payments"


def test_objects_with_null_fields_do_not_crash() -> None:
    broken = [
        obj(kind, "x", version, spec=None, metadata={"ownerReferences": None, "annotations": None})
        for kind, version in (
            ("Deployment", "apps/v1"),
            ("Pod", "v1"),
            ("Ingress", "extensions/v1"),
        )
    ]
    assert observed(*broken, {"kind": "Pod"}, {"kind": 3}).nodes
