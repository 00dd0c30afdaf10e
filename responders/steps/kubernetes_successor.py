"""
An immutable Secret gets a successor of another name, and its consumers are pointed at that one.

`create` makes the successor beside it: the same keys and labels, a new value in one of them, again
immutable. Its name is the former one with a suffix that this run decides, so a repeat finds it.
`switch` changes every place in the pod template of one wave that names the former Secret, which
rolls the workload by itself, and waits until all pods are new. `undo` points back, which is only a
way out while the former value still works: after the revocation the run goes forward instead.
`kubernetes_secret.remove` ends the former one.

For a token Secret of a service account `create` is not the way: see `account_token.issue`,
whose successor `switch` takes as well.

Example::

    kubernetes_successor.create: {secret: "k8s://prod/shop/Secret/session-v1", field: signing_key}
    kubernetes_successor.switch:
      secret: "k8s://prod/shop/Secret/session-v1"
      workloads: ["k8s://prod/shop/Deployment/checkout"]
      noted_by: successor

Source: https://kubernetes.io/docs/concepts/configuration/secret/#secret-immutable.
"""

import base64
import hashlib
import secrets
import string
from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field

from graph import refs
from graph.collector import Permission
from graph.errors import BadInputError, ConflictError, NotFoundError
from graph.kubernetes.references import CARRIERS, pod_references, template_of
from graph.kubernetes_api import JSON_PATCH
from responders.copies import text_of
from responders.kubernetes_objects import APPLIED, Json, KubernetesObject, beside, find
from responders.kv_versions import digest
from responders.pod_verdicts import Finding, by_its_pods, judge_all, short, wait_until_rolled
from responders.rollouts import MARK, WorkloadState, group_of
from responders.step import (
    Fact,
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)

_MADE_FOR = "locksmith/made-for"
_ALPHABET = string.ascii_letters + string.digits
_LONGEST_NAME = 253
_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob")
_CONTAINERS = ("initContainers", "containers")


class CreateSettings(StepSettings):
    secret: str
    field: str = Field(min_length=1)
    length: int = Field(default=40, ge=20, le=1024)
    prefix: str = ""


class Create(Step[CreateSettings]):
    """Makes the successor of a Secret, with a new value."""

    name: ClassVar[str] = "kubernetes_successor.create"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission("kubernetes", "get, create on secrets", "read the former, make the successor"),
    )
    reversible: ClassVar[bool] = False
    harmless: ClassVar[bool] = True
    Settings = CreateSettings

    def preview(self, settings: CreateSettings) -> str:
        return (
            f"Makes a Secret beside {settings.secret} with the same keys and a new value of"
            f" {settings.length} characters in {settings.field}."
        )

    def targets(self, settings: CreateSettings) -> tuple[str, ...]:
        return (settings.secret,)

    def apply(self, settings: CreateSettings, context: StepContext) -> Receipt:
        former = find(context.connections, settings.secret, "Secret")
        found = former.read()
        text_of(found, settings.field, settings.secret)  # a key that is not there is told now
        successor = beside(former, _successor(former.name, context.key))
        value = settings.prefix + "".join(secrets.choice(_ALPHABET) for _ in range(settings.length))
        try:
            made = _create(successor, found, settings.field, value, context)
        except ConflictError:
            made = successor.read()  # a repeat, or a stranger: the mark tells
            if (made["metadata"].get("annotations") or {}).get(_MADE_FOR) != context.key:
                raise
        facts: dict[str, Fact] = {
            "former": settings.secret,
            "former_uid": found["metadata"]["uid"],
            "successor": successor.ref,
            "target": successor.ref,
            "refreshed_at": made["metadata"].get("creationTimestamp", ""),
        }
        return Receipt(f"{successor.ref} holds a new value of {settings.field}.", facts)

    def verify(self, settings: CreateSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: CreateSettings, receipt: Receipt, context: StepContext) -> Verdict:
        former = find(context.connections, settings.secret, "Secret")
        successor = find(context.connections, str(receipt.facts.get("successor", "")), "Secret")
        values = [
            digest(text_of(one.read(), settings.field, one.ref), context.fingerprinter)
            for one in (former, successor)
        ]
        if values[0] == values[1]:
            return Verdict(
                VerdictKind.REFUTED, f"{successor.ref} holds the same value as {former.ref}."
            )
        copy = refs.with_key(refs.split_key(settings.secret)[0], settings.field)
        return Verdict(
            VerdictKind.CONFIRMED,
            f"Read back: {successor.ref} holds another value of {settings.field}.",
            {"copies": [copy, refs.with_key(refs.Ref(successor.ref), settings.field)]},
        )


