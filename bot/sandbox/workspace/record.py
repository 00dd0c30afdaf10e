"""
Everything that the app sent, byte for byte, and the faults that wait for its next calls.

The canary test searches the record; fault tests arm faults. Tokens in headers are not recorded.
"""

import threading
import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """
    `method` is the Web API method, or `socket` (acknowledgements), `response_url`, `upload`.

    `body` is what came over the wire: JSON, form, query string or file bytes. `at` is Unix time.
    """

    method: str
    body: bytes
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    How one call goes wrong: an HTTP `status`, a Slack `error`, or a dropped connection.

    `after_processing`: the call takes effect first and only its answer is lost. `of_blocks`: only
    a call that brings blocks goes wrong, and every one of them until the fault is lifted.
    """

    status: int | None = None
    error: str | None = None
    retry_after: int | None = None
    after_processing: bool = False
    drop: bool = False
    of_blocks: bool = False


@dataclass(slots=True)
class Ledger:
    received: list[Received] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, method: str, body: bytes) -> None:
        with self.lock:
            self.received.append(Received(method=method, body=body))

    def complain(self, sentence: str) -> None:
        """Note something that Slack would show as the app's mistake to its developer."""
        with self.lock:
            self.complaints.append(sentence)

    def arm(self, method: str, fault: Fault, times: int) -> None:
        with self.lock:
            self.faults.setdefault(method, []).extend([fault] * times)

    def lift(self, method: str) -> None:
        with self.lock:
            self.faults.pop(method, None)

    def next_fault(self, method: str, *, with_blocks: bool) -> Fault | None:
        with self.lock:
            waiting = self.faults.get(method)
            if not waiting:
                return None
            if waiting[0].of_blocks:
                return waiting[0] if with_blocks else None
            return waiting.pop(0)
