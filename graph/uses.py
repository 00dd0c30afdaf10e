"""
Who used a reported credential: what the audit log that shows it tells, read to its end just now.

A log that stays as it was although Locksmith itself has just asked something is not the log of that
store (a path that nobody writes to any more): its silence proves nothing, and that is said.
"""

from collections.abc import Collection
from datetime import datetime

from graph.audit_log import AuditLog, log_source
from graph.connections import Connections
from graph.errors import LocksmithError
from graph.ingest import found_logs, ingest_one
from graph.reads import Reads
from graph.use_event import Told


class UseLogs:
    """The configured audit logs, each by the name of its source."""

    def __init__(self, reads: Reads, connections: Connections) -> None:
        self._reads = reads
        self._connections = connections
        self._logs: dict[str, tuple[AuditLog, str, str]] = {
            log_source(kind, endpoint): (member, endpoint, path)
            for kind, member in found_logs().items()
            for endpoint, path in member.files(connections).items()
            if path
        }

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(self._logs)

    def ask(
        self, source: str, fingerprints: Collection[str], *, since: datetime, now: datetime
    ) -> Told:
        """Read the log to its end, and say who used what has these fingerprints since then."""
        marks = self._reads.marks(fingerprints, source)
        if source not in self._logs or not marks:
            return Told(known=False)
        trouble = self._trouble(source, now)
        return Told(known=True, uses=self._reads.uses(marks, source, since=since), trouble=trouble)

    def _trouble(self, source: str, now: datetime) -> str:
        member, endpoint, path = self._logs[source]
        before = self._reads.state(source).position
        try:
            woken = member.wake(endpoint, self._connections)
        except LocksmithError as error:
            return error.happened
        looked = ingest_one(self._reads, member, endpoint, path=path, now=now)
        if not looked.whole:
            return looked.trouble
        if woken and self._reads.state(source).position == before:
            return (
                f"The audit log {path} does not tell of Locksmith's own request: nobody writes it."
            )
        return ""
