"""What tests of tools are made of: a few objects in, what the graph says of them out."""

from typing import Any

from graph.gathered import Gathered
from graph.kubernetes.inventory import Inventory
from graph.kubernetes.remotes import KnownVault
from graph.kubernetes.tool import Here
from graph.kubernetes.toolbox import Toolbox
from graph.model import Edge, EdgeKind, Node, Observation

VAULTS = {"main": KnownVault(("https://vault.example.com",))}


def observed(*objects: dict[str, Any], vaults: dict[str, KnownVault] | None = None) -> Observation:
    gathered = Gathered("kubernetes/c", "c")
    known = VAULTS if vaults is None else vaults
    tools = Toolbox(Here(gathered, "pay", known))
    inventory = Inventory(gathered, namespace="pay", readers=tools.pod_readers(), vaults=known)
    for obj in objects:
        tools.add(obj)
        inventory.add(obj)
    tools.finish()
    inventory.finish()
    return gathered.observation()


def obj(kind: str, version: str, name: str = "x", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "pay", **fields.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def deployment(spec: dict[str, Any], **annotations: str) -> dict[str, Any]:
    template = {"metadata": {"annotations": annotations}, "spec": spec}
    return obj("Deployment", "apps/v1", "api", spec={"template": template})


def edges(found: Observation, kind: EdgeKind) -> list[Edge]:
    return [edge for edge in found.edges if edge.kind is kind]


def copies(found: Observation) -> set[tuple[str, str, object, object]]:
    return {
        (edge.tail, edge.head, edge.attributes["from_key"], edge.attributes["key"])
        for edge in edges(found, EdgeKind.COPIES)
    }


def use(found: Observation, how: str) -> Edge:
    (edge,) = [one for one in edges(found, EdgeKind.CONSUMES) if one.attributes["how"] == how]
    return edge


def node(found: Observation, ref: str) -> Node:
    return next(one for one in found.nodes if one.ref == ref)
