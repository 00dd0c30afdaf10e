"""
Who did read a secret: single reads become one line for each reader, way and place. Pure.

A list or watch of a whole namespace or cluster may have shown the secret; it is told apart from a
read that surely did.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from graph.model import Gap
from graph.queries.copies import Place, origins, spread
from graph.read_event import ReadEvent
from graph.refs import Ref, cluster_of, namespace_of
from graph.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Access:
    """One reader's reads of one thing. `subject` is its ref, "" where the graph has none."""

    who: str
    subject: str
    secret: Ref
    verbs: tuple[str, ...]
    addresses: tuple[str, ...]
    agents: tuple[str, ...]
    versions: tuple[int, ...]
    times: int
    first: datetime
    last: datetime
    sure: bool


@dataclass(frozen=True, slots=True)
class Accesses:
    """The answer; `secret` is what was asked for."""

    secret: str
    reads: tuple[Access, ...]
    gaps: tuple[Gap, ...] = ()


def places_of(snapshot: Snapshot, asked: Sequence[Place]) -> frozenset[Ref]:
    """Name what may appear in a log: the secret, its origin, all copies, and what they lie in."""
    found: set[Ref] = set()
    for place in spread(snapshot, [*origins(snapshot, asked), *asked]):
        found.add(place.secret)
        found.update(
            scope
            for scope in (namespace_of(place.secret), cluster_of(place.secret))
            if scope is not None
        )
    return frozenset(found)


def accesses(events: Iterable[ReadEvent]) -> tuple[Access, ...]:
    """Put reads together by reader and thing, the sure ones first, then the latest."""
    grouped: dict[tuple[str, str, Ref, bool], list[ReadEvent]] = {}
    for event in events:
        key = (event.who, event.subject, event.secret, event.sure)
        grouped.setdefault(key, []).append(event)
    found = [
        Access(
            who=who,
            subject=subject,
            secret=secret,
            verbs=_all(one.verb for one in group),
            addresses=_all(one.address for one in group),
            agents=_all(one.agent for one in group),
            versions=tuple(sorted({one.version for one in group if one.version is not None})),
            times=len(group),
            first=min(one.at for one in group),
            last=max(one.at for one in group),
            sure=sure,
        )
        for (who, subject, secret, sure), group in grouped.items()
    ]
    return tuple(sorted(found, key=lambda one: (not one.sure, -one.last.timestamp(), one.who)))


def _all(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({text for text in texts if text}))
