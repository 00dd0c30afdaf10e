"""
The database engine of Vault and OpenBao: a static role's password rotated, and that of its root.

To rotate cannot be repeated harmlessly and takes no mark. So `look_static` comes first and changes
nothing: it notes the keyed digest of the password that is there. `rotate_static` compares with it,
so a repeat after a crash finds another password and leaves it. Leases are `vault_leases`.

The store's "done" is not believed (a known upstream bug, hashicorp/vault#29392, prints success for
what was not done): the password is read again, has to be another one, and is tried at the database,
as the old one is, which has to be refused. That takes the server to be one of `databases`, found by
its `vault_connection`; without it the verdict is UNKNOWN, and a person tries.

`rotate_root` leaves a password that no human knows, for good: keep another admin role for
emergencies. It is done once, because it first tries whether the leaked password still works; where
that cannot be tried, and for the role that Locksmith itself uses, it is refused.

Example::

    vault_database.look_static: {role: "vault://main/database/static-creds/shop"}
    vault_database.rotate_static: {role: "vault://main/database/static-creds/shop"}
    vault_database.rotate_root:
      connection: "vault://main/database/config/orders"
      secret: "vault://main/kv/infra/orders-root"
      field: password
      version: 1

Source: https://openbao.org/api-docs/secret/databases/ (rotate-role, static-creds, rotate-root).
"""

from typing import Any, ClassVar

from pydantic import Field

from graph import postgres_api, refs
from graph.collector import Permission
from graph.errors import BadInputError, NotFoundError, RefusedError, UnavailableError
from graph.postgres_api import Login, PostgresApi
from graph.secret_value import SecretValue
from responders.kv_versions import READ_VALUES, KvSecret, digest
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

_READ = (
    Permission(
        "vault",
        'path "MOUNT/static-creds/ROLE" { capabilities = ["read"] }',
        "compare the password before and after, in memory",
    ),
    Permission(
        "vault",
        'path "MOUNT/static-roles/ROLE" { capabilities = ["read"] }',
        "find the database server that the role is on",
    ),
)
_NOT_CONFIGURED: dict[str, Fact] = {
    "do_now": "Add the server to `databases` with its `vault_connection`, or try both by hand."
}


class StaticSettings(StepSettings):
    """`role` is the ref that its password is read from; `noted_by` the step that looked before."""

    role: str = Field(pattern=r"^vault://[^/#]+/[^/#]+/static-creds/[^/#]+$")
    noted_by: str = "look"


class LookStatic(Step[StaticSettings]):
    """Notes which password there is before it is rotated, as a keyed digest."""

    name: ClassVar[str] = "vault_database.look_static"
    permissions: ClassVar[tuple[Permission, ...]] = _READ
    reversible: ClassVar[bool] = False
    changes_world: ClassVar[bool] = False
    Settings = StaticSettings

    def preview(self, settings: StaticSettings) -> str:
        return f"Notes a digest of the password of {settings.role}; changes nothing."

    def targets(self, settings: StaticSettings) -> tuple[str, ...]:
        return (settings.role,)

    def apply(self, settings: StaticSettings, context: StepContext) -> Receipt:
        static = _Static(settings, context)
        username, password = static.creds()
        server = static.server()
        facts: dict[str, Fact] = {
            "digest": digest(password, context.fingerprinter),
            "database": server.name if server else "",
            "oids": [],
        }
        if server is not None:
            with server.admin(f"look at the role {username}") as connection:
                facts["oids"] = [str(postgres_api.role(connection, username).oid)]
        return Receipt(f"Noted the password of {username} as it is now.", facts)

    def verify(self, settings: StaticSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: StaticSettings, receipt: Receipt, context: StepContext) -> Verdict:
        username, password = _Static(settings, context).creds()
        same = digest(password, context.fingerprinter) == receipt.facts.get("digest")
        return Verdict(
            VerdictKind.CONFIRMED,
            f"The password of {username} is "
            + ("the one noted." if same else "already another one than noted."),
        )


