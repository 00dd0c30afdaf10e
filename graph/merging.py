"""
Writes what one look at one source saw: compares it with the rows, changes only what differs.

Every function works inside the transaction of `repository.GraphRepository` and notes what it
changed in the `Difference`, which becomes the change feed.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from graph.database import insert_many
from graph.model import ChangeKind, Edge, EdgeKind, Gap, Observation, StoredFingerprint, merge_nodes
from graph.refs import Ref
from graph.rows import Difference, edge_texts, node_texts, read_node, to_text
from graph.tables import EDGES, FINGERPRINTS, GAPS, NODES, SOURCES

NO_VERSION = -1
_PART = 500  # rows named in one statement; SQLite and PostgreSQL both take it easily

Item = TypeVar("Item")


def parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _PART):
        yield items[start : start + _PART]


def merge(connection: Connection, observation: Observation, difference: Difference) -> None:
    """Make the rows of the source say what the observation says."""
    complete = observation.complete
    _merge_nodes(connection, observation, difference)
    _merge_edges(connection, observation, difference)
    _merge_fingerprints(connection, observation)
    _merge_gaps(connection, observation.gaps, difference, replace=_all_gaps)
    _mark(connection, difference, fresh=complete)


def record_refusal(connection: Connection, gaps: Sequence[Gap], difference: Difference) -> None:
    """Add `gaps` in place of earlier ones of the same scopes; mark the source and those below."""
    scopes = {(gap.source, gap.scope) for gap in gaps}
    _merge_gaps(connection, gaps, difference, replace=lambda gap: (gap.source, gap.scope) in scopes)
    _mark(connection, difference, fresh=False)
    below = _below(connection, difference.source)
    connection.execute(
        update(SOURCES)
        .where(SOURCES.c.name.in_(below), SOURCES.c.stale_since.is_(None))
        .values(stale_since=difference.at)
    )


def conclude(
    connection: Connection, gaps: Sequence[Gap], difference: Difference, *, fresh: bool
) -> None:
    """Put `gaps` in the place of all that the source had, and note how fresh it is."""
    _merge_gaps(connection, gaps, difference, replace=_all_gaps)
    _mark(connection, difference, fresh=fresh)


def finish(
    connection: Connection, seen: Collection[str], difference: Difference, *, complete: bool
) -> None:
    """Drop gaps of a source that speaks through others, and what those no longer tell of."""
    source = difference.source
    if source not in seen:
        _merge_gaps(connection, (), difference, replace=_all_gaps)
        connection.execute(delete(SOURCES).where(SOURCES.c.name == source))
    if not complete:
        return
    for name in _below(connection, source):
        if name not in seen:
            difference.source = name
            merge(connection, Observation(name), difference)
            connection.execute(delete(SOURCES).where(SOURCES.c.name == name))
    difference.source = source


def _merge_nodes(connection: Connection, observation: Observation, difference: Difference) -> None:
    source, now = observation.source, difference.at
    known = {
        row.ref: row
        for row in connection.execute(
            select(NODES.c.id, NODES.c.ref, NODES.c.kind, NODES.c.attributes).where(
                NODES.c.source == source
            )
        )
    }
    said = node_texts(observation.nodes)
    added, changed, seen = [], [], []
    for ref, (node, attributes) in said.items():
        row = known.get(ref)
        if row is None:
            added.append(_node_row(ref, node.kind, attributes))
            difference.node(ChangeKind.ADDED, ref)
            continue
        seen.append(row.id)
        if not observation.complete:  # what this look did not see of the node is still so
            node = merge_nodes([node, read_node(row.ref, row.kind, row.attributes)])  # noqa: PLW2901
            attributes = to_text(node.attributes)  # noqa: PLW2901
        if (row.kind, row.attributes) != (node.kind, attributes):
            changed.append(_node_row(ref, node.kind, attributes) | {"row": row.id})
            difference.node(ChangeKind.CHANGED, ref)
    gone = [row for ref, row in known.items() if ref not in said] if observation.complete else []
    for row in gone:
        difference.node(ChangeKind.REMOVED, row.ref)
    _delete(connection, NODES, [row.id for row in gone])
    _touch(connection, NODES, seen, difference, every=observation.complete)
    if changed:
        statement = update(NODES).where(NODES.c.id == bindparam("row"))
        connection.execute(
            statement.values(kind=bindparam("kind"), attributes=bindparam("attributes")), changed
        )
    insert_many(connection, NODES, added, source=source, first_seen=now, last_seen=now)


def _merge_edges(connection: Connection, observation: Observation, difference: Difference) -> None:
    source, now = observation.source, difference.at
    known: dict[bytes, int] = {
        key: number
        for number, key in connection.execute(
            select(EDGES.c.id, EDGES.c.identity).where(EDGES.c.source == source)
        )
    }
    said = edge_texts(observation.edges)
    added: list[dict[str, Any]] = []
    for key, (edge, attributes) in said.items():
        if key not in known:
            ends = {"identity": key, "tail": edge.tail, "head": edge.head, "kind": edge.kind.value}
            added.append(ends | {"attributes": attributes})
            difference.edge(ChangeKind.ADDED, edge, key)
    gone = [number for key, number in known.items() if key not in said]
    if observation.complete:
        for some in parts(gone):
            for row in connection.execute(
                select(EDGES.c.identity, EDGES.c.tail, EDGES.c.head, EDGES.c.kind).where(
                    EDGES.c.id.in_(some)
                )
            ):
                edge = Edge(Ref(row.tail), Ref(row.head), EdgeKind(row.kind))
                difference.edge(ChangeKind.REMOVED, edge, row.identity)
        _delete(connection, EDGES, gone)
    seen = [number for key, number in known.items() if key in said]
    _touch(connection, EDGES, seen, difference, every=observation.complete)
    insert_many(connection, EDGES, added, source=source, first_seen=now, last_seen=now)


def _merge_fingerprints(connection: Connection, observation: Observation) -> None:
    """
    Replace the digests of the source.

    After an incomplete look old digests stay; in a place that was seen they are no longer current.
    """
    known = {
        (row.digest, row.key_id, row.secret, row.key, row.version, row.form): row
        for row in connection.execute(
            select(FINGERPRINTS).where(FINGERPRINTS.c.source == observation.source)
        )
    }
    said = {_fingerprint_key(stored): stored for stored in observation.fingerprints}
    places = {(key[2], key[3]) for key in said}
    gone = [row for key, row in known.items() if key not in said]
    if observation.complete:
        _delete(connection, FINGERPRINTS, [row.id for row in gone])
    else:
        outdated = [row.id for row in gone if row.current and (row.secret, row.key) in places]
        for some in parts(outdated):
            connection.execute(
                update(FINGERPRINTS).where(FINGERPRINTS.c.id.in_(some)).values(current=False)
            )
    added = []
    for key, stored in said.items():
        marks = {"weak": stored.fingerprint.weak, "current": stored.current}
        row = known.get(key)
        if row is None:
            names = ("digest", "key_id", "secret", "key", "version", "form")
            added.append(dict(zip(names, key, strict=True)) | marks)
        elif (row.weak, row.current) != (stored.fingerprint.weak, stored.current):
            connection.execute(
                update(FINGERPRINTS).where(FINGERPRINTS.c.id == row.id).values(**marks)
            )
    insert_many(connection, FINGERPRINTS, added, source=observation.source)


def _merge_gaps(
    connection: Connection, gaps: Sequence[Gap], difference: Difference, *, replace: Any
) -> None:
    """Put `gaps` in the place of those that `replace` picks; a known scope keeps its `since`."""
    rows = connection.execute(select(GAPS).where(GAPS.c.owner == difference.source)).all()
    since: dict[tuple[str, str], Any] = {}
    for row in rows:
        place = (row.source, row.scope)
        since[place] = min(row.since, since.get(place, row.since))
    said = {(gap.source, gap.scope, gap.reason): gap for gap in gaps}
    known = {(row.source, row.scope, row.reason): row for row in rows}
    gone = [row for key, row in known.items() if key not in said and replace(row)]
    for row in gone:
        difference.gap(ChangeKind.REMOVED, Gap(row.source, row.scope, row.reason))
    _delete(connection, GAPS, [row.id for row in gone])
    for key, gap in said.items():
        if key in known:
            if known[key].do_now != gap.do_now:
                connection.execute(
                    update(GAPS).where(GAPS.c.id == known[key].id).values(do_now=gap.do_now)
                )
                difference.gap(ChangeKind.CHANGED, gap)
            continue
        difference.gap(ChangeKind.ADDED, gap)
        began = gap.since or since.get((gap.source, gap.scope)) or difference.at
        connection.execute(
            insert(GAPS).values(
                owner=difference.source,
                source=gap.source,
                scope=gap.scope,
                reason=gap.reason,
                do_now=gap.do_now,
                since=began,
            )
        )


def _all_gaps(_row: object) -> bool:
    return True


def _mark(connection: Connection, difference: Difference, *, fresh: bool) -> None:
    name, now = difference.source, difference.at
    row = connection.execute(select(SOURCES).where(SOURCES.c.name == name)).first()
    stale_since = None if fresh else (row and row.stale_since) or now
    values: dict[str, Any] = {"last_attempt": now, "stale_since": stale_since}
    if fresh:
        values["last_complete"] = now
    if row is None:
        connection.execute(insert(SOURCES).values(name=name, **values))
    else:
        connection.execute(update(SOURCES).where(SOURCES.c.name == name).values(**values))


def _below(connection: Connection, source: str) -> list[str]:
    names = connection.scalars(select(SOURCES.c.name)).all()
    return [name for name in names if name.startswith(f"{source}/")]


def _node_row(ref: str, kind: str, attributes: str) -> dict[str, Any]:
    return {"ref": ref, "kind": str(kind), "attributes": attributes}


def _fingerprint_key(stored: StoredFingerprint) -> tuple[str, str, str, str, int, str]:
    fingerprint = stored.fingerprint
    version = NO_VERSION if stored.version is None else stored.version
    return (
        fingerprint.digest,
        fingerprint.key_id,
        stored.secret,
        stored.key.replace("\0", "\N{REPLACEMENT CHARACTER}"),  # PostgreSQL has no such letter
        version,
        fingerprint.form,
    )


def _touch(
    connection: Connection,
    table: Table,
    seen: Sequence[int],
    difference: Difference,
    *,
    every: bool,
) -> None:
    """Note that rows were seen again; `every`: all that the source has left."""
    if every:
        connection.execute(
            update(table).where(table.c.source == difference.source).values(last_seen=difference.at)
        )
        return
    for some in parts(seen):
        connection.execute(
            update(table).where(table.c.id.in_(some)).values(last_seen=difference.at)
        )


def _delete(connection: Connection, table: Table, numbers: Sequence[int]) -> None:
    for some in parts(numbers):
        connection.execute(delete(table).where(table.c.id.in_(some)))
