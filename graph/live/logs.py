"""
The audit logs, followed while the bot runs: what was added is taken in every few seconds.

Two processes that read one log make one row of a line, so no lease is needed; a process that
cannot see a file says so and the other goes on.
"""

from collections.abc import Callable
from datetime import datetime
from threading import Event, Thread

from structlog import get_logger

from graph.audit_log import AuditLog
from graph.connections import Connections
from graph.errors import LocksmithError
from graph.ingest import found_logs, ingest
from graph.reads import Reads

log = get_logger()


class FollowedLogs:
    """Looks at every configured log each `seconds`; does nothing where none is configured."""

    def __init__(
        self,
        reads: Reads,
        connections: Connections,
        *,
        clock: Callable[[], datetime],
        seconds: float = 10.0,
    ) -> None:
        self._reads = reads
        self._connections = connections
        self._clock = clock
        self._seconds = seconds
        self._logs: dict[str, AuditLog] = {
            name: member
            for name, member in found_logs().items()
            if any(member.files(connections).values())
        }
        self._ended = Event()
        self._thread = Thread(target=self._run, name="audit logs", daemon=True)

    def start(self) -> None:
        if self._logs:
            self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                for _ in ingest(self._reads, self._connections, now=self._clock(), logs=self._logs):
                    if self._ended.is_set():
                        return
            except LocksmithError as error:
                log.warning("audit_logs.not_read", happened=error.happened)
            self._ended.wait(self._seconds)
