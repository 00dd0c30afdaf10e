"""
Kinds of others that carry a pod spec: each of its references counts as in a Deployment.

The pods that run show the same uses; but what is idle, or only in a manifest, has no pods. Where a
kind has references beside its pods it has a file of its own here.
Source: the API references of the projects, by group.
"""

from typing import ClassVar

from graph.fields import Object, text
from graph.kubernetes.paths import find, written
from graph.kubernetes.references import pod_references
from graph.kubernetes.tool import Coded, Here, Kind, Tool

_TEMPLATE = "spec.template.spec"
# (group, kind, plural, path of the pod specs)
_CARRIERS = (
    ("kubeflow.org", "TFJob", "tfjobs", "spec.*ReplicaSpecs.*.template.spec"),
    ("kubeflow.org", "PyTorchJob", "pytorchjobs", "spec.*ReplicaSpecs.*.template.spec"),
    ("kubeflow.org", "MPIJob", "mpijobs", "spec.*ReplicaSpecs.*.template.spec"),
    ("kubeflow.org", "XGBoostJob", "xgboostjobs", "spec.*ReplicaSpecs.*.template.spec"),
    ("kubeflow.org", "PaddleJob", "paddlejobs", "spec.*ReplicaSpecs.*.template.spec"),
    ("kubeflow.org", "Notebook", "notebooks", _TEMPLATE),
    ("serving.kserve.io", "InferenceService", "inferenceservices", "spec.*"),
    ("ray.io", "RayCluster", "rayclusters", "spec..template.spec"),
    ("ray.io", "RayJob", "rayjobs", "spec..template.spec"),
    ("ray.io", "RayService", "rayservices", "spec..template.spec"),
    ("batch.volcano.sh", "Job", "jobs", "spec.tasks[*].template.spec"),
    ("jobset.x-k8s.io", "JobSet", "jobsets", "spec.replicatedJobs[*].template.spec.template.spec"),
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet", "leaderworkersets", "spec..*Template.spec"),
    ("apps.kruise.io", "CloneSet", "clonesets", _TEMPLATE),
    ("apps.kruise.io", "StatefulSet", "statefulsets", _TEMPLATE),
    ("apps.kruise.io", "DaemonSet", "daemonsets", _TEMPLATE),
    ("sparkoperator.k8s.io", "SparkApplication", "sparkapplications", "spec.*.template.spec"),
)


class PodsOfOthers(Tool):
    """Reads the pod specs of batch, machine learning and serving projects."""

    name: ClassVar[str] = "pods_of_others"
    kinds: ClassVar[tuple[Kind, ...]] = tuple(
        Kind(group, kind, plural) for group, kind, plural, _ in _CARRIERS
    )
    coded: ClassVar[tuple[Coded, ...]] = tuple(
        Coded(kind, f"{path} (a pod spec)", "env") for _, kind, _, path in _CARRIERS
    )

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        path = _PATHS[kind.group, kind.kind]
        for way, spec in find(obj, path):
            if not isinstance(spec, dict):
                continue
            for use in pod_references(spec, written(way)):
                here.uses(obj, kind, use)
            if account := text(spec, "serviceAccountName"):
                here.runs_as(obj, kind, account)


_PATHS = {(group, kind): path for group, kind, _, path in _CARRIERS}
