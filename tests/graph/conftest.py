"""Databases for the tests of the graph."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.database import Database
from graph.repository import GraphRepository
from tests.servers.postgres import postgres_server, postgres_url

__all__ = ["database", "postgres_server", "postgres_url", "repository"]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite database with the tables of the graph."""
    database = Database(f"sqlite:///{tmp_path}/locksmith.db")
    database.create_all()
    yield database
    database.close()


@pytest.fixture
def repository(database: Database) -> GraphRepository:
    return GraphRepository(database.engine)
