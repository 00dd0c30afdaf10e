"""
Kubernetes, live: namespaces, workloads, service accounts, Ingress and Gateway TLS, Secrets.

Example: `kubernetes/prod` is the cluster `prod` of the settings. In `references` mode (the
default) it needs no verb on Secrets at all: what Secrets there are follows from what refers to
them. In `fingerprint` mode it lists the Secrets of the chosen namespaces, keeps names, keys and
types, and turns each value into fingerprints in memory.
Which fields name a Secret is in `graph/kubernetes/references.py`.
Source: the Kubernetes API reference.
"""

from collections.abc import Iterator
from typing import ClassVar

from graph.collector import CollectContext, Collector, Permission
from graph.gathered import Gathered
from graph.kubernetes.inventory import Inventory
from graph.kubernetes.listing import Listing, known_vaults
from graph.kubernetes.reduced import reduced, stored_fingerprints
from graph.kubernetes.tool import Here
from graph.kubernetes.toolbox import Toolbox
from graph.model import Observation

# (plural, the API groups that may serve it, newest first)
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("namespaces", ("",)),
    ("services", ("",)),
    ("serviceaccounts", ("",)),
    ("deployments", ("apps", "extensions")),
    ("statefulsets", ("apps",)),
    ("daemonsets", ("apps", "extensions")),
    ("replicasets", ("apps", "extensions")),
    ("replicationcontrollers", ("",)),
    ("controllerrevisions", ("apps",)),
    ("podtemplates", ("",)),
    ("persistentvolumes", ("",)),
    ("jobs", ("batch",)),
    ("cronjobs", ("batch",)),
    ("pods", ("",)),
    ("ingresses", ("networking.k8s.io", "extensions")),
    ("gateways", ("gateway.networking.k8s.io",)),
    ("rollouts", ("argoproj.io",)),
    ("services", ("serving.knative.dev",)),
    ("scaledjobs", ("keda.sh",)),
    ("deploymentconfigs", ("apps.openshift.io",)),
)


class KubernetesCollector(Collector):
    """Reads every configured cluster."""

    name: ClassVar[str] = "kubernetes"
    by_namespace: ClassVar[bool] = True
    permissions: ClassVar[tuple[Permission, ...]] = (
        *(
            Permission(
                "kubernetes",
                f'apiGroups: ["{groups[0]}"], resources: ["{plural}"], verbs: ["list", "watch"]',
                "To see who uses which Secret, and who owns it.",
            )
            for plural, groups in _KINDS
        ),
        Permission(
            "kubernetes",
            'apiGroups: [""], resources: ["secrets"], verbs: ["list", "watch"] (fingerprint mode)',
            "To recognise a leaked value; per namespace where `namespaces` is set.",
        ),
    )

    def sources(self, context: CollectContext) -> tuple[str, ...]:
        return tuple(f"{self.name}/{cluster}" for cluster in context.connections.cluster_names)

    def collect(self, source: str, context: CollectContext) -> Iterator[Observation]:
        cluster = source.removeprefix(f"{self.name}/")
        settings = context.connections.cluster_settings(cluster)
        gathered = Gathered(source, cluster)
        gathered.store()
        if settings.environment:
            gathered.note(gathered.store(), environment=settings.environment)
        listing = Listing(context.connections.kubernetes(cluster), gathered)
        vaults = known_vaults(context.connections)
        tools = Toolbox(Here(gathered, vaults=vaults))
        inventory = Inventory(gathered, readers=tools.pod_readers(), vaults=vaults)
        readable: set[str] = set()
        for plural, groups in _KINDS:
            for obj in listing.objects(plural, *groups):
                inventory.add(obj)
                tools.add(obj)
        if settings.mode == "fingerprint":
            for namespace in settings.namespaces or ("",):
                refusals = len(gathered.gaps)
                for secret in listing.objects("secrets", "", namespace=namespace):
                    small = reduced(secret, context.fingerprinter)
                    inventory.add(small)
                    tools.add(small)
                    gathered.fingerprints += stored_fingerprints(small, cluster)
                if len(gathered.gaps) == refusals:
                    readable.add(namespace)
        listing.finish()
        tools.finish()
        inventory.finish(readable=None if "" in readable else readable)
        yield gathered.observation()