class SwitchSettings(StepSettings):
    """`noted_by` is the step that made the successor of `secret`."""

    secret: str
    workloads: tuple[str, ...] = ()
    noted_by: str = "successor"
    wait_seconds: float = Field(default=300.0, ge=0)


class Switch(Step[SwitchSettings]):
    """Points one wave of workloads at the successor, and waits until all their pods are new."""

    name: ClassVar[str] = "kubernetes_successor.switch"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "kubernetes",
            "get, patch on deployments, statefulsets, daemonsets, cronjobs",
            "change the name of the Secret in their pod templates",
        ),
        Permission("kubernetes", "get, list on pods, replicasets", "see which pods are new"),
    )
    reversible: ClassVar[bool] = True
    Settings = SwitchSettings

    def preview(self, settings: SwitchSettings) -> str:
        names = ", ".join(short(ref) for ref in settings.workloads) or "no workload"
        return f"Points {names} at the successor of {settings.secret}; they roll by that."

    def targets(self, settings: SwitchSettings) -> tuple[str, ...]:
        return settings.workloads

    def apply(self, settings: SwitchSettings, context: StepContext) -> Receipt:
        former, successor = _names(settings, context)
        for ref in settings.workloads:
            _point(ref, former, successor, context)
        rolled = wait_until_rolled(
            settings.workloads, context, seconds=settings.wait_seconds, since=None
        )
        late = [short(ref) for ref, is_done in rolled.items() if not is_done]
        said = f"Pointed {', '.join(map(short, settings.workloads)) or 'nothing'} at {successor}."
        if late:
            said += f" Not finished when the waiting ended: {', '.join(late)}."
        return Receipt(said, {"former": former, "successor": successor, "late": late})

    def verify(self, settings: SwitchSettings, receipt: Receipt, context: StepContext) -> Verdict:
        former = refs.parse(refs.split_key(settings.secret)[0]).path[3]

        def judge(state: WorkloadState) -> Finding:
            if state.exists and former in _named_by(state.ref, context):
                return VerdictKind.REFUTED, f"still names {former} in its template"
            return by_its_pods(state, context.key, None)

        return judged(lambda: judge_all(settings.workloads, (), context, judge), context)

    def undo(self, settings: SwitchSettings, receipt: Receipt, context: StepContext) -> Receipt:
        former, successor = str(receipt.facts["former"]), str(receipt.facts["successor"])
        for ref in settings.workloads:
            _point(ref, successor, former, context)
        return Receipt(f"Pointed {', '.join(map(short, settings.workloads))} back at {former}.")


def _successor(name: str, key: str) -> str:
    """Name the successor: the same in every try of one run, another one in the next run."""
    suffix = "-" + hashlib.sha256(key.encode()).hexdigest()[:8]
    return name[: _LONGEST_NAME - len(suffix)].rstrip("-.") + suffix


def _create(
    successor: KubernetesObject, found: Json, field: str, value: str, context: StepContext
) -> Json:
    metadata = found["metadata"]
    kept = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != APPLIED}
    body: Json = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": successor.name,
            "namespace": successor.namespace,
            "labels": metadata.get("labels") or {},
            "annotations": {**kept, _MADE_FOR: context.key},
        },
        "type": found.get("type", "Opaque"),
        "immutable": bool(found.get("immutable")),
        "data": {**found["data"], field: base64.b64encode(value.encode()).decode()},
    }
    return successor.api.post(successor.path.rpartition("/")[0], body)


