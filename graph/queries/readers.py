"""
Who could obtain a secret: subjects with a rule that grants it, and workloads that mount it.

In Kubernetes a rule reaches one Secret, all of a namespace or all of a cluster; an edge to a
namespace or cluster may be narrowed to `names` (resourceNames of the rule). In Vault a policy
reads paths, and who holds the policy reads with it. From there it goes back over everybody who can
act as a reader (`identities.py`), nearest first, each subject once by its best way. Only what lies
on the way to the one secret is walked, never all bindings. Not here: who uses it as intended
(`consumers`), and who did read it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

from graph.model import Attributes, EdgeKind, Gap, Node, NodeKind
from graph.queries.copies import Reached, by_secret, spread
from graph.queries.identities import (
    HOLDS,
    HOLDS_TOKEN,
    RUNS_AS,
    Lent,
    implied_groups,
    lent,
    secret_applies,
    takers,
)
from graph.queries.identities import (
    MOUNTS as MOUNTING,
)
from graph.refs import Ref, cluster_of, namespace_of, split_key
from graph.snapshot import Snapshot

MOUNTS = "mounts it"
DIRECT = "direct"
NOTHING = Ref("")
MAX_IDENTITIES = 20_000  # taken over on the way to one secret, or from one subject
_RUNS = "Runs as {}."
_TAKES = "Can act as {}: {}."


@dataclass(frozen=True, slots=True)
class Reader:
    """
    One way to one copy of the secret.

    `verbs` in the words of the side that grants them; `direct`: the API answers the value itself;
    `path`: refs of bindings, roles or policies that grant it, and of the identities taken over;
    `secret`: the copy that is read; `kind`: how (a word of `graph/kubernetes/detours.py` or
    `identities.py`).
    """

    subject: Ref
    verbs: tuple[str, ...]
    direct: bool
    path: tuple[Ref, ...]
    secret: Ref
    note: str = ""
    kind: str = DIRECT


@dataclass(frozen=True, slots=True)
class Readers:
    """The answer, direct readers first. `secret` is the ref as asked."""

    secret: Ref
    readers: tuple[Reader, ...]
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Readable:
    """The reverse answer: every secret that one subject can obtain, direct ones first."""

    subject: Ref
    secrets: tuple[Reader, ...]
    gaps: tuple[Gap, ...] = ()


class _Way(NamedTuple):
    """A way with the verbs of one edge; in the order of the answer."""

    indirect: bool = False
    mounts: bool = False
    subject: Ref = NOTHING
    secret: Ref = NOTHING
    path: tuple[Ref, ...] = ()
    kind: str = ""
    verb: str = ""
    note: str = ""


def readers(snapshot: Snapshot, ref: Ref) -> Readers:
    """Answer for `ref` and all its copies."""
    return snapshot.once(("readers", ref), lambda: _readers(snapshot, ref))


def _readers(snapshot: Snapshot, ref: Ref) -> Readers:
    return Readers(ref, readers_of(snapshot, spread(snapshot, [split_key(ref)])), snapshot.gaps)


def readers_of(snapshot: Snapshot, places: Iterable[Reached]) -> tuple[Reader, ...]:
    """Collect the ways to any of `places`: direct ones first, then by subject."""
    ways: list[_Way] = []
    for place, keys in by_secret(places):
        ways.extend(_to(snapshot, place.secret))
        ways.extend(_mounting(snapshot, place.secret, keys))
    return _joined(ways)


def readable_by(snapshot: Snapshot, subject: Ref) -> Readable:
    """Answer which secrets `subject` can obtain, by its own rules and as whom it can act."""
    return snapshot.once(("readable", subject), lambda: _readable_by(snapshot, subject))


def secrets_below(snapshot: Snapshot, ref: Ref) -> Iterator[Ref]:
    """Yield the secrets that `ref` stands for: itself, those of a namespace or of a cluster."""
    node = snapshot.node(ref)
    kind = node.kind if node else None
    if kind is NodeKind.NAMESPACE:
        inside = snapshot.tails(ref, EdgeKind.IN_NAMESPACE)
    elif kind is NodeKind.STORE:
        inside = snapshot.tails(ref, EdgeKind.STORED_IN)
    else:
        if kind in {NodeKind.SECRET, None}:
            yield ref
        return
    for tail, _ in inside:
        if _is(snapshot.node(tail), NodeKind.SECRET):
            yield tail


def granted(snapshot: Snapshot, secret: Ref) -> Iterator[tuple[Ref, Attributes]]:
    """Yield (subject or policy, attributes) of every rule that is about this secret."""
    for scope in (secret, namespace_of(secret), cluster_of(secret)):
        if scope is None:
            continue
        for tail, uses in snapshot.uses_into(scope, EdgeKind.CAN_READ).items():
            for attributes in uses.values():
                if secret_applies(snapshot, secret, attributes):
                    yield tail, attributes


def _to(snapshot: Snapshot, secret: Ref) -> Iterator[_Way]:
    """Yield every own way to a secret, then the best one of each who can act as a reader."""
    own: dict[Ref, list[_Way]] = {}
    for tail, attributes in granted(snapshot, secret):
        own.setdefault(tail, []).append(_way(tail, secret, attributes))
    held: set[Ref] = set()
    seen = set(own)
    # Who reads directly is worth more to take over than who has to go around.
    queue = sorted(min(ways) for ways in own.values())
    verbs = {tail: _verbs(ways) for tail, ways in own.items()}
    done: set[tuple[Ref, str]] = set()
    for at in queue:  # grows while it is walked: nearest first
        if len(queue) > MAX_IDENTITIES:
            break
        steps = sorted(takers(snapshot, at.subject, done), key=_who)
        for step in (*steps, *_by_secret(snapshot, at.subject), *_running(snapshot, at.subject)):
            if step.attributes.get("direct") is not False:
                held.add(at.subject)
            if step.who in seen:
                continue
            seen.add(step.who)
            way = _taken(step, at)
            verbs[step.who] = verbs[at.subject]
            if not _is(snapshot.node(step.who), NodeKind.WORKLOAD):
                queue.append(way)
            own[step.who] = [way._replace(verb=verb) for verb in verbs[at.subject]]
    for tail, ways in own.items():
        node = snapshot.node(tail)
        # Somebody may always be given a policy: that it reads the path must not get lost.
        if _is(node, NodeKind.SECRET) or (_is(node, NodeKind.POLICY) and tail in held):
            continue
        yield from ways


def _taken(step: Lent, at: _Way) -> _Way:
    """Make the way of one who can act as a reader, or simply is one by what it holds."""
    get = step.attributes.get
    holds = get("direct") is not False
    kind = str(get("kind") or HOLDS)
    path = tuple(dict.fromkeys((*_path(step.attributes), at.subject, *at.path)))
    if holds:
        kind = at.kind if kind == HOLDS else kind
        return at._replace(subject=step.who, path=path, kind=kind)
    verb = str(get("verb") or kind)
    note = _RUNS.format(at.subject) if kind == RUNS_AS else _TAKES.format(at.subject, verb)
    return at._replace(indirect=True, subject=step.who, path=path, kind=kind, note=note)


def _by_secret(snapshot: Snapshot, whom: Ref) -> Iterator[Lent]:
    """Yield who can read, or mounts, a Secret that holds somebody's token."""
    if not _is(snapshot.node(whom), NodeKind.SECRET):
        return
    for tail, attributes in granted(snapshot, whom):
        said = {**attributes, "kind": HOLDS_TOKEN, "direct": False}
        yield Lent(tail, whom, said)
    for workload in snapshot.uses_into(whom, EdgeKind.CONSUMES):
        if _is(snapshot.node(workload), NodeKind.WORKLOAD):
            yield Lent(workload, whom, {"kind": MOUNTING, "direct": False})


