"""
The rules about a place, sorted by what they are about, once for each place of a snapshot.

A rule reaches one Secret, or all of a namespace or cluster, where it may be narrowed to `names`
(resourceNames) or to what is `running`. So a question about one Secret looks at the rules for
everything and at those with its name, not at those for its neighbours.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar, cast
from urllib.parse import unquote

from graph.model import Attributes, EdgeKind, Node, NodeKind
from graph.refs import Ref, cluster_of, namespace_of
from graph.snapshot import Snapshot

DIRECT = "direct"
NONE: Mapping[str, "Rules[Attributes]"] = {}
_NO_PODS = ("Ingress", "Gateway")

Rule = TypeVar("Rule")
_Rule = tuple[bool, tuple[Ref, ...], str, bool, tuple[str, ...]]


class Said(NamedTuple):
    """What one rule says of a place: its edges differ in nothing but verb and note."""

    indirect: bool
    path: tuple[Ref, ...]
    kind: str
    verbs: tuple[str, ...]
    note: str
    running: bool


class Rules(NamedTuple, Generic[Rule]):
    """The rules about one place: (who has the right, what it is)."""

    wide: tuple[tuple[Ref, Rule], ...]
    named: Mapping[str, tuple[tuple[Ref, Rule], ...]]
    running: tuple[tuple[Ref, Rule], ...]

    def about(self, name: str) -> Iterable[tuple[Ref, Rule]]:
        """Return what narrowed rules say of one thing there; `running` is for the asker to see."""
        named = self.named.get(name)
        return self.running if named is None else (*named, *self.running)

    def narrowed(self) -> Iterator[tuple[Ref, Rule]]:
        for named in self.named.values():
            yield from named
        yield from self.running


def granted(snapshot: Snapshot, secret: Ref) -> tuple[tuple[Ref, Said], ...]:
    """Return (subject or policy, what it may) of every rule that is about this secret."""
    name = unquote(secret.rpartition("/")[2])
    is_running: bool | None = None
    found: list[tuple[Ref, Said]] = []
    for scope in (secret, namespace_of(secret), cluster_of(secret)):
        if scope is None or not snapshot.uses_into(scope, EdgeKind.CAN_READ):
            continue
        rules = _reading(snapshot, scope)
        found += rules.wide
        for rule in rules.about(name):
            if rule[1].running:
                if is_running is None:
                    is_running = is_used_by_pods(snapshot, secret)
                if not is_running:
                    continue
            found.append(rule)
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


def lenders(snapshot: Snapshot, place: Ref) -> Mapping[str, Rules[Attributes]]:
    """Return the rules that lend the rights of what is in `place`, by what they target there."""
    if not snapshot.uses_into(place, EdgeKind.OPENS):
        return NONE
    return snapshot.part(("lenders", place), lambda: _lending(snapshot, place))


def lent_by(snapshot: Snapshot, place: Ref, target: str) -> tuple[tuple[Ref, Attributes], ...]:
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


def _reading(snapshot: Snapshot, place: Ref) -> Rules[Said]:
    return snapshot.part(
        ("readers of", place),
        lambda: _sorted_out(
            (tail, names, bool(said.running), said)
            for tail, uses in snapshot.uses_into(place, EdgeKind.CAN_READ).items()
            for names, said in _joined(uses.values())
        ),
    )


def _joined(uses: Iterable[Attributes]) -> Iterator[tuple[tuple[str, ...], Said]]:
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
        verbs, notes = known.setdefault(rule, ({}, {}))
        if verb := get("verb"):
            verbs[str(verb)] = None
        if note := get("note"):
            notes[str(note)] = None
    for (indirect, path, kind, running, names), (verbs, notes) in known.items():
        yield names, Said(indirect, path, kind, tuple(sorted(verbs)), " ".join(notes), running)


def _lending(snapshot: Snapshot, place: Ref) -> Mapping[str, Rules[Attributes]]:
    found: dict[str, list[tuple[Ref, Attributes]]] = defaultdict(list)
    for tail, attributes in snapshot.tails(place, EdgeKind.OPENS):
        if "target" in attributes:
            found[str(attributes["target"])].append((tail, attributes))
    return {
        target: _sorted_out(
            (tail, _names(attributes), bool(attributes.get("running")), attributes)
            for tail, attributes in rules
        )
        for target, rules in found.items()
    }


def _sorted_out(
    rules: Iterable[tuple[Ref, tuple[str, ...], bool, Rule]],
) -> Rules[Rule]:
    wide: list[tuple[Ref, Rule]] = []
    named: dict[str, list[tuple[Ref, Rule]]] = defaultdict(list)
    running: list[tuple[Ref, Rule]] = []
    for who, names, only_running, rule in rules:
        for name in names:
            named[name].append((who, rule))
        if not names:
            (running if only_running else wide).append((who, rule))
    return Rules(tuple(wide), {name: tuple(found) for name, found in named.items()}, tuple(running))


def _names(attributes: Attributes) -> tuple[str, ...]:
    names = attributes.get("names")
    return names if isinstance(names, tuple) else ()
