"""
Guesses the references of custom resources that nobody described: a walk by the names of fields.

A map with a `name` below a field such as `passwordSecretRef`, and a text in a field such as
`secretName`, mean a Secret in nearly every API; a map with a list of `containers` is a pod spec.
Nearly is not always: what is found here is marked as inferred. Pure.
"""

import re
from collections.abc import Iterator

from graph.fields import Object, flag, text
from graph.kubernetes.paths import Way, find, written
from graph.kubernetes.references import Reference, pod_references

_HOLDS_REFERENCE = re.compile(
    r"(?:[sS]ecret(?:Key)?Ref|[sS]ecret(?:Key)?Selector|^credentialsRef)$"
)
_IS_NAME = re.compile(r"[sS]ecretName$")
_SECRET_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_NOT_THERE = frozenset({"apiVersion", "kind", "metadata", "status"})
_BOUND = 10_000  # fields that are looked at in one object


def inferred_references(obj: Object) -> Iterator[Reference]:
    """Yield what looks like a reference to a Secret, each place once."""
    inside_pods: list[Way] = []
    body = {name: value for name, value in obj.items() if name not in _NOT_THERE}
    for count, (way, found) in enumerate(find(body, "..*")):
        if count > _BOUND:
            return
        if any(way[: len(pod)] == pod for pod in inside_pods):
            continue
        if isinstance(found, dict) and isinstance(found.get("containers"), list):
            inside_pods.append(way)
            for use in pod_references(found, written(way)):
                yield _guessed(use)
        else:
            guess = _reference(way, found)
            if guess is not None:
                yield guess


def _reference(way: Way, found: object) -> Reference | None:
    field = next((step for step in reversed(way) if isinstance(step, str)), "")
    if isinstance(found, dict) and _HOLDS_REFERENCE.search(field):
        name = text(found, "name")
        kind = text(found, "kind")
        if not _SECRET_NAME.fullmatch(name) or (kind and kind != "Secret"):
            return None
        return Reference(
            name,
            "inferred",
            written(way),
            key=text(found, "key"),
            optional=flag(found, "optional"),
            namespace=text(found, "namespace"),
            inferred=True,
        )
    if isinstance(found, str) and _IS_NAME.search(field) and _SECRET_NAME.fullmatch(found):
        return Reference(found, "inferred", written(way), inferred=True)
    return None


def _guessed(use: Reference) -> Reference:
    return Reference(
        use.name,
        use.how,
        use.field,
        use.container,
        use.key,
        optional=use.optional,
        inferred=True,
    )
