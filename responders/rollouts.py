"""
A workload and its pods as they are now: which of them run on the new value, and how sure that is.

Why here: restarting and merely confirming ask the same questions of the cluster, and "rolled out"
must not rest on the controller's own counters alone. A pod is on the new value when it carries the
mark of the restart that we asked for, or when its containers started after the copy had changed.
`look` reads, everything else is pure.

Who restarts a workload by itself when a Secret changes (Stakater Reloader, Wave, Vault Secrets
Operator) is told by annotations, so that it is not restarted twice. An Argo Rollout is restarted by
its own field: its controller replaces the pods that are older than `spec.restartAt`.

Source: Deployment status (observedGeneration before counters mean anything), pod ownership through
ReplicaSets and Jobs: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status
and https://argoproj.github.io/argo-rollouts/features/restart/
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from graph import refs
from graph.connections import Connections, KubernetesApi
from graph.errors import BadInputError, NotFoundError
from graph.kubernetes.references import Reference, pod_references, template_of
from graph.kubernetes.reload import pick_up, reloaders_of
from graph.model import PicksUp

MARK = "locksmith/restarted-for"
ROLLING_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout"})
_OBSERVING = ROLLING_KINDS - {"Rollout"}  # a Rollout's observedGeneration is a hash in old versions
_BY_OPERATOR = "vso.secrets.hashicorp.com/restartedAt"
_GROUPS = {
    "Pod": "",
    "ReplicationController": "",
    "Deployment": "apps",
    "StatefulSet": "apps",
    "DaemonSet": "apps",
    "ReplicaSet": "apps",
    "Job": "batch",
    "CronJob": "batch",
    "Rollout": "argoproj.io",
}
_BETWEEN = {
    "Deployment": ("ReplicaSet", "apps"),
    "Rollout": ("ReplicaSet", "apps"),
    "CronJob": ("Job", "batch"),
}
_OPERATORS = {"In": "in", "NotIn": "notin"}

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PodState:
    """`started_at`: when the longest-running container started; `going`: asked to stop."""

    name: str
    ready: bool
    going: bool
    finished: bool
    started_at: datetime | None
    mark: str
    created_at: datetime | None = None
    trouble: str = ""  # the reason of a container that waits ("CrashLoopBackOff")


@dataclass(frozen=True, slots=True)
class WorkloadState:
    """
    One workload at one moment. `replicas` is what is asked for; None where that has no meaning.

    `by_hand` says why a changed template does not reach the pods by itself; `stalled` that the
    controller gave up; `reloader` names who restarts it by itself when one of the copies changes;
    `follows` whether every use of the copies comes by a mounted file.
    """

    ref: str
    kind: str
    path: str
    exists: bool
    replicas: int | None = None
    observed: bool = True
    mark: str = ""
    by_hand: str = ""
    stalled: str = ""
    schedule: str = ""
    suspended: bool = False
    uses: tuple[PicksUp, ...] = ()
    reasons: tuple[str, ...] = ()
    reloader: str = ""
    pods: tuple[PodState, ...] = ()

    @property
    def live(self) -> tuple[PodState, ...]:
        return tuple(pod for pod in self.pods if not pod.finished)

    def marked(self, key: str) -> bool:
        """Whether it was asked to restart under this key."""
        return bool(key) and self.mark == key

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing is asked to."""
        return self.replicas == 0 and not self.live

    @property
    def follows(self) -> bool:
        return bool(self.uses) and all(use is PicksUp.SYNC for use in self.uses)

    def new_pods(self, key: str, since: datetime | None) -> tuple[PodState, ...]:
        return tuple(pod for pod in self.live if is_new(pod, key, since))

    def rolled_out(self, key: str, since: datetime | None) -> bool:
        """Every pod is new, ready and meant to stay, and as many as asked for are there."""
        return (
            self.observed
            and len(self.live) >= (self.replicas or 0)
            and all(pod.ready and not pod.going and is_new(pod, key, since) for pod in self.live)
        )


