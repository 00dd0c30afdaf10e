"""`locksmith check` says which parts of the graph are stale, since when and why."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.checks.finding import Outcome
from bot.checks.graph import check_graph
from graph.database import Database
from graph.model import Gap, Observation
from graph.repository import GraphRepository

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def test_a_stale_source_is_named_with_its_age_and_reason(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/locksmith.db")
    database.create_all()
    repository = GraphRepository(database.engine)
    repository.merge(Observation("kubernetes/prod"), now=NOW - timedelta(minutes=9))
    repository.merge(Observation("vault/main"), now=NOW - timedelta(hours=30))
    gap = Gap("vault/main", "vault/main", "It does not answer.")
    repository.record_gaps("vault/main", (gap,), now=NOW - timedelta(minutes=3))
    fresh, late = check_graph(repository, now=NOW)
    assert (fresh.outcome, fresh.detail) == (Outcome.OK, "0 nodes, 0 edges, as of 9 min ago")
    assert late.connection == "graph vault/main"
    assert late.outcome is not Outcome.OK
    assert late.detail == "stale since 2026-01-01 11:57 UTC (3 min). It does not answer."
    database.close()
