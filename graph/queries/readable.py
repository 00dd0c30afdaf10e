"""
Which secrets one subject can obtain: `readers` turned around.

By its own rules, then as everybody whom it can act as (`identities.lent`), nearest first. What a
place opens completely is told once. A test holds both directions to each other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from graph.model import Attributes, EdgeKind, Gap
from graph.queries.identities import HOLDS, HOLDS_TOKEN, Lent, implied_groups, lent
from graph.queries.identities import MOUNTS as MOUNTING
from graph.queries.readers import MAX_IDENTITIES, MOUNTS, TAKES, Reader
from graph.queries.rules import DIRECT, path_of, secret_applies, secrets_below
from graph.refs import Ref, cluster_of, namespace_of
from graph.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Readable:
    """The answer: every secret that the subject can obtain, direct ones first."""

    subject: Ref
    secrets: tuple[Reader, ...]
    gaps: tuple[Gap, ...] = ()


class _Way(NamedTuple):
    """A way with the verb of one edge; in the order of the answer."""

    secret: Ref
    indirect: bool = False
    mounts: bool = False
    path: tuple[Ref, ...] = ()
    kind: str = ""
    verb: str = ""
    note: str = ""


def readable_by(snapshot: Snapshot, subject: Ref) -> Readable:
    """Answer which secrets `subject` can obtain, by its own rules and as whom it can act."""
    return snapshot.once(("readable", subject), lambda: _readable_by(snapshot, subject))


def _readable_by(snapshot: Snapshot, subject: Ref) -> Readable:
    ways: list[_Way] = []
    whole: set[Ref] = set()  # places that are read completely by now
    queue = [_Way(subject)]  # of these `secret` is an identity
    seen = {subject}
    tokens: list[_Way] = []
    for at in queue:
        for way in _from(snapshot, subject, at, whole):
            ways.append(way)
            if way.secret not in seen and snapshot.uses_from(way.secret, EdgeKind.OPENS):
                seen.add(way.secret)
                tokens.append(way)
        if len(queue) > MAX_IDENTITIES:
            break
        for step in sorted(lent(snapshot, at.secret), key=_whom):
            if step.whom not in seen:
                seen.add(step.whom)
                queue.append(_onward(step, at))
        while tokens:
            way = tokens.pop()
            note = TAKES.format(way.secret, "holds its token")
            path = (*way.path, way.secret)
            queue.append(way._replace(indirect=True, kind=HOLDS_TOKEN, note=note, path=path))
    ways += [
        _Way(secret, indirect=True, mounts=True, kind=MOUNTING, note=MOUNTS)
        for secret in snapshot.uses_from(subject, EdgeKind.CONSUMES)
    ]
    return Readable(subject, _joined(subject, ways), snapshot.gaps)


def _onward(step: Lent, at: _Way) -> _Way:
    get = step.attributes.get
    path = tuple(dict.fromkeys((*at.path, *path_of(step.attributes), step.whom)))
    if get("direct") is not False:
        return at._replace(secret=step.whom, path=path)
    kind = at.kind or str(get("kind") or HOLDS)
    verb = str(get("verb") or get("kind") or "")
    note = at.note or TAKES.format(step.whom, verb)
    return at._replace(indirect=True, secret=step.whom, path=path, kind=kind, note=note)


def _from(snapshot: Snapshot, subject: Ref, at: _Way, whole: set[Ref]) -> Iterator[_Way]:
    """Yield what the identity `at.secret` reads itself; what is known already only of the first."""
    own = at.secret == subject or at.secret in implied_groups(subject)
    before = set() if own else set(whole)
    for head, attributes in snapshot.heads(at.secret, EdgeKind.CAN_READ):
        if not own and (head in before or cluster_of(head) in before):
            continue
        if not attributes.get("names") and not attributes.get("running"):
            whole.add(head)
        way = _way(head, at, attributes)
        for secret in secrets_below(snapshot, head):
            if not own and (secret in before or namespace_of(secret) in before):
                continue
            if secret_applies(snapshot, secret, attributes):
                yield way._replace(secret=secret)


def _way(head: Ref, at: _Way, attributes: Attributes) -> _Way:
    get = attributes.get
    return _Way(
        head,
        indirect=at.indirect or get("direct") is False,
        path=tuple(dict.fromkeys((*at.path, *path_of(attributes)))),
        kind=at.kind if at.indirect else str(get("kind") or DIRECT),
        verb=str(get("verb") or ""),
        note=at.note if at.indirect else str(get("note") or ""),
    )


def _joined(subject: Ref, ways: Iterable[_Way]) -> tuple[Reader, ...]:
    """Join what differs only in verb and note; direct ways first, mounts last, then by secret."""
    said: dict[tuple[object, ...], tuple[_Way, dict[str, None], dict[str, None]]] = {}
    for way in ways:
        _, verbs, notes = said.setdefault(way[:5], (way, {}, {}))
        if way.verb:
            verbs[way.verb] = None
        if way.note:
            notes[way.note] = None
    return tuple(
        Reader(
            subject,
            tuple(sorted(verbs)),
            not way.indirect,
            way.path,
            way.secret,
            " ".join(notes),
            way.kind,
        )
        for way, verbs, notes in sorted(said.values(), key=_order)
    )


def _whom(step: Lent) -> tuple[bool, Ref]:
    return step.attributes.get("direct") is False, step.whom


def _order(found: tuple[_Way, dict[str, None], dict[str, None]]) -> tuple[object, ...]:
    way = found[0]
    return way.indirect, way.mounts, way.secret, way.path, way.kind, way.verb, way.note