def is_new(pod: PodState, key: str, since: datetime | None) -> bool:
    """
    Whether a pod can only hold the new value. Kubernetes' times are in whole seconds.

    A marked pod may have started in the second in which the copy changed: the mark was set after.
    """
    if key and pod.mark == key:
        return since is None or pod.started_at is None or pod.started_at >= _floor(since)
    return since is not None and pod.started_at is not None and pod.started_at > since


def look(connections: Connections, ref: str, copies: tuple[str, ...] = ()) -> WorkloadState:
    """
    Read a workload and its pods; `copies` are the Secrets whose uses count.

    Raises:
        BadInputError: `ref` does not name a workload of a kind that is known here.
        AccessDeniedError, UnavailableError: it could not be read.
    """
    cluster, namespace, kind, name = _parts(ref)
    api = connections.kubernetes(cluster)
    path = api.resource_path(kind, _GROUPS[kind], namespace=namespace, item=name)
    if path is None:
        return WorkloadState(ref, kind, "", exists=False)
    try:
        found: Json = api.get(path)
    except NotFoundError:
        return WorkloadState(ref, kind, path, exists=False)
    spec, status = found.get("spec") or {}, found.get("status") or {}
    template = template_of({"apiVersion": _api_version(path), "kind": kind, **found})
    names = frozenset(
        parts[3] for parts in map(_parts_of_copy, copies) if parts[:2] == (cluster, namespace)
    )
    uses = [use for use in pod_references(template.spec if template else {}) if use.name in names]
    how = [pick_up(use, kind) for use in uses]
    annotations = dict(template.annotations) if template else {}
    mark, restart_at = annotations.get(MARK, ""), None
    if kind == "Rollout":
        mark = _annotations(found).get(MARK, "")
        restart_at = when(spec.get("restartAt"))
    pods = tuple(_pod(pod) for pod in _pods_of(api, kind, namespace, found))
    if mark and restart_at is not None:
        pods = tuple(_restarted(pod, mark, restart_at) for pod in pods)
    return WorkloadState(
        ref=ref,
        kind=kind,
        path=path,
        exists=True,
        replicas=_replicas(kind, spec, status),
        observed=int(status.get("observedGeneration") or 0)
        >= int((found.get("metadata") or {}).get("generation") or 0)
        if kind in _OBSERVING
        else True,
        mark=mark,
        by_hand=_by_hand(kind, spec),
        stalled=_stalled(status),
        schedule=str(spec.get("schedule") or ""),
        suspended=bool(spec.get("suspend")),
        uses=tuple(found.picks_up for found in how),
        reasons=tuple(dict.fromkeys(found.reason for found in how)),
        reloader=_reloader(kind, {**annotations, **_annotations(found)}, uses),
        pods=pods,
    )


def has_pods(ref: str) -> bool:
    """Whether `look` can tell something of it."""
    parts = refs.parse(ref)
    return parts.scheme == "k8s" and len(parts.path) == 4 and parts.path[2] in _GROUPS  # noqa: PLR2004 - cluster, namespace, kind, name


def group_of(kind: str) -> str:
    """Give the API group of a kind of workload; "" of any other kind too."""
    return _GROUPS.get(kind, "")