def _running(snapshot: Snapshot, account: Ref) -> Iterator[Lent]:
    for workload in snapshot.uses_into(account, EdgeKind.RUNS_AS):
        yield Lent(workload, account, {"kind": RUNS_AS, "direct": False})


def _readable_by(snapshot: Snapshot, subject: Ref) -> Readable:
    ways: list[_Way] = []
    whole: set[Ref] = set()  # places that are read completely by now
    start = _Way(subject=subject, secret=subject)
    queue = [start]
    seen = {subject}
    tokens: list[tuple[Ref, _Way]] = []
    for at in queue:
        for way in _from(snapshot, subject, at, whole):
            ways.append(way)
            if way.secret not in seen and snapshot.uses_from(way.secret, EdgeKind.OPENS):
                seen.add(way.secret)
                tokens.append((way.secret, way))
        if len(queue) > MAX_IDENTITIES:
            break
        actor = at.secret
        steps = sorted(lent(snapshot, actor), key=_whom)
        for step in steps:
            if step.whom not in seen:
                seen.add(step.whom)
                queue.append(_onward(step, at))
        while tokens:
            secret, way = tokens.pop()
            note = _TAKES.format(secret, "holds its token")
            queue.append(
                way._replace(indirect=True, kind=HOLDS_TOKEN, note=note, path=(*way.path, secret))
            )
    ways += [_mount(subject, secret) for secret in snapshot.uses_from(subject, EdgeKind.CONSUMES)]
    return Readable(subject, _joined(ways), snapshot.gaps)


