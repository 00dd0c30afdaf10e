"""
The kinds that the embedded cluster serves, as a table: what discovery answers is built from it.

Only what the demo and the collectors ask for. A cluster that does not serve a kind is a case that
every collector has to meet anyway; so the table is short on purpose.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """One row: `status` says that status is a subresource; `review` that POST only asks."""

    group_version: str
    plural: str
    kind: str
    namespaced: bool = True
    status: bool = True
    review: bool = False
    short: str = ""

    @property
    def path(self) -> str:
        return f"{self.group_version}/{self.plural}"


_RBAC = "rbac.authorization.k8s.io/v1"
_ESO = "external-secrets.io/v1"
_REVIEWS = "authorization.k8s.io/v1"

RESOURCES: tuple[Resource, ...] = (
    Resource("v1", "namespaces", "Namespace", namespaced=False, short="ns"),
    Resource("v1", "nodes", "Node", namespaced=False),
    Resource("v1", "pods", "Pod", short="po"),
    Resource("v1", "secrets", "Secret", status=False),
    Resource("v1", "configmaps", "ConfigMap", status=False, short="cm"),
    Resource("v1", "serviceaccounts", "ServiceAccount", status=False, short="sa"),
    Resource("v1", "events", "Event", status=False),
    Resource("v1", "services", "Service"),
    Resource("v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
    Resource("v1", "persistentvolumes", "PersistentVolume", namespaced=False),
    Resource("v1", "replicationcontrollers", "ReplicationController"),
    Resource("v1", "podtemplates", "PodTemplate", status=False),
    Resource("apps/v1", "deployments", "Deployment", short="deploy"),
    Resource("apps/v1", "replicasets", "ReplicaSet", short="rs"),
    Resource("apps/v1", "statefulsets", "StatefulSet", short="sts"),
    Resource("apps/v1", "daemonsets", "DaemonSet", short="ds"),
    Resource("apps/v1", "controllerrevisions", "ControllerRevision", status=False),
    Resource("batch/v1", "jobs", "Job"),
    Resource("batch/v1", "cronjobs", "CronJob", short="cj"),
    Resource("networking.k8s.io/v1", "ingresses", "Ingress", short="ing"),
    Resource("storage.k8s.io/v1", "storageclasses", "StorageClass", namespaced=False, status=False),
    Resource(_RBAC, "roles", "Role", status=False),
    Resource(_RBAC, "rolebindings", "RoleBinding", status=False),
    Resource(_RBAC, "clusterroles", "ClusterRole", namespaced=False, status=False),
    Resource(_RBAC, "clusterrolebindings", "ClusterRoleBinding", namespaced=False, status=False),
    Resource(_ESO, "externalsecrets", "ExternalSecret", short="es"),
    Resource(_ESO, "secretstores", "SecretStore"),
    Resource(_ESO, "clustersecretstores", "ClusterSecretStore", namespaced=False),
    Resource(_ESO, "clusterexternalsecrets", "ClusterExternalSecret", namespaced=False),
    Resource(
        _REVIEWS,
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        namespaced=False,
        review=True,
    ),
    Resource(
        _REVIEWS,
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        namespaced=False,
        review=True,
    ),
)
