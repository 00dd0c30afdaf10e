"""
Where a value comes from and where it went: a walk along `copies`, key by key.

A place is a pair (secret, key); the key "" means every key of the secret. Each `copies` edge maps
a key at its tail (`from_key`, "" = all) to a key at its head (`key`, "" = the same keys), so that
a walk that started at one key never spills over to its neighbours; only where a template or a
rewrite hides the key at the head (`widen`) it goes on with all of them. A sync that finds secrets
by name has one edge from the place where they lie: whichever secrets are there now are its tails.
A secret of AWS that a cluster names without its account is followed under both names (`accounts`).
Who uses the copies is the business of `consumers`.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from urllib.parse import unquote

from graph.adjacency import NOBODY
from graph.model import EMPTY, Attributes, AttributeValue, EdgeKind
from graph.queries.accounts import lacks_account, other_name
from graph.queries.answer import answer
from graph.queries.rules import secrets_below
from graph.refs import Ref, namespace_of, vault_store
from graph.snapshot import Snapshot

Place = tuple[Ref, str]
_NO_KEY = re.compile(r"[^-._a-zA-Z0-9]")  # what External Secrets replaces in the key of a Secret


@answer
class Copy:
    """
    One place that a sync filled from another one.

    `via` is the sync that wrote it, `syncs` the whole chain from the origin, `refresh_interval`
    the seconds that the last sync waits at most (None: not known). `idle`: nothing consumes it.
    """

    secret: Ref
    key: str
    via: Ref | None
    refresh_interval: int | None
    idle: bool
    syncs: tuple[Ref, ...] = ()


@answer
class Reached:
    """A place that the walk came to, with the syncs between it and the start."""

    secret: Ref
    key: str
    syncs: tuple[Ref, ...] = ()
    refresh_interval: int | None = None


def spread(snapshot: Snapshot, places: Iterable[Place]) -> tuple[Reached, ...]:
    """Return the start places, then every place that derives from them, nearest first."""
    found = {place: Reached(*place) for place in places}
    queue = list(found.values())
    for at in queue:  # grows while it is walked: breadth first
        out = _out_of(snapshot, at.secret)
        if len(out) > 1:
            out.sort(key=_order)
        for head, attributes in out:
            key = _follow(at.key, attributes.get("from_key"), attributes.get("key"))
            if key is not None and attributes.get("widen"):
                key = ""
            if key is None or (head, key) in found:
                continue
            sync = attributes.get("sync")
            chain = (*at.syncs, Ref(str(sync))) if sync else at.syncs
            reached = Reached(head, key, chain, _seconds(attributes.get("refresh_interval")))
            found[head, key] = reached
            queue.append(reached)
    return tuple(queue)


def by_secret(places: Iterable[Reached]) -> Iterable[tuple[Reached, Collection[str]]]:
    """Group places by secret: the nearest one of each, with all keys that were reached in it."""
    found: dict[Ref, tuple[Reached, set[str]]] = {}
    for place in places:
        if place.secret in found:
            found[place.secret][1].add(place.key)
        else:
            found[place.secret] = (place, {place.key})
    return found.values()


def origins(snapshot: Snapshot, places: Iterable[Place]) -> tuple[Place, ...]:
    """
    Go against the copies to the places that nothing fills; a place without origin is its own.

    Copies in a circle have no origin; then the given place stands for itself.
    """
    result: dict[Place, None] = {}
    for place in places:
        seen = {place}
        queue = [place]
        roots = []
        for at in queue:
            above = list(_above(snapshot, at))
            if not above:
                roots.append(at)
            fresh = [one for one in above if one not in seen]
            seen.update(fresh)
            queue.extend(fresh)
        result.update(dict.fromkeys(roots or [place]))
    return tuple(result)


def _above(snapshot: Snapshot, place: Place) -> Iterator[Place]:
    secret, key = place
    other = other_name(snapshot, secret)
    if other is not None and lacks_account(secret):
        yield other, key
        return
    names = [name for name in (secret, other) if name and snapshot.uses_into(name, EdgeKind.COPIES)]
    into = [copied for name in names for copied in _into(snapshot, name)]
    for tail, attributes in sorted(into, key=_order):
        at_head = "" if attributes.get("widen") else attributes.get("key")
        before = _follow(key, at_head, attributes.get("from_key"))
        if before is not None:
            yield tail, before


def _out_of(snapshot: Snapshot, secret: Ref) -> list[tuple[Ref, Attributes]]:
    """Return the copies of a secret: those of its own, and of syncs that find it by its name."""
    copied = snapshot.outward(EdgeKind.COPIES)
    found = [
        (head, said) for head, uses in copied.get(secret, NOBODY).items() for said in uses.values()
    ]
    other = other_name(snapshot, secret)
    if other is not None:
        found.append((other, EMPTY))
    home = _home_of(secret)
    if home is not None and home in copied:
        for head, said in snapshot.heads(home, EdgeKind.COPIES):
            key = _found_as(secret, said)
            if key is not None and head != secret:
                found.append((head, {**said, "key": key}))
    return found


def _into(snapshot: Snapshot, secret: Ref) -> Iterator[tuple[Ref, Attributes]]:
    for tail, attributes in snapshot.tails(secret, EdgeKind.COPIES):
        if "find" not in attributes:
            yield tail, attributes
            continue
        for found in secrets_below(snapshot, tail):
            key = _found_as(found, attributes)
            if key is not None and found != secret:
                yield found, {**attributes, "key": key}


def _found_as(secret: Ref, attributes: Attributes) -> str | None:
    """Return the key under which a sync that finds secrets stores this one; None: it does not."""
    pattern, inside = str(attributes.get("find") or ""), str(attributes.get("inside") or "")
    if not pattern or not secret.startswith(inside):
        return None
    name = unquote(secret.removeprefix(inside))
    if not name.startswith(str(attributes.get("below") or "")) or not re.search(pattern, name):
        return None
    return _NO_KEY.sub("_", name)


def _home_of(secret: Ref) -> Ref | None:
    if secret.startswith("vault://"):
        return _vault(secret[8 : secret.find("/", 8)])
    return namespace_of(secret)


@lru_cache(maxsize=1024)
def _vault(store: str) -> Ref:
    return vault_store(unquote(store))


def _order(copied: tuple[Ref, Attributes]) -> tuple[str, ...]:
    """Answers must not depend on the order in which rows were written: plans are hashed."""
    other, attributes = copied
    return (other, *(str(attributes.get(name) or "") for name in ("sync", "from_key", "key")))


def _follow(key: str, here: AttributeValue, there: AttributeValue) -> str | None:
    """Map `key` over an edge that joins `here` to `there`; None: the edge does not carry it."""
    if here and key and key != here:
        return None
    if here or there:
        return str(there or "")
    return key


def _seconds(value: AttributeValue) -> int | None:
    return int(value) if isinstance(value, int | float) else None
