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

from graph.model import EdgeKind, Gap
from graph.queries.accounts import lacks_account, other_name, unsure
from graph.queries.consumers import Consumer, Use, consumers_of
from graph.queries.copies import Copy, Place, Reached, origins, spread
from graph.queries.owners import OwnerClaim, owners
from graph.queries.reach import Opened, opened
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


def owners_at(snapshot: Snapshot, home: Sequence[Place]) -> tuple[OwnerClaim, ...]:
    """Return who owns what lies in `home`: one claim per owner, the nearest first."""
    found: dict[str, OwnerClaim] = {}
    for secret, key in home:
        for claim in owners(snapshot, with_key(secret, key)):
            found.setdefault(claim.owner, claim)
    return tuple(found.values())


def _blast_radius(
    snapshot: Snapshot, secrets: Sequence[Place], credential: Ref | None
) -> BlastRadius:
    given = [*secrets, *_places(snapshot, credential)]
    home = origins(snapshot, given)
    places = spread(snapshot, home)
    starts = [] if credential is None else [credential]
    starts += [place.secret for place in places]
    opens, cut = opened(
        snapshot, starts, depth=MAX_DEPTH, breadth=MAX_OPENED, source="blast radius"
    )
    return BlastRadius(
        secrets=home,
        copies=tuple(_copies(snapshot, places[len(home) :])),
        consumers=consumers_of(snapshot, places),
        readers=readers_of(snapshot, places),
        owners=owners_at(snapshot, home),
        opens=opens,
        gaps=(*snapshot.gaps, *cut, *unsure(snapshot, (place.secret for place in places))),
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
        if lacks_account(place.secret) and other_name(snapshot, place.secret) is not None:
            continue  # another name of what is in the answer already
        used = any(
            not place.key or attributes.get("key") in {"", None, place.key}
            for _, attributes in snapshot.tails(place.secret, EdgeKind.CONSUMES)
        )
        via = place.syncs[-1] if place.syncs else None
        yield Copy(place.secret, place.key, via, place.refresh_interval, not used, place.syncs)
