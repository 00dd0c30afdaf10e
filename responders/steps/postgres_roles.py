"""
Two PostgreSQL roles that take turns, so that a password is rotated without one failed login.

Both own the same rights (members of one group role), one is in use, the other is locked or idle.
`switch` gives the idle one a new password, logs in with it, and only then writes its name and
password to the store, in one version. Consumers move when the copies and restarts reach them; in
the meantime both roles work. `confirm_idle` waits until the leaked role has no session any more and
says who still has one. `lock` takes its password and its right to log in; ending what is still open
is `postgres.end_sessions`. The next rotation makes the locked role the one in use again.

`lock` has no way back: to unlock it with the leaked password is what must never happen.

Example::

    postgres_roles.switch:
      database: orders
      secret: "vault://main/kv/shop/db"
      field: password
      role: shop_a
      other_role: shop_b
    postgres_roles.confirm_idle:
      database: orders
      secret: "vault://main/kv/shop/db"
      field: password
      role: shop_a
      other_role: shop_b
      version: 3
    postgres_roles.lock:
      database: orders
      secret: "vault://main/kv/shop/db"
      field: password
      role: shop_a
      other_role: shop_b
      version: 3

Source: https://www.postgresql.org/docs/current/sql-alterrole.html and
https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets_strategies.html
(alternating users).
"""

import secrets
import string
from typing import ClassVar

from pydantic import Field

from graph import postgres_api
from graph.collector import Permission
from graph.errors import BadInputError, RefusedError, UnavailableError
from graph.postgres_api import PostgresApi
from graph.secret_value import SecretValue
from graph.words import counted
from responders.kv_rotation import KvFieldSettings, KvRotation
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
_TO_BE_GONE = 3.0  # seconds
_SHOWN = 5  # sessions that a sentence names
_ALTER = Permission(
    "postgres", "CREATEROLE, with ADMIN OPTION for both roles", "set a password, lock a role"
)
_WATCH = Permission("postgres", "pg_read_all_stats", "see who still uses the leaked role")


class SwitchSettings(KvFieldSettings):
    """The two roles in any order; `username_field` is not used where the field is an address."""

    database: str
    role: str = Field(min_length=1)
    other_role: str = Field(min_length=1)
    username_field: str = "username"
    length: int = Field(default=40, ge=20, le=512)


class FormerSettings(StepSettings):
    """`version` is the one that leaked: the role in it is the one to watch, or to lock."""

    database: str
    secret: str
    field: str = Field(min_length=1)
    role: str = Field(min_length=1)
    other_role: str = Field(min_length=1)
    version: int = Field(ge=1)
    username_field: str = "username"
    wait_seconds: float = Field(default=300.0, ge=0)


class Switch(KvRotation[SwitchSettings]):
    """Prepares the idle role and makes it the one in the store."""

    name: ClassVar[str] = "postgres_roles.switch"
    permissions: ClassVar[tuple[Permission, ...]] = (
        _ALTER,
        _WATCH,
        READ_VERSIONS,
        READ_VALUES,
        *WRITE_VALUES,
    )
    Settings = SwitchSettings

    def preview(self, settings: SwitchSettings) -> str:
        return (
            f"Gives the idle one of {settings.role} and {settings.other_role} at"
            f" {settings.database} a new password and writes it to {settings.secret}; the role in"
            " use keeps its own, so no login fails."
        )

    def targets(self, settings: SwitchSettings) -> tuple[str, ...]:
        return (settings.secret, f"issuer:{settings.database}")

    def apply(self, settings: SwitchSettings, context: StepContext) -> Receipt:
        secret = KvSecret(settings.secret, context.connections)
        server = context.connections.postgres(settings.database)
        seen = secret.look()
        done = secret.written_under(seen, context.key, settings.field, context.fingerprinter)
        if done is not None:
            idle, _ = _named(settings, secret, done)
            return _switched(settings, idle, done)
        used, now = _named(settings, secret, seen.current)
        idle = settings.other_role if used == settings.role else settings.role
        password = "".join(secrets.choice(_ALPHABET) for _ in range(settings.length))
        _wait_until_idle(server, idle, context)
        with server.admin(f"prepare {idle}") as connection:
            postgres_api.set_password(connection, idle, password)
        tried = server.login(idle, password)
        if not tried.accepted:
            raise UnavailableError(
                f"The server does not accept the new password of {idle}: {tried.sentence}.",
                means="It was not stored; consumers keep the role that they have.",
                do_now="Check the role's rights (VALID UNTIL, CONNECT) and pg_hba.conf.",
            )
        value = SecretValue(postgres_api.with_login(now.reveal(), idle, password))
        names = {} if postgres_api.user_in(now.reveal()) else {settings.username_field: idle}
        secret.set_mark(Mark(context.key, seen.current, digest(value, context.fingerprinter)))
        done = secret.write(settings.field, value, after=seen.current, also=names)
        return _switched(settings, idle, done)

    def tried(
        self, settings: SwitchSettings, secret: KvSecret, current: int, context: StepContext
    ) -> Verdict:
        role, value = _named(settings, secret, current)
        server = context.connections.postgres(settings.database)
        tried = server.login(role, postgres_api.password_in(value.reveal()))
        kinds = {True: VerdictKind.CONFIRMED, False: VerdictKind.REFUTED}
        return Verdict(
            VerdictKind.UNKNOWN if tried.accepted is None else kinds[tried.accepted],
            f"Read back version {current} of {settings.secret}: {tried.sentence}.",
            {"version": current},
        )

    def fields_with_it(
        self, settings: SwitchSettings, receipt: Receipt, context: StepContext
    ) -> tuple[str, ...]:
        return _names(settings, receipt, context)


