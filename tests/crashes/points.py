"""
The points at which a run can be killed: before each external call and before each commit.

What is true after one of them is what is true before the next, so nothing lies between two points.
They are seen from outside of Locksmith: at the HTTP and PostgreSQL clients, and by SQLAlchemy's
events. This replaces methods of those libraries, so it is for a process that ends soon.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import psycopg
import structlog
import urllib3
from dbos import DBOS
from sqlalchemy import Connection, Engine, event

Passing = Callable[[str], None]

_REPEATED = 5  # looks of one kind in one step: waiting for something looks again and again
_CHANGES = ("INSERT", "UPDATE", "DELETE", "WITH")


class Points:
    """Names each point ("rotate:POST#1") and tells `passing`, in the thread that passes."""

    def __init__(self, passing: Passing) -> None:
        self._passing = passing
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.person_acts = False

    def watch(self) -> None:
        self._before(urllib3.HTTPConnectionPool, "urlopen", _method)
        self._before(httpx.HTTPTransport, "handle_request", lambda _, request: str(request.method))
        self._before(psycopg.Cursor, "execute", _verb)
        event.listen(Engine, "before_cursor_execute", _note_change)
        event.listen(Engine, "commit", self._commit)

    def _before(self, kind: Any, name: str, what: Callable[..., str]) -> None:
        original = getattr(kind, name)

        def passed(*arguments: Any, **named: Any) -> Any:
            self._pass(what(*arguments, **named))
            return original(*arguments, **named)

        setattr(kind, name, passed)

    def _commit(self, connection: Connection) -> None:
        if connection.info.pop("changed", False):
            self._pass("commit")

    def _pass(self, what: str) -> None:
        step = self._step()
        if not step:
            return
        with self._lock:
            self._seen[f"{step}:{what}"] += 1
            number = self._seen[f"{step}:{what}"]
        if number <= _REPEATED or what not in {"GET", "SELECT"}:
            self._passing(f"{step}:{what}#{number}")

    def _step(self) -> str:
        """Name whose work this thread does; "" for what is no part of the run."""
        if threading.current_thread() is threading.main_thread():
            return "person" if self.person_acts else ""
        bound: Mapping[str, Any] = structlog.contextvars.get_contextvars()
        if "step" in bound:
            return str(bound["step"])
        return "engine" if str(DBOS.workflow_id or "").startswith(("run:", "undo:")) else ""


def _note_change(connection: Connection, cursor: Any, statement: str, *more: Any) -> None:
    if statement.lstrip().upper().startswith(_CHANGES):
        connection.info["changed"] = True


def _method(pool: Any, method: str, *more: Any, **named: Any) -> str:
    return method


def _verb(cursor: Any, query: Any, *more: Any, **named: Any) -> str:
    text = query if isinstance(query, str) else query.as_string(None)
    words: list[str] = str(text).split()
    return words[0].upper() if words else "SQL"
