"""
Finds the one thing that a person means: anywhere a ref is asked for, a unique part of it serves.

The ways in which a part can fit are tried from strict to loose, and the first way that fits
anything decides: `payments/gateway` is the Vault path of that name although `payments-gateway`
exists, because whole parts between slashes come before parts of names.
"""

from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches
from urllib.parse import unquote

from graph.errors import AmbiguousError, NotFoundError
from graph.model import NodeKind
from graph.queries.copies import spread
from graph.refs import Ref, split_key, with_key
from graph.snapshot import Snapshot, last_name

_SHOWN = 8
_LIKE_ENOUGH = 0.6
_MAX_COMPARED = 20_000  # names; comparing costs about 10 microseconds each


def resolve(snapshot: Snapshot, text: str, *, kinds: Collection[NodeKind] | None = None) -> Ref:
    """
    Return the full ref of what `text` names; a `#key` in it is kept.

    `kinds` narrows to what the question is about. Of a secret and its own copies the origin is
    meant.

    Raises:
        AmbiguousError: several things fit; they are its candidates.
        NotFoundError: nothing fits; it says what is spelled alike.
    """
    part, key = split_key(text.strip())
    exact = snapshot.node(part)
    if exact is not None and (kinds is None or exact.kind in kinds):
        return with_key(part, key)
    wanted = unquote(part).lower().strip("/")
    if wanted:
        found = _origin_first(snapshot, _fitting(snapshot, wanted, kinds))
        if len(found) == 1:
            return with_key(found[0], key)
        if found:
            raise _ambiguous(text, found)
    raise _not_found(snapshot, text, wanted, kinds)


def _fitting(snapshot: Snapshot, wanted: str, kinds: Collection[NodeKind] | None) -> list[Ref]:
    """Try the ways from strict to loose; the first that fits anything decides."""
    name = wanted.rpartition("/")[2]
    same_name = _of_kinds(snapshot, snapshot.named(name), kinds)
    for fits in _BY_NAME:
        found = [ref for ref in same_name if fits(_plain(ref), wanted)]
        if found:
            return sorted(found)
    everything = [
        (node.ref, _plain(node.ref))
        for node in snapshot.nodes()
        if kinds is None or node.kind in kinds
    ]
    for fits in _BY_ANYTHING:
        found = [ref for ref, plain in everything if fits(plain, wanted)]
        if found:
            return sorted(found)
    return []


def _plain(ref: str) -> str:
    return unquote(ref).lower()


def _ends(plain: str, wanted: str) -> bool:
    return plain.endswith(("/" + wanted, ":" + wanted)) or plain == wanted


def _ends_without_kind(plain: str, wanted: str) -> bool:
    """payments/db for k8s://prod/payments/Secret/db: nobody types the kind."""
    before, _, name = plain.rpartition("/")
    return _ends(f"{before.rpartition('/')[0]}/{name}", wanted)


def _contains_parts(plain: str, wanted: str) -> bool:
    return f"/{wanted}/" in plain


def _starts_part(plain: str, wanted: str) -> bool:
    return f"/{wanted}" in plain


def _contains(plain: str, wanted: str) -> bool:
    return wanted in plain


Fits = Callable[[str, str], bool]
_BY_NAME: tuple[Fits, ...] = (_ends, _ends_without_kind)
_BY_ANYTHING: tuple[Fits, ...] = (_contains_parts, _starts_part, _contains)


def _of_kinds(
    snapshot: Snapshot, refs: Iterable[Ref], kinds: Collection[NodeKind] | None
) -> list[Ref]:
    found = ((ref, snapshot.node(ref)) for ref in refs)
    return [ref for ref, node in found if node and (kinds is None or node.kind in kinds)]


def _origin_first(snapshot: Snapshot, found: list[Ref]) -> list[Ref]:
    """Leave out copies whose origin fits as well."""
    if len(found) <= 1:
        return found
    derived: set[Ref] = set()
    for ref in found:
        if ref not in derived:
            derived |= {place.secret for place in spread(snapshot, [(ref, "")])} - {ref}
    return [ref for ref in found if ref not in derived] or found


def _ambiguous(text: str, found: list[Ref]) -> AmbiguousError:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return AmbiguousError(
        f"“{text}” fits {len(found)} things: {', '.join(found[:_SHOWN])}{more}.",
        candidates=found,
        means="An answer for the wrong one would mislead.",
        do_now="Give a longer part, or the full ref.",
    )


def _not_found(
    snapshot: Snapshot, text: str, wanted: str, kinds: Collection[NodeKind] | None
) -> NotFoundError:
    near = _near(snapshot, wanted, kinds)
    return NotFoundError(
        f"Nothing in the graph is called “{text}”.",
        means="It does not exist, or Locksmith has not collected the place where it lies.",
        do_now=f"Did you mean {', '.join(near)}?" if near else "Run `locksmith collect`, then ask.",
    )


def _near(snapshot: Snapshot, wanted: str, kinds: Collection[NodeKind] | None) -> list[Ref]:
    name = last_name(wanted)
    names = snapshot.names
    if len(names) > _MAX_COMPARED:
        names = [other for other in names if other[:1] == name[:1]][:_MAX_COMPARED]
    alike = get_close_matches(name, names, n=_SHOWN, cutoff=_LIKE_ENOUGH)
    found = [ref for like in alike for ref in _of_kinds(snapshot, snapshot.named(like), kinds)]
    return found[:_SHOWN]
