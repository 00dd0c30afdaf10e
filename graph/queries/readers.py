"""
Who could obtain a secret: subjects with a rule that grants it, and workloads that mount it.

In Kubernetes a rule reaches one Secret, all of a namespace or all of a cluster. In Vault a policy
reads paths, and who holds the policy reads with it. From there it goes back over everybody who can
act as a reader (`identities.py`), nearest first, each subject once by its best way. Only what lies
on the way to the one secret is walked, never all bindings; Secrets about which the rules say the
same have their ways in common. Not here: what one subject can obtain (`readable`), who uses it as
intended (`consumers`), and who did read it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from graph.model import Attributes, EdgeKind, Gap, NodeKind
from graph.queries.answer import answer
from graph.queries.copies import Reached, by_secret, spread
from graph.queries.identities import HOLDS, HOLDS_TOKEN, RUNS_AS, Lent, takers
from graph.queries.identities import MOUNTS as MOUNTING
from graph.queries.rules import DIRECT, Said, granted, is_a, path_of
from graph.refs import Ref, split_key
from graph.snapshot import Snapshot

MOUNTS = "mounts it"
MAX_IDENTITIES = 20_000  # taken over on the way to one secret, or from one subject
RUNS = "Runs as {}."
TAKES = "Can act as {}: {}."


@answer
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


class _Way(NamedTuple):
    """A way to every Secret about which the rules say the same; in the order of the answer."""

    indirect: bool
    subject: Ref
    path: tuple[Ref, ...]
    kind: str
    verbs: tuple[str, ...]
    note: str


_Grants = tuple[tuple[Ref, Said], ...]


def readers(snapshot: Snapshot, ref: Ref) -> Readers:
    """Answer for `ref` and all its copies."""
    return snapshot.once(("readers", ref), lambda: _readers(snapshot, ref))


def _readers(snapshot: Snapshot, ref: Ref) -> Readers:
    return Readers(ref, readers_of(snapshot, spread(snapshot, [split_key(ref)])), snapshot.gaps)


def readers_of(snapshot: Snapshot, places: Iterable[Reached]) -> tuple[Reader, ...]:
    """Collect the ways to any of `places`: direct ones first, mounts last, then by subject."""
    found: list[tuple[bool, Ref, Ref, _Way]] = []
    mounts: list[tuple[Ref, Ref]] = []
    for place, keys in by_secret(places):
        secret = place.secret
        found += [(way[0], way[1], secret, way) for way in _ways(snapshot, secret)]
        mounts += [(workload, secret) for workload in _mounting(snapshot, secret, keys)]
    found.sort()
    mounts.sort()
    made = [
        Reader(subject, verbs, not indirect, path, secret, note, kind)
        for indirect, subject, secret, (_, _, path, kind, verbs, note) in found
    ]
    made += [
        Reader(workload, (), False, (), secret, MOUNTS, MOUNTING)  # noqa: FBT003
        for workload, secret in mounts
    ]
    return tuple(made)


def _ways(snapshot: Snapshot, secret: Ref) -> tuple[_Way, ...]:
    rules = granted(snapshot, secret)
    return snapshot.part(("ways", rules), lambda: tuple(_by_rules(snapshot, rules)))


def _by_rules(snapshot: Snapshot, rules: _Grants) -> Iterator[_Way]:
    """Yield every own way by these rules, then the best one of each who can act as a reader."""
    ways: dict[Ref, list[_Way]] = {}
    for tail, said in rules:
        way = _Way(said.indirect, tail, said.path, said.kind, said.verbs, said.note)
        ways.setdefault(tail, []).append(way)
    held: set[Ref] = set()
    # Who reads directly is worth more to take over than who has to go around.
    queue = sorted(min(own) for own in ways.values())
    done: set[tuple[Ref, str]] = set()
    for at in queue:  # grows while it is walked: nearest first
        if len(queue) > MAX_IDENTITIES:
            break
        for way in _onward(snapshot, at, done, held):
            if way.subject not in ways:
                ways[way.subject] = [way]
                if not is_a(snapshot.node(way.subject), NodeKind.WORKLOAD):
                    queue.append(way)
    for tail, own in ways.items():
        node = snapshot.node(tail)
        # Somebody may always be given a policy: that it reads the path must not get lost.
        if is_a(node, NodeKind.SECRET) or (is_a(node, NodeKind.POLICY) and tail in held):
            continue
        yield from own


def _onward(
    snapshot: Snapshot, at: _Way, done: set[tuple[Ref, str]], held: set[Ref]
) -> Iterator[_Way]:
    """Yield who can act as the one at the end of a way; `held` gets whom somebody simply has."""
    whom = at.subject
    steps = list(takers(snapshot, whom, done))
    if len(steps) > 1:
        steps.sort(key=_who)
    for step in steps:
        if step.attributes.get("direct") is not False:
            held.add(whom)
        yield _taken(step, at)
    if is_a(snapshot.node(whom), NodeKind.SECRET):
        yield from _by_token(snapshot, at)
    running = snapshot.uses_into(whom, EdgeKind.RUNS_AS)
    if running:
        way = _taken(Lent(whom, whom, {"kind": RUNS_AS, "direct": False}), at)
        for workload in running:
            yield _Way(way.indirect, workload, way.path, way.kind, way.verbs, way.note)


def _by_token(snapshot: Snapshot, at: _Way) -> Iterator[_Way]:
    """Yield who can read, or mounts, a Secret that holds somebody's token."""
    secret = at.subject
    for tail, said in granted(snapshot, secret):
        verbs = ", ".join(said.verbs)
        reads: Attributes = {"kind": HOLDS_TOKEN, "verb": verbs, "path": said.path, "direct": False}
        yield _taken(Lent(tail, secret, reads), at)
    for workload in snapshot.uses_into(secret, EdgeKind.CONSUMES):
        if is_a(snapshot.node(workload), NodeKind.WORKLOAD):
            yield _taken(Lent(workload, secret, {"kind": MOUNTING, "direct": False}), at)


def _taken(step: Lent, at: _Way) -> _Way:
    """Make the way of one who can act as a reader, or simply is one by what it holds."""
    get = step.attributes.get
    kind = str(get("kind") or HOLDS)
    path = (*path_of(step.attributes), at.subject, *at.path)
    if len(set(path)) < len(path):
        path = tuple(dict.fromkeys(path))
    if get("direct") is not False:
        kind = at.kind if kind == HOLDS else kind
        return _Way(at.indirect, step.who, path, kind, at.verbs, at.note)
    if kind == RUNS_AS:
        note = RUNS.format(at.subject)
    else:
        note = TAKES.format(at.subject, get("verb") or kind)
    return _Way(True, step.who, path, kind, at.verbs, note)  # noqa: FBT003


def _mounting(snapshot: Snapshot, secret: Ref, keys: frozenset[str]) -> Iterator[Ref]:
    every = "" in keys
    wanted = {"", None, *keys}
    for workload, uses in snapshot.uses_into(secret, EdgeKind.CONSUMES).items():
        if every or any(said.get("key") in wanted for said in uses.values()):
            yield workload


def _who(step: Lent) -> tuple[bool, Ref]:
    return step.attributes.get("direct") is False, step.who
