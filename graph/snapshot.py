"""
The graph at one revision, in memory: networkx behind the words of the domain.

A snapshot never changes, so a question needs no lock and sees one moment. `Snapshot.advance`
makes the next one and shares everything that did not change with it. Each edge kind is a
`networkx.MultiDiGraph` of its own, so that a walk costs what it finds: a secret that 10,000
subjects can read still lists its five consumers in five steps. Hot paths use `heads` and `tails`,
which walk the adjacency without building `Edge` values; networkx has the rest (`layer`).

Not here: how the adjacencies are kept (`adjacency`), rows (`repository`), questions (`queries`).
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from sys import intern
from typing import Any, Self, TypeVar
from urllib.parse import unquote

from graph.adjacency import (
    NOBODY,
    EdgeId,
    Growing,
    Layer,
    StoredEdge,
    Uses,
    adjacencies,
    advanced,
    layer_of,
)
from graph.model import Attributes, Edge, EdgeKind, Gap, Node, NodeKind, merge_nodes
from graph.refs import Ref

_NOT_USED: Uses = {}

Answer = TypeVar("Answer")
_REMEMBERED = 128  # answers; the one about a secret that everybody uses may take 20 MB
_PLACES = 4_000  # namespaces and such; the rules about one take 10 KB
_PARTS = 4_000  # of answers; one has a hundred ways, in 20 KB


class Snapshot:
    """Nodes merged over their sources, edges by kind, gaps; all at one `revision`."""

    __slots__ = (
        "_answers",
        "_by_kind",
        "_heads",
        "_layers",
        "_names",
        "_nodes",
        "_parts",
        "_places",
        "_tails",
        "gaps",
        "revision",
    )

    def __init__(
        self,
        nodes: dict[Ref, Node],
        layers: dict[EdgeKind, Layer],
        gaps: tuple[Gap, ...],
        *,
        revision: int,
        names: dict[str, tuple[Ref, ...]],
        by_kind: dict[NodeKind, dict[Ref, Node]],
        places: dict[Hashable, tuple[Mapping[Ref, Uses], Any]] | None = None,
    ) -> None:
        self._nodes = nodes
        self._layers = layers
        self._heads = {kind: adjacencies(layer)[0] for kind, layer in layers.items()}
        self._tails = {kind: adjacencies(layer)[1] for kind, layer in layers.items()}
        self._names = names
        self._by_kind = by_kind
        self._answers: dict[Hashable, Any] = {}
        self._parts: dict[Hashable, Any] = {}
        self._places = {} if places is None else places
        self.gaps = gaps
        self.revision = revision

    @classmethod
    def build(
        cls,
        nodes: Iterable[Node],
        edges: Iterable[StoredEdge],
        gaps: Sequence[Gap] = (),
        *,
        revision: int = 0,
    ) -> Self:
        """Make a snapshot from scratch; `nodes` are merged already (see `merge_nodes`)."""
        shared: dict[EdgeId, Uses] = {}
        return cls.load(
            nodes,
            (_parts_of(stored, shared) for stored in edges),
            gaps,
            revision=revision,
        )

    @classmethod
    def load(
        cls,
        nodes: Iterable[Node],
        edges: Iterable[tuple[str, str, str, Uses]],
        gaps: Sequence[Gap] = (),
        *,
        revision: int = 0,
    ) -> Self:
        """Make a snapshot of (kind, tail, head, uses), where equal `uses` should be one object."""
        known = {node.ref: node for node in nodes}
        by_kind: dict[NodeKind, dict[Ref, Node]] = {kind: {} for kind in NodeKind}
        names: dict[str, tuple[Ref, ...]] = {}
        for ref, node in known.items():
            by_kind[node.kind][ref] = node
            name = last_name(ref)
            names[name] = (*names.get(name, ()), ref)
        walks = {kind.value: Growing() for kind in EdgeKind}
        for kind, tail, head, uses in edges:
            walks[kind].add(Ref(intern(tail)), Ref(intern(head)), uses)
        return cls(
            known,
            {kind: layer_of(walks[kind].heads, walks[kind].tails) for kind in EdgeKind},
            tuple(gaps),
            revision=revision,
            names=names,
            by_kind=by_kind,
        )

    @classmethod
    def of(cls, nodes: Iterable[Node], edges: Iterable[Edge], gaps: Sequence[Gap] = ()) -> Self:
        """Make a snapshot of what collectors yield, before it was ever stored."""
        grouped: dict[Ref, list[Node]] = {}
        for node in nodes:
            grouped.setdefault(node.ref, []).append(node)
        return cls.build(
            (merge_nodes(group) for group in grouped.values()),
            (StoredEdge(str(number).encode(), edge) for number, edge in enumerate(edges)),
            gaps,
        )

    def node(self, ref: Ref) -> Node | None:
        return self._nodes.get(ref)

    def nodes(self, kind: NodeKind | None = None) -> Iterator[Node]:
        return iter((self._nodes if kind is None else self._by_kind[kind]).values())

    def of_kind(self, kind: NodeKind) -> Mapping[Ref, Node]:
        return self._by_kind[kind]

    def named(self, name: str) -> tuple[Ref, ...]:
        """Return the nodes whose last part is `name`, in lower case and decoded."""
        return self._names.get(name, ())

    @property
    def names(self) -> Collection[str]:
        return self._names.keys()

    def out(self, ref: Ref, kind: EdgeKind) -> Iterator[Edge]:
        for head, attributes in self.heads(ref, kind):
            yield Edge(ref, head, kind, attributes)

    def into(self, ref: Ref, kind: EdgeKind) -> Iterator[Edge]:
        for tail, attributes in self.tails(ref, kind):
            yield Edge(tail, ref, kind, attributes)

    def heads(self, ref: Ref, kind: EdgeKind) -> Iterator[tuple[Ref, Attributes]]:
        """Walk out of `ref`: the other end and the attributes of each edge."""
        for head, uses in self._heads[kind].get(ref, NOBODY).items():
            for attributes in uses.values():
                yield head, attributes

    def tails(self, ref: Ref, kind: EdgeKind) -> Iterator[tuple[Ref, Attributes]]:
        """Walk into `ref`: the other end and the attributes of each edge."""
        for tail, uses in self._tails[kind].get(ref, NOBODY).items():
            for attributes in uses.values():
                yield tail, attributes

    def outward(self, kind: EdgeKind) -> Mapping[Ref, Mapping[Ref, Uses]]:
        """Return `uses_from` of every node, for who asks of thousands."""
        return self._heads[kind]

    def inward(self, kind: EdgeKind) -> Mapping[Ref, Mapping[Ref, Uses]]:
        """Return `uses_into` of every node, for who asks of thousands."""
        return self._tails[kind]

    def uses_from(self, ref: Ref, kind: EdgeKind) -> Mapping[Ref, Uses]:
        """Return each other end of the edges out of `ref`, with all that joins the two."""
        return self._heads[kind].get(ref, NOBODY)

    def uses_into(self, ref: Ref, kind: EdgeKind) -> Mapping[Ref, Uses]:
        """Return each other end of the edges into `ref`, with all that joins the two."""
        return self._tails[kind].get(ref, NOBODY)

    def uses(self, tail: Ref, head: Ref, kind: EdgeKind) -> Mapping[EdgeId, Attributes]:
        """Return what joins two nodes, by the identity of each edge."""
        return self._heads[kind].get(tail, NOBODY).get(head, _NOT_USED)

    def edges(self, kind: EdgeKind | None = None) -> Iterator[Edge]:
        for each in EdgeKind if kind is None else (kind,):
            for tail in self._heads[each]:
                yield from self.out(tail, each)

    def once(self, question: Hashable, answer: Callable[[], Answer]) -> Answer:
        """Answer a question only once: as a snapshot never changes, neither does the answer."""
        return _remembered(self._answers, question, answer, _REMEMBERED)

    def part(self, name: Hashable, make: Callable[[], Answer]) -> Answer:
        """Make what many answers have in common only once, such as the readers of a namespace."""
        return _remembered(self._parts, name, make, _PARTS)

    def said_of(
        self, place: Ref, kind: EdgeKind, make: Callable[[Mapping[Ref, Uses]], Answer]
    ) -> Answer:
        """
        Make of the edges into a place what many questions need, until one of them changes.

        It is kept for later snapshots, too: a neighbourhood that is the same object is the same.
        """
        said = self._tails[kind].get(place, NOBODY)
        known = self._places.get((kind, place))
        if known is None or known[0] is not said:
            if len(self._places) >= _PLACES:
                self._places.clear()
            known = self._places[kind, place] = (said, make(said))
        made: Answer = known[1]
        return made

    def layer(self, kind: EdgeKind) -> Layer:
        """Return the edges of one kind for networkx's own algorithms; read only."""
        return self._layers[kind]

    def advance(
        self,
        *,
        revision: int,
        nodes: Mapping[Ref, Node | None],
        edges: Iterable[StoredEdge],
        gaps: Sequence[Gap] | None = None,
    ) -> "Snapshot":
        """
        Return the next snapshot: `nodes` as they are now (None: gone), `edges` set or `gone`.

        Applying a change twice is harmless: it is always the present state that is applied.
        """
        changes: dict[EdgeKind, list[StoredEdge]] = {}
        for stored in edges:
            changes.setdefault(stored.edge.kind, []).append(stored)
        layers = dict(self._layers)
        for kind, changed in changes.items():
            layers[kind] = advanced(layers[kind], changed)
        return Snapshot(
            _replaced(self._nodes, nodes),
            layers,
            self.gaps if gaps is None else tuple(gaps),
            revision=revision,
            names=self._advanced_names(nodes),
            by_kind={
                kind: _replaced(
                    known,
                    {
                        ref: node if node and node.kind is kind else None
                        for ref, node in nodes.items()
                        if ref in known or (node and node.kind is kind)
                    },
                )
                for kind, known in self._by_kind.items()
            },
            places=self._places,
        )

    def _advanced_names(self, nodes: Mapping[Ref, Node | None]) -> dict[str, tuple[Ref, ...]]:
        appeared = [ref for ref, node in nodes.items() if node and ref not in self._nodes]
        vanished = [ref for ref, node in nodes.items() if not node and ref in self._nodes]
        if not appeared and not vanished:
            return self._names
        names = dict(self._names)
        for ref in appeared:
            names[last_name(ref)] = (*names.get(last_name(ref), ()), ref)
        for ref in vanished:
            left = tuple(other for other in names[last_name(ref)] if other != ref)
            if left:
                names[last_name(ref)] = left
            else:
                del names[last_name(ref)]
        return names


def _remembered(
    known: dict[Hashable, Any], name: Hashable, make: Callable[[], Answer], limit: int
) -> Answer:
    found: Answer | None = known.get(name)
    if found is None:
        if len(known) >= limit:
            known.clear()
        found = known[name] = make()
    return found


def last_name(ref: str) -> str:
    """Return what people call a thing: the last part of its ref, decoded, in lower case."""
    return unquote(ref.rpartition("/")[2].rpartition(":")[2]).lower()


def _replaced(known: dict[Ref, Node], changes: Mapping[Ref, Node | None]) -> dict[Ref, Node]:
    if not changes:
        return known
    result = dict(known)
    for ref, node in changes.items():
        if node is None:
            result.pop(ref, None)
        else:
            result[ref] = node
    return result


def _parts_of(stored: StoredEdge, shared: dict[EdgeId, Uses]) -> tuple[str, str, str, Uses]:
    edge = stored.edge
    uses = shared.get(stored.identity)
    if uses is None or uses[stored.identity] is not edge.attributes:
        uses = shared[stored.identity] = {stored.identity: edge.attributes}
    return edge.kind, edge.tail, edge.head, uses
