"""
Reads fields of Kubernetes objects that nobody vouches for: null, wrong-typed and missing alike.

Manifests come from strangers and custom resources have open schemas, so no reader of an object may
index into it. What has the wrong shape reads as empty. Objects are plain dicts and lists, as the
parsers of JSON and YAML give them. Knows nothing about any kind.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]

MOST = 2**53  # what JSON and databases hold exactly; nothing real is larger

_NOTHING: Object = {}
_NONE: Iterator[Object] = iter(())


def mapping(source: object, *path: str) -> Object:
    """Follow `path`; an empty mapping where it leads nowhere."""
    for step in path:
        if not isinstance(source, dict):
            return _NOTHING
        source = source.get(step)
    return source if isinstance(source, dict) else _NOTHING


def text(source: object, *path: str) -> str:
    for step in path:  # as `_follow`, which a call per field would make a third slower
        if not isinstance(source, dict):
            return ""
        source = source.get(step)
    return source if isinstance(source, str) else ""


def flag(source: object, *path: str) -> bool:
    """Is it exactly true? The text "true" counts, as annotations can say nothing else."""
    found = _follow(source, path)
    return found is True or found == "true"


def number(source: object, *path: str) -> int | None:
    found = _follow(source, path)
    if not isinstance(found, int) or isinstance(found, bool):
        return None
    return found if abs(found) <= MOST else None


def entries(source: object, *path: str) -> Iterator[Object]:
    """Go through the mappings in the list at `path`; other things in it are passed over."""
    for step in path:
        if not isinstance(source, dict):
            return _NONE
        source = source.get(step)
    if not isinstance(source, list):
        return _NONE
    return iter([entry for entry in source if isinstance(entry, dict)])


def texts(source: object, *path: str) -> tuple[str, ...]:
    found = _follow(source, path)
    if not isinstance(found, list):
        return ()
    return tuple(entry for entry in found if isinstance(entry, str))


def pairs(source: object, *path: str) -> dict[str, str]:
    """Read a map of text to text, such as labels, annotations or parameters."""
    found = mapping(source, *path)
    if not found:
        return {}
    items: Iterable[tuple[object, object]] = found.items()
    return {key: value for key, value in items if isinstance(key, str) and isinstance(value, str)}


def group_of(source: object) -> str:
    """Name the API group of an object: "" for core, "apps" for "apps/v1"."""
    group, separator, _ = text(source, "apiVersion").partition("/")
    return group if separator else ""


def name_of(source: object) -> str:
    """Name an object; one that gets its name when it is made goes by how that will begin."""
    return text(source, "metadata", "name") or text(source, "metadata", "generateName")


def namespace_of(source: object) -> str:
    return text(source, "metadata", "namespace")


def _follow(source: object, path: tuple[str, ...]) -> object:
    for step in path:
        if not isinstance(source, dict):
            return None
        source = source.get(step)
    return source
