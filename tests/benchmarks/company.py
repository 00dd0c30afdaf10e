"""
A realistic large company as nodes and edges: `company(1.0)` has 1,000 namespaces in ten clusters.

The Kubernetes part goes through the product's own readers of objects (`Inventory`, `Grants`), so
its edges look as they do in life; Vault, its policies and the copies into the clusters are added
here. At scale 1: 100,000 Secrets in clusters and 31,000 in Vault, 60,000 workloads, 100,000 roles
and bindings, about a million edges. A namespace is the same at every scale, and so are the answers
about `SMALL`, `HUB` and `TOKEN`; only `EVERYWHERE` grows.
"""

from collections.abc import Iterator
from itertools import chain

from graph import refs
from graph.gathered import Gathered
from graph.kubernetes.grants import Grants
from graph.kubernetes.inventory import Inventory
from graph.model import Edge, EdgeKind, Node, NodeKind, Observation
from tests.benchmarks import objects
from tests.benchmarks.objects import CLUSTERS, Place

NAMESPACES = 1_000
SMALL = refs.vault("main", "kv", "team-3/s-8")
HUB = refs.vault("main", "kv", f"shared/{objects.HUB}")
EVERYWHERE = refs.vault("main", "kv", f"shared/{objects.PULL}")
TOKEN = refs.k8s("c3", "team-3", "Secret", "s-90")  # the token of an account


def places(scale: float) -> tuple[Place, ...]:
    return tuple(Place(number) for number in range(max(CLUSTERS, round(NAMESPACES * scale))))


def company(scale: float = 1.0) -> Iterator[Observation]:
    """Yield what one look at each source of the company sees: every cluster, then Vault."""
    everywhere = places(scale)
    for number in range(CLUSTERS):
        cluster = f"c{number}"
        gathered = Gathered(f"kubernetes/{cluster}", cluster)
        inventory, grants = Inventory(gathered), Grants(gathered)
        for place in everywhere[number::CLUSTERS]:
            inventory.add(objects.namespace(place))
            for obj in chain(
                objects.accounts(place), objects.secrets(place), objects.workloads(place)
            ):
                inventory.add(obj)
            for obj in chain(objects.roles(place), objects.bindings(place)):
                grants.add(obj)
        for obj in objects.cluster_grants():
            grants.add(obj)
        inventory.finish()
        grants.finish()
        yield gathered.observation()
    yield _vault(everywhere)


def _vault(everywhere: tuple[Place, ...]) -> Observation:
    nodes: dict[refs.Ref, Node] = {}
    edges: list[Edge] = []

    def add(ref: refs.Ref, kind: NodeKind) -> refs.Ref:
        nodes.setdefault(ref, Node(ref, kind, {}))
        return ref

    store = add(refs.k8s("main", "", "Store", "main"), NodeKind.STORE)
    for place in everywhere:
        policy = add(refs.vault_policy("main", place.name), NodeKind.POLICY)
        role = add(refs.vault("main", "auth", f"kubernetes/role/{place.name}"), NodeKind.SUBJECT)
        account = refs.k8s(place.cluster, place.name, "ServiceAccount", "sa-0")
        edges += [
            Edge(role, policy, EdgeKind.OPENS, {}),
            Edge(add(account, NodeKind.SUBJECT), role, EdgeKind.OPENS, {}),
        ]
        token = refs.k8s(place.cluster, place.name, "Secret", "s-90")
        edges.append(Edge(add(token, NodeKind.SECRET), account, EdgeKind.OPENS, {}))
        for name in objects.secret_names(place)[: objects.FROM_VAULT + 2]:
            path = "shared" if name in {objects.PULL, objects.HUB} else place.name
            origin = add(refs.vault("main", "kv", f"{path}/{name}"), NodeKind.SECRET)
            copy = add(refs.k8s(place.cluster, place.name, "Secret", name), NodeKind.SECRET)
            sync = add(refs.k8s(place.cluster, place.name, "ExternalSecret", name), NodeKind.SYNC)
            copied = {"sync": sync, "key": "", "from_key": "", "refresh_interval": 3600}
            edges += [
                Edge(origin, copy, EdgeKind.COPIES, copied),
                Edge(origin, store, EdgeKind.STORED_IN, {}),
                Edge(policy, origin, EdgeKind.CAN_READ, {"verb": "read", "direct": True}),
            ]
    unique = dict.fromkeys((edge.tail, edge.head, edge.kind) for edge in edges)
    attributes = {(edge.tail, edge.head, edge.kind): edge.attributes for edge in edges}
    return Observation(
        "vault/main",
        tuple(nodes.values()),
        tuple(Edge(*ends, attributes[ends]) for ends in unique),
    )
