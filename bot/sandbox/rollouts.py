"""
Controllers for the embedded cluster: they make workloads have pods, and roll.

A real cluster has its own. This follows, for what the demo shows, the documented behaviour of the
Deployment, ReplicaSet, StatefulSet, DaemonSet and garbage-collection controllers, and of a kubelet
whose pods are ready at once. It works through the API like they do, level-triggered: look, do one
small thing per workload, look again. A roll replaces one pod per look, about four looks a second.
Not here: scheduling, Jobs and CronJob runs, probes, pods that wait for a missing Secret.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any, Self

import structlog

from bot.sandbox.cluster import EmbeddedCluster
from bot.sandbox.objects import ClusterObjects, Manifest, is_conflict
from graph.errors import LocksmithError

NODE = "local"

_PACE = 0.2  # seconds between two looks while something rolls
_IDLE = 2.0  # seconds that it waits for a change at a time
_KEPT_REPLICA_SETS = 3

_log = structlog.get_logger()


class Rollouts:
    """The loop, in a thread of its own, between `start()` and `stop()`."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self._cluster = cluster
        self._objects: ClusterObjects | None = None
        self._ended = Event()
        self._thread = Thread(target=self._run, name="rollouts", daemon=True)

    def start(self) -> Self:
        self._objects = ClusterObjects(self._cluster.kubeconfig)
        self._thread.start()
        return self

    def stop(self) -> None:
        self._ended.set()
        self._cluster.wake()
        self._thread.join()
        if self._objects is not None:
            self._objects.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _run(self) -> None:
        if self._objects is None:
            return
        revision = 0
        register_node(self._objects)
        while not self._ended.is_set():
            latest = self._cluster.wait_for_change(revision, seconds=_IDLE, ended=self._ended)
            if latest == revision:
                continue
            revision = latest
            try:
                Look(self._objects).act()
            except LocksmithError as error:
                revision = 0  # look again, whether something changes or not
                if not is_conflict(error):
                    _log.warning("rollouts.look_failed", reason=error.happened)
            self._ended.wait(_PACE)


def register_node(objects: ClusterObjects) -> None:
    objects.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})


