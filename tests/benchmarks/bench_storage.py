"""
What the graph costs to keep: `python -m tests.benchmarks.bench_storage [SCALE] [POSTGRES-URL]`.

Writes the company into a database (SQLite in a temporary file, or PostgreSQL at the address), and
loads it back: time per row, next to the bare statements on the same rows; memory per edge, next to
a plain dictionary of lists and a stock networkx graph, each in a process of its own; and who uses
a secret, asked as recursive SQL, with the tables as they are and with every index that such a
query could wish for.
"""

import gc
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from sys import intern
from tempfile import TemporaryDirectory
from time import process_time

import networkx as nx
from sqlalchemy import text

from graph.database import Database, reading, writing
from graph.queries.consumers import consumers
from graph.refs import Ref
from graph.repository import GraphRepository
from graph.snapshot import Snapshot
from tests.benchmarks.bench_queries import fresh
from tests.benchmarks.company import HUB, SMALL, company
from tests.benchmarks.yardstick import seconds, settled, uses_in_sql

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_INDEXES = (
    "CREATE INDEX ix_tail ON graph_edge (tail, kind)",
    "CREATE INDEX ix_head ON graph_edge (head, kind)",
)


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of a process's own time, and the megabytes that it holds after them."""

    seconds: float
    megabytes: float


def fill(url: str, scale: float) -> tuple[int, int, float]:
    """Write the company into a new database: nodes, edges, seconds."""
    spent = 0.0
    nodes = edges = 0
    with opened(url) as database:
        database.create_all()
        repository = GraphRepository(database.engine)
        for look in company(scale):
            began = process_time()
            repository.merge(look, now=NOW)
            spent += process_time() - began
            nodes, edges = nodes + len(look.nodes), edges + len(look.edges)
    return nodes, edges, spent


def load(url: str) -> Spent:
    with opened(url) as database:
        repository = GraphRepository(database.engine)
        repository.sources()  # so that what the driver needs is there already
        return _spent(repository.snapshot)


def load_bare(url: str) -> Spent:
    """Read the same columns with nothing but the driver, and throw them away."""

    def read() -> None:
        with reading(database.engine) as connection:
            cursor = connection.connection.cursor()
            for asked in (
                "SELECT kind, tail, head, attributes FROM graph_edge",
                "SELECT ref, kind, attributes FROM graph_node ORDER BY ref, source",
            ):
                cursor.execute(asked)
                for _ in cursor:
                    pass
            cursor.close()

    with opened(url) as database:
        return _spent(read)


def load_lists(url: str) -> Spent:
    """Keep the ends of the edges in one dictionary of lists, one way: the least there can be."""
    pairs = _pairs(url)

    def build() -> dict[str, list[str]]:
        lists: dict[str, list[str]] = {}
        for tail, head, _ in pairs:
            lists.setdefault(tail, []).append(head)
        return lists

    return _spent(build)


def load_stock(url: str) -> Spent:
    """Let networkx keep the ends and the kind of the edges, by `add_edge`."""
    pairs = _pairs(url)

    def build() -> "nx.MultiDiGraph[Ref]":
        stock: nx.MultiDiGraph[Ref] = nx.MultiDiGraph()
        for tail, head, kind in pairs:
            stock.add_edge(Ref(tail), Ref(head), kind=kind)
        return stock

    return _spent(build)


def alone(act: Callable[[str], Spent], url: str) -> Spent:
    """Run `act` in a new process, whose memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(act, url).result()


def _spent(act: Callable[[], object]) -> Spent:
    gc.collect()
    before, began = _resident(), process_time()
    kept = act()
    spent = process_time() - began
    gc.collect()
    found = Spent(spent, _resident() - before)
    del kept
    return found


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def _pairs(url: str) -> list[tuple[str, str, str]]:
    with opened(url) as database, reading(database.engine) as connection:
        rows = connection.execute(text("SELECT tail, head, kind FROM graph_edge"))
        return [(intern(tail), intern(head), intern(kind)) for tail, head, kind in rows]


@dataclass(frozen=True, slots=True)
class AgainstSql:
    """How many times longer the database takes to say who uses `secret`, first and again."""

    tables: str
    secret: Ref
    first: float
    again: float


def compare_with_sql(database: Database, snapshot: Snapshot) -> Iterator[AgainstSql]:
    """Ask about a small and a hub secret, without and with indexes."""
    for tables, rounds in (("as they are", 3), ("with indexes on both ends", 30)):
        if tables != "as they are":
            with writing(database.engine) as connection:
                # Told the sizes of its tables, SQLite reads one of them whole for a bloom filter.
                for statement in _INDEXES if database.is_sqlite else (*_INDEXES, "ANALYZE"):
                    connection.execute(text(statement))
        for secret in (SMALL, HUB):
            yield _against_sql(database, snapshot, secret, tables=tables, rounds=rounds)


def _against_sql(
    database: Database, snapshot: Snapshot, secret: Ref, *, tables: str, rounds: int
) -> AgainstSql:
    asked, first, again = [], [], []
    unasked = [fresh(snapshot) for _ in range(rounds)]
    with reading(database.engine) as connection:
        for one in unasked:
            asked.append(seconds(partial(uses_in_sql, connection, secret)))
            first.append(seconds(partial(consumers, one, secret)))
            again.append(seconds(partial(consumers, one, secret)))
    sql = median(asked)
    return AgainstSql(tables, secret, sql / median(first), sql / median(again))


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def main(scale: float, url: str = "") -> None:
    with TemporaryDirectory() as folder:
        url = url or f"sqlite:///{folder}/graph.db"
        nodes, edges, merging = fill(url, scale)
        print(f"{nodes:,} nodes, {edges:,} edges, each as often as a source says it")
        print(f"  merge {merging:.1f} s, {1e6 * merging / (nodes + edges):.0f} us per row")
        loaded, bare = alone(load, url), alone(load_bare, url)
        print(
            f"  load {loaded.seconds:.1f} s, {loaded.seconds / bare.seconds:.1f}x the bare SELECT"
        )
        for name, spent in (
            ("the snapshot with nodes and attributes", loaded),
            ("a dictionary of lists, one way, ends only", alone(load_lists, url)),
            ("stock networkx.MultiDiGraph, ends and kind", alone(load_stock, url)),
        ):
            per_edge = spent.megabytes * 2**20 / edges
            print(f"  {name}: {spent.megabytes:.0f} MB, {per_edge:.0f} bytes per edge")
        with opened(url) as database:
            snapshot = GraphRepository(database.engine).snapshot()
            with settled():
                for one in compare_with_sql(database, snapshot):
                    print(
                        f"  recursive SQL, tables {one.tables}, {one.secret}:"
                        f" {one.first:,.1f}x the first answer, {one.again:,.0f}x the next"
                    )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0, *sys.argv[2:])
