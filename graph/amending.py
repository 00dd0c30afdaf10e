"""
Writes what changed in what a source says: the rows of one change, and no others.

`merging.py` compares a whole look with all rows of the source; here somebody who remembers what was
said names the rows that came and went. Both work in the transaction of `repository.py`, and both
leave alone what another source says of the same thing.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from graph import merging
from graph.model import ChangeKind, Edge, EdgeKind, Gap, Node, StoredFingerprint, merge_nodes
from graph.refs import Ref
from graph.rows import Difference, edge_texts, node_texts, read_node, to_text
from graph.tables import EDGES, FINGERPRINTS, NODES

# What only says where a thing lies. Unseen others may say the same, so an incomplete look keeps it.
_STRUCTURE = frozenset({EdgeKind.STORED_IN, EdgeKind.IN_NAMESPACE, EdgeKind.OWNED_BY})


@dataclass(frozen=True, slots=True)
class Amendment:
    """
    What changed in what `source` says; `gaps` are all of its gaps, changed or not.

    `gone_edges` are identities (`rows.identity`). `complete` False: there are parts of the source
    that nobody could read, so nodes stay, and only relations that were seen to end are taken out.
    `fresh`: nothing that the source is made from is known to be out of date.
    """

    source: str
    nodes: tuple[Node, ...] = ()
    gone_nodes: tuple[Ref, ...] = ()
    edges: tuple[Edge, ...] = ()
    gone_edges: tuple[bytes, ...] = ()
    fingerprints: tuple[StoredFingerprint, ...] = ()
    gone_fingerprints: tuple[StoredFingerprint, ...] = ()
    gaps: tuple[Gap, ...] = field(default=())
    complete: bool = True
    fresh: bool = True


def amend(connection: Connection, amendment: Amendment, difference: Difference) -> None:
    """Write an amendment; applied a second time it changes nothing."""
    _put_nodes(connection, amendment, difference)
    _put_edges(connection, amendment, difference)
    _take_edges(connection, amendment, difference)
    if amendment.complete:
        _take_nodes(connection, amendment.gone_nodes, difference)
    _amend_fingerprints(connection, amendment)
    merging.conclude(connection, amendment.gaps, difference, fresh=amendment.fresh)


def _put_nodes(connection: Connection, amendment: Amendment, difference: Difference) -> None:
    said = node_texts(amendment.nodes)
    known: dict[str, Any] = {}
    for some in merging.parts(list(said)):
        rows = connection.execute(
            select(NODES.c.id, NODES.c.ref, NODES.c.kind, NODES.c.attributes).where(
                NODES.c.source == amendment.source, NODES.c.ref.in_(some)
            )
        )
        known |= {row.ref: row for row in rows}
    added = []
    for ref, (node, attributes) in said.items():
        row = known.get(ref)
        seen = {"last_seen": difference.at}
        if row is None:
            about = {"ref": ref, "source": amendment.source, "first_seen": difference.at}
            added.append(about | seen | {"kind": node.kind.value, "attributes": attributes})
            difference.node(ChangeKind.ADDED, ref)
            continue
        if not amendment.complete:  # what this look did not see of the node is still so
            merged = merge_nodes([node, read_node(row.ref, row.kind, row.attributes)])
            node, attributes = merged, to_text(merged.attributes)  # noqa: PLW2901
        if (row.kind, row.attributes) != (node.kind, attributes):
            values = {"kind": node.kind.value, "attributes": attributes}
            connection.execute(update(NODES).where(NODES.c.id == row.id).values(**seen, **values))
            difference.node(ChangeKind.CHANGED, ref)
    if added:
        connection.execute(insert(NODES), added)


def _take_nodes(connection: Connection, refs: Collection[Ref], difference: Difference) -> None:
    for some in merging.parts(sorted(refs)):
        here = (NODES.c.source == difference.source, NODES.c.ref.in_(some))
        for ref in connection.scalars(select(NODES.c.ref).where(*here)).all():
            difference.node(ChangeKind.REMOVED, ref)
        connection.execute(delete(NODES).where(*here))


def _put_edges(connection: Connection, amendment: Amendment, difference: Difference) -> None:
    said = edge_texts(amendment.edges)
    known: set[bytes] = set()
    for some in merging.parts(list(said)):
        here = (EDGES.c.source == amendment.source, EDGES.c.identity.in_(some))
        known.update(connection.scalars(select(EDGES.c.identity).where(*here)))
    added = []
    for key, (edge, attributes) in said.items():
        if key in known:
            continue
        ends = {"identity": key, "tail": edge.tail, "head": edge.head, "kind": edge.kind.value}
        seen = {"first_seen": difference.at, "last_seen": difference.at}
        added.append(ends | seen | {"attributes": attributes, "source": amendment.source})
        difference.edge(ChangeKind.ADDED, edge, key)
    if added:
        connection.execute(insert(EDGES), added)


def _take_edges(connection: Connection, amendment: Amendment, difference: Difference) -> None:
    for some in merging.parts(amendment.gone_edges):
        rows = connection.execute(
            select(EDGES.c.id, EDGES.c.identity, EDGES.c.tail, EDGES.c.head, EDGES.c.kind).where(
                EDGES.c.source == amendment.source, EDGES.c.identity.in_(some)
            )
        ).all()
        gone = [row for row in rows if amendment.complete or row.kind not in _STRUCTURE]
        for row in gone:
            edge = Edge(Ref(row.tail), Ref(row.head), EdgeKind(row.kind))
            difference.edge(ChangeKind.REMOVED, edge, row.identity)
        connection.execute(delete(EDGES).where(EDGES.c.id.in_([row.id for row in gone])))


def _amend_fingerprints(connection: Connection, amendment: Amendment) -> None:
    for stored in (*amendment.gone_fingerprints, *amendment.fingerprints):
        row = _fingerprint_row(amendment.source, stored)
        here = [FINGERPRINTS.c[name] == value for name, value in row.items()]
        connection.execute(delete(FINGERPRINTS).where(*here))
    rows = [
        _fingerprint_row(amendment.source, stored)
        | {"weak": stored.fingerprint.weak, "current": stored.current}
        for stored in amendment.fingerprints
    ]
    if rows:
        connection.execute(insert(FINGERPRINTS), rows)


def _fingerprint_row(source: str, stored: StoredFingerprint) -> dict[str, Any]:
    fingerprint = stored.fingerprint
    return {
        "source": source,
        "digest": fingerprint.digest,
        "key_id": fingerprint.key_id,
        "secret": stored.secret,
        "key": stored.key,
        "version": merging.NO_VERSION if stored.version is None else stored.version,
        "form": fingerprint.form,
    }