class ConfirmIdle(Step[FormerSettings]):
    """Waits until nobody has a session of the leaked role; says who holds it back."""

    name: ClassVar[str] = "postgres_roles.confirm_idle"
    asks_use: ClassVar[bool] = True
    permissions: ClassVar[tuple[Permission, ...]] = (_WATCH, READ_VERSIONS, READ_VALUES)
    reversible: ClassVar[bool] = False
    changes_world: ClassVar[bool] = False
    Settings = FormerSettings

    def preview(self, settings: FormerSettings) -> str:
        return (
            f"Waits until no session at {settings.database} uses the role of version"
            f" {settings.version} of {settings.secret} any more."
        )

    def targets(self, settings: FormerSettings) -> tuple[str, ...]:
        return (f"issuer:{settings.database}",)

    def apply(self, settings: FormerSettings, context: StepContext) -> Receipt:
        return Receipt("Looks at the sessions of the server; changes nothing.")

    def verify(self, settings: FormerSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: FormerSettings, context: StepContext) -> Verdict:
        secret = KvSecret(settings.secret, context.connections)
        server = context.connections.postgres(settings.database)
        name = _former(settings, secret)[0]
        said = ""
        for _ in context.attempts(seconds=settings.wait_seconds, every=1.0):
            with server.admin(f"look at the sessions of {name}") as connection:
                oid = postgres_api.role(connection, name).oid
                left = postgres_api.sessions(connection, [oid])
            if not left:
                return Verdict(
                    VerdictKind.CONFIRMED,
                    f"No session at {settings.database} uses {name} any more.",
                )
            clients = ", ".join(sorted({session.client for session in left})[:_SHOWN])
            said = f"{name} is still used by {counted(len(left), 'session')}: {clients}"
            context.progress(f"{said}.")
        return Verdict(
            VerdictKind.UNKNOWN,
            f"{said or f'There was no time left to look at {name}'}.",
            {"do_now": "Move these clients to the new version, then have this step look again."},
        )


