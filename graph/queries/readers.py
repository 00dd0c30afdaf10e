"""
Who could obtain a secret: subjects with a rule that grants it, and workloads that mount it.

In Kubernetes a rule reaches one Secret, all of a namespace or all of a cluster. In Vault a policy
reads paths, and who holds the policy reads with it. From there it goes back over everybody who can
act as a reader (`identities.py`), nearest first, each subject once by its best way. Only what lies
on the way to the one secret is walked, never all bindings; Secrets about which the rules say the
same have their ways in common. Not here: what one subject can obtain (`readable`), who uses it as
intended (`consumers`), and who did read it.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from graph.model import Attributes, EdgeKind, Gap, NodeKind
from graph.queries.accounts import unsure
from graph.queries.answer import answer
from graph.queries.copies import Reached, by_secret, spread
from graph.queries.identities import HOLDS, HOLDS_TOKEN, RUNS_AS, Lent, takers
from graph.queries.identities import MOUNTS as MOUNTING
from graph.queries.rules import DIRECT, Way, granted, path_of
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


def readers(snapshot: Snapshot, ref: Ref) -> Readers:
    """Answer for `ref` and all its copies."""
    return snapshot.once(("readers", ref), lambda: _readers(snapshot, ref))


def _readers(snapshot: Snapshot, ref: Ref) -> Readers:
    places = spread(snapshot, [split_key(ref)])
    gaps = (*snapshot.gaps, *unsure(snapshot, (one.secret for one in places)))
    return Readers(ref, readers_of(snapshot, places), gaps)


def readers_of(snapshot: Snapshot, places: Iterable[Reached]) -> tuple[Reader, ...]:
    """Collect the ways to any of `places`: direct ones first, mounts last, then by subject."""
    found: list[tuple[bool, Ref, Ref, Way]] = []
    mounts: list[tuple[Ref, Ref]] = []
    for place, keys in by_secret(places):
        secret = place.secret
        found += [(way[0], way[1], secret, way) for way in _ways(snapshot, secret)]
        mounts += [(workload, secret) for workload in _mounting(snapshot, secret, keys)]
    found.sort()
    mounts.sort()
    made = [
        Reader(subject, verbs, not indirect, path, secret, note, kind)
        for indirect, subject, secret, (_, _, path, kind, verbs, note, _) in found
    ]
    made += [
        Reader(workload, (), False, (), secret, MOUNTS, MOUNTING)  # noqa: FBT003
        for workload, secret in mounts
    ]
    return tuple(made)


def _ways(snapshot: Snapshot, secret: Ref) -> list[Way]:
    rules = granted(snapshot, secret)
    # The same rules are the same objects (`said_of`); kept with the answer, as their ids must be.
    name = ("ways", *map(id, rules))
    return snapshot.part(name, lambda: (_by_rules(snapshot, rules), rules))[0]


def _by_rules(snapshot: Snapshot, rules: tuple[Way, ...]) -> list[Way]:
    """Return every own way by these rules, then the best one of each who can act as a reader."""
    ways: dict[Ref, list[Way]] = {}
    for way in rules:
        if way.subject in ways:
            ways[way.subject].append(way)
        else:
            ways[way.subject] = [way]
    held: set[Ref] = set()
    # Who reads directly is worth more to take over than who has to go around.
    queue = sorted([own[0] if len(own) == 1 else min(own) for own in ways.values()])
    done: set[tuple[Ref, str]] = set()
    workloads = snapshot.of_kind(NodeKind.WORKLOAD)
    for at in queue:  # grows while it is walked: nearest first
        if len(queue) > MAX_IDENTITIES:
            break
        for way in _onward(snapshot, at, done, held):
            subject = way[1]
            if subject not in ways:
                ways[subject] = [way]
                if subject not in workloads:
                    queue.append(way)
    secrets, policies = snapshot.of_kind(NodeKind.SECRET), snapshot.of_kind(NodeKind.POLICY)
    found: list[Way] = []
    for subject, own in ways.items():
        # Somebody may always be given a policy: that it reads the path must not get lost.
        if subject not in secrets and not (subject in held and subject in policies):
            found += own
    return found


def _onward(snapshot: Snapshot, at: Way, done: set[tuple[Ref, str]], held: set[Ref]) -> list[Way]:
    """Return who can act as the one at the end of a way; `held` gets whom somebody simply has."""
    whom = at.subject
    steps = list(takers(snapshot, whom, done))
    if len(steps) > 1:
        steps.sort(key=_who)
    found = [_taken(at, step.who, step.attributes, held) for step in steps]
    if whom in snapshot.of_kind(NodeKind.SECRET):
        found += _by_token(snapshot, at)
    running = snapshot.inward(EdgeKind.RUNS_AS).get(whom)
    if running:
        path, note = _path((), at), RUNS.format(whom)
        found += [Way(True, one, path, RUNS_AS, at.verbs, note) for one in running]  # noqa: FBT003
    return found


def _by_token(snapshot: Snapshot, at: Way) -> Iterator[Way]:
    """Yield who can read, or mounts, a Secret that holds somebody's token."""
    secret = at.subject
    for way in granted(snapshot, secret):
        note = TAKES.format(secret, ", ".join(way.verbs) or HOLDS_TOKEN)
        yield Way(True, way.subject, _path(way.path, at), HOLDS_TOKEN, at.verbs, note)  # noqa: FBT003
    path, note = _path((), at), TAKES.format(secret, MOUNTING)
    workloads = snapshot.of_kind(NodeKind.WORKLOAD)
    for one in snapshot.uses_into(secret, EdgeKind.CONSUMES):
        if one in workloads:
            yield Way(True, one, path, MOUNTING, at.verbs, note)  # noqa: FBT003


def _taken(at: Way, who: Ref, attributes: Attributes, held: set[Ref]) -> Way:
    """Make the way of one who can act as a reader, or simply is one by what it holds."""
    get = attributes.get
    kind = str(get("kind") or HOLDS)
    path = _path(path_of(attributes), at)
    if get("direct") is not False:
        held.add(at.subject)
        return Way(at.indirect, who, path, at.kind if kind == HOLDS else kind, at.verbs, at.note)
    note = (RUNS if kind == RUNS_AS else TAKES).format(at.subject, get("verb") or kind)
    return Way(True, who, path, kind, at.verbs, note)  # noqa: FBT003


def _path(by: tuple[Ref, ...], at: Way) -> tuple[Ref, ...]:
    path = (*by, at.subject, *at.path)
    return path if len(set(path)) == len(path) else tuple(dict.fromkeys(path))


def _mounting(snapshot: Snapshot, secret: Ref, keys: Collection[str]) -> Iterable[Ref]:
    using = snapshot.uses_into(secret, EdgeKind.CONSUMES)
    if "" in keys:
        return using
    wanted = {"", None, *keys}
    return [
        one for one, uses in using.items() if any(s.get("key") in wanted for s in uses.values())
    ]


def _who(step: Lent) -> tuple[bool, Ref]:
    return step.attributes.get("direct") is False, step.who
