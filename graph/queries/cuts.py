"""
Which rule, if it were removed, would cut the most readers of a secret.

The question of `readers` turned around: all ways to the secret, not only the best of each subject,
become one graph; then each rule is taken out in turn, and who is left without any way counts as
cut. Rules are bindings, roles, policies and the auth roles of a vault. Only rules on a best way can
cut anybody, and none can cut more than have their best way through it: so few need to be tried.
Workloads are not counted: what they mount is their work, and no rule's.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from graph.model import EdgeKind, Gap, NodeKind
from graph.queries.copies import Reached, by_secret, spread
from graph.queries.identities import lending, takers
from graph.queries.rules import granted, is_a, lent_by, path_of
from graph.refs import Ref, split_key
from graph.snapshot import Snapshot

SHOWN = 20
MAX_EDGES = 200_000


@dataclass(frozen=True, slots=True)
class Cut:
    """A rule and the subjects that could no longer obtain the secret without it."""

    rule: Ref
    readers: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class Cuts:
    """The answer, most effective first. `readers`: how many subjects there are by any rule."""

    secret: Ref
    readers: int
    cuts: tuple[Cut, ...]
    gaps: tuple[Gap, ...] = ()


@dataclass(slots=True)
class _Ways:
    """Everything that leads to the secret: for each thing who comes to it, by which rules."""

    into: dict[str, list[tuple[str, frozenset[str]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    edges: int = 0

    def add(self, who: str, whom: str, rules: frozenset[str] = frozenset()) -> None:
        self.into[whom].append((who, rules))
        self.edges += 1


def cuts(snapshot: Snapshot, ref: Ref, *, shown: int = SHOWN) -> Cuts:
    """Answer for `ref` and all its copies: a rule cuts who is left with no way to any of them."""
    return cuts_of(snapshot, ref, spread(snapshot, [split_key(ref)]), shown=shown)


def cuts_of(snapshot: Snapshot, ref: Ref, places: Iterable[Reached], *, shown: int) -> Cuts:
    """Answer for these `places`, which are called `ref`."""
    ways = _ways(snapshot, ref, places)
    tree = _walk(ways, ref, without="")
    subjects = {who for who in tree if _counts(snapshot, who)}
    through: dict[str, int] = defaultdict(int)
    for who in subjects:
        for rule in _rules_behind(snapshot, tree, who):
            through[rule] += 1
    found: list[Cut] = []
    least = 0
    for rule, most in sorted(through.items(), key=lambda item: (-item[1], item[0])):
        if len(found) >= shown and most <= least:
            break
        left = _walk(ways, ref, without=rule)
        lost = sorted(subjects - left.keys() - {rule})
        if lost:
            found.append(Cut(Ref(rule), tuple(map(Ref, lost))))
            found.sort(key=lambda cut: (-len(cut.readers), cut.rule))
            least = len(found[min(shown, len(found)) - 1].readers)
    gaps = snapshot.gaps
    if ways.edges >= MAX_EDGES:
        said = f"Only the {MAX_EDGES} nearest ways to the secret were looked at."
        gaps = (*gaps, Gap("cuts", ref, said))
    return Cuts(ref, len(subjects), tuple(found[:shown]), gaps)


def _ways(snapshot: Snapshot, ref: Ref, places: Iterable[Reached]) -> _Ways:
    ways = _Ways()
    queue: list[Ref] = []
    seen: set[str] = set()

    def reached(who: Ref) -> None:
        if who not in seen:
            seen.add(who)
            queue.append(who)

    for place, _ in by_secret(places):
        for way in granted(snapshot, place.secret):
            ways.add(way.subject, ref, frozenset(way.path))
            reached(way.subject)
    for at in queue:  # grows while it is walked
        if ways.edges >= MAX_EDGES:
            break
        for who, rules in _into(snapshot, at, ways, seen):
            ways.add(who, at, rules)
            reached(who)
        for scope, target in lending(snapshot, at):
            for tail, _ in lent_by(snapshot, scope, target):
                reached(tail)
    return ways


def _into(
    snapshot: Snapshot, at: Ref, ways: _Ways, seen: set[str]
) -> Iterator[tuple[Ref, frozenset[str]]]:
    scopes = list(lending(snapshot, at))
    for step in takers(snapshot, at, set(scopes)):
        yield step.who, frozenset(path_of(step.attributes))
    for scope, target in scopes:  # as a thing of its own, or each account would repeat it
        place = f"{scope} {target}"
        ways.add(place, at)
        if place not in seen:
            seen.add(place)
            for tail, attributes in lent_by(snapshot, scope, target):
                ways.add(tail, place, frozenset(path_of(attributes)))
    if is_a(snapshot.node(at), NodeKind.SECRET):
        for way in granted(snapshot, at):
            yield way.subject, frozenset(way.path)
    for workload in snapshot.uses_into(at, EdgeKind.RUNS_AS):
        yield workload, frozenset()


def _walk(ways: _Ways, start: str, *, without: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Walk back from the secret; return for each thing the next one on its best way, and why."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    queue = [start]
    for at in queue:
        for who, rules in ways.into.get(at, ()):
            if who in found or who in {start, without} or without in rules:
                continue
            found[who] = (at, rules)
            queue.append(who)
    return found


def _rules_behind(
    snapshot: Snapshot, tree: dict[str, tuple[str, frozenset[str]]], who: str
) -> set[str]:
    rules: set[str] = set()
    at = who
    while at in tree:
        at, by = tree[at]
        rules |= by
        if _is_rule(snapshot, at):
            rules.add(at)
    return rules


def _is_rule(snapshot: Snapshot, ref: str) -> bool:
    return is_a(snapshot.node(Ref(ref)), NodeKind.POLICY) or (
        ref.startswith("vault://") and "/auth/" in ref
    )


def _counts(snapshot: Snapshot, who: str) -> bool:
    node = snapshot.node(Ref(who))
    return node is not None and node.kind in {NodeKind.SUBJECT, NodeKind.CREDENTIAL}
