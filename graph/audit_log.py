"""
The contract of an audit log: lines of bytes become events of reading, without a value in them.

A member is one file in `graph/audit_logs/` with one subclass. What was served is kept as the keyed
digest that the log itself has in the place of a value; who read, when and from where as the log
says it. A line that nobody understands is counted, never guessed. Lines also tell of uses: that a
request was made with a credential. They are taken in only of credentials that were reported.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from graph.connections import Connections
from graph.read_event import ReadEvent
from graph.use_event import UseEvent


class NotUnderstoodError(ValueError):
    """A line is not of this kind of log."""


class AuditLog(ABC):
    """
    Reads one kind of log; `name` equals the module's name and the section of the settings.

    `marks` finds in a line whatever may be its name for a credential.
    """

    name: ClassVar[str]
    marks: ClassVar[re.Pattern[bytes]]

    @abstractmethod
    def files(self, connections: Connections) -> dict[str, str]:
        """Name every endpoint of this kind with the path of its log, "" where none is set."""

    @abstractmethod
    def events(self, line: bytes, endpoint: str) -> Iterator[ReadEvent]:
        """
        Read one line; most are no reads of secrets and give nothing.

        Raises:
            NotUnderstoodError: it is no line of such a log.
        """

    @abstractmethod
    def uses(self, line: bytes, endpoint: str) -> Iterator[UseEvent]:
        """
        Say which credentials the request of this line was made with, and by whom.

        Raises:
            NotUnderstoodError: it is no line of such a log.
        """

    def wake(self, endpoint: str, connections: Connections) -> bool:
        """Make one harmless request that the log has to tell of; False where there is none."""
        return False

    def warning(self, line: bytes) -> str:
        """Say what is wrong with the log itself, such as values in it; "" for nothing."""
        return ""


def log_source(kind: str, endpoint: str) -> str:
    """Name a log among the sources: "audit_log/vault/main"."""
    return f"audit_log/{kind}/{endpoint}"
