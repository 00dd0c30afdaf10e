"""
Custom resources and classes of a live cluster: whatever else refers to Secrets.

Example: `custom_resources/prod` gives `k8s://prod/payments/Certificate/web` -consumes->
`k8s://prod/payments/Secret/web-tls`. Which kinds there are, and which of their fields name a
Secret, is said by the members of `graph/kubernetes/tools/` and by `graph.references` of the
configuration; with `graph.infer` kinds that nobody described are read too, and what looks like a
reference is marked so. A kind that the cluster does not serve gives nothing, and no gap. ConfigMaps
are read only where the settings of the cluster say `config_maps: true`: they may be many.
Source: the API references named in the tools.
"""

from collections.abc import Iterator
from typing import ClassVar

from graph.collector import CollectContext, Collector, Permission
from graph.gathered import Gathered
from graph.kubernetes.listing import Listing, known_vaults
from graph.kubernetes.tool import Here
from graph.kubernetes.toolbox import Toolbox, listed_kinds, may_be_guessed
from graph.model import Observation


def _permissions() -> Iterator[Permission]:
    plurals: dict[str, list[str]] = {}
    for group, plural in listed_kinds():
        plurals.setdefault(group, []).append(plural)
    for group, found in sorted(plurals.items()):
        yield Permission(
            "kubernetes",
            f'apiGroups: ["{group}"], resources: {sorted(found)}, verbs: ["list", "watch"]',
            "To follow references to Secrets in these kinds.",
        )


class CustomResourcesCollector(Collector):
    """Reads the kinds of every tool, of every configured cluster."""

    name: ClassVar[str] = "custom_resources"
    permissions: ClassVar[tuple[Permission, ...]] = (
        *_permissions(),
        Permission(
            "kubernetes",
            'apiGroups: [""], resources: ["configmaps"], verbs: ["list", "watch"] (config_maps)',
            "To follow references of Vault Agent, Bank-Vaults and Argo CD in ConfigMaps.",
        ),
    )

    def sources(self, context: CollectContext) -> tuple[str, ...]:
        return tuple(f"{self.name}/{cluster}" for cluster in context.connections.cluster_names)

    def collect(self, source: str, context: CollectContext) -> Iterator[Observation]:
        cluster = source.removeprefix(f"{self.name}/")
        gathered = Gathered(source, cluster)
        api = context.connections.kubernetes(cluster)
        listing = Listing(api, gathered)
        tools = Toolbox(
            Here(gathered, vaults=known_vaults(context.connections)),
            declared=context.references,
            infer=context.infer,
        )
        wanted = set(listed_kinds(context.references))
        if context.infer:
            wanted |= {
                key
                for key, resource in api.served().items()
                if may_be_guessed(key[0]) and "list" in resource.verbs
            }
        for group, plural in sorted(wanted):
            for obj in listing.objects(plural, group):
                tools.add(obj)
        if context.connections.cluster_settings(cluster).config_maps:
            for obj in listing.objects("configmaps", ""):
                tools.add(obj)
        listing.finish()
        tools.finish()
        yield gathered.observation()