class Look:
    """One look at all workloads and pods, and the next small thing for each."""

    def __init__(self, objects: ClusterObjects) -> None:
        self._objects = objects
        self._workloads = {
            kind: objects.list("apps/v1", kind)
            for kind in ("Deployment", "StatefulSet", "DaemonSet")
        }
        self._replica_sets = objects.list("apps/v1", "ReplicaSet")
        self._pods = objects.list("v1", "Pod")

    def act(self) -> None:
        self._collect_garbage()
        for pod in self._pods:
            if "status" not in pod:
                self._run_pod(pod)
        for deployment in self._workloads["Deployment"]:
            self._roll_deployment(deployment)
        for stateful_set in self._workloads["StatefulSet"]:
            names = [
                f"{stateful_set['metadata']['name']}-{ordinal}"
                for ordinal in range(_replicas(stateful_set))
            ]
            self._roll_named(stateful_set, names, revision_label="controller-revision-hash")
        for daemon_set in self._workloads["DaemonSet"]:
            name = f"{daemon_set['metadata']['name']}-{daemon_set['metadata']['uid'][:5]}"
            self._roll_named(daemon_set, [name], revision_label="controller-revision-hash")

    def _collect_garbage(self) -> None:
        """Delete what belonged to an owner that is gone."""
        workloads = [item for items in self._workloads.values() for item in items]
        alive = {item["metadata"]["uid"] for item in workloads}
        self._replica_sets = self._owned_alive(self._replica_sets, alive)
        alive |= {item["metadata"]["uid"] for item in self._replica_sets}
        self._pods = self._owned_alive(self._pods, alive)

    def _owned_alive(self, items: Iterable[Manifest], alive: set[str]) -> list[Manifest]:
        kept = []
        for item in items:
            owner = _owner(item)
            if owner and owner not in alive:
                self._objects.delete(item)
            else:
                kept.append(item)
        return kept

    def _roll_deployment(self, deployment: Manifest) -> None:
        wanted = _replicas(deployment)
        revision = template_hash(deployment)
        owned = _owned_by(deployment, self._replica_sets)
        current = next((rs for rs in owned if _label(rs, "pod-template-hash") == revision), None)
        if current is None:
            self._add_replica_set(deployment, revision, number=len(owned) + 1)
            return  # its pods belong to it: they start at the next look
        pods = {rs["metadata"]["uid"]: _owned_by(rs, self._pods) for rs in owned}
        new = pods[current["metadata"]["uid"]]
        old = [
            pod for uid, items in pods.items() if uid != current["metadata"]["uid"] for pod in items
        ]
        if len(new) < wanted:
            count = 1 if old else wanted - len(new)  # one by one when it replaces, at once if not
            for _ in range(count):
                name = f"{current['metadata']['name']}-{_suffix()}"
                new.append(
                    self._add_pod(deployment, current, name, {"pod-template-hash": revision})
                )
        for surplus in new[wanted:]:
            self._objects.delete(surplus)
        new = new[:wanted]
        if old:
            self._objects.delete(old.pop())
        for replica_set in owned:
            self._note_replica_set(replica_set, current, len(new), pods)
        for forgotten in sorted(owned, key=_created)[:-_KEPT_REPLICA_SETS]:
            if not pods[forgotten["metadata"]["uid"]] and forgotten is not current:
                self._objects.delete(forgotten)
        ready = sum(map(_is_ready, [*new, *old]))
        status: Manifest = {
            "replicas": len(new) + len(old),
            "updatedReplicas": len(new),
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        done = not old and ready == wanted
        reason = "NewReplicaSetAvailable" if done else "ReplicaSetUpdated"
        status["conditions"] = [
            {"type": "Available", "status": "True" if ready else "False"},
            {"type": "Progressing", "status": "True", "reason": reason},
        ]
        self._note(deployment, status)

    def _add_replica_set(self, deployment: Manifest, revision: str, *, number: int) -> None:
        template = json.loads(json.dumps(deployment["spec"]["template"]))
        labels = {**template["metadata"].get("labels", {}), "pod-template-hash": revision}
        template["metadata"]["labels"] = labels
        selector = {"matchLabels": {**deployment["spec"]["selector"]["matchLabels"]}}
        selector["matchLabels"]["pod-template-hash"] = revision
        metadata = {
            **_child_metadata(deployment, f"{deployment['metadata']['name']}-{revision}"),
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": str(number)},
        }
        spec = {"replicas": _replicas(deployment), "selector": selector, "template": template}
        self._objects.create(
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec}
        )

    def _note_replica_set(
        self, replica_set: Manifest, current: Manifest, count: int, pods: Mapping[str, list[Any]]
    ) -> None:
        size = count if replica_set is current else len(pods[replica_set["metadata"]["uid"]])
        if replica_set["spec"]["replicas"] != size:
            self._objects.patch(replica_set, {"spec": {"replicas": size}})
        self._note(replica_set, {"replicas": size, "readyReplicas": size})

    def _roll_named(self, owner: Manifest, names: list[str], *, revision_label: str) -> None:
        """Roll a StatefulSet or DaemonSet: fixed names, so an old pod goes before the new comes."""
        revision = template_hash(owner)
        owned = {pod["metadata"]["name"]: pod for pod in _owned_by(owner, self._pods)}
        for name in set(owned) - set(names):
            self._objects.delete(owned.pop(name))
        missing = [name for name in names if name not in owned]
        stale = [
            name
            for name in names
            if name in owned and _label(owned[name], revision_label) != revision
        ]
        for name in missing:
            owned[name] = self._add_pod(owner, owner, name, {revision_label: revision})
        if stale and not missing:
            self._objects.delete(owned.pop(stale[-1]))  # from the highest ordinal down
        updated = sum(_label(pod, revision_label) == revision for pod in owned.values())
        ready = sum(map(_is_ready, owned.values()))
        if owner["kind"] == "DaemonSet":
            self._note(
                owner,
                {
                    "desiredNumberScheduled": len(names),
                    "currentNumberScheduled": len(owned),
                    "updatedNumberScheduled": updated,
                    "numberReady": ready,
                    "numberAvailable": ready,
                    "numberMisscheduled": 0,
                },
            )
            return
        full = f"{owner['metadata']['name']}-{revision}"
        before = owner.get("status", {}).get("currentRevision", full)
        self._note(
            owner,
            {
                "replicas": len(owned),
                "readyReplicas": ready,
                "availableReplicas": ready,
                "updatedReplicas": updated,
                "updateRevision": full,
                "currentRevision": full if updated == len(names) else before,
            },
        )

    def _add_pod(
        self, workload: Manifest, owner: Manifest, name: str, labels: Mapping[str, str]
    ) -> Manifest:
        template = workload["spec"]["template"]
        metadata = {
            **_child_metadata(owner, name),
            "labels": {**template["metadata"].get("labels", {}), **labels},
            "annotations": template["metadata"].get("annotations", {}),
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        return self._run_pod(self._objects.create(pod))

    def _run_pod(self, pod: Manifest) -> Manifest:
        """Do the kubelet's part: bind, start, report."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._objects.patch(pod, {"spec": {"nodeName": NODE}})
        containers = [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": container["image"],
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
            for container in pod["spec"]["containers"]
        ]
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": now}
            for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ]
        status = {
            "phase": "Running",
            "startTime": now,
            "hostIP": "127.0.0.1",
            "podIP": "10.244.0.2",
            "containerStatuses": containers,
            "conditions": conditions,
        }
        return self._objects.patch(pod, {"status": status}, subresource="status") or pod

    def _note(self, workload: Manifest, status: Manifest) -> None:
        status = {"observedGeneration": workload["metadata"].get("generation", 1), **status}
        if workload.get("status") != status:
            self._objects.patch(workload, {"status": status}, subresource="status")


def template_hash(workload: Mapping[str, Any]) -> str:
    """Ten letters that change when the pod template does."""
    template = json.dumps(workload["spec"]["template"], sort_keys=True)
    return hashlib.sha256(template.encode()).hexdigest()[:10]


def _suffix() -> str:
    return hashlib.sha256(str(datetime.now(UTC).timestamp()).encode()).hexdigest()[:5]


def _replicas(workload: Mapping[str, Any]) -> int:
    return int(workload["spec"].get("replicas", 1))


def _label(item: Mapping[str, Any], name: str) -> str:
    return str((item["metadata"].get("labels") or {}).get(name, ""))


def _created(item: Mapping[str, Any]) -> str:
    return str(item["metadata"]["creationTimestamp"])


def _owner(item: Mapping[str, Any]) -> str:
    owners = item["metadata"].get("ownerReferences") or []
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def _owned_by(owner: Mapping[str, Any], items: Iterable[Manifest]) -> list[Manifest]:
    return [item for item in items if _owner(item) == owner["metadata"]["uid"]]


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _child_metadata(owner: Mapping[str, Any], name: str) -> Manifest:
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "name": name,
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [reference],
    }
