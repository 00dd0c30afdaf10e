"""
What a leaked credential can do: where its value lies, who runs on it or can read it, what it opens.

The answer is frozen with the incident as JSON (`to_json`, `blast_radius_from_json`), because a
decision made at night must be explainable in the morning, when the graph has moved on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import TypeAdapter

from graph.model import EdgeKind, Gap, NodeKind
from graph.queries.consumers import Consumer, Use, consumers_of
from graph.queries.copies import Copy, Place, Reached, origins, spread
from graph.queries.owners import OwnerClaim, owners
from graph.queries.readers import Reader, readers_of
from graph.refs import Ref, with_key
from graph.snapshot import Snapshot

__all__ = [
    "BlastRadius",
    "Consumer",
    "Copy",
    "Opened",
    "OwnerClaim",
    "Reader",
    "Use",
    "blast_radius",
    "blast_radius_from_json",
    "to_json",
]

MAX_DEPTH = 3
MAX_OPENED = 500

_WALKED = (EdgeKind.OPENS, EdgeKind.CAN_READ)


@dataclass(frozen=True, slots=True)
class Opened:
    """Something that the credential gives access to; `path` leads there, both ends included."""

    ref: Ref
    path: tuple[Ref, ...]
    depth: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """
    `secrets`: where the value is at home, as (secret, key); `copies`: what syncs made of it.

    A value that was found in a copy is traced back to its origin, and from there to all copies.
    `opens` is second order, nearest first, bounded in depth and number; a gap says so when cut.
    """

    secrets: tuple[tuple[Ref, str], ...] = ()
    copies: tuple[Copy, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    readers: tuple[Reader, ...] = ()
    owners: tuple[OwnerClaim, ...] = ()
    opens: tuple[Opened, ...] = ()
    gaps: tuple[Gap, ...] = ()


_BLAST_RADIUS = TypeAdapter(BlastRadius)


def blast_radius(
    snapshot: Snapshot, secrets: Sequence[Place], *, credential: Ref | None = None
) -> BlastRadius:
    """
    Answer for a value that lies in `secrets` ((secret, key), "" = any key).

    `credential` names the value itself ("credential:…") where it opens something by itself, such
    as a Vault token that is stored nowhere; places where it is known to lie count as `secrets`.
    """
    asked = tuple(secrets)
    return snapshot.once(
        ("blast radius", asked, credential), lambda: _blast_radius(snapshot, asked, credential)
    )


def _blast_radius(
    snapshot: Snapshot, secrets: Sequence[Place], credential: Ref | None
) -> BlastRadius:
    given = [*secrets, *_places(snapshot, credential)]
    home = origins(snapshot, given)
    places = spread(snapshot, home)
    opens, cut = _opened(snapshot, credential, places)
    return BlastRadius(
        secrets=home,
        copies=tuple(_copies(snapshot, places[len(home) :])),
        consumers=consumers_of(snapshot, places),
        readers=readers_of(snapshot, places),
        owners=_owners(snapshot, home),
        opens=opens,
        gaps=(*snapshot.gaps, *cut),
    )


def to_json(answer: object) -> dict[str, Any]:
    """Turn any answer of `graph/queries` (a dataclass) into plain JSON types."""
    found = orjson.loads(orjson.dumps(answer))
    if not isinstance(found, dict):
        raise TypeError("an answer is a dataclass")
    return found


def blast_radius_from_json(frozen: Mapping[str, Any]) -> BlastRadius:
    """Read back what `to_json` wrote, also one of an older version (missing parts are empty)."""
    return _BLAST_RADIUS.validate_python(dict(frozen))


def _places(snapshot: Snapshot, credential: Ref | None) -> Iterator[Place]:
    if credential is not None:
        for secret, attributes in snapshot.heads(credential, EdgeKind.SAME_VALUE):
            yield secret, str(attributes.get("key") or "")


def _copies(snapshot: Snapshot, places: Iterable[Reached]) -> Iterator[Copy]:
    for place in places:
        used = any(
            not place.key or attributes.get("key") in {"", None, place.key}
            for _, attributes in snapshot.tails(place.secret, EdgeKind.CONSUMES)
        )
        via = place.syncs[-1] if place.syncs else None
        yield Copy(place.secret, place.key, via, place.refresh_interval, not used, place.syncs)


def _owners(snapshot: Snapshot, home: Sequence[Place]) -> tuple[OwnerClaim, ...]:
    found: dict[str, OwnerClaim] = {}
    for secret, key in home:
        for claim in owners(snapshot, with_key(secret, key)):
            found.setdefault(claim.owner, claim)
    return tuple(found.values())


def _opened(
    snapshot: Snapshot, credential: Ref | None, places: Sequence[Reached]
) -> tuple[tuple[Opened, ...], tuple[Gap, ...]]:
    """Walk breadth first from the value and everything it lies in; what it lies in is left out."""
    starts = [] if credential is None else [credential]
    starts += [place.secret for place in places]
    seen = set(starts)
    queue = [Opened(start, (start,), 0) for start in dict.fromkeys(starts)]
    first = len(queue)
    too_deep = False
    for at in queue:
        for head, note in sorted(_next(snapshot, at.ref)):
            if head in seen:
                continue
            if at.depth == MAX_DEPTH:
                too_deep = True
                break
            if len(queue) - first == MAX_OPENED:
                return tuple(queue[first:]), (_cut(f"after {MAX_OPENED} things"),)
            seen.add(head)
            queue.append(Opened(head, (*at.path, head), at.depth + 1, note))
    cut = (_cut(f"after {MAX_DEPTH} steps"),) if too_deep else ()
    return tuple(queue[first:]), cut


def _next(snapshot: Snapshot, ref: Ref) -> Iterator[tuple[Ref, str]]:
    """Yield what `ref` gives access to; a namespace or a cluster gives its secrets."""
    for kind in _WALKED:
        for head, attributes in snapshot.heads(ref, kind):
            yield head, str(attributes.get("note") or attributes.get("verb") or "")
    node = snapshot.node(ref)
    inside = (
        {
            NodeKind.NAMESPACE: EdgeKind.IN_NAMESPACE,
            NodeKind.STORE: EdgeKind.STORED_IN,
        }.get(node.kind)
        if node
        else None
    )
    if inside is not None:
        for tail, _ in snapshot.tails(ref, inside):
            below = snapshot.node(tail)
            if below is not None and below.kind is NodeKind.SECRET:
                yield tail, ""


def _cut(where: str) -> Gap:
    return Gap(
        source="blast radius",
        scope="opens",
        reason=f"What the credential opens was followed no further than {where}.",
        do_now="Ask for the blast radius of one of the things listed to see more.",
    )
