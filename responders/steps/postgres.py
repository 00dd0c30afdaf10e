"""
The password of a PostgreSQL role: a new one at the server and in its KV field, old sessions ended.

A role has one password, so for this role the rotation is the revocation: new logins with the old
password fail from that moment, sessions that are open go on until `end_sessions`. Where no login
may fail there is `postgres_roles`, with two roles that take turns.

`rotate_password` sets the password in a transaction, writes the KV version, then commits: what the
server refuses never reaches the store, what the store refuses is rolled back at the server, and
after a crash in between the mark in the store's metadata (see `responders/kv_versions.py`) leads to
the written value, which is then set. The field holds the password alone or a postgresql:// address.

`end_sessions` ends what was opened before the password was changed, by the server's own clock; of a
role that may not log in any more, all. Its verdict tries the leaked value: the server has to refuse
it and to accept the current one, because a server that refuses everybody proves nothing.

Example::

    postgres.rotate_password: {database: orders, secret: "vault://main/kv/shop/db", field: password}
    postgres.end_sessions:
      database: orders
      secret: "vault://main/kv/shop/db"
      field: password
      version: 3

Source: https://www.postgresql.org/docs/current/sql-alterrole.html and
https://www.postgresql.org/docs/current/functions-admin.html (pg_terminate_backend).
"""

import secrets
import string
from typing import ClassVar

from pydantic import Field

from graph import postgres_api
from graph.collector import Permission
from graph.errors import ConflictError, NotFoundError, RefusedError
from graph.postgres_api import PostgresApi
from graph.secret_value import SecretValue
from graph.words import counted
from responders.kv_versions import (
    READ_VALUES,
    READ_VERSIONS,
    WRITE_VALUES,
    KvSecret,
    Mark,
    digest,
)
from responders.step import (
    Fact,
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)

_ALPHABET = string.ascii_letters + string.digits
_TO_END = 10.0  # seconds that a session may take to notice that it is over
_SHOWN = 5  # sessions that a sentence names
_ALTER = Permission(
    "postgres", "CREATEROLE, with ADMIN OPTION for the role", "set the password of the role"
)
_END = Permission("postgres", "pg_signal_backend", "end the sessions of the old password")


class RotatePasswordSettings(StepSettings):
    """`role` empty: the name in `username_field`, or in the address that the field holds."""

    database: str
    secret: str
    field: str = Field(min_length=1)
    role: str = ""
    username_field: str = "username"
    length: int = Field(default=40, ge=20, le=512)


