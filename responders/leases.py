"""
Which processes are alive: each one that runs plans says so every few seconds.

A process is dead when its lease ran out, or at once when it ran on this host and its process id
is gone; then another one takes its runs over. A step is held by one process at a time. Part of
the room's only SQL.
"""

import os
import secrets
import socket
from datetime import datetime, timedelta
from itertools import count

from sqlmodel import Session, col, select

from graph.errors import ConflictError
from responders.incident import StepState
from responders.ledger import Ledger
from responders.tables import ExecutorLeaseRow, StepRunRow

LEASE = timedelta(seconds=30)

_HOST = socket.gethostname()
_NONCE = secrets.token_hex(4)  # tells this process from an older one with the same number
_numbers = count(1)


def new_executor() -> str:
    """Name one engine of this process, unlike any other that ever was."""
    return f"{_HOST}-{os.getpid()}-{_NONCE}-{next(_numbers)}"


class LostStepError(ConflictError):
    """Another process holds the step: this one must leave it alone."""


class Leases:
    """The heartbeat of one process, and who else has stopped."""

    def __init__(self, ledger: Ledger, executor: str, *, lease: timedelta = LEASE) -> None:
        self._ledger = ledger
        self._executor = executor
        self._lease = lease

    def beat(self) -> None:
        """Say that this process lives."""
        with self._ledger.transaction() as transaction:
            until = transaction.now + self._lease
            row = transaction.session.get(ExecutorLeaseRow, self._executor) or ExecutorLeaseRow(
                executor=self._executor, host=_HOST, pid=os.getpid(), alive_until=until
            )
            row.alive_until = until
            transaction.session.add(row)

    def end(self) -> None:
        """
        Let the lease run out now, so that others need not wait for it.

        It is not deleted: by it the next process finds the runs that this one left unfinished.
        """
        with self._ledger.transaction() as transaction:
            row = transaction.session.get(ExecutorLeaseRow, self._executor)
            if row is not None:
                row.alive_until = transaction.now - timedelta(seconds=1)
                transaction.session.add(row)

    def forget(self, executor: str) -> None:
        with self._ledger.transaction() as transaction:
            row = transaction.session.get(ExecutorLeaseRow, executor)
            if row is not None:
                transaction.session.delete(row)

    def living(self) -> int:
        """Count the processes that are alive, this one among them."""
        now = self._ledger.now()
        with self._ledger.reading() as session:
            return sum(_lives(row, now) for row in session.exec(select(ExecutorLeaseRow)).all())

    def dead(self) -> tuple[str, ...]:
        """Name the processes that ended, of whose runs nobody has taken care yet."""
        query = select(ExecutorLeaseRow).where(col(ExecutorLeaseRow.executor) != self._executor)
        now = self._ledger.now()
        with self._ledger.reading() as session:
            rows = session.exec(query).all()
            return tuple(row.executor for row in rows if not _lives(row, now))


def take(session: Session, row: StepRunRow, executor: str, now: datetime) -> None:
    """Let `executor` hold the step; raises LostStepError while another live process does."""
    others = row.executor not in {"", executor} and row.state == StepState.RUNNING
    holder = session.get(ExecutorLeaseRow, row.executor) if others else None
    if holder is not None and _lives(holder, now):
        raise LostStepError(
            f"Another process works on the step {row.step_id}.",
            means="It is not run twice.",
            do_now="Wait for it, or for its lease to end.",
        )
    row.executor = executor
    session.add(row)


def _lives(row: ExecutorLeaseRow, now: datetime) -> bool:
    if row.alive_until < now:
        return False
    return row.host != _HOST or _process_lives(row.pid, row.executor)


def _process_lives(pid: int, executor: str) -> bool:
    """Ask the kernel; a former process of our own number (always 1 in a container) is gone."""
    if pid == os.getpid():
        return _NONCE in executor
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
