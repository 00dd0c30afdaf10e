"""
The rules about a place, sorted by what they are about, once until one of them changes.

A rule reaches one Secret, or all of a namespace or cluster, where it may be narrowed to `names`
(resourceNames) or to what is `running`. So a question about one Secret looks at the rules for
everything and at those with its name, not at those for its neighbours.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar, cast
from urllib.parse import unquote

from graph.adjacency import Uses
from graph.model import Attributes, EdgeKind, Node, NodeKind
from graph.refs import Ref, cluster_of, namespace_of
from graph.snapshot import Snapshot

DIRECT = "direct"
NONE: Mapping[str, "Rules[Lending]"] = {}
_NO_PODS = ("Ingress", "Gateway")

Rule = TypeVar("Rule")
Lending = tuple[Ref, Attributes]  # who has the rights of others, and how
_Rule = tuple[bool, tuple[Ref, ...], str, bool, tuple[str, ...]]


class Way(NamedTuple):
    """
    A way to every Secret about which the rules say the same; in the order of answers.

    What one rule says of a place is such a way: its edges differ in nothing but verb and note.
    """

    indirect: bool
    subject: Ref
    path: tuple[Ref, ...]
    kind: str
    verbs: tuple[str, ...]
    note: str
    running: bool = False


class Rules(NamedTuple, Generic[Rule]):
    """The rules about one place."""

    wide: tuple[Rule, ...]
    named: Mapping[str, tuple[Rule, ...]]
    running: tuple[Rule, ...]

    def about(self, name: str) -> tuple[Rule, ...]:
        """Return what narrowed rules say of one thing there; `running` is for the asker to see."""
        named = self.named.get(name)
        return self.running if named is None else (*named, *self.running)

    def narrowed(self) -> Iterator[Rule]:
        for named in self.named.values():
            yield from named
        yield from self.running


def granted(snapshot: Snapshot, secret: Ref) -> tuple[Way, ...]:
    """Return what every rule that is about this secret says: who (a policy, too) may do what."""
    found: list[Way] = []
    in_question = False
    readable = snapshot.inward(EdgeKind.CAN_READ)
    for scope in (secret, namespace_of(secret), cluster_of(secret)):
        if scope is not None and readable.get(scope):
            rules = _reading(snapshot, scope)
            found += rules.wide
            if rules.named or rules.running:
                narrowed = rules.about(unquote(secret.rpartition("/")[2]))
                found += narrowed
                in_question = in_question or any(way.running for way in narrowed)
    if in_question and not is_used_by_pods(snapshot, secret):
        return tuple([way for way in found if not way.running])
    return tuple(found)


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
        if is_a(snapshot.node(tail), NodeKind.SECRET):
            yield tail


def lenders(snapshot: Snapshot, place: Ref) -> Mapping[str, Rules[Lending]]:
    """Return the rules that lend the rights of what is in `place`, by what they target there."""
    if not snapshot.inward(EdgeKind.OPENS).get(place):
        return NONE
    return snapshot.said_of(place, EdgeKind.OPENS, _lending)


def lent_by(snapshot: Snapshot, place: Ref, target: str) -> tuple[Lending, ...]:
    """Return (who, how) of the rules that lend the rights of every `target` in a place."""
    rules = lenders(snapshot, place).get(target)
    return rules.wide if rules else ()


def secret_applies(snapshot: Snapshot, secret: Ref, attributes: Attributes) -> bool:
    """Look whether an edge to a whole namespace or cluster is about this Secret."""
    names = attributes.get("names")
    if isinstance(names, tuple) and names and unquote(secret.rpartition("/")[2]) not in names:
        return False
    return not attributes.get("running") or is_used_by_pods(snapshot, secret)


def is_used_by_pods(snapshot: Snapshot, secret: Ref) -> bool:
    return any(
        is_a(snapshot.node(workload), NodeKind.WORKLOAD) and workload.split("/")[-2] not in _NO_PODS
        for workload in snapshot.uses_into(secret, EdgeKind.CONSUMES)
    )


def is_a(node: Node | None, kind: NodeKind) -> bool:
    return node is not None and node.kind is kind


def path_of(attributes: Attributes) -> tuple[Ref, ...]:
    said = attributes.get("path")
    return cast("tuple[Ref, ...]", said) if isinstance(said, tuple) else ()


def _reading(snapshot: Snapshot, place: Ref) -> Rules[Way]:
    return snapshot.said_of(place, EdgeKind.CAN_READ, _read)


def _read(into: Mapping[Ref, Uses]) -> Rules[Way]:
    found: list[tuple[tuple[str, ...], bool, Way]] = []
    for tail, uses in into.items():
        if len(uses) == 1:
            (said,) = uses.values()
            get = said.get
            verb, running = get("verb"), bool(get("running"))
            way = Way(
                get("direct") is False,
                tail,
                path_of(said),
                str(get("kind") or DIRECT),
                (str(verb),) if verb else (),
                str(get("note") or ""),
                running,
            )
            found.append((_names(said), running, way))
        else:
            found += _joined(tail, uses.values())
    return _sorted_out(found)


def _joined(tail: Ref, uses: Iterable[Attributes]) -> Iterator[tuple[tuple[str, ...], bool, Way]]:
    """Join the edges between the same two that differ in verb and note only."""
    known: dict[_Rule, tuple[dict[str, None], dict[str, None]]] = {}
    for attributes in uses:
        get = attributes.get
        rule = (
            get("direct") is False,
            path_of(attributes),
            str(get("kind") or DIRECT),
            bool(get("running")),
            _names(attributes),
        )
        joined = known.get(rule)
        if joined is None:
            joined = known[rule] = ({}, {})
        if verb := get("verb"):
            joined[0][str(verb)] = None
        if note := get("note"):
            joined[1][str(note)] = None
    for (indirect, path, kind, running, names), (verbs, notes) in known.items():
        said = tuple(sorted(verbs)) if len(verbs) > 1 else tuple(verbs)
        yield names, running, Way(indirect, tail, path, kind, said, " ".join(notes), running)


def _lending(into: Mapping[Ref, Uses]) -> Mapping[str, Rules[Lending]]:
    found: dict[str, list[Lending]] = defaultdict(list)
    for tail, uses in into.items():
        for attributes in uses.values():
            if "target" in attributes:
                found[str(attributes["target"])].append((tail, attributes))
    return {
        target: _sorted_out((_names(rule[1]), bool(rule[1].get("running")), rule) for rule in rules)
        for target, rules in found.items()
    }


def _sorted_out(rules: Iterable[tuple[tuple[str, ...], bool, Rule]]) -> Rules[Rule]:
    wide: list[Rule] = []
    named: dict[str, list[Rule]] = defaultdict(list)
    running: list[Rule] = []
    for names, only_running, rule in rules:
        for name in names:
            named[name].append(rule)
        if not names:
            (running if only_running else wide).append(rule)
    return Rules(tuple(wide), {name: tuple(found) for name, found in named.items()}, tuple(running))


def _names(attributes: Attributes) -> tuple[str, ...]:
    names = attributes.get("names")
    return names if isinstance(names, tuple) else ()
