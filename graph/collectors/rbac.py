"""
Kubernetes RBAC, live: who can read Secrets, directly or by a detour, and by which binding and role.

Example: `rbac/prod` gives `k8s://prod/-/Group/dev` -can_read-> `k8s://prod/-/Namespace/payments`
with verb "list" and the path RoleBinding, Role. Aggregated ClusterRoles are read as the cluster's
own controller has filled them.
Source: Kubernetes, "Using RBAC Authorization" and "RBAC Good Practices"; the rules of the game are
in `graph/kubernetes/rbac.py` and `graph/kubernetes/grants.py`.
"""

from collections.abc import Iterator
from typing import ClassVar

from graph.collector import CollectContext, Collector, Permission
from graph.gathered import Gathered
from graph.kubernetes.grants import Grants
from graph.kubernetes.listing import Listing
from graph.kubernetes.rbac import GROUP
from graph.model import Observation

_PLURALS = ("clusterroles", "roles", "clusterrolebindings", "rolebindings")


class RbacCollector(Collector):
    """Reads roles and bindings of every configured cluster."""

    name: ClassVar[str] = "rbac"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "kubernetes",
            f'apiGroups: ["{GROUP}"], resources: {list(_PLURALS)}, verbs: ["list", "watch"]',
            "To say who could have read a leaked secret.",
        ),
    )

    def sources(self, context: CollectContext) -> tuple[str, ...]:
        return tuple(f"{self.name}/{cluster}" for cluster in context.connections.cluster_names)

    def collect(self, source: str, context: CollectContext) -> Iterator[Observation]:
        cluster = source.removeprefix(f"{self.name}/")
        gathered = Gathered(source, cluster)
        listing = Listing(context.connections.kubernetes(cluster), gathered)
        grants = Grants(gathered)
        for plural in _PLURALS:
            for obj in listing.objects(plural, GROUP):
                grants.add(obj)
        listing.finish()
        grants.finish()
        yield gathered.observation()