class RotateStatic(Step[StaticSettings]):
    """Has the store set a new password for the role, unless it is another one already."""

    name: ClassVar[str] = "vault_database.rotate_static"
    permissions: ClassVar[tuple[Permission, ...]] = (
        *_READ,
        Permission(
            "vault",
            'path "MOUNT/rotate-role/ROLE" { capabilities = ["update"] }',
            "rotate the password",
        ),
    )
    reversible: ClassVar[bool] = False
    Settings = StaticSettings

    def preview(self, settings: StaticSettings) -> str:
        return (
            f"Has the store set a new password for {settings.role}; new logins with the old one"
            " fail from that moment, until consumers have the new one."
        )

    def targets(self, settings: StaticSettings) -> tuple[str, ...]:
        return (settings.role,)

    def apply(self, settings: StaticSettings, context: StepContext) -> Receipt:
        static = _Static(settings, context)
        noted = static.noted()
        username, old = static.creds()
        server = static.server()
        facts: dict[str, Fact] = {"role": username, "digest": noted}
        if digest(old, context.fingerprinter) != noted:
            said = f"The password of {username} is another one than noted: it was rotated before."
        else:
            static.ask("post", f"rotate-role/{static.role}", f"rotate the password of {username}")
            said = f"The store took the order to rotate the password of {username}."
            if server is not None:
                facts["old_accepted"] = server.login(username, old.reveal()).accepted
        if server is not None:
            with server.admin("read the server's clock") as connection:
                facts["changed_at"] = postgres_api.clock(connection)
        return Receipt(said, facts)

    def verify(self, settings: StaticSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: StaticSettings, receipt: Receipt, context: StepContext) -> Verdict:
        static = _Static(settings, context)
        username, password = static.creds()
        if digest(password, context.fingerprinter) == receipt.facts.get("digest"):
            return Verdict(
                VerdictKind.REFUTED,
                f"The store still holds the password of {username} that it held before.",
                {"old_value_refused": False},
            )
        said = f"The store holds another password of {username} than before"
        server = static.server()
        if server is None:
            return Verdict(
                VerdictKind.UNKNOWN, f"{said}; the server was not asked.", _NOT_CONFIGURED
            )
        return _judged_by(
            said, server.login(username, password.reveal()), receipt.facts.get("old_accepted")
        )


class RotateRootSettings(StepSettings):
    """`secret`, `field`, `version` hold the leaked root password; `database` names the server."""

    connection: str = Field(pattern=r"^vault://[^/#]+/[^/#]+/config/[^/#]+$")
    secret: str
    field: str = Field(min_length=1)
    version: int = Field(ge=1)
    database: str = ""


class RotateRoot(Step[RotateRootSettings]):
    """Has the store set a root password that only it knows."""

    name: ClassVar[str] = "vault_database.rotate_root"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "vault",
            'path "MOUNT/config/CONNECTION" { capabilities = ["read"] }',
            "learn the name of the root role",
        ),
        Permission(
            "vault",
            'path "MOUNT/rotate-root/CONNECTION" { capabilities = ["update"] }',
            "rotate the root password",
        ),
        READ_VALUES,
    )
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = RotateRootSettings

    def preview(self, settings: RotateRootSettings) -> str:
        return (
            f"Has the store set a new root password for {settings.connection}, which no human"
            " will know; nobody gets the old one to work again."
        )

    def targets(self, settings: RotateRootSettings) -> tuple[str, ...]:
        return (settings.connection,)

    def apply(self, settings: RotateRootSettings, context: StepContext) -> Receipt:
        root = _Root(settings, context)
        username, server = root.username(), root.server()
        if username == server.admin_user:
            raise RefusedError(
                f"{username} is the role that Locksmith itself uses at {server.name}.",
                means="With a password that only the store knows, nobody could look afterwards.",
                do_now=f"Give databases.{server.name} another admin role, then run this again.",
            )
        old = root.try_leaked(username)
        if old.accepted is None:
            raise UnavailableError(
                f"Whether the leaked password still works is not known: {old.sentence}.",
                means="The root password was not rotated: nobody could tell that it helped.",
            )
        if not old.accepted:
            return Receipt(
                f"With the leaked password {old.sentence} before anything was done.",
                {"rotated": False},
            )
        root.ask("post", f"rotate-root/{root.connection}", f"rotate {settings.connection}")
        return Receipt(f"The store took the order to rotate {username}.", {"rotated": True})

    def verify(
        self, settings: RotateRootSettings, receipt: Receipt, context: StepContext
    ) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: RotateRootSettings, context: StepContext) -> Verdict:
        root = _Root(settings, context)
        username, server = root.username(), root.server()
        with server.admin(f"look at the role {username}") as connection:
            can_login = postgres_api.role(connection, username).can_login
        old = root.try_leaked(username)
        said = f"With the leaked password {old.sentence}"
        if old.accepted is None:
            return Verdict(VerdictKind.UNKNOWN, f"{said}.")
        if old.accepted:
            return Verdict(VerdictKind.REFUTED, f"{said}.", {"old_value_refused": False})
        if not can_login:
            return Verdict(
                VerdictKind.UNKNOWN,
                f"{said}, but {username} may not log in at all: the store cannot either.",
            )
        return Verdict(
            VerdictKind.CONFIRMED,
            f"{said}; the role is there and may log in.",
            {"old_value_refused": True},
        )


