"""
Sessions and the one statement that the bot's own tables need: insert unless the key is there.

The inbox, the outbox and the publisher keep rows that are made once under a key. Errors of the
database are translated by `graph.database`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import CursorResult, Engine, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

from graph import database


@contextmanager
def writing(engine: Engine, *, urgent: bool = False) -> Iterator[Session]:
    """Open a session that holds the write lock from the start; commits at the end."""
    with (
        database.writing(engine, urgent=urgent) as connection,
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
    return insert_each_once(session, table, [row], key)[0]


def insert_each_once(
    session: Session, table: type[SQLModel], rows: Sequence[Mapping[str, Any]], key: str
) -> list[bool]:
    """
    Insert rows that have the same columns, each unless its `key` is there; True for each made.

    One statement for all: a statement each, through the ORM, takes ten times as long.
    """
    connection = session.connection()
    of_dialect = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
    columns = inspect(table).local_table
    insert: Any = of_dialect[connection.dialect.name](columns)
    once = insert.on_conflict_do_nothing(index_elements=[key])
    # Asked for by RETURNING: PostgreSQL's driver counts no rows of such an INSERT.
    made = set(connection.execute(once.returning(columns.c[key]), rows).scalars())
    answers = []
    for row in rows:
        answers.append(row[key] in made)
        made.discard(row[key])  # the same key once more among them was not inserted
    return answers


def changed(result: object) -> int:
    """Count the rows that an UPDATE or DELETE touched."""
    return int(cast("CursorResult[Any]", result).rowcount)
