"""What the table of references is built from: objects with a marker planted in them."""

from typing import Any

from graph.kubernetes.paths import Step, parse
from graph.kubernetes.tool import Kind

MARKER = "the-marker"
Obj = dict[str, Any]
KEY_REF = {"name": MARKER, "key": "k"}
ENV = [{"name": "A", "valueFrom": {"secretKeyRef": KEY_REF}}]
POD: Obj = {"containers": [{"name": "c", "env": ENV}]}


def thing(kind: str, version: str, name: str = "x", **fields: Any) -> Obj:
    metadata = {"name": name, "namespace": "pay", **fields.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def version_of(kind: Kind) -> str:
    return f"{kind.group}/v1" if kind.group else "v1"


def merged(one: Obj, other: Obj) -> Obj:
    result = dict(one)
    for key, value in other.items():
        known = result.get(key)
        result[key] = (
            merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
        )
    return result


def planted(path: str, leaf: Any, *, below: int = 1, before: int = 1) -> Obj:
    """Build an object in which `path` leads to `leaf`; `below` levels where it goes deep."""
    found: Any = leaf
    for step in reversed(parse(path)):
        found = _around(step, found, before)
        for _ in range(below if step.deep else 0):
            found = {"deeper": [found]}
    assert isinstance(found, dict)
    return found


def _around(step: Step, found: Any, before: int) -> Any:
    if step.field is None:
        index = before if step.index is None else step.index
        return [*({} for _ in range(index)), found]
    if step.pattern:
        return {step.field.replace("*", "some" if step.field == "*" else "dns"): found}
    return {step.field: found}
