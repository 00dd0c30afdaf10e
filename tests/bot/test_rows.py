"""Rows that are made once, by both databases."""

from pathlib import Path

import pytest
from sqlmodel import select

from bot.outbox import OutboxRow
from bot.rows import insert_each_once, insert_once, reading, writing
from graph.database import Database
from tests.servers.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_each_key_is_inserted_once_and_the_answer_says_which(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/rows.db"
    else:
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    database.create_all()

    def row(key: str) -> dict[str, object]:
        made = OutboxRow(
            key=key, kind="post", content="{}", state="waiting", due_at=1.0, created_at=1.0
        )
        return made.model_dump(exclude={"id"})

    with writing(database.engine) as session:
        assert insert_once(session, OutboxRow, row("a"), "key")
    with writing(database.engine) as session:
        wanted = [row("b"), row("a"), row("b"), row("c")]
        assert insert_each_once(session, OutboxRow, wanted, "key") == [True, False, False, True]
        assert not insert_once(session, OutboxRow, row("c"), "key")
    with reading(database.engine) as session:
        assert sorted(session.exec(select(OutboxRow.key)).all()) == ["a", "b", "c"]
    database.close()
