"""
Takes YAML and JSON of strangers apart into Kubernetes objects, one document at a time.

A document that cannot be read does not hide its neighbours: the text is cut at `---` first and
each piece is parsed alone. Templates (`{{ … }}`) are told apart from broken YAML. Scalars are read
as Kubernetes reads them: a date stays text. The text of an error is never kept, only its line: it
could quote a Secret. What is too large to be held at once is in `manifest_stream.py`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson
import yaml

from graph import yaml_text
from graph.fields import Object, entries, text

CUT = re.compile(r"^---(?=[ \t\r]|$)", re.MULTILINE)
_NOTHING = re.compile(r"(?:\s|#[^\n]*(?:\n|$)|%[^\n]*(?:\n|$)|\.\.\.[ \t\r]*(?:\n|$))*")
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\$\{[A-Za-z_]|\{%", re.DOTALL)
_FOREIGN = frozenset({"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"})
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document that is no YAML; `line` (from 1) is where in the text the reader gave up."""

    line: int
    templated: bool


@dataclass(frozen=True, slots=True)
class Doubled:
    """A key that stands twice in one map, at `line` (from 1): the last one counts."""

    line: int


Found = Object | Unreadable | Doubled


class _Loader(yaml.CSafeLoader):
    """The safe loader without the types that JSON, and so Kubernetes, does not have."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.doubled: list[int] = []  # lines, from 0
        self._looked_at: set[int] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Look for keys that stand twice, before what `<<` brings along joins them."""
        if id(node) not in self._looked_at:
            self._looked_at.add(id(node))
            seen: set[tuple[str, object]] = set()
            for key, _ in node.value:
                name = (key.tag, key.value)
                if isinstance(key, yaml.ScalarNode) and name in seen:
                    self.doubled.append(key.start_mark.line)
                elif isinstance(key, yaml.ScalarNode):
                    seen.add(name)
        super().flatten_mapping(node)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _FOREIGN]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def encoding_of(data: bytes) -> str:
    """Tell the encoding from the byte order mark at the beginning; UTF-8 without one."""
    return next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")


def decoded(data: bytes) -> str | None:
    """Decode a file by its byte order mark, else as UTF-8; None where it is no text."""
    try:
        return data.decode(encoding_of(data))
    except UnicodeDecodeError:
        return None


def objects_in(manifest: str) -> Iterator[Found]:
    """Yield every Kubernetes object, those inside of List objects too; other YAML is passed."""
    cuts = [0, *(cut.end() for cut in CUT.finditer(manifest)), len(manifest) + 3]
    line = 1
    for start, end in pairwise(cuts):
        yield from document(manifest[start : end - 3], line)
        line += manifest.count("\n", start, end)


def document(piece: str, line: int) -> Iterator[Found]:
    """Read the objects of one document, which begins at `line`."""
    parsed, problems = read_piece(piece, line)
    yield from flattened(parsed)
    yield from problems


def read_piece(piece: str, line: int) -> tuple[object, list[Unreadable | Doubled]]:
    """Parse one document, whatever it is; None and why where it cannot be read."""
    try:
        if _NOTHING.fullmatch(piece):
            return None, []
        parsed, doubled = _parsed(piece)
        return parsed, [Doubled(line + one) for one in doubled]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = line + (mark.line if mark else 0)
        return None, [Unreadable(at, bool(_TEMPLATE.search(piece)))]
    # A number too large, a tree too deep, a key that cannot be one: nothing of ours.
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return None, [Unreadable(line, bool(_TEMPLATE.search(piece)))]


def flattened(parsed: object) -> Iterator[Object]:
    """Yield the objects of a parsed document: itself, or those of a list."""
    if isinstance(parsed, list):  # a bare array of objects, as some tools write
        for entry in parsed:
            yield from flattened(entry)
    if not isinstance(parsed, Mapping):
        return
    kind, version = text(parsed, "kind"), text(parsed, "apiVersion")
    if not kind or not version:
        return
    if kind.endswith("List") and isinstance(parsed.get("items"), list):
        for item in entries(parsed, "items"):
            yield from flattened(completed(item, kind, version))
    else:
        yield parsed


def completed(item: Object, kind: str, version: str) -> Object:
    """Give an item of a list such as PodList the kind that only the list has."""
    single: dict[str, Any] = dict(item)
    if kind != "List":
        single.setdefault("kind", kind.removesuffix("List"))
        single.setdefault("apiVersion", version)
    return single


def _parsed(piece: str) -> tuple[object, list[int]]:
    if piece.lstrip().startswith(("{", "[")):
        try:
            return orjson.loads(piece), []
        except orjson.JSONDecodeError:
            pass  # YAML in flow style, or a template
    loader = _Loader(yaml_text.shallow(piece))
    try:
        return loader.get_single_data(), loader.doubled
    finally:
        loader.dispose()
