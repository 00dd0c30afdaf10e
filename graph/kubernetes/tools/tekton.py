"""
Tekton: steps and sidecars of tasks, workspaces, pod templates of runs, interceptors of triggers.

Steps are containers in all but name, and a workspace is a volume. Credentials for git and
registries come from the Secrets that the service account lists, which are read with the account.
Source: the API references of tekton.dev and triggers.tekton.dev.
"""

from collections.abc import Iterator
from typing import ClassVar

from graph.fields import Object, entries, mapping, text
from graph.kubernetes.paths import find, written
from graph.kubernetes.references import PickUp, Reference, pod_references
from graph.kubernetes.tool import Coded, Here, Kind, Named, Tool
from graph.model import PicksUp

_GROUP = "tekton.dev"
_RUN = PickUp(
    PicksUp.NEXT_RUN,
    "Each run starts new pods, which read the value of that moment.",
    by_itself=True,
)
_TASKS = {
    "Task": ("spec",),
    "ClusterTask": ("spec",),
    "StepAction": (),
    "TaskRun": ("spec.taskSpec",),
    "Pipeline": ("spec.tasks[*].taskSpec", "spec.finally[*].taskSpec"),
    "PipelineRun": (
        "spec.pipelineSpec.tasks[*].taskSpec",
        "spec.pipelineSpec.finally[*].taskSpec",
    ),
}
_PODS = {
    "TaskRun": ("spec.podTemplate",),
    "PipelineRun": (
        "spec.podTemplate",
        "spec.taskRunTemplate.podTemplate",
        "spec.taskRunSpecs[*].podTemplate",
    ),
}
_ACCOUNTS = ("spec.serviceAccountName", "spec.taskRunTemplate.serviceAccountName")


class Tekton(Tool):
    """Reads tasks, pipelines, their runs, and event listeners."""

    name: ClassVar[str] = "tekton"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind(_GROUP, "Task", "tasks"),
        Kind(_GROUP, "ClusterTask", "clustertasks", namespaced=False),
        Kind(_GROUP, "StepAction", "stepactions"),
        Kind(_GROUP, "TaskRun", "taskruns"),
        Kind(_GROUP, "Pipeline", "pipelines"),
        Kind(_GROUP, "PipelineRun", "pipelineruns"),
        Kind("triggers.tekton.dev", "EventListener", "eventlisteners"),
    )
    named: ClassVar[tuple[Named, ...]] = (
        Named("StepAction", "spec.env[*].valueFrom.secretKeyRef.name", "env", _RUN),
        *(
            Named(kind, f"spec.workspaces[*].{field}", "volume", _RUN)
            for kind in ("TaskRun", "PipelineRun")
            for field in ("secret.secretName", "projected.sources[*].secret.name")
        ),
        Named(
            "EventListener",
            "spec..secretRef.secretName",
            "webhook",
            key="spec..secretRef.secretKey",
        ),
    )
    coded: ClassVar[tuple[Coded, ...]] = (
        *(
            Coded(kind, f"{path}.{{steps,sidecars,stepTemplate,volumes}}", "env")
            for kind, paths in _TASKS.items()
            for path in paths
        ),
        *(
            Coded(kind, f"{path} (imagePullSecrets, volumes)", "imagePull")
            for kind, paths in _PODS.items()
            for path in paths
        ),
    )

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        for use in run_references(obj):
            here.uses(obj, kind, use)
        for path in _ACCOUNTS if kind.kind in _PODS else ():
            for _, account in find(obj, path):
                if isinstance(account, str) and account:
                    here.runs_as(obj, kind, account)


def run_references(obj: Object) -> Iterator[Reference]:
    """Yield the uses of Secrets in the steps and pods of a task, pipeline or run. Pure."""
    kind = text(obj, "kind")
    for path in _TASKS.get(kind, ()):
        for way, found in find(obj, path):
            yield from _of_task(found, written(way))
    for path in _PODS.get(kind, ()):
        for way, found in find(obj, path):
            if isinstance(found, dict):
                for use in pod_references(found, written(way)):
                    yield _each_run(use)


def _of_task(task: object, where: str) -> Iterator[Reference]:
    volumes = list(entries(task, "volumes"))
    seen: set[str] = set()
    for group in ("steps", "sidecars", "stepTemplate"):
        template = mapping(task, group)
        containers = [template] if template else list(entries(task, group))
        names = {
            text(mount, "name") for one in containers for mount in entries(one, "volumeMounts")
        }
        seen |= names
        mounted = [volume for volume in volumes if text(volume, "name") in names]
        for use in pod_references({"containers": containers, "volumes": mounted}, where):
            yield _each_run(use, group)
    unused = [volume for volume in volumes if text(volume, "name") not in seen]
    for use in pod_references({"volumes": unused}, where):
        yield _each_run(use)


def _each_run(use: Reference, group: str = "") -> Reference:
    field = use.field.replace(".containers[", f".{group}[", 1) if group else use.field
    return Reference(
        use.name,
        use.how,
        field,
        use.container,
        use.key,
        optional=use.optional,
        follows=_RUN,
    )
