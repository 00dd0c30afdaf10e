"""
What a source says at present, scope by scope, so that a change of one scope costs that scope.

Several scopes may say one row: two namespaces that name one team. A row goes when the last of them
stops saying it. Of edges only digests are kept, of nodes their text: a million edges must fit.
Rows go to `GraphRepository` first and are taken for said only when they are written. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from graph.amending import Amendment
from graph.model import AttributeValue, Edge, Gap, Node, NodeKind, Observation, StoredFingerprint
from graph.refs import Ref
from graph.rows import edge_texts, from_text, to_text


@dataclass(frozen=True, slots=True)
class Said:
    """What one scope says, in little memory. `complete` False: part of it could not be read."""

    nodes: Mapping[Ref, tuple[NodeKind, str]]
    edges: frozenset[bytes]
    fingerprints: frozenset[StoredFingerprint]
    gaps: tuple[Gap, ...]
    complete: bool


_SILENT = Said({}, frozenset(), frozenset(), (), complete=True)
Looks = Mapping[
    str, Sequence[Observation]
]  # by scope; an empty sequence: there is nothing any more


class Ledger:
    """The rows of one source. `say` takes what was written for said."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._said: dict[str, Said] = {}

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self._said)

    @property
    def complete(self) -> bool:
        return all(said.complete for said in self._said.values())

    def say(self, looks: Looks) -> None:
        for scope, observations in looks.items():
            if observations:
                self._said[scope] = _said(observations)
            else:
                self._said.pop(scope, None)

    def amendment(self, looks: Looks, extra: Sequence[Gap], *, fresh: bool) -> Amendment:
        """
        Say what changes when `looks` replace what these scopes said.

        `extra` are gaps that no scope tells of; `fresh` False: something is out of date.
        """
        new = {scope: _said(look) if look else _SILENT for scope, look in looks.items()}
        old = {scope: self._said.get(scope, _SILENT) for scope in looks}
        others = [said for scope, said in self._said.items() if scope not in looks]
        after = [*others, *new.values()]
        touched = {
            ref
            for scope in looks
            for ref in old[scope].nodes.keys() | new[scope].nodes.keys()
            if old[scope].nodes.get(ref) != new[scope].nodes.get(ref)
        }
        nodes, gone_nodes = [], []
        for ref in sorted(touched):
            node = _united(ref, [said.nodes[ref] for said in after if ref in said.nodes])
            if node is None:
                gone_nodes.append(ref)
            else:
                nodes.append(node)
        came, went = _difference((said.edges for said in old.values()), new.values(), others)
        edges = edge_texts(edge for look in looks.values() for one in look for edge in one.edges)
        before = frozenset(chain.from_iterable(said.fingerprints for said in old.values()))
        now = frozenset(chain.from_iterable(said.fingerprints for said in new.values()))
        complete = all(said.complete for said in after)
        return Amendment(
            self._source,
            nodes=tuple(nodes),
            gone_nodes=tuple(gone_nodes),
            edges=tuple(edges[key][0] for key in sorted(came)),
            gone_edges=tuple(sorted(went)),
            fingerprints=tuple(now - before),
            gone_fingerprints=tuple(before - now),
            gaps=(*_one_per_scope(gap for said in after for gap in said.gaps), *extra),
            complete=complete,
            fresh=complete and fresh,
        )


def whole(source: str, looks: Looks, extra: Sequence[Gap]) -> Observation:
    """Put the looks at all scopes of a source together."""
    said = [_said(look) for look in looks.values() if look]
    by_ref: dict[Ref, list[tuple[NodeKind, str]]] = {}
    for one in said:
        for ref, told in one.nodes.items():
            by_ref.setdefault(ref, []).append(told)
    edges: dict[bytes, tuple[Edge, str]] = {}
    for observation in chain.from_iterable(looks.values()):
        edges |= edge_texts(observation.edges)
    return Observation(
        source=source,
        nodes=tuple(node for ref, told in by_ref.items() if (node := _united(ref, told))),
        edges=tuple(edge for edge, _ in edges.values()),
        gaps=(*_one_per_scope(gap for one in said for gap in one.gaps), *extra),
        fingerprints=tuple(frozenset(chain.from_iterable(one.fingerprints for one in said))),
        complete=all(one.complete for one in said),
    )


def _said(observations: Sequence[Observation]) -> Said:
    nodes: dict[Ref, list[tuple[NodeKind, str]]] = {}
    for observation in observations:
        for node in observation.nodes:
            nodes.setdefault(node.ref, []).append((node.kind, to_text(node.attributes)))
    together = ((ref, _united(ref, told)) for ref, told in nodes.items())
    return Said(
        nodes={ref: (node.kind, to_text(node.attributes)) for ref, node in together if node},
        edges=frozenset(edge_texts(edge for one in observations for edge in one.edges)),
        fingerprints=frozenset(chain.from_iterable(one.fingerprints for one in observations)),
        gaps=tuple(chain.from_iterable(one.gaps for one in observations)),
        complete=all(one.complete for one in observations),
    )


def _united(ref: Ref, told: Sequence[tuple[NodeKind, str]]) -> Node | None:
    """Unite what scopes say of one node, as `Gathered` does for what objects say."""
    if not told:
        return None
    read = [(kind, from_text(attributes)) for kind, attributes in told]
    seen = [one for one in read if one[1].get("exists") is not False]
    united: dict[str, AttributeValue] = {}
    for _, attributes in [one for one in read if one not in seen] + seen:
        united |= attributes
    if seen:
        for unseen in ("exists", "missing"):  # what only those say who do not see the thing
            united.pop(unseen, None)
    return Node(ref, (seen or read)[-1][0], united)


def _difference(
    old: Iterable[frozenset[bytes]], new: Iterable[Said], others: Sequence[Said]
) -> tuple[set[bytes], set[bytes]]:
    """Name the edges that nobody said before, and those that nobody says now."""
    before = set(chain.from_iterable(old))
    now = set(chain.from_iterable(said.edges for said in new))
    came, went = now - before, before - now
    for said in others:
        came -= said.edges
        went -= said.edges
    return came, went


def _one_per_scope(gaps: Iterable[Gap]) -> Iterator[Gap]:
    """Tell what many namespaces miss for one reason once, and how many more there are."""
    alike: dict[tuple[str, str, str], list[Gap]] = {}
    for gap in dict.fromkeys(gaps):
        alike.setdefault((gap.source, gap.scope, gap.do_now), []).append(gap)
    for first, *more in alike.values():
        if not more:
            yield first
            continue
        reason = f"{first.reason} The same is so in {len(more)} more place(s)."
        yield Gap(first.source, first.scope, reason, first.do_now)
