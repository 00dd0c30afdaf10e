"""
Both directions of the edges of one kind, as networkx keeps them: grown, changed, wrapped.

A company has a million edges, most of which say the same as others of their kind: they share what
they say, down to the dictionary that networkx keeps per pair of nodes. So nothing in here may be
changed in place; `advanced` copies what changes, and leaves every other neighbourhood the very
object that it was, by which others see that nothing changed there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import networkx as nx

from graph.model import Attributes, Edge
from graph.refs import Ref

# Tells uses of one kind between the same two nodes apart: the edge's digest, or any hashable.
EdgeId = bytes

Layer: TypeAlias = "nx.MultiDiGraph[Ref]"
Uses = dict[EdgeId, Attributes]
Adjacency = dict[Ref, dict[Ref, Uses]]
NOBODY: dict[Ref, Uses] = {}


@dataclass(frozen=True, slots=True)
class StoredEdge:
    """An edge with its identity; `gone` edges are taken out by `Snapshot.advance`."""

    identity: EdgeId
    edge: Edge
    gone: bool = False


class Growing:
    """The two adjacencies of one kind of edge while they are filled."""

    __slots__ = ("_only", "heads", "tails")

    def __init__(self) -> None:
        self.heads: Adjacency = {}
        self.tails: Adjacency = {}
        # A hundred thousand Secrets lie in one cluster and nowhere else: such neighbourhoods of
        # one are shared, so what has a single neighbour is never changed in place.
        self._only: dict[tuple[Ref, int], dict[Ref, Uses]] = {}

    def add(self, tail: Ref, head: Ref, uses: Uses) -> None:
        heads, tails = self.heads, self.tails
        there = heads.get(tail, NOBODY)
        if there is NOBODY:
            place = (head, id(uses))
            there = self._only.get(place, NOBODY)
            if there is NOBODY:
                there = self._only[place] = {head: uses}
            heads[tail] = there
            tails.setdefault(tail, NOBODY)
        else:
            if head in there:
                uses = {**there[head], **uses}
            if len(there) == 1:
                there = heads[tail] = dict(there)
            there[head] = uses
        back = tails.get(head, NOBODY)
        if back is NOBODY:
            back = tails[head] = {}
            heads.setdefault(head, NOBODY)
        back[tail] = uses


def advanced(layer: Layer, changes: Iterable[StoredEdge]) -> Layer:
    """Copy on write: the outer dictionaries, and only the neighbourhoods that changed."""
    old_heads, old_tails = adjacencies(layer)
    heads, tails = dict(old_heads), dict(old_tails)
    for stored in changes:
        tail, head = stored.edge.tail, stored.edge.head
        ends = {tail, head}
        for end in ends:
            _own(heads, old_heads, end)
            _own(tails, old_tails, end)
        uses = dict(heads[tail].get(head, {}))
        if stored.gone:
            uses.pop(stored.identity, None)
        else:
            uses[stored.identity] = stored.edge.attributes
        if uses:
            heads[tail][head] = tails[head][tail] = uses
        else:
            heads[tail].pop(head, None)
            tails[head].pop(tail, None)
        for end in ends:
            if not heads[end] and not tails[end]:
                del heads[end], tails[end]
    return layer_of(heads, tails)


def _own(side: Adjacency, old: Adjacency, ref: Ref) -> None:
    """Make the neighbourhood of `ref` ours to change: a copy of the old one, once."""
    mine = side.get(ref)
    if mine is None or mine is old.get(ref):
        side[ref] = dict(mine or {})


def layer_of(heads: Adjacency, tails: Adjacency) -> Layer:
    """Wrap two ready adjacencies: a fifth of the time that `add_edge` takes, edge by edge."""
    layer: Layer = nx.MultiDiGraph()
    nothing: dict[str, object] = {}
    vars(layer)["_node"] = dict.fromkeys(heads, nothing)
    layer._adj = heads  # type: ignore[attr-defined]  # noqa: SLF001 - sets `_succ` too
    layer._pred = tails  # type: ignore[attr-defined]  # noqa: SLF001
    return layer


def adjacencies(layer: Layer) -> tuple[Adjacency, Adjacency]:
    """Return the bare adjacencies: out of and into each node."""
    inside = vars(layer)
    return inside["_adj"], inside["_pred"]
