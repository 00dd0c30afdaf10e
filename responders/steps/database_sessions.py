"""
Open sessions of database users whose password was rotated or whose lease was revoked, ended.

PostgreSQL asks for a password at the login only: who is in stays in, even a user that was dropped.
Which users is what the look of an earlier step noted (`vault_leases.look`,
`vault_database.look_static`), by their numbers, which outlive their names. Where the user lives on
with a new password, only sessions from before that moment are ended, by the server's own clock.

Example::

    database_sessions.end: {role: "vault://main/database/creds/report"}

Source: https://www.postgresql.org/docs/current/functions-admin.html (pg_terminate_backend) and
https://www.postgresql.org/docs/current/monitoring-stats.html (pg_stat_activity.usesysid).
"""

from typing import ClassVar

from pydantic import Field

from graph import postgres_api
from graph.collector import Permission
from graph.postgres_api import Session
from graph.words import counted
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

_TO_END = 10.0  # seconds that a session may take to notice that it is over
_SHOWN = 5  # sessions that a sentence names
_BY_HAND: dict[str, Fact] = {
    "do_now": "Add the server to `databases` with its `vault_connection`, or end them by hand."
}


class EndSettings(StepSettings):
    """
    `noted_by` is the step that noted the users; `changed_by` the one that changed their password.

    Without `changed_by` every session of these users is ended.
    """

    role: str = Field(pattern=r"^vault://[^/#]+/[^/#]+/(static-)?creds/[^/#]+$")
    noted_by: str = "look"
    changed_by: str = ""


class End(Step[EndSettings]):
    """Ends the sessions that the old credentials opened."""

    name: ClassVar[str] = "database_sessions.end"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission("postgres", "pg_signal_backend, pg_read_all_stats", "see and end sessions"),
    )
    reversible: ClassVar[bool] = False
    Settings = EndSettings

    def preview(self, settings: EndSettings) -> str:
        return (
            f"Ends the database sessions that the old credentials of {settings.role} opened;"
            " clients on new ones reconnect."
        )

    def targets(self, settings: EndSettings) -> tuple[str, ...]:
        return (settings.role,)

    def apply(self, settings: EndSettings, context: StepContext) -> Receipt:
        database, oids, before = _noted(settings, context)
        if not database:
            return Receipt("The server is not configured: no session was ended.")
        if not oids or (settings.changed_by and not before):
            return Receipt("No user was noted whose sessions could be ended.")
        server = context.connections.postgres(database)
        with server.admin("end sessions") as connection:
            found = postgres_api.sessions(connection, oids, before=before)
            postgres_api.end_sessions(connection, found, oids)
        return Receipt(
            f"Ended {counted(len(found), 'session')} at {database}{_named(found)}.",
            {"ended": len(found)},
        )

    def verify(self, settings: EndSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: EndSettings, context: StepContext) -> Verdict:
        database, oids, before = _noted(settings, context)
        if not database or (settings.changed_by and not before):
            return Verdict(
                VerdictKind.UNKNOWN,
                "Whether old sessions are open is not known: the server was not asked.",
                _BY_HAND,
            )
        server = context.connections.postgres(database)
        left: tuple[Session, ...] = ()
        for _ in context.attempts(seconds=_TO_END, every=0.5):
            with server.admin("look at the sessions") as connection:
                left = postgres_api.sessions(connection, oids, before=before)
            if not left:
                return Verdict(
                    VerdictKind.CONFIRMED,
                    f"No session at {database} is left that the old credentials opened.",
                )
        return Verdict(
            VerdictKind.REFUTED,
            f"Still alive at {database}: {counted(len(left), 'session')}{_named(left)}.",
        )


def _noted(settings: EndSettings, context: StepContext) -> tuple[str, list[int], str]:
    """Give the server, the users' numbers, and the moment of the change ("": all sessions)."""
    looked = context.receipts.get(settings.noted_by)
    changed = context.receipts.get(settings.changed_by)
    database = str(looked.facts.get("database") or "") if looked else ""
    oids = looked.facts.get("oids") if looked else None
    numbers = [int(oid) for oid in oids] if isinstance(oids, list) else []
    return database, numbers, str(changed.facts.get("changed_at") or "") if changed else ""


def _named(found: tuple[Session, ...]) -> str:
    clients = sorted({session.client for session in found})
    return f": {', '.join(clients[:_SHOWN])}" if clients else ""
