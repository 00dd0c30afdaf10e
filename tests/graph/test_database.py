import stat
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text

from graph.database import Database, reading, writing
from graph.errors import BadInputError, UnavailableError
from graph.tables import SOURCES

LATER = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))


def test_a_missing_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "locksmith.db"
    database = Database(f"sqlite:///{path}")
    database.create_all()
    database.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("url", ["", "what is this", "mysql://host/db", "sqlite://", "redis://x"])
def test_an_unknown_address_is_refused_with_the_way_out(url: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        Database(url)
    assert "sqlite:///" in refusal.value.do_now


def test_the_password_of_an_address_is_not_shown() -> None:
    database = Database("postgresql://u:hunter2-hunter2@localhost/x")
    assert "hunter2" not in database.shown
    assert "hunter2-hunter2" in database.url


def test_moments_come_back_in_utc(database: Database) -> None:
    with writing(database.engine) as connection:
        connection.execute(SOURCES.insert().values(name="a", last_attempt=LATER))
    with reading(database.engine) as connection:
        found = connection.scalar(select(SOURCES.c.last_attempt))
    assert found == LATER
    assert found.tzinfo is UTC


def test_two_writers_take_turns_instead_of_failing(database: Database) -> None:
    def add() -> None:
        for _ in range(20):
            with writing(database.engine) as connection:
                count = connection.scalar(text("SELECT count(*) FROM graph_source"))
                connection.execute(SOURCES.insert().values(name=f"{count}", last_attempt=LATER))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(database.engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM graph_source")) == 80


def test_a_server_that_is_away_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"postgresql://nobody@/none?host={tmp_path}")
    with pytest.raises(UnavailableError):
        database.create_all()