def _names(settings: SwitchSettings, context: StepContext) -> tuple[str, str]:
    """Give the names of the former Secret and of its successor, from what its maker noted."""
    noted = context.receipts.get(settings.noted_by)
    if noted is None or not noted.facts.get("successor"):
        raise BadInputError(
            f"No step “{settings.noted_by}” has made a successor of {settings.secret}.",
            do_now="Put kubernetes_successor.create (or account_token.issue) before it.",
        )
    former = refs.parse(refs.split_key(settings.secret)[0]).path[3]
    return former, refs.parse(str(noted.facts["successor"])).path[3]


def _workload(ref: str, context: StepContext) -> KubernetesObject:
    kind = refs.parse(ref).path[2]
    return find(context.connections, ref, *_KINDS, group=group_of(kind))


def _point(ref: str, former: str, successor: str, context: StepContext) -> None:
    """Rename the Secret in the template; a repeat finds nothing left to rename."""
    workload = _workload(ref, context)
    found = workload.read()
    _, way = CARRIERS[workload.kind]
    template = found
    for part in way:
        template = template[part]
    at = "/" + "/".join(way)
    change: list[Json] = [
        operation
        for path in _paths(template["spec"], former, f"{at}/spec")
        for operation in (
            {"op": "test", "path": path, "value": former},
            {"op": "replace", "path": path, "value": successor},
        )
    ]
    if not change:
        return
    annotations = {**(template.get("metadata") or {}).get("annotations", {}), MARK: context.key}
    metadata = {**(template.get("metadata") or {}), "annotations": annotations}
    change.append({"op": "add", "path": f"{at}/metadata", "value": metadata})
    workload.api.patch(workload.path, change, JSON_PATCH)


def _paths(spec: Json, name: str, at: str) -> Iterator[str]:
    """Yield the JSON pointer of every field of a pod spec that names the Secret."""
    for index, entry in enumerate(spec.get("imagePullSecrets") or ()):
        if entry.get("name") == name:
            yield f"{at}/imagePullSecrets/{index}/name"
    for group in _CONTAINERS:
        for index, container in enumerate(spec.get(group) or ()):
            yield from _paths_in(container, name, f"{at}/{group}/{index}")
    for index, volume in enumerate(spec.get("volumes") or ()):
        if (volume.get("secret") or {}).get("secretName") == name:
            yield f"{at}/volumes/{index}/secret/secretName"
        for place, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if (source.get("secret") or {}).get("name") == name:
                yield f"{at}/volumes/{index}/projected/sources/{place}/secret/name"


def _paths_in(container: Json, name: str, at: str) -> Iterator[str]:
    for place, entry in enumerate(container.get("envFrom") or ()):
        if (entry.get("secretRef") or {}).get("name") == name:
            yield f"{at}/envFrom/{place}/secretRef/name"
    for place, entry in enumerate(container.get("env") or ()):
        source: dict[str, Any] = entry.get("valueFrom") or {}
        if (source.get("secretKeyRef") or {}).get("name") == name:
            yield f"{at}/env/{place}/valueFrom/secretKeyRef/name"


def _named_by(ref: str, context: StepContext) -> frozenset[str]:
    """Read by the road that the graph reads: every use of a Secret in the template."""
    workload = _workload(ref, context)
    try:
        found = workload.read()
    except NotFoundError:
        return frozenset()
    api_version = found.get("apiVersion") or _api_version(workload.path)
    template = template_of({**found, "apiVersion": api_version, "kind": workload.kind})
    return frozenset(use.name for use in pod_references(template.spec if template else {}))


def _api_version(path: str) -> str:
    return "/".join(path.split("/")[2:4])
