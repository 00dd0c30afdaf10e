"""
How a process that runs on is ended: SIGTERM, or Ctrl-C.

Python runs a signal's handler in the main thread, once that thread does something. The system may
give the signal to another thread; a main thread that waits without end would sleep through it.
Source: https://docs.python.org/3/library/signal.html#execution-of-python-signal-handlers
"""

import signal
import threading

_LOOK_SECONDS = 0.5


class Ending:
    """Made in the main thread, before anything is started that has to be ended."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._asked.set())

    def is_asked(self, *, within: float) -> bool:
        """Wait up to so many seconds for it."""
        return self._asked.wait(within)

    def wait(self) -> None:
        while not self.is_asked(within=_LOOK_SECONDS):
            pass
