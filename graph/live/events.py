"""
Reads a watch as it comes: one JSON document per line, whatever the network cuts it into.

What is no event, and what the server reports as an error, ends the stream with an error of ours;
410 is a ConflictError: the version to go on from is too old. Never repeats what it could not read.
Source: Kubernetes, "API Concepts", efficient detection of changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from urllib3 import BaseHTTPResponse

from graph.errors import ConflictError, UnavailableError

_CHUNK = 1 << 16
_LONGEST = 1 << 26  # etcd refuses objects of more than a few MB: no event is as long as this
_KINDS = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK"})


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is ADDED, MODIFIED, DELETED or BOOKMARK; of the last, only `version` counts."""

    kind: str
    obj: dict[str, Any]
    version: str


def read_events(answer: BaseHTTPResponse, where: str) -> Iterator[Event]:
    """
    Yield the events of one watch until the server ends it.

    Raises:
        ConflictError: the version that the watch began at is gone; list again.
        UnavailableError: the server reports an error, or sends what is no event.
    """
    rest = b""
    while chunk := answer.read1(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield _event(line, where)
        if len(rest) > _LONGEST:
            raise _no_event(where)
    if rest.strip():
        yield _event(rest, where)


def _event(line: bytes, where: str) -> Event:
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise _no_event(where) from None
    obj = told.get("object") if isinstance(told, dict) else None
    if not isinstance(obj, dict):
        raise _no_event(where)
    if told.get("type") == "ERROR":
        if obj.get("code") == HTTPStatus.GONE:
            raise ConflictError(f"{where}: what changed since the last look is not kept any more.")
        code = obj.get("code")
        said = f" {code}" if isinstance(code, int) else ""
        raise UnavailableError(f"{where}: the API server reported an error{said}.")
    metadata = obj.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    named = isinstance(metadata, dict) and isinstance(metadata.get("name"), str)
    bookmark = told.get("type") == "BOOKMARK"
    if told.get("type") not in _KINDS or not isinstance(version, str) or not (named or bookmark):
        raise _no_event(where)
    return Event(told["type"], obj, version)


def _no_event(where: str) -> UnavailableError:
    return UnavailableError(
        f"{where}: the answer is not a stream of events.",
        do_now="Check that nothing between the bot and the API server changes or cuts answers.",
    )
