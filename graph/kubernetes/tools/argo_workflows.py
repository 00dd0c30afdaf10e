"""
Argo Workflows: containers of templates, their volumes, and the logins of artifact stores.

A template runs one container, a script, or a set, with init containers and sidecars; volumes stand
at the workflow and at each template. Artifacts name their logins in fields like
`accessKeySecret`.
Source: the fields reference of Argo Workflows.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from graph.fields import Object, entries, mapping, text
from graph.kubernetes.references import PickUp, Reference, pod_references, pull_secrets
from graph.kubernetes.tool import Coded, Here, Kind, Named, Tool
from graph.model import PicksUp

_GROUP = "argoproj.io"
_WAYS = {
    "Workflow": ("spec",),
    "WorkflowTemplate": ("spec",),
    "ClusterWorkflowTemplate": ("spec",),
    "CronWorkflow": ("spec", "workflowSpec"),
}
_RUN = PickUp(
    PicksUp.NEXT_RUN,
    "Each run starts new pods, which read the value of that moment.",
    by_itself=True,
)
_LISTS = ("initContainers", "sidecars")
_SINGLE = ("container", "script")


class ArgoWorkflows(Tool):
    """Reads workflows, their templates, and those that run by the clock."""

    name: ClassVar[str] = "argo_workflows"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind(_GROUP, "Workflow", "workflows"),
        Kind(_GROUP, "WorkflowTemplate", "workflowtemplates"),
        Kind(_GROUP, "ClusterWorkflowTemplate", "clusterworkflowtemplates", namespaced=False),
        Kind(_GROUP, "CronWorkflow", "cronworkflows"),
    )
    named: ClassVar[tuple[Named, ...]] = tuple(
        Named(
            kind,
            f"spec..{field}.name",
            "artifact",
            _RUN,
            key=f"spec..{field}.key",
            optional=f"spec..{field}.optional",
        )
        for kind in _WAYS
        for field in (
            "*KeySecret",
            "usernameSecret",
            "passwordSecret",
            "*TokenSecret",
            "*CCacheSecret",
        )
    )
    coded: ClassVar[tuple[Coded, ...]] = tuple(
        Coded(kind, f"{'.'.join(way)}.templates[*] (containers, volumes)", "env")
        for kind, way in _WAYS.items()
    )

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        way = _WAYS[kind.kind]
        for use in workflow_references(mapping(obj, *way), ".".join(way)):
            here.uses(obj, kind, use)
        if kind.namespaced and (account := text(mapping(obj, *way), "serviceAccountName")):
            here.runs_as(obj, kind, account)


def workflow_references(spec: Object, prefix: str) -> Iterator[Reference]:
    """Yield every use of a Secret in the spec of a workflow. Pure."""
    for use in pull_secrets(spec, f"{prefix}."):
        yield replace(use, follows=_RUN)
    shared = list(entries(spec, "volumes"))
    mounted: set[str] = set()
    default = mapping(spec, "templateDefaults")
    for index, template in enumerate([*entries(spec, "templates"), default]):
        containers = [mapping(template, name) for name in _SINGLE if mapping(template, name)]
        containers += [one for name in _LISTS for one in entries(template, name)]
        containers += entries(template, "containerSet", "containers")
        names = {
            text(mount, "name") for one in containers for mount in entries(one, "volumeMounts")
        }
        common = [volume for volume in shared if text(volume, "name") in names]
        mounted |= names
        pod = {"containers": containers, "volumes": [*entries(template, "volumes"), *common]}
        where = f"{prefix}.templates[{text(template, 'name') or index}]"
        for use in pod_references(pod, where):
            yield replace(use, follows=_RUN)
    unused = [volume for volume in shared if text(volume, "name") not in mounted]
    for use in pod_references({"volumes": unused}, prefix):
        yield replace(use, follows=_RUN)
