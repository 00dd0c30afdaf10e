"""
The seam to PostgreSQL servers whose passwords are rotated: connect, try a login, alter roles.

psycopg's errors quote statements and connection addresses, so none of them may travel:
`postgres_errors` turns each into one of `graph/errors.py` and drops the original. A new password is
sent as the SCRAM verifier that libpq makes of it, so that no log, no `pg_stat_statements` and no
wire sees the text. When to change what is the steps' business; the address of a login inside a
secret's text (`postgresql://…`) is read and rewritten here as well.

libpq tells why a login failed in the server's English sentence only. A server that speaks another
language therefore leaves the question open: neither accepted nor refused.

Source: https://www.postgresql.org/docs/current/libpq-misc.html (PQencryptPasswordConn),
https://www.postgresql.org/docs/current/sql-alterrole.html, …/functions-admin.html.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from graph.errors import (
    AccessDeniedError,
    BadInputError,
    LocksmithError,
    NotFoundError,
    UnavailableError,
)

Connection = psycopg.Connection[tuple[object, ...]]

_CONNECT_SECONDS = 5
_STATEMENT_MS = 15_000
_REFUSALS = ("password authentication failed", "is not permitted to log in")
_ADDRESSES = ("postgres", "postgresql")


@contextmanager
def postgres_errors(doing: str, server: str) -> Iterator[None]:
    """
    Translate what psycopg raises inside; `doing` completes "Could not …".

    Raises:
        AccessDeniedError: the admin role may not. NotFoundError: no such role.
        UnavailableError: no connection, or it was lost. BadInputError: anything else.
    """
    happened = f"Could not {doing} on the database server {server}"
    try:
        yield
    except LocksmithError:
        raise
    except errors.InsufficientPrivilege:
        raise AccessDeniedError(
            f"{happened}: permission denied.",
            means=f"The admin role of databases.{server} may not do this.",
            do_now="Give it CREATEROLE with ADMIN OPTION on the role, and pg_signal_backend.",
        ) from None
    except errors.UndefinedObject:
        raise NotFoundError(f"{happened}: there is no such role.") from None
    except (psycopg.OperationalError, psycopg.InterfaceError):
        raise UnavailableError(f"{happened}: the connection failed.") from None
    except psycopg.Error as error:
        raise BadInputError(
            f"{happened}: the server did not accept it ({error.sqlstate or 'no code'})."
        ) from None


@dataclass(frozen=True, slots=True)
class Login:
    """`accepted` None: neither a proof that the login works nor that it is refused."""

    accepted: bool | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Role:
    """What the catalogue says of one role; `oid` outlives its name in the list of sessions."""

    oid: int
    name: str
    can_login: bool


@dataclass(frozen=True, slots=True)
class Session:
    """One open session; `client` says who it is: application and address."""

    pid: int
    client: str


class PostgresApi:
    """One configured server; each call opens and closes its own connection."""

    def __init__(
        self,
        name: str,
        *,
        host: str,
        port: int,
        database: str,
        user: str,
        password: str,
        sslmode: str,
        ca_cert: str,
    ) -> None:
        self.name = name
        self.admin_user = user
        self._password = password
        self._where = {
            "host": host,
            "port": str(port),
            "dbname": database,
            "sslmode": sslmode,
            "sslrootcert": ca_cert or ("system" if sslmode == "verify-full" else ""),
            "connect_timeout": str(_CONNECT_SECONDS),
            "application_name": "locksmith",
        }

    @contextmanager
    def admin(self, doing: str) -> Iterator[Connection]:
        """
        Open a transaction as the admin role: committed at the end, rolled back by an exception.

        Raises:
            AccessDeniedError, NotFoundError, UnavailableError, BadInputError.
        """
        try:
            connection = self._connect(self.admin_user, self._password)
        except psycopg.Error as error:
            if _is_refusal(error):
                raise AccessDeniedError(
                    f"The database server {self.name} refused the login of {self.admin_user}.",
                    do_now=f"Correct databases.{self.name}.admin_password.",
                ) from None
            raise UnavailableError(
                f"Could not {doing}: no connection to the database server {self.name}.",
                do_now=f"Check databases.{self.name}: host, port, sslmode, ca_cert.",
            ) from None
        with postgres_errors(doing, self.name), connection:
            connection.execute(sql.SQL("SET statement_timeout = {}").format(_STATEMENT_MS))
            yield connection

    def login(self, role: str, password: str) -> Login:
        """Try one login; only the server's own refusal of the password or the role counts."""
        if not password:  # libpq would then take the one of whoever runs the bot
            return Login(None, f"there is no password to try the login of {role} with")
        try:
            self._connect(role, password).close()
        except psycopg.Error as error:
            if _is_refusal(error):
                return Login(accepted=False, sentence=f"the login of {role} was refused")
            return Login(None, f"the login of {role} could not be tried")
        return Login(accepted=True, sentence=f"the login of {role} was accepted")

    def _connect(self, user: str, password: str) -> Connection:
        return psycopg.connect(make_conninfo(**self._where, user=user, password=password))


