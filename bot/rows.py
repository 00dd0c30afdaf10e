"""
Sessions and the one statement that the bot's own tables need: insert unless the key is there.

The inbox, the outbox and the publisher keep rows that are made once under a key. Errors of the
database are translated by `graph.database`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import CursorResult, Engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

from graph import database


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Open a session that holds the write lock from the start; commits at the end."""
    with (
        database.writing(engine) as connection,
        Session(bind=connection, expire_on_commit=False) as session,
    ):
        yield session
        session.flush()
        session.expunge_all()


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    with (
        database.reading(engine) as connection,
        Session(bind=connection, expire_on_commit=False) as session,
    ):
        yield session
        session.expunge_all()


def insert_once(session: Session, table: type[SQLModel], row: Mapping[str, Any], key: str) -> bool:
    """Insert `row` unless another has the same value in the unique column `key`; True if made."""
    of_dialect = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
    insert: Any = of_dialect[session.get_bind().dialect.name](table)
    once = insert.values(**row).on_conflict_do_nothing(index_elements=[key])
    # Asked for by RETURNING: PostgreSQL's driver counts no rows of such an INSERT.
    return session.execute(once.returning(getattr(table, key))).first() is not None


def changed(result: object) -> int:
    """Count the rows that an UPDATE or DELETE touched."""
    return int(cast("CursorResult[Any]", result).rowcount)