class Lock(Step[FormerSettings]):
    """Takes the leaked role's password and its right to log in, and proves it."""

    name: ClassVar[str] = "postgres_roles.lock"
    permissions: ClassVar[tuple[Permission, ...]] = (_ALTER, READ_VERSIONS, READ_VALUES)
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = FormerSettings

    def preview(self, settings: FormerSettings) -> str:
        return (
            f"Locks the role of version {settings.version} of {settings.secret} at"
            f" {settings.database} (no password, no login); whoever still uses it is refused."
        )

    def targets(self, settings: FormerSettings) -> tuple[str, ...]:
        return (f"issuer:{settings.database}",)

    def apply(self, settings: FormerSettings, context: StepContext) -> Receipt:
        secret = KvSecret(settings.secret, context.connections)
        server = context.connections.postgres(settings.database)
        former = _former(settings, secret)[0]
        _not_ours(server, former)
        with server.admin(f"lock {former}") as connection:
            locked_before = not postgres_api.role(connection, former).can_login
            postgres_api.lock(connection, former)
        facts: dict[str, Fact] = {"role": former, "locked_before": locked_before}
        return Receipt(f"{former} may not log in at {settings.database} any more.", facts)

    def verify(self, settings: FormerSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: FormerSettings, context: StepContext) -> Verdict:
        secret = KvSecret(settings.secret, context.connections)
        server = context.connections.postgres(settings.database)
        former, value = _former(settings, secret)
        with server.admin(f"look at {former}") as connection:
            can_login = postgres_api.role(connection, former).can_login
        old = server.login(former, postgres_api.password_in(value.reveal()))
        if can_login or old.accepted:
            return Verdict(
                VerdictKind.REFUTED,
                f"{former} may still log in at {settings.database}: {old.sentence}.",
                {"old_value_refused": False},
            )
        used, now = _named(settings, secret, None)
        new = server.login(used, postgres_api.password_in(now.reveal()))
        said = f"With the leaked version {old.sentence}; with the current one {new.sentence}."
        if old.accepted is None or not new.accepted:
            return Verdict(VerdictKind.UNKNOWN, said)
        return Verdict(VerdictKind.CONFIRMED, said, {"old_value_refused": True})


def _wait_until_idle(server: PostgresApi, idle: str, context: StepContext) -> None:
    """
    Look for a few seconds: what an earlier try opened may need a moment to be gone.

    Raises:
        RefusedError: it is not idle: with a new password somebody's next login would fail.
    """
    _not_ours(server, idle)
    found: tuple[postgres_api.Session, ...] = ()
    for _ in context.attempts(seconds=_TO_BE_GONE, every=0.2):
        with server.admin(f"look at the sessions of {idle}") as connection:
            found = postgres_api.sessions(connection, [postgres_api.role(connection, idle).oid])
        if not found:
            return
    clients = ", ".join(sorted({session.client for session in found})[:_SHOWN])
    raise RefusedError(
        f"{idle} is not idle: {counted(len(found), 'session')} of {clients}.",
        means="A new password would make their next login fail.",
        do_now="Move these clients to the role in the store, then run this again.",
    )


def _switched(settings: SwitchSettings, idle: str, version: int) -> Receipt:
    return Receipt(
        f"{idle} is the role in use now: version {version} of {settings.secret}.",
        {"version": version, "secret": settings.secret, "field": settings.field, "role": idle},
    )


def _names(settings: SwitchSettings, receipt: Receipt, context: StepContext) -> tuple[str, ...]:
    """Name the field of the role where it changed with the password: in a DSN it is part of it."""
    secret, former = KvSecret(settings.secret, context.connections), receipt.facts["version"]
    value = secret.value(settings.field, version=int(str(former)) - 1)
    return () if postgres_api.user_in(value.reveal()) else (settings.username_field,)


def _former(settings: FormerSettings, secret: KvSecret) -> tuple[str, SecretValue]:
    """
    Give the leaked version's role and value.

    Raises:
        RefusedError: it is the role in use.
    """
    former, value = _named(settings, secret, settings.version)
    if former == _named(settings, secret, None)[0]:
        raise RefusedError(
            f"{former} is the role in the current version of {settings.secret}.",
            means="Locked, it would shut out everybody who reads the secret.",
            do_now="Switch to the other role first.",
        )
    return former, value


def _named(
    settings: SwitchSettings | FormerSettings, secret: KvSecret, version: int | None
) -> tuple[str, SecretValue]:
    """
    Give a version's role and value.

    Raises:
        BadInputError: the role is neither of the two.
    """
    value = secret.value(settings.field, version=version)
    role = postgres_api.user_in(value.reveal()) or (
        secret.value(settings.username_field, version=version).reveal()
    )
    if role not in {settings.role, settings.other_role}:
        raise BadInputError(
            f"{settings.secret} names neither {settings.role} nor {settings.other_role}.",
            means="Which of the two roles is idle is not known.",
            do_now="Correct the names of the two roles, or the secret.",
        )
    return role, value


def _not_ours(server: PostgresApi, role: str) -> None:
    if role == server.admin_user:
        raise RefusedError(
            f"{role} is the role that Locksmith itself uses at {server.name}.",
            do_now=f"Give databases.{server.name} another admin role, then run this again.",
        )
