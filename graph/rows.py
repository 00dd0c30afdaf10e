"""
Between the words of the graph and its rows: canonical JSON, identities of edges, changes. Pure.

Canonical means: equal attributes give equal bytes, whatever their order, so that a difference in
the text is a difference in the world and the snapshot may share what is equal.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from sys import intern
from typing import Any

import orjson

from graph.adjacency import StoredEdge, Uses
from graph.model import (
    Attributes,
    Change,
    ChangeKind,
    Edge,
    EdgeKind,
    Gap,
    Node,
    NodeKind,
    merge_nodes,
)
from graph.refs import Ref

NODE, EDGE, GAP = "node", "edge", "gap"

_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
_NODE_KINDS: Mapping[str, NodeKind] = {kind.value: kind for kind in NodeKind}
_IDENTITY_BYTES = 16  # 128 bits: a million edges do not meet by chance


def to_text(attributes: Attributes) -> str:
    return orjson.dumps(dict(attributes), option=_CANONICAL).decode()


def from_text(text: str) -> Attributes:
    """Read attributes back; lists become tuples, as they were. Equal texts in them are shared."""
    return {intern(name): _shared(value) for name, value in orjson.loads(text).items()}


class SharedAttributes:
    """Reads attributes and hands out one value for equal texts: uses of one kind are many."""

    def __init__(self) -> None:
        self._known: dict[str, Attributes] = {}
        self._uses: dict[str, Uses] = {}

    def __getitem__(self, text: str) -> Attributes:
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = from_text(text)
        return found

    def uses(self, text: str) -> Uses:
        """Return the attributes of one edge as the snapshot keeps them, by their digest."""
        found = self._uses.get(text)
        if found is None:
            found = self._uses[text] = {use_id(text): self[text]}
        return found


def use_id(attributes: str) -> bytes:
    """Digest what tells the edges of one kind between the same two nodes apart."""
    return blake2b(attributes.encode(), digest_size=_IDENTITY_BYTES).digest()


def identity(edge: Edge, attributes: str) -> bytes:
    """Digest what makes an edge this one and no other; `attributes` is its canonical text."""
    said = f"{edge.kind}\n{edge.tail}\n{edge.head}\n{attributes}"
    return blake2b(said.encode(), digest_size=_IDENTITY_BYTES).digest()


def node_texts(nodes: Iterable[Node]) -> dict[Ref, tuple[Node, str]]:
    """Merge what one look says twice of a node; each with its canonical attributes."""
    grouped: dict[Ref, list[Node]] = {}
    for node in nodes:
        grouped.setdefault(node.ref, []).append(node)
    merged = (merge_nodes(group) for group in grouped.values())
    return {node.ref: (node, to_text(node.attributes)) for node in merged}


def edge_texts(edges: Iterable[Edge]) -> dict[bytes, tuple[Edge, str]]:
    found: dict[bytes, tuple[Edge, str]] = {}
    for edge in edges:
        text = to_text(edge.attributes)
        found[identity(edge, text)] = (edge, text)
    return found


def read_node(ref: str, kind: str, attributes: str, shared: SharedAttributes | None = None) -> Node:
    said = from_text(attributes) if shared is None else shared[attributes]
    return Node(Ref(intern(ref)), _NODE_KINDS[kind], said)


def read_edge(row: Sequence[Any], shared: SharedAttributes) -> StoredEdge:
    """Read (tail, head, kind, attributes)."""
    tail, head, kind, text = row
    return StoredEdge(use_id(text), Edge(Ref(tail), Ref(head), EdgeKind(kind), shared[text]))


def _shared(value: Any) -> Any:
    if isinstance(value, str):
        return intern(value)
    return tuple(value) if isinstance(value, list) else value


@dataclass(slots=True)
class Difference:
    """What one write changed, as rows of the change feed; revisions count on from `revision`."""

    source: str
    at: datetime
    revision: int
    rows: list[dict[str, Any]] = field(default_factory=list)

    def node(self, kind: ChangeKind, ref: str) -> None:
        self._add(kind, NODE, {"ref": ref})

    def edge(self, kind: ChangeKind, edge: Edge, key: bytes) -> None:
        self._add(
            kind,
            EDGE,
            {"ref": edge.tail, "head": edge.head, "edge_kind": edge.kind.value, "identity": key},
        )

    def gap(self, kind: ChangeKind, gap: Gap) -> None:
        self._add(kind, GAP, {"ref": gap.scope})

    def changes(self) -> tuple[Change, ...]:
        return tuple(read_change(row) for row in self.rows)

    def _add(self, kind: ChangeKind, subject_kind: str, subject: dict[str, Any]) -> None:
        self.revision += 1
        self.rows.append(
            {
                "head": "",
                "edge_kind": "",
                "identity": b"",
                **subject,
                "revision": self.revision,
                "kind": kind.value,
                "subject_kind": subject_kind,
                "source": self.source,
                "at": self.at,
            }
        )


def read_change(row: Mapping[str, Any]) -> Change:
    subject = f"{row['subject_kind']} {row['ref']}"
    if row["subject_kind"] == EDGE:
        subject = f"{subject} -{row['edge_kind']}-> {row['head']}"
    return Change(row["revision"], ChangeKind(row["kind"]), subject, row["source"], row["at"])
