"""
Keeps the graph: takes observations in, hands the live snapshot out, recognises fingerprints.

Each write is one transaction: rows of the source, the difference in the change feed, the state of
the source. Writers take turns at the row of the feed, so revisions become visible in their order
and a reader that knows revision N misses nothing after it. `merging.py` and `amending.py` do the
writing; this is what others see. With them, and `leases.py`, the only SQL of the graph.
"""

import gc
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from threading import Lock
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    Select,
    Table,
    bindparam,
    func,
    select,
    text,
    update,
)

from graph import merging
from graph.adjacency import StoredEdge
from graph.amending import Amendment, amend
from graph.database import insert_many, reading, writing
from graph.model import (
    Change,
    Edge,
    EdgeKind,
    Fingerprint,
    Gap,
    Match,
    Node,
    Observation,
    merge_nodes,
)
from graph.refs import Ref
from graph.rows import (
    EDGE,
    GAP,
    NODE,
    Difference,
    SharedAttributes,
    identity,
    read_change,
    read_edge,
    read_node,
    to_text,
)
from graph.snapshot import Snapshot
from graph.tables import CHANGES, EDGES, FEED, FINGERPRINTS, GAPS, NODES, SOURCES

# A snapshot further behind than this is loaded anew: reading rows in one go is cheaper than
# asking for them by name.
_MAX_BEHIND = 20_000

_WITH_DIGEST = select(FINGERPRINTS).where(
    FINGERPRINTS.c.digest.in_(bindparam("digests", expanding=True))
)
_LARGE = 50_000  # edges, see `_nothing_to_collect`
_NEW_OBJECTS, _ROUNDS = 50_000, (20, 20)  # see `expect_many_objects`


@dataclass(frozen=True, slots=True)
class SourceState:
    """How fresh one source is. `stale_since` None: the last look was complete."""

    name: str
    last_attempt: datetime
    last_complete: datetime | None
    stale_since: datetime | None
    nodes: int
    edges: int


