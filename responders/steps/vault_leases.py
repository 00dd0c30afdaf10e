"""
Dynamic database credentials of Vault and OpenBao: all leases of a role revoked, the users gone.

To revoke by prefix ends what is there at that moment, a repeat would end what consumers got since.
So `look` comes first and changes nothing: it notes the leases that are out, and the database users
that they made. `revoke` ends everything below the role as long as one noted lease is left; with
`only_noted` it ends these alone, lease by lease, so that consumers can have new ones before.

The store's "done" is not believed: a known upstream bug (hashicorp/vault#29392) prints success
while the lease and the user live on. The leases are listed again, each noted one is looked up, and
the noted users have to be gone at the database, where it is one of `databases` (found by its
`vault_connection`). A dropped user's open sessions go on: `database_sessions.end` ends them.

Which users belong to a role is told by their names: the engine's default is "v-", the caller, eight
characters of the role's name, and chance. With a template of your own, give `user_pattern` (LIKE).
More users than leases means that others are among them: then none is noted.

Example::

    vault_leases.look: {role: "vault://main/database/creds/report"}
    vault_leases.revoke: {role: "vault://main/database/creds/report"}

Source: https://openbao.org/api-docs/system/leases/ (list leases, revoke-prefix, revoke: sync) and
https://openbao.org/docs/concepts/username-templating/
"""

from typing import Any, ClassVar

from pydantic import Field

from graph import postgres_api, refs
from graph.collector import Permission
from graph.errors import BadInputError, NotFoundError
from graph.postgres_api import PostgresApi
from graph.words import counted, every
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

_LIST = Permission(
    "vault",
    'path "sys/leases/lookup/MOUNT/creds/ROLE" { capabilities = ["list", "sudo"] }',
    "see which leases are out",
)
_READ_ROLE = Permission(
    "vault",
    'path "MOUNT/roles/ROLE" { capabilities = ["read"] }',
    "find the database server that the users are on",
)
_TO_BE_GONE = 10.0  # seconds: a lease that is being revoked may need a moment
_IN_A_NAME = 8  # characters of the role's name in the default template of user names


class LeasesSettings(StepSettings):
    """`role` is the ref that credentials are read from; `user_pattern` empty: the default names."""

    role: str = Field(pattern=r"^vault://[^/#]+/[^/#]+/creds/[^/#]+$")
    user_pattern: str = ""


class RevokeSettings(StepSettings):
    """`noted_by` is the step that looked before."""

    role: str = Field(pattern=r"^vault://[^/#]+/[^/#]+/creds/[^/#]+$")
    noted_by: str = "look"
    only_noted: bool = False


class Look(Step[LeasesSettings]):
    """Notes the leases that are out, and the users that they made."""

    name: ClassVar[str] = "vault_leases.look"
    permissions: ClassVar[tuple[Permission, ...]] = (_LIST, _READ_ROLE)
    reversible: ClassVar[bool] = False
    changes_world: ClassVar[bool] = False
    Settings = LeasesSettings

    def preview(self, settings: LeasesSettings) -> str:
        return f"Notes the leases of {settings.role} that are out; changes nothing."

    def targets(self, settings: LeasesSettings) -> tuple[str, ...]:
        return (settings.role,)

    def apply(self, settings: LeasesSettings, context: StepContext) -> Receipt:
        role = _Role(settings.role, context)
        leases = role.leases()
        server = role.server()
        users: tuple[postgres_api.Role, ...] = ()
        if server is not None:
            pattern = settings.user_pattern or _default_pattern(role.name)
            with server.admin(f"look for the users of {role.name}") as connection:
                found = postgres_api.roles_like(connection, pattern)
            users = found if len(found) <= len(leases) else ()
        facts: dict[str, Fact] = {
            "leases": list(leases),
            "database": server.name if server else "",
            "users": [user.name for user in users],
            "oids": [str(user.oid) for user in users],
        }
        return Receipt(
            f"Out: {counted(len(leases), 'lease')} of {settings.role}; "
            f"known: {counted(len(users), 'user')}.",
            facts,
        )

    def verify(self, settings: LeasesSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: LeasesSettings, context: StepContext) -> Verdict:
        role = _Role(settings.role, context)
        role.server()  # an empty list is answered like a wrong path: the role has to be there
        number = len(role.leases())
        return Verdict(VerdictKind.CONFIRMED, f"{number} leases of {settings.role} are out.")


