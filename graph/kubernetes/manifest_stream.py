"""
Reads manifests of any size in bounded memory: document by document, large lists item by item.

A file of up to a few megabytes is read at once. Of a larger one only the current document is held;
where that is a List object itself (`kubectl get -o yaml`, `-o json`), only its current item. What
an alias in such a list means in another item cannot be told then: that item is unreadable.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO

from graph.fields import text
from graph.kubernetes.manifest_text import (
    CUT,
    Found,
    Unreadable,
    completed,
    document,
    encoding_of,
    flattened,
    objects_in,
    read_piece,
)

_AT_ONCE = 4 << 20  # characters
_CHUNK = 1 << 20
_ITEMS = re.compile(r"^items:[ \t]*\r?$", re.MULTILINE)
_JSON_ITEMS = re.compile(r'"items"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")

Line = tuple[int, str]


def objects_from(stream: IO[bytes]) -> Iterator[Found]:
    """
    Yield every Kubernetes object in `stream`, as `objects_in` does.

    Raises:
        UnicodeDecodeError: it is no text (from there on).
    """
    texts = _texts(stream)
    head = ""
    for part in texts:
        head += part
        if len(head) >= _AT_ONCE:
            break
    else:
        yield from objects_in(head)
        return
    if head.lstrip().startswith("{"):
        yield from _json_list(head, texts)
    else:
        yield from _documents(_lines(head, texts))


def _texts(stream: IO[bytes]) -> Iterator[str]:
    data = stream.read(_CHUNK)
    decoder = codecs.getincrementaldecoder(encoding_of(data))()
    while data:
        yield decoder.decode(data)
        data = stream.read(_CHUNK)
    yield decoder.decode(b"", final=True)


def _lines(head: str, texts: Iterator[str]) -> Iterator[Line]:
    """Yield numbered lines with their ends; a line is whole, however the text was cut."""
    number, rest = 0, head
    while True:
        *whole, rest = rest.split("\n")
        for line in whole:
            number += 1
            yield number, f"{line}\n"
        part = next(texts, None)
        if part is None:
            if rest:
                yield number + 1, rest
            return
        rest += part


def _documents(lines: Iterator[Line]) -> Iterator[Found]:
    begun, kept, size = 1, list[str](), 0
    searched = False  # whether the document is a list of items that is too large to be held
    for number, line in lines:
        if CUT.match(line):
            yield from document("".join(kept), begun)
            begun, kept, size, searched = number, [line[3:]], len(line), False
            continue
        kept.append(line)
        size += len(line)
        if size > _AT_ONCE and not searched:
            searched = True
            together = "".join(kept)
            items = _ITEMS.search(together)
            if items is not None:
                at = begun + together.count("\n", 0, items.end()) + 1
                inside = together[items.end() + 1 :].splitlines(keepends=True)
                header = together[: items.start()]
                rest: list[Line] = []
                following = _until_cut([*enumerate(inside, at)], lines, rest)
                yield from _items(header, begun, following)
                begun, kept, size = rest[0][0] if rest else number, [one for _, one in rest], 0
    yield from document("".join(kept), begun)


def _until_cut(known: list[Line], lines: Iterator[Line], rest: list[Line]) -> Iterator[Line]:
    """Yield the lines of this document; what its end `---` leaves over goes into `rest`."""
    yield from known
    for number, line in lines:
        if CUT.match(line):
            rest.append((number, line[3:]))
            return
        yield number, line


def _items(header: str, begun: int, lines: Iterator[Line]) -> Iterator[Found]:
    """Read the items of a List object one by one; keys after them belong to the list itself."""
    said, problems = read_piece(header, begun)
    yield from problems
    kind, version = text(said, "kind"), text(said, "apiVersion")
    dash, begun, item = "", 0, list[str]()
    for number, line in lines:
        dash = dash or (line[: len(line) - len(line.lstrip())] + "- ")
        starts = line.startswith(dash)
        if starts or (line[:1].isalpha() and item):
            yield from _item("".join(item), begun, kind, version)
            begun, item = number, [line] if starts else []
        elif item:
            item.append(line)
    yield from _item("".join(item), begun, kind, version)


def _item(piece: str, line: int, kind: str, version: str) -> Iterator[Found]:
    parsed, problems = read_piece(piece, line)
    yield from problems
    for entry in parsed if isinstance(parsed, list) else ():
        yield from _completed(entry, line, kind, version)


def _completed(entry: object, line: int, kind: str, version: str) -> Iterator[Found]:
    if not isinstance(entry, dict):
        return
    if text(entry, "kind") or kind:
        yield from flattened(completed(entry, kind or "List", version))
    else:  # the list says only after its items what they are
        yield Unreadable(line, templated=False)


def _json_list(head: str, texts: Iterator[str]) -> Iterator[Found]:
    items = _JSON_ITEMS.search(head)
    before = head[: items.start()].rstrip().rstrip(",") if items else ""
    try:
        said = json.loads(f"{before}}}")
    except ValueError:
        # Not a list, or one inside of something else: nothing but the whole can be read.
        yield from objects_in(head + "".join(texts))
        return
    kind, version = text(said, "kind"), text(said, "apiVersion")
    decoder = json.JSONDecoder()
    buffer, at, line, counted = head, items.end() if items else 0, 1, 0
    while True:
        at = _end_of(_BETWEEN.match(buffer, at), at)
        line, counted = line + buffer.count("\n", counted, at), at
        if buffer[at : at + 1] == "]":
            return
        try:
            entry, end = decoder.raw_decode(buffer, at)
        except (ValueError, RecursionError):
            part = next(texts, None)
            if part is None:
                yield Unreadable(line, templated=False)
                return
            buffer, at, counted = buffer[at:] + part, 0, 0
            continue
        yield from _completed(entry, line, kind, version)
        at = end


def _end_of(found: re.Match[str] | None, otherwise: int) -> int:
    return found.end() if found else otherwise