def _onward(step: Lent, at: _Way) -> _Way:
    get = step.attributes.get
    path = tuple(dict.fromkeys((*at.path, *_path(step.attributes), step.whom)))
    if get("direct") is not False:
        return at._replace(secret=step.whom, path=path)
    kind = at.kind or str(get("kind") or HOLDS)
    verb = str(get("verb") or get("kind") or "")
    note = at.note or _TAKES.format(step.whom, verb)
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
        for secret in secrets_below(snapshot, head):
            if not own and (secret in before or namespace_of(secret) in before):
                continue
            if secret_applies(snapshot, secret, attributes):
                way = _way(subject, secret, attributes)
                path = tuple(dict.fromkeys((*at.path, *way.path)))
                if at.indirect:
                    way = way._replace(indirect=True, kind=at.kind, note=at.note)
                yield way._replace(path=path)


def _mounting(snapshot: Snapshot, secret: Ref, keys: frozenset[str]) -> Iterator[_Way]:
    every = "" in keys
    for workload, uses in snapshot.uses_into(secret, EdgeKind.CONSUMES).items():
        for attributes in uses.values():
            key = attributes.get("key")
            if every or not key or key in keys:
                yield _mount(workload, secret)
                break


def _mount(workload: Ref, secret: Ref) -> _Way:
    return _Way(
        indirect=True, mounts=True, subject=workload, secret=secret, kind=MOUNTING, note=MOUNTS
    )


def _way(subject: Ref, secret: Ref, attributes: Attributes) -> _Way:
    get = attributes.get
    return _Way(
        indirect=get("direct") is False,
        subject=subject,
        secret=secret,
        path=_path(attributes),
        kind=str(get("kind") or DIRECT),
        verb=str(get("verb") or ""),
        note=str(get("note") or ""),
    )


def _path(attributes: Attributes) -> tuple[Ref, ...]:
    said = attributes.get("path")
    return cast("tuple[Ref, ...]", said) if isinstance(said, tuple) else ()


def _verbs(ways: list[_Way]) -> tuple[str, ...]:
    """Take the verbs of the best of several ways."""
    best = min(ways)
    return tuple(sorted({way.verb for way in ways if way.path == best.path}))


def _who(step: Lent) -> tuple[bool, Ref]:
    return step.attributes.get("direct") is False, step.who


def _whom(step: Lent) -> tuple[bool, Ref]:
    return step.attributes.get("direct") is False, step.whom


def _is(node: Node | None, kind: NodeKind) -> bool:
    return node is not None and node.kind is kind


def _joined(ways: Iterable[_Way]) -> tuple[Reader, ...]:
    """Join what differs only in verb and note; direct ways first, mounts last, then by subject."""
    said: dict[tuple[object, ...], tuple[_Way, dict[str, None], dict[str, None]]] = {}
    for way in ways:
        _, verbs, notes = said.setdefault(way[:6], (way, {}, {}))
        if way.verb:
            verbs[way.verb] = None
        if way.note:
            notes[way.note] = None
    return tuple(
        Reader(
            way.subject,
            tuple(sorted(verbs)),
            not way.indirect,
            way.path,
            way.secret,
            " ".join(notes),
            way.kind,
        )
        for way, verbs, notes in sorted(said.values(), key=_first)
    )


def _first(found: tuple[_Way, dict[str, None], dict[str, None]]) -> _Way:
    return found[0]