class RotatePassword(Step[RotatePasswordSettings]):
    """Gives the role a generated password, and the store the same one."""

    name: ClassVar[str] = "postgres.rotate_password"
    permissions: ClassVar[tuple[Permission, ...]] = (
        _ALTER,
        READ_VERSIONS,
        READ_VALUES,
        *WRITE_VALUES,
    )
    reversible: ClassVar[bool] = False
    Settings = RotatePasswordSettings

    def preview(self, settings: RotatePasswordSettings) -> str:
        return (
            f"Sets a new password for {settings.role or 'the role'} at {settings.database} and"
            f" writes it to {settings.secret}, field {settings.field}; from that moment new logins"
            " with the old password fail."
        )

    def targets(self, settings: RotatePasswordSettings) -> tuple[str, ...]:
        return (settings.secret, f"issuer:{settings.database}")

    def apply(self, settings: RotatePasswordSettings, context: StepContext) -> Receipt:
        secret = KvSecret(settings.secret, context.connections)
        server = context.connections.postgres(settings.database)
        seen = secret.look()
        now = secret.value(settings.field)
        role = _role(settings.role, secret, settings.username_field, now)
        _not_ours(server, role)
        done = secret.written_under(seen, context.key, settings.field, context.fingerprinter)
        if done is not None and done != seen.current:
            raise ConflictError(
                f"Somebody wrote version {seen.current} of {settings.secret} after our {done}.",
                means="Which password the server should have is not known here.",
                do_now="Look at the secret and the server, then skip this step or plan anew.",
            )
        with server.admin(f"set the password of {role}") as connection:
            postgres_api.role(connection, role)
            if why := postgres_api.why_refused(connection, role):
                raise RefusedError(
                    f"{settings.database} would refuse the new password of {role}: {why}.",
                    means="Nothing was changed: consumers keep the one that they have.",
                    do_now="Put that right at the server, then retry this step.",
                )
            if done is None:
                password = "".join(secrets.choice(_ALPHABET) for _ in range(settings.length))
                value = SecretValue(postgres_api.with_login(now.reveal(), role, password))
                postgres_api.set_password(connection, role, password)
                mark = Mark(context.key, seen.current, digest(value, context.fingerprinter))
                secret.set_mark(mark)
                postgres_api.clock(connection)  # what a lost connection forgets is not stored
                done = secret.write(settings.field, value, after=seen.current)
            else:
                password = postgres_api.password_in(now.reveal())
                postgres_api.set_password(connection, role, password)
        with server.admin("read the server's clock") as connection:
            changed_at = postgres_api.clock(connection)
        return Receipt(
            f"{role} has a new password at {settings.database}; it is version {done} of"
            f" {settings.secret}.",
            {
                "version": done,
                "secret": settings.secret,
                "field": settings.field,
                "role": role,
                "changed_at": changed_at,
            },
        )

    def verify(
        self, settings: RotatePasswordSettings, receipt: Receipt, context: StepContext
    ) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(
        self, settings: RotatePasswordSettings, receipt: Receipt, context: StepContext
    ) -> Verdict:
        version = int(str(receipt.facts["version"]))
        secret = KvSecret(settings.secret, context.connections)
        current = secret.look().current
        if current < version:
            return Verdict(
                VerdictKind.REFUTED,
                f"The current version of {settings.secret} is {current}, not {version}.",
            )
        return _tried(
            context.connections.postgres(settings.database),
            secret,
            (settings.role, settings.username_field, settings.field),
            version - 1,
        )


class EndSessionsSettings(StepSettings):
    """`version` is the one that leaked; `role` empty: the name that stood in that version."""

    database: str
    secret: str
    field: str = Field(min_length=1)
    version: int = Field(ge=1)
    role: str = ""
    username_field: str = "username"


class EndSessions(Step[EndSessionsSettings]):
    """Ends the sessions that the old password opened, and proves that it opens no new one."""

    name: ClassVar[str] = "postgres.end_sessions"
    permissions: ClassVar[tuple[Permission, ...]] = (_END, READ_VERSIONS, READ_VALUES)
    reversible: ClassVar[bool] = False
    Settings = EndSessionsSettings

    def preview(self, settings: EndSessionsSettings) -> str:
        return (
            f"Ends the sessions at {settings.database} that were opened with the password of"
            f" version {settings.version} of {settings.secret}; clients on the new one reconnect."
        )

    def targets(self, settings: EndSessionsSettings) -> tuple[str, ...]:
        return (f"issuer:{settings.database}",)

    def apply(self, settings: EndSessionsSettings, context: StepContext) -> Receipt:
        secret = KvSecret(settings.secret, context.connections)
        server = context.connections.postgres(settings.database)
        leaked = secret.value(settings.field, version=settings.version)
        name = _role(
            settings.role, secret, settings.username_field, leaked, version=settings.version
        )
        _not_ours(server, name)
        before = _changed_at(name, context)
        with server.admin(f"end sessions of {name}") as connection:
            role = postgres_api.role(connection, name)
            if not before and role.can_login:
                raise RefusedError(
                    f"{name} may log in, and when its password was changed is not known.",
                    means="Which of its sessions were opened with the old one cannot be told.",
                    do_now="Rotate its password or lock it in the same plan, before this step.",
                )
            found = postgres_api.sessions(connection, [role.oid], before=before)
            postgres_api.end_sessions(connection, found, [role.oid])
        clients = ", ".join(sorted({session.client for session in found})[:_SHOWN])
        facts: dict[str, Fact] = {"role": name, "ended": len(found), "before": before}
        return Receipt(
            f"Ended {counted(len(found), 'session')} of {name} at {settings.database}"
            + (f" ({clients})." if clients else "."),
            facts,
        )

    def verify(
        self, settings: EndSessionsSettings, receipt: Receipt, context: StepContext
    ) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(
        self, settings: EndSessionsSettings, receipt: Receipt, context: StepContext
    ) -> Verdict:
        name, before = str(receipt.facts.get("role", "")), str(receipt.facts.get("before", ""))
        server = context.connections.postgres(settings.database)
        left: tuple[postgres_api.Session, ...] = ()
        for _ in context.attempts(seconds=_TO_END, every=0.5):
            with server.admin(f"look at the sessions of {name}") as connection:
                oid = postgres_api.role(connection, name).oid
                left = postgres_api.sessions(connection, [oid], before=before)
            if not left:
                break
        if left:
            clients = ", ".join(sorted({session.client for session in left})[:_SHOWN])
            return Verdict(
                VerdictKind.REFUTED,
                f"Opened by the old password and still alive: "
                f"{counted(len(left), 'session')} of {name}, {clients}.",
            )
        return _tried(
            server,
            KvSecret(settings.secret, context.connections),
            (settings.role, settings.username_field, settings.field),
            settings.version,
            said=f"no session of {name} is left that the old password opened; ",
        )