class Revoke(Step[RevokeSettings]):
    """Revokes the leases of a role; the database drops their users."""

    name: ClassVar[str] = "vault_leases.revoke"
    permissions: ClassVar[tuple[Permission, ...]] = (
        _LIST,
        _READ_ROLE,
        Permission(
            "vault",
            'path "sys/leases/revoke-prefix/MOUNT/creds/ROLE"'
            ' { capabilities = ["update", "sudo"] }',
            "revoke all of them at once",
        ),
        Permission(
            "vault",
            'path "sys/leases/revoke" { capabilities = ["update"] }',
            "with only_noted: revoke one lease",
        ),
        Permission(
            "vault",
            'path "sys/leases/lookup" { capabilities = ["update"] }',
            "prove by a second road that a lease is gone",
        ),
    )
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = RevokeSettings

    def preview(self, settings: RevokeSettings) -> str:
        which = "the leases noted before" if settings.only_noted else "every lease"
        return (
            f"Revokes {which} of {settings.role}; the database drops their users, and whoever uses"
            " one is refused from that moment."
        )

    def targets(self, settings: RevokeSettings) -> tuple[str, ...]:
        return (settings.role,)

    def apply(self, settings: RevokeSettings, context: StepContext) -> Receipt:
        role = _Role(settings.role, context)
        noted = _noted(settings, context)
        left = sorted(set(role.leases()) & set(noted))
        if not left:
            return Receipt(f"None of the noted leases of {settings.role} was out any more.")
        if settings.only_noted:
            for lease in left:
                body = {"lease_id": role.lease_id(lease), "sync": True}
                role.ask("put", "sys/leases/revoke", f"revoke a lease of {role.name}", body)
        else:
            role.ask(
                "put",
                f"sys/leases/revoke-prefix/{role.path}",
                f"revoke the leases of {role.name}",
                {"sync": True},
            )
        return Receipt(
            f"The store took the revocation of {counted(len(left), 'lease')} of {settings.role}.",
            {"revoked": len(left)},
        )

    def verify(self, settings: RevokeSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: RevokeSettings, context: StepContext) -> Verdict:
        role = _Role(settings.role, context)
        noted = _noted(settings, context)
        left: list[str] = []
        for _ in context.attempts(seconds=_TO_BE_GONE, every=0.5):
            left = sorted(set(role.leases()) & set(noted))
            left += [lease for lease in noted if lease not in left and role.is_out(lease)]
            if not left:
                break
        facts: dict[str, Fact] = {"leases_gone": not left}
        if left:
            return Verdict(
                VerdictKind.REFUTED,
                f"{len(left)} of the {len(noted)} noted leases of {settings.role} are still out.",
                facts | {"old_value_refused": False},
            )
        return _users_gone(
            f"All {len(noted)} noted leases of {settings.role} are gone",
            role.server(),
            context.receipts[settings.noted_by],
            facts,
        )


def _users_gone(
    said: str, server: PostgresApi | None, noted: Receipt, facts: dict[str, Fact]
) -> Verdict:
    """Ask the database itself: a lease that is gone does not prove that its user is."""
    users, leases = noted.facts.get("users"), noted.facts.get("leases")
    if server is None:
        return Verdict(
            VerdictKind.UNKNOWN,
            f"{said}; whether their users are gone from the database was not asked.",
            facts
            | {"do_now": "Add the server to `databases` with its `vault_connection`, or look."},
        )
    if not users and leases:
        return Verdict(
            VerdictKind.UNKNOWN,
            f"{said}; no user of theirs was recognised by name, so the database was not asked.",
            facts | {"do_now": "Give the step before `user_pattern`, or look yourself."},
        )
    names = {str(user) for user in users} if isinstance(users, list) else set()
    with server.admin("look for the users of the leases") as connection:
        there = {
            each.name
            for name in names
            for each in postgres_api.roles_like(connection, _literal(name))
        }
    if there:
        return Verdict(
            VerdictKind.REFUTED,
            f"{said}, but the database still has {', '.join(sorted(there)[:5])}.",
            facts | {"old_value_refused": False},
        )
    return Verdict(
        VerdictKind.CONFIRMED,
        f"{said}, with {every(len(names), 'user')} that they made.",
        facts | {"old_value_refused": True},
    )


class _Role:
    """The dynamic role that a step is about, for one call."""

    def __init__(self, ref: str, context: StepContext) -> None:
        self._store, self._mount, _, self.name = refs.parse(ref).path
        self._connections = context.connections
        self.path = f"{self._mount}/creds/{self.name}"

    def ask(
        self, method: str, path: str, doing: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        return self._connections.ask_vault(self._store, method, path, doing=doing, body=body)

    def lease_id(self, lease: str) -> str:
        return f"{self.path}/{lease}"

    def leases(self) -> tuple[str, ...]:
        """List the leases that are out, without the path before their names."""
        path = f"sys/leases/lookup/{self.path}"
        try:
            keys = self.ask("list", path, f"list the leases of {self.name}").get("keys")
        except NotFoundError:  # how an empty list answers
            return ()
        return tuple(str(key) for key in keys) if isinstance(keys, list) else ()

    def is_out(self, lease: str) -> bool:
        """Look one lease up; the answer to one that is not there is a refusal of the request."""
        body = {"lease_id": self.lease_id(lease)}
        try:
            found = self.ask("put", "sys/leases/lookup", f"look up a lease of {self.name}", body)
        except (BadInputError, NotFoundError):
            return False
        return bool(found)

    def server(self) -> PostgresApi | None:
        """Find the configured server that the users are on; None where there is none."""
        role = self.ask("get", f"{self._mount}/roles/{self.name}", f"read the role {self.name}")
        connection = refs.vault(self._store, self._mount, f"config/{role.get('db_name')}")
        name = self._connections.postgres_behind(connection)
        return self._connections.postgres(name) if name else None


def _noted(settings: RevokeSettings, context: StepContext) -> tuple[str, ...]:
    """
    Give the leases that the look before noted.

    Raises:
        BadInputError: there was no look, so a repeat could revoke what consumers got since.
    """
    receipt = context.receipts.get(settings.noted_by)
    leases = receipt.facts.get("leases") if receipt else None
    if not isinstance(leases, list):
        raise BadInputError(
            f"No step “{settings.noted_by}” has noted the leases before they are revoked.",
            means="Repeated after a crash, it would revoke what consumers have got since.",
            do_now="Put vault_leases.look before this step in the playbook.",
        )
    return tuple(leases)


def _default_pattern(role: str) -> str:
    return f"v-%-{_literal(role[:_IN_A_NAME])}-%"


def _literal(text: str) -> str:
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