def role(connection: Connection, name: str) -> Role:
    """
    Look a role up.

    Raises:
        NotFoundError: there is none.
    """
    query = "SELECT oid::bigint, rolname::text, rolcanlogin FROM pg_roles WHERE rolname = %s"
    found = connection.execute(query, [name]).fetchone()
    if found is None:
        raise NotFoundError(
            f"There is no role {name} on the database server.",
            do_now="Correct the name of the role, or create it.",
        )
    return Role(int(str(found[0])), str(found[1]), bool(found[2]))


def why_refused(connection: Connection, name: str) -> str:
    """Say why the server would refuse this role with any password; "" if it would not."""
    query = (
        "SELECT coalesce(rolvaliduntil < now(), false), rolconnlimit = 0,"
        " has_database_privilege(oid, current_database(), 'CONNECT')"
        " FROM pg_roles WHERE rolname = %s"
    )
    expired, shut, may_connect = connection.execute(query, [name]).fetchone() or (
        False,
        False,
        True,
    )
    if expired:
        return "its VALID UNTIL is over"
    if shut:
        return "its CONNECTION LIMIT is 0"
    return "" if may_connect else "it may not CONNECT to the database"


def roles_like(connection: Connection, pattern: str) -> tuple[Role, ...]:
    """Return the roles whose names fit a pattern of LIKE (its escape is a backslash)."""
    query = (
        "SELECT oid::bigint, rolname::text, rolcanlogin FROM pg_roles"
        " WHERE rolname LIKE %s ORDER BY oid"
    )
    rows = connection.execute(query, [pattern]).fetchall()
    return tuple(Role(int(str(row[0])), str(row[1]), bool(row[2])) for row in rows)


def set_password(connection: Connection, name: str, password: str) -> None:
    """Give a role a password and let it log in; what the server gets is only a verifier."""
    verifier = connection.pgconn.encrypt_password(
        password.encode(), name.encode(), b"scram-sha-256"
    ).decode()
    statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(name), sql.Literal(verifier)))


def lock(connection: Connection, name: str) -> None:
    """Take a role's password and its right to log in; open sessions go on."""
    statement = sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL")
    connection.execute(statement.format(sql.Identifier(name)))


def clock(connection: Connection) -> str:
    """Tell the server's own time: what is compared with the start of its sessions."""
    found = connection.execute("SELECT clock_timestamp()::text").fetchone()
    return str(found[0]) if found else ""


def sessions(
    connection: Connection, oids: Sequence[int], *, before: str = ""
) -> tuple[Session, ...]:
    """Return the open sessions of roles, only those begun before a `clock` if it is given."""
    query = (
        "SELECT pid, coalesce(nullif(application_name, ''), 'unnamed')"
        " || ' from ' || coalesce(host(client_addr), 'a local socket')"
        " FROM pg_stat_activity WHERE usesysid::bigint = ANY(%(oids)s)"
        " AND (%(before)s = '' OR backend_start < nullif(%(before)s, '')::timestamptz)"
        " AND pid <> pg_backend_pid() ORDER BY pid"
    )
    rows = connection.execute(query, {"oids": list(oids), "before": before}).fetchall()
    return tuple(Session(int(str(pid)), str(client)) for pid, client in rows)


def end_sessions(connection: Connection, found: Sequence[Session], oids: Sequence[int]) -> None:
    """End them; a number that another role's session has got in the meantime is left alone."""
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid = ANY(%s) AND usesysid::bigint = ANY(%s)",
        [[session.pid for session in found], list(oids)],
    )


def user_in(text: str) -> str:
    """Name the role in a connection address; "" where the text is a password and no address."""
    return unquote(urlsplit(text).username or "") if _is_address(text) else ""


def password_in(text: str) -> str:
    """
    Take the password out of a secret's text: the text itself, or that of the address it is.

    Raises:
        BadInputError: it is written in a form that is not understood.
    """
    return unquote(urlsplit(text).password or "") if _is_address(text) else text


def with_login(text: str, user: str, password: str) -> str:
    """
    Write another login in the way that `text` is written: a password, or an address.

    Raises:
        BadInputError: it is written in a form that is not understood.
    """
    if not _is_address(text):
        return password
    parts = urlsplit(text)
    place = parts.netloc.rpartition("@")[2]
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{place}"))


def _is_address(text: str) -> bool:
    if text.lstrip().startswith("{") or "password=" in text:
        raise BadInputError(
            "The field holds JSON or a list of settings, not a password or an address.",
            means="Written as a bare password it would break whoever reads it.",
            do_now="Keep the password, or a postgresql:// address, in a field of its own.",
        )
    return text.partition("://")[0].partition("+")[0] in _ADDRESSES and "://" in text


def _is_refusal(error: psycopg.Error) -> bool:
    return any(words in str(error) for words in _REFUSALS)
