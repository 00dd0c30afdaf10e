"""
Whose turn it is to write: the threads of one process, one after the other.

Somebody waits for an urgent one (a click that is to be acknowledged): it is next, whoever came
before. Not here: what is written.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Thread-safe. A thread whose turn it is may take it again within."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self._urgent, self._others = threading.Condition(lock), threading.Condition(lock)
        self._holder = 0  # the thread's ident; 0: nobody
        self._waiting = {True: 0, False: 0}  # by urgency

    @contextmanager
    def taken(self, *, urgent: bool = False) -> Iterator[None]:
        """Wait for the turn and hold it."""
        me = threading.get_ident()
        if self._holder == me:
            yield
            return
        self._take(me, urgent=urgent)
        try:
            yield
        finally:
            self._give_back()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(self._waiting.values())

    def _take(self, me: int, *, urgent: bool) -> None:
        mine = self._urgent if urgent else self._others
        with mine:
            self._waiting[urgent] += 1
            try:
                mine.wait_for(lambda: not self._holder and (urgent or not self._waiting[True]))
                self._holder = me
            finally:
                self._waiting[urgent] -= 1

    def _give_back(self) -> None:
        with self._urgent:
            self._holder = 0
            (self._urgent if self._waiting[True] else self._others).notify()