def _tried(
    server: PostgresApi,
    secret: KvSecret,
    names: tuple[str, str, str],
    former: int,
    *,
    said: str = "",
) -> Verdict:
    """Log in with the current version, which has to work, and with a former one, which must not."""
    role, username_field, field = names
    now = secret.value(field)
    current = _role(role, secret, username_field, now)
    new = server.login(current, postgres_api.password_in(now.reveal()))
    if new.accepted is not True:
        kind = VerdictKind.UNKNOWN if new.accepted is None else VerdictKind.REFUTED
        return Verdict(kind, _sentence(f"{said}with the current version {new.sentence}."))
    try:
        value = secret.value(field, version=former)
        name = _role(role, secret, username_field, value, version=former)
    except NotFoundError:
        return Verdict(
            VerdictKind.CONFIRMED,
            _sentence(
                f"{said}with the current version {new.sentence}; version {former} is gone, so the"
                " old password could not be tried."
            ),
        )
    old = server.login(name, postgres_api.password_in(value.reveal()))
    sentence = _sentence(
        f"{said}with version {former} {old.sentence}, with the current one {new.sentence}."
    )
    if old.accepted is None:
        return Verdict(VerdictKind.UNKNOWN, sentence)
    kind = VerdictKind.REFUTED if old.accepted else VerdictKind.CONFIRMED
    return Verdict(kind, sentence, {"old_value_refused": not old.accepted})


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _role(
    given: str,
    secret: KvSecret,
    username_field: str,
    value: SecretValue,
    *,
    version: int | None = None,
) -> str:
    """
    Name the role that a version is about: as given, as in the address, as in its own field.

    Raises:
        NotFoundError: none of these says it.
    """
    found = given or postgres_api.user_in(value.reveal())
    return found or secret.value(username_field, version=version).reveal()


def _not_ours(server: PostgresApi, role: str) -> None:
    if role == server.admin_user:
        raise RefusedError(
            f"{role} is the role that Locksmith itself uses at {server.name}.",
            means="With its password changed or its sessions ended nobody here could go on.",
            do_now=f"Give databases.{server.name} another admin role, then run this again.",
        )


def _changed_at(role: str, context: StepContext) -> str:
    """Tell when an earlier step of this run changed the role's password; "" if none did."""
    for receipt in context.receipts.values():
        if receipt.facts.get("role") == role and receipt.facts.get("changed_at"):
            return str(receipt.facts["changed_at"])
    return ""