class _Static:
    """The static role that a step is about, for one call."""

    def __init__(self, settings: StaticSettings, context: StepContext) -> None:
        self._noted_by, self._context = settings.noted_by, context
        self._store, self._mount, _, self.role = refs.parse(settings.role).path

    def ask(self, method: str, path: str, doing: str) -> dict[str, Any]:
        connections = self._context.connections
        return connections.ask_vault(self._store, method, f"{self._mount}/{path}", doing=doing)

    def creds(self) -> tuple[str, SecretValue]:
        """
        Read the name and the password.

        Raises:
            NotFoundError: the answer holds none.
        """
        found = self.ask("get", f"static-creds/{self.role}", f"read the role {self.role}")
        username, password = found.get("username"), found.get("password")
        if not isinstance(username, str) or not isinstance(password, str):
            raise NotFoundError(f"The store gives no password for the role {self.role}.")
        return username, SecretValue(password)

    def noted(self) -> str:
        """
        Give the digest that the look before noted.

        Raises:
            BadInputError: there was no look, so a repeat could rotate twice.
        """
        receipt = self._context.receipts.get(self._noted_by)
        noted = receipt.facts.get("digest") if receipt else None
        if not isinstance(noted, str) or not noted:
            raise BadInputError(
                f"No step “{self._noted_by}” has noted the password before it is rotated.",
                means="Repeated after a crash, it would be rotated twice.",
                do_now="Put vault_database.look_static before this step in the playbook.",
            )
        return noted

    def server(self) -> PostgresApi | None:
        """Find the configured server that the role is on; None where there is none."""
        role = self.ask("get", f"static-roles/{self.role}", f"read the role {self.role}")
        connection = refs.vault(self._store, self._mount, f"config/{role.get('db_name')}")
        name = self._context.connections.postgres_behind(connection)
        return self._context.connections.postgres(name) if name else None


class _Root:
    """The connection whose root password is rotated, for one call."""

    def __init__(self, settings: RotateRootSettings, context: StepContext) -> None:
        self._settings, self._context = settings, context
        self._store, self._mount, _, self.connection = refs.parse(settings.connection).path

    def ask(self, method: str, path: str, doing: str) -> dict[str, Any]:
        connections = self._context.connections
        return connections.ask_vault(self._store, method, f"{self._mount}/{path}", doing=doing)

    def username(self) -> str:
        """
        Read the name of the root role.

        Raises:
            NotFoundError: the connection names none.
        """
        doing = f"read {self._settings.connection}"
        found = self.ask("get", f"config/{self.connection}", doing).get("connection_details")
        username = found.get("username") if isinstance(found, dict) else None
        if not isinstance(username, str) or not username:
            raise NotFoundError(f"{self._settings.connection} names no root role.")
        return username

    def server(self) -> PostgresApi:
        """
        Find the configured server.

        Raises:
            RefusedError: none is configured, so nobody could tell whether the old password is dead.
        """
        connections = self._context.connections
        name = self._settings.database or connections.postgres_behind(self._settings.connection)
        if not name:
            raise RefusedError(
                f"The server behind {self._settings.connection} is not configured.",
                means="Whether the old password is refused afterwards could not be tried.",
                do_now="Add the server to `databases` with its `vault_connection`.",
            )
        return connections.postgres(name)

    def try_leaked(self, username: str) -> Login:
        settings = self._settings
        secret = KvSecret(settings.secret, self._context.connections)
        leaked = secret.value(settings.field, version=settings.version)
        return self.server().login(username, postgres_api.password_in(leaked.reveal()))


def _judged_by(said: str, new: Login, old_accepted: Fact) -> Verdict:
    """`old_accepted` is what the server said to the old password right after the rotation."""
    said = f"{said}; with it {new.sentence}"
    if new.accepted is None:
        return Verdict(VerdictKind.UNKNOWN, f"{said}.", _NOT_CONFIGURED)
    if not new.accepted or old_accepted is True:
        still = "; the old password still worked" if old_accepted else ""
        return Verdict(VerdictKind.REFUTED, f"{said}{still}.", {"old_value_refused": False})
    if old_accepted is None:
        return Verdict(VerdictKind.CONFIRMED, f"{said}. A role has one password.")
    return Verdict(
        VerdictKind.CONFIRMED,
        f"{said}, and the old one was refused.",
        {"old_value_refused": True},
    )