class GraphRepository:
    """The graph in one database. One object serves all threads of a process."""

    def __init__(self, engine: Engine) -> None:
        expect_many_objects()
        self._engine = engine
        self._live: Snapshot | None = None
        self._turn = Lock()

    def merge(self, observation: Observation, *, now: datetime) -> tuple[Change, ...]:
        """
        Take in one look at one source, which replaces what the source said before.

        An incomplete look adds and updates, and deletes nothing. Returns what changed, as it
        stands in the feed; the same look a second time changes nothing.
        """
        with self._write(observation.source, now) as (connection, difference):
            merging.merge(connection, observation, difference)
        return difference.changes()

    def amend(self, amendment: Amendment, *, now: datetime) -> tuple[Change, ...]:
        """Take in what changed in a source that somebody follows; costs what the change costs."""
        with self._write(amendment.source, now) as (connection, difference):
            amend(connection, amendment, difference)
        return difference.changes()

    def record_gaps(self, source: str, gaps: Sequence[Gap], *, now: datetime) -> tuple[Change, ...]:
        """
        Say that `source` could not be read: everything known of it stays, stale from now on.

        The same holds for the sources below it ("vault/main/kv" below "vault/main"). A gap that
        was known keeps the moment since when.
        """
        with self._write(source, now) as (connection, difference):
            merging.record_refusal(connection, gaps, difference)
        return difference.changes()

    def finish(
        self, source: str, seen: Collection[str], *, complete: bool, now: datetime
    ) -> tuple[Change, ...]:
        """
        Close a run over `source` that was not refused and told of the sources `seen`.

        Earlier refusals of `source` are over. When the run was `complete`, sources below it that
        it no longer told of are gone, such as a mount that was disabled.
        """
        with self._write(source, now) as (connection, difference):
            merging.finish(connection, seen, difference, complete=complete)
        return difference.changes()

    def snapshot(self) -> Snapshot:
        """Return the graph as it is now; costs one small query while nothing changes."""
        with self._turn, reading(self._engine) as connection:
            latest = connection.scalar(select(FEED.c.revision)) or 0
            live = self._live
            if live is None or latest - live.revision > _MAX_BEHIND:
                self._live = live = _load(connection, latest)
            elif latest != live.revision:
                self._live = live = _advance(connection, live, latest)
            return live

    def find(self, fingerprints: Iterable[Fingerprint]) -> tuple[Match, ...]:
        """
        Recognise a value: one match per place and version, current and exact ones first.

        A weak fingerprint identifies nothing; it only confirms a secret that a strong one named.
        """
        asked = {(one.key_id, one.digest): one for one in fingerprints}
        with reading(self._engine) as connection:
            rows = [
                row
                for part in merging.parts(sorted({digest for _, digest in asked}))
                for row in connection.execute(_WITH_DIGEST, {"digests": part})
                if (row.key_id, row.digest) in asked
            ]
        strong = {
            row.secret for row in rows if not row.weak and not asked[row.key_id, row.digest].weak
        }
        best: dict[tuple[str, str, int], Match] = {}
        for row in rows:
            if row.secret in strong:
                match = _match(row, asked[row.key_id, row.digest])
                place = (row.secret, row.key, row.version)
                best[place] = min(best.get(place, match), match, key=_closeness)
        return tuple(sorted(best.values(), key=_closeness))

    def changes_since(self, revision: int, *, limit: int = 10_000) -> tuple[Change, ...]:
        """Return the next `limit` changes after `revision`, oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(_after(revision).limit(limit)).mappings()
            return tuple(read_change(dict(row)) for row in rows)

    def sources(self) -> tuple[SourceState, ...]:
        """Return every source with its age and the number of its rows, by name."""
        with reading(self._engine) as connection:
            nodes = _counts(connection, NODES)
            edges = _counts(connection, EDGES)
            rows = connection.execute(select(SOURCES).order_by(SOURCES.c.name))
            return tuple(
                SourceState(
                    row.name,
                    row.last_attempt,
                    row.last_complete,
                    row.stale_since,
                    nodes.get(row.name, 0),
                    edges.get(row.name, 0),
                )
                for row in rows
            )

    @contextmanager
    def _write(self, source: str, now: datetime) -> Iterator[tuple[Connection, Difference]]:
        with writing(self._engine) as connection:
            connection.execute(
                text("INSERT INTO graph_feed (id, revision) VALUES (1, 0) ON CONFLICT DO NOTHING")
            )
            revision = connection.scalar(select(FEED.c.revision).with_for_update()) or 0
            difference = Difference(source, now, revision)
            yield connection, difference
            if difference.rows:
                insert_many(connection, CHANGES, difference.rows, at=now)
                connection.execute(update(FEED).values(revision=difference.revision))


def _load(connection: Connection, revision: int) -> Snapshot:
    shared = SharedAttributes()
    many = connection.execution_options(yield_per=10_000)
    with _nothing_to_collect() if _is_large(connection) else nullcontext():
        nodes = many.execute(
            select(NODES.c.ref, NODES.c.kind, NODES.c.attributes).order_by(
                NODES.c.ref, NODES.c.source
            )
        )
        edges = many.execute(select(EDGES.c.kind, EDGES.c.tail, EDGES.c.head, EDGES.c.attributes))
        return Snapshot.load(
            _merged(nodes, shared),
            ((kind, tail, head, shared.uses(text)) for kind, tail, head, text in edges),
            _gaps(connection),
            revision=revision,
        )


def _is_large(connection: Connection) -> bool:
    """Tell whether Python would search this graph for a noticeable time; counts no further."""
    some = select(EDGES.c.tail).limit(_LARGE).subquery()
    return connection.scalar(select(func.count()).select_from(some)) == _LARGE


def expect_many_objects() -> None:
    """
    Let Python search for unused cycles after 50,000 new objects instead of 700; for good.

    A page of a listing is 50,000 objects, and a cluster has hundreds: twice the time of reading it
    went into looking through pages, which hold no cycles.
    """
    gc.set_threshold(_NEW_OBJECTS, *_ROUNDS)


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """
    Keep Python from searching a growing graph for cycles, again and again, and from then on.

    A graph has none. Each full search of a million edges would stop every thread for a second.
    What is loaded is set aside (`gc.freeze`), and taken back when it is loaded anew. For a small
    graph the search of all else beforehand would cost more than it saves.
    """
    gc.unfreeze()
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def _advance(connection: Connection, live: Snapshot, latest: int) -> Snapshot:
    """Apply what changed since `live`: always the present rows, so twice does no harm."""
    nodes: dict[Ref, Node | None] = {}
    edges: dict[bytes, Edge] = {}
    gaps = None
    for row in connection.execute(_after(live.revision)):
        if row.subject_kind == NODE:
            nodes[Ref(row.ref)] = None
        elif row.subject_kind == EDGE:
            edges[row.identity] = Edge(Ref(row.ref), Ref(row.head), EdgeKind(row.edge_kind))
        elif row.subject_kind == GAP:
            gaps = _gaps(connection)
    shared = SharedAttributes()
    for refs in merging.parts(list(nodes)):
        found = connection.execute(
            select(NODES.c.ref, NODES.c.kind, NODES.c.attributes)
            .where(NODES.c.ref.in_(refs))
            .order_by(NODES.c.ref, NODES.c.source)
        )
        nodes.update((node.ref, node) for node in _merged(found, shared))
    changed: list[StoredEdge] = []
    for identities in merging.parts(list(edges)):
        present = connection.execute(
            select(
                EDGES.c.identity, EDGES.c.tail, EDGES.c.head, EDGES.c.kind, EDGES.c.attributes
            ).where(EDGES.c.identity.in_(identities))
        )
        for key, *parts in present:
            changed.append(read_edge(parts, shared))
            edges.pop(key, None)  # the other sources' rows of it come here as well
    for key, edge in edges.items():
        changed += _gone(live, edge, key)
    return live.advance(revision=latest, nodes=nodes, edges=changed, gaps=gaps)


def _gone(live: Snapshot, edge: Edge, key: bytes) -> Iterator[StoredEdge]:
    """Find the edge that no row says any more: the feed has its digest, not its attributes."""
    for use, attributes in live.uses(edge.tail, edge.head, edge.kind).items():
        if identity(edge, to_text(attributes)) == key:
            yield StoredEdge(use, edge, gone=True)


def _merged(rows: Iterable[Any], shared: SharedAttributes) -> Iterator[Node]:
    for _, group in groupby(rows, key=itemgetter(0)):
        yield merge_nodes([read_node(ref, kind, text, shared) for ref, kind, text in group])


def _gaps(connection: Connection) -> tuple[Gap, ...]:
    rows = connection.execute(select(GAPS).order_by(GAPS.c.source, GAPS.c.scope, GAPS.c.reason))
    found = (Gap(row.source, row.scope, row.reason, row.do_now, row.since) for row in rows)
    return tuple(dict.fromkeys(found))


def _after(revision: int) -> Select[Any]:
    return select(CHANGES).where(CHANGES.c.revision > revision).order_by(CHANGES.c.revision)


def _counts(connection: Connection, table: Table) -> dict[str, int]:
    rows = connection.execute(
        select(table.c.source, func.count().label("number")).group_by(table.c.source)
    )
    return {row.source: row.number for row in rows}


_PLAIN_FORMS = frozenset({"as_is", "trimmed"})


def _match(row: Row[Any], asked: Fingerprint) -> Match:
    exact = row.form in _PLAIN_FORMS and asked.form in _PLAIN_FORMS
    return Match(
        Ref(row.secret),
        row.key,
        None if row.version == merging.NO_VERSION else row.version,
        bool(row.current),
        asked.form if row.form == "as_is" else row.form,
        "exact" if exact else "derived",
    )


def _closeness(match: Match) -> tuple[object, ...]:
    """Sort key: current first, exact first, then by name and version, newest first."""
    plain = match.form not in _PLAIN_FORMS
    inexact = match.certainty != "exact"
    return (not match.current, inexact, plain, match.secret, match.key, -(match.version or 0))