def when(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _parts(ref: str) -> tuple[str, str, str, str]:
    if has_pods(ref):
        cluster, namespace, kind, name = refs.parse(ref).path
        return cluster, namespace, kind, name
    raise BadInputError(
        f"{ref} is not a workload that can be looked at.",
        means=f"Known kinds: {', '.join(_GROUPS)}.",
        do_now="Restart it by hand and confirm it, or leave it out of the plan.",
    )


def _parts_of_copy(ref: str) -> tuple[str, ...]:
    return refs.parse(refs.split_key(ref)[0]).path


def _annotations(found: Json) -> Mapping[str, str]:
    return (found.get("metadata") or {}).get("annotations") or {}


def _reloader(kind: str, annotations: Mapping[str, str], uses: Iterable[Reference]) -> str:
    """Name who restarts it; the annotations of the Secrets themselves may not be read here."""
    if _BY_OPERATOR in annotations:
        return "Vault Secrets Operator"
    found = reloaders_of(kind, annotations)
    if found.name and any(found.covers(use.name, {}) for use in uses):
        return {"stakater": "Stakater Reloader", "wave": "Wave"}[found.name]
    return ""


def _restarted(pod: PodState, mark: str, restart_at: datetime) -> PodState:
    """Give a pod the mark of its Rollout if it is younger than `restartAt`."""
    young = pod.created_at is not None and pod.created_at >= restart_at
    return replace(pod, mark=mark) if young else pod


def _floor(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _api_version(path: str) -> str:
    return "/".join(path.split("/")[2:4]) if path.startswith("/apis/") else path.split("/")[2]


def _replicas(kind: str, spec: Json, status: Json) -> int | None:
    if kind == "DaemonSet":
        return int(status.get("desiredNumberScheduled") or 0)
    if kind in {"Pod", "Job", "CronJob"}:
        return None
    return int(spec.get("replicas", 1))


def _by_hand(kind: str, spec: Json) -> str:
    strategy = (spec.get("updateStrategy") or {}).get("type")
    if kind in {"StatefulSet", "DaemonSet"} and strategy == "OnDelete":
        return "its update strategy is OnDelete: delete its pods one by one"
    if kind == "Deployment" and spec.get("paused"):
        return "it is paused: resume it (kubectl rollout resume)"
    return ""


def _stalled(status: Json) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("status") == "False":
            return str(condition.get("reason") or "it does not progress")
    return ""


def _pods_of(api: KubernetesApi, kind: str, namespace: str, found: Json) -> Iterator[Json]:
    if kind == "Pod":
        yield found
        return
    uid = found["metadata"]["uid"]
    query = _selector(found.get("spec") or {}) if kind not in {"Job", "CronJob"} else {}
    owners = {uid}
    between = _BETWEEN.get(kind)
    if between is not None:
        path = api.resource_path(*between, namespace=namespace)
        children = api.list(path, **query) if path else iter(())
        owners = {child["metadata"]["uid"] for child in children if uid in _owners(child)}
    path = api.resource_path("Pod", "", namespace=namespace)
    if path is None:
        return
    for pod in api.list(path, **query):
        if owners & _owners(pod):
            yield pod


def _owners(item: Json) -> set[str]:
    return {owner["uid"] for owner in item["metadata"].get("ownerReferences") or ()}


def _selector(spec: Json) -> dict[str, str]:
    """Narrow the list; ownership decides, so a selector that cannot be written is left out."""
    selector = spec.get("selector") or {}
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for term in selector.get("matchExpressions") or ():
        if operator := _OPERATORS.get(term["operator"]):
            terms.append(f"{term['key']} {operator} ({','.join(term.get('values') or ())})")
        elif term["operator"] == "Exists":
            terms.append(term["key"])
    return {"labelSelector": ",".join(terms)} if terms else {}


def _pod(pod: Json) -> PodState:
    metadata, status = pod["metadata"], pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    running = [entry["state"]["running"] for entry in containers if _state(entry, "running")]
    starts = [when(entry.get("startedAt")) for entry in running] or [when(status.get("startTime"))]
    waiting = [_state(entry, "waiting") for entry in containers]
    return PodState(
        name=metadata["name"],
        ready=any(
            condition.get("type") == "Ready" and condition.get("status") == "True"
            for condition in status.get("conditions") or ()
        ),
        going=bool(metadata.get("deletionTimestamp")),
        finished=status.get("phase") in {"Succeeded", "Failed"},
        started_at=min((start for start in starts if start is not None), default=None),
        mark=(metadata.get("annotations") or {}).get(MARK, ""),
        created_at=when(metadata.get("creationTimestamp")),
        trouble=next((str(entry["reason"]) for entry in waiting if entry.get("reason")), ""),
    )


def _state(entry: Json, name: str) -> Json:
    found: Json = (entry.get("state") or {}).get(name) or {}
    return found
