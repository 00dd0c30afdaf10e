"""
Opens the database: SQLite in one file by default, PostgreSQL for several replicas.

What every user of an engine may rely on: foreign keys are enforced, moments come back as aware
UTC, a transaction that `writing` opens holds the write lock from its start (SQLite would otherwise
refuse it in the middle, without waiting), and an unreachable database is an `UnavailableError`.
Not here: tables, and which address is the default (`bot/config`).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    Table,
    create_engine,
    event,
    insert,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

from graph.errors import BadInputError, UnavailableError
from graph.turns import Turns

BUSY_SECONDS = 15  # how long one writer waits for another

_WRITES = "locksmith_writes"
_TURNS = "locksmith_turns"


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, aware and in UTC on both sides; SQLite itself forgets the time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone must not be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """
    One database. `url`: `sqlite:///FILE` or `postgresql://USER@HOST/NAME` (driver psycopg).

    A missing SQLite file is made, readable by its owner only.

    Raises:
        BadInputError: the address is of no known kind, or the file cannot be made.
    """

    def __init__(self, url: str) -> None:
        self._url = _understood(url)
        if self.is_sqlite:
            _make_file(self._url.database or "")
            self.engine = create_engine(
                self._url,
                hide_parameters=True,  # an error's text names no values
                connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
                execution_options={_TURNS: Turns()},
            )
            event.listen(self.engine, "connect", _on_connect)
            event.listen(self.engine, "begin", _on_begin)
        else:
            self.engine = create_engine(self._url, hide_parameters=True, pool_pre_ping=True)

    @property
    def is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    @property
    def url(self) -> str:
        """The address with its password: for the workflow engine, never for print."""
        return self._url.render_as_string(hide_password=False)

    @property
    def shown(self) -> str:
        """The address as people may see it."""
        return self._url.render_as_string(hide_password=True)

    def create_all(self) -> None:
        """Make the missing tables of every model that was imported; leaves existing ones alone."""
        with writing(self.engine) as connection:
            SQLModel.metadata.create_all(connection)

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def writing(engine: Engine, *, urgent: bool = False) -> Iterator[Connection]:
    """
    Open a transaction that holds SQLite's write lock from the start; commits at the end.

    Threads of one process take turns: SQLite itself lets a writer that is refused sleep for up to
    100 ms at a time, however soon the other is done. An `urgent` one is next.
    """
    turns: Turns | None = engine.get_execution_options().get(_TURNS)
    turn = turns.taken(urgent=urgent) if turns else nullcontext()
    with _translated(), turn, engine.execution_options(**{_WRITES: True}).begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that sees one moment of the database, however long it reads."""
    steady = engine
    if engine.dialect.name == "postgresql":
        steady = engine.execution_options(isolation_level="REPEATABLE READ")
    with _translated(), steady.begin() as connection:
        yield connection


def insert_many(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], **same: Any
) -> None:
    """
    Insert rows that all have the same columns; `same` are columns that are equal in all of them.

    A first look at a company is millions of rows, of which SQLAlchemy's own way would take each
    value by itself through its types: four times as long. So values of `rows` must be what the
    driver takes (text, numbers, bytes); those of `same` are converted, once.
    """
    if not rows:
        return
    dialect = connection.dialect
    fixed: dict[str, Any] = {}
    for name, value in same.items():
        convert = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
        fixed[name] = value if convert is None else convert(value)
    statement = insert(table).inline().compile(dialect=dialect, column_keys=[*rows[0], *fixed])
    named = [{**row, **fixed} for row in rows]
    if not statement.positional:
        connection.exec_driver_sql(str(statement), named)
        return
    take = itemgetter(*statement.positiontup or ())
    connection.exec_driver_sql(str(statement), [take(row) for row in named])


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if _is_full(error.orig):
            raise UnavailableError(
                "The disk of the database is full.",
                means="Nothing was written; what cannot be noted is not done.",
                do_now="Make space on its disk, then go on: a run that stopped can be retried.",
            ) from None
        raise UnavailableError(
            f"The database did not answer: {type(error.orig).__name__}.",
            means="Nothing was written; what was known is kept.",
            do_now="Check that the database runs, is not locked and has space left.",
        ) from None


def _is_full(error: BaseException | None) -> bool:
    """Know it by the codes of SQLite (SQLITE_FULL) and of PostgreSQL (disk_full)."""
    named = getattr(error, "sqlite_errorname", "") or getattr(error, "sqlstate", "")
    return named in {"SQLITE_FULL", "53100"}


def _understood(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        backend = ""
        parsed = URL.create("sqlite")
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        return parsed
    raise BadInputError(
        "database.url is not an address that Locksmith understands.",
        means="It keeps its data in a SQLite file or in PostgreSQL.",
        do_now="Write sqlite:////path/to/locksmith.db or postgresql://user@host/name.",
    )


def _make_file(path: str) -> None:
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise BadInputError(
            f"The database {file} cannot be made or opened: {error.strerror}.",
            do_now="Set `database.url` or `data_folder` to a place that Locksmith may write to.",
        ) from None


def _on_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
