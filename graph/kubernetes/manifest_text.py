"""
Takes YAML and JSON of strangers apart into Kubernetes objects, one document at a time.

A document that cannot be read does not hide its neighbours: the text is cut at `---` first and
each piece is parsed alone. Templates (`{{ … }}`) are told apart from broken YAML. Scalars are read
as Kubernetes reads them: a date stays text. The text of an error is never kept, only its line: it
could quote a Secret.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson
import yaml

from graph.fields import Object, entries, text

_CUT = re.compile(r"^---(?=[ \t\r]|$)", re.MULTILINE)
_NOTHING = re.compile(r"(?:\s|#[^\n]*(?:\n|$)|%[^\n]*(?:\n|$)|\.\.\.[ \t\r]*(?:\n|$))*")
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\$\{[A-Za-z_]|\{%", re.DOTALL)
_FOREIGN = frozenset({"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"})
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document that is no YAML; `line` (from 1) is where in the text the reader gave up."""

    line: int
    templated: bool


class _Loader(yaml.CSafeLoader):
    """The safe loader without the types that JSON, and so Kubernetes, does not have."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _FOREIGN]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def decoded(data: bytes) -> str | None:
    """Decode a file by its byte order mark, else as UTF-8; None where it is no text."""
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def objects_in(manifest: str) -> Iterator[Object | Unreadable]:
    """Yield every Kubernetes object, those inside of List objects too; other YAML is passed."""
    cuts = [0, *(cut.end() for cut in _CUT.finditer(manifest)), len(manifest) + 3]
    line = 1
    for start, end in pairwise(cuts):
        piece = manifest[start : end - 3]
        try:
            if not _NOTHING.fullmatch(piece):
                yield from _flattened(_parsed(piece))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            yield Unreadable(line + (mark.line if mark else 0), bool(_TEMPLATE.search(piece)))
        # A number too large, a tree too deep, a key that cannot be one: nothing of ours.
        except (yaml.YAMLError, ValueError, TypeError, RecursionError):
            yield Unreadable(line, bool(_TEMPLATE.search(piece)))
        line += manifest.count("\n", start, end)


def _parsed(piece: str) -> object:
    if piece.lstrip().startswith(("{", "[")):
        try:
            return orjson.loads(piece)
        except orjson.JSONDecodeError:
            pass  # YAML in flow style, or a template
    return yaml.load(piece, Loader=_Loader)  # noqa: S506 - a subclass of the safe loader


def _flattened(document: object) -> Iterator[Object]:
    if isinstance(document, list):  # a bare array of objects, as some tools write
        for entry in document:
            yield from _flattened(entry)
    if not isinstance(document, Mapping):
        return
    kind, version = text(document, "kind"), text(document, "apiVersion")
    if not kind or not version:
        return
    if kind.endswith("List") and isinstance(document.get("items"), list):
        for item in entries(document, "items"):
            single: dict[str, Any] = dict(item)
            if kind != "List":
                single.setdefault("kind", kind.removesuffix("List"))
                single.setdefault("apiVersion", version)
            yield from _flattened(single)
    else:
        yield document
