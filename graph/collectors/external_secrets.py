"""
External Secrets operator, live: what is copied from which store into which Kubernetes Secret.

Example: `external_secrets/prod` gives `vault://main/kv/payments/db` -copies-> `k8s://prod/
payments/Secret/db`, with the ExternalSecret as `sync` and its refresh interval. Kinds:
ExternalSecret, PushSecret, SecretStore, and their cluster-wide forms, in whatever
version the cluster serves. A cluster without the operator gives nothing, and no gap.
What the fields mean is in `graph/kubernetes/syncs.py`.
Source: external-secrets/external-secrets, API types.
"""

from collections.abc import Iterator
from typing import ClassVar

from graph.collector import CollectContext, Collector, Permission
from graph.gathered import Gathered
from graph.kubernetes.listing import Listing, known_vaults
from graph.kubernetes.reduced import reduced
from graph.kubernetes.syncs import GROUP, Syncs
from graph.model import Observation

_PLURALS = (
    "externalsecrets",
    "clusterexternalsecrets",
    "pushsecrets",
    "clusterpushsecrets",
    "secretstores",
    "clustersecretstores",
)


class ExternalSecretsCollector(Collector):
    """Reads the operator's objects of every configured cluster."""

    name: ClassVar[str] = "external_secrets"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "kubernetes",
            f'apiGroups: ["{GROUP}"], resources: {list(_PLURALS)}, verbs: ["list", "watch"]',
            "To follow a secret from its store to its copies in the cluster.",
        ),
        Permission(
            "kubernetes",
            'apiGroups: [""], resources: ["namespaces"], verbs: ["list", "watch"]',
            "To tell which namespaces a ClusterExternalSecret selects.",
        ),
        Permission(
            "kubernetes",
            'apiGroups: [""], resources: ["secrets"], verbs: ["list", "watch"] (fingerprint mode)',
            "To tell which Secrets a PushSecret chooses by their labels.",
        ),
    )

    def sources(self, context: CollectContext) -> tuple[str, ...]:
        return tuple(f"{self.name}/{cluster}" for cluster in context.connections.cluster_names)

    def collect(self, source: str, context: CollectContext) -> Iterator[Observation]:
        cluster = source.removeprefix(f"{self.name}/")
        gathered = Gathered(source, cluster)
        listing = Listing(context.connections.kubernetes(cluster), gathered)
        syncs = Syncs(gathered, vaults=known_vaults(context.connections))
        for plural in _PLURALS:
            for obj in listing.objects(plural, GROUP):
                syncs.add(obj)
        if syncs.needs_namespaces:
            for obj in listing.objects("namespaces", ""):
                syncs.add(obj)
        settings = context.connections.cluster_settings(cluster)
        if syncs.needs_secrets and settings.mode == "fingerprint":
            for namespace in settings.namespaces or ("",):
                for secret in listing.objects("secrets", "", namespace=namespace):
                    syncs.add(reduced(secret, None))
        listing.finish()
        syncs.finish()
        yield gathered.observation()
