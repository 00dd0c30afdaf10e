"""
Finds the one thing that a person means: anywhere a ref is asked for, a unique part of it serves.

The ways in which a part can fit are tried from strict to loose, and the first way that fits
anything decides: `payments/gateway` is the Vault path of that name although `payments-gateway`
exists, because whole parts between slashes come before parts of names.
"""

import re
from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches
from urllib.parse import unquote

from graph.errors import AmbiguousError, NotFoundError
from graph.model import Node, NodeKind
from graph.queries.copies import spread
from graph.refs import Ref, split_key, with_key
from graph.snapshot import Snapshot, last_name

_SHOWN = 8
_LIKE_ENOUGH = 0.6
_MAX_COMPARED = 20_000  # names; comparing costs about 10 microseconds each
_WORD = re.compile(r"[a-z0-9][a-z0-9_.-]*")
# Words that say nothing; and words for any secret, which only decide between equals.
_FILLER_WORDS = """
    a an and any at by for from i in is it its may maybe my of on or our perhaps probably some that
    the thing think this to used was we with
"""
_FILLERS = frozenset(_FILLER_WORDS.split())
_GENERAL_WORDS = "access api auth cred creds credential credentials key pass password secret token"
_ANY_SECRET = frozenset(_GENERAL_WORDS.split())


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


def resolve_words(
    snapshot: Snapshot, text: str, *, kinds: Collection[NodeKind] | None = None
) -> Ref:
    """
    Return what somebody means by words of their own, such as “the payments token, I think”.

    A part of a ref serves as in `resolve`. Else the thing with most of the words in its name, its
    fields and its owner is meant; a word like “token” only decides between equals.

    Raises:
        AmbiguousError: several things fit equally well; they are its candidates.
        NotFoundError: nothing fits.
    """
    try:
        return resolve(snapshot, text, kinds=kinds)
    except NotFoundError as nothing:
        words = [word for word in _WORD.findall(text.lower()) if word not in _FILLERS]
        telling = [word for word in words if word not in _ANY_SECRET] or words
        ranked: dict[tuple[int, int], list[Ref]] = {}
        for node in snapshot.nodes():
            if kinds is None or node.kind in kinds:
                said = _said_of(node)
                score = sum(word in said for word in telling)
                if score:
                    whole = sum(word in said for word in words)
                    ranked.setdefault((score, whole), []).append(node.ref)
        if not ranked:
            raise nothing from None
        found = _origin_first(snapshot, sorted(ranked[max(ranked)]))
        if len(found) > 1:
            raise _ambiguous(text, found) from None
        return with_key(found[0], _field_named(snapshot.node(found[0]), words))


def _said_of(node: Node) -> str:
    keys = node.attributes.get("keys")
    listed = keys if isinstance(keys, tuple) else ()
    return " ".join([_plain(node.ref), *listed, str(node.attributes.get("owner") or "")]).lower()


def _field_named(node: Node | None, words: list[str]) -> str:
    """Name the one field that the words mean; "" for none or several."""
    keys = node.attributes.get("keys") if node else None
    named = [key for key in keys if key.lower() in words] if isinstance(keys, tuple) else []
    return named[0] if len(named) == 1 else ""


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
