"""
A webhook receiver that keeps what it gets: the demo's and the tests' other end of a pager.

It answers 202, or whatever status it is told to fail with. It verifies no signature: it keeps the
header as it came, so that the reader can check it against the raw body.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from threading import Condition
from typing import Any

from bot.sandbox.loopback import Answer, LoopbackServer, Request


@dataclass(frozen=True, slots=True)
class Page:
    """One delivery. `body` is the parsed JSON (None if it was none), `raw` the bytes signed."""

    path: str
    headers: Mapping[str, str]
    body: Any
    raw: bytes
    refused: bool

    @property
    def signature(self) -> str | None:
        """The first header whose name ends in "signature", as it came."""
        return next(
            (value for name, value in self.headers.items() if name.endswith("signature")), None
        )


class PageReceiver(LoopbackServer):
    """Records every POST to any path."""

    def __init__(self) -> None:
        super().__init__(self._answer, name="page-receiver")
        self._arrived = Condition()
        self._received: list[Page] = []
        self._status: int | None = None

    @property
    def received(self) -> tuple[Page, ...]:
        """All that came and was accepted, oldest first."""
        with self._arrived:
            return tuple(page for page in self._received if not page.refused)

    @property
    def refused(self) -> tuple[Page, ...]:
        """All that came while this receiver was told to fail."""
        with self._arrived:
            return tuple(page for page in self._received if page.refused)

    def fail_with(self, status: int | None) -> None:
        """Answer with `status` from now on; None accepts again."""
        with self._arrived:
            self._status = status

    def clear(self) -> None:
        with self._arrived:
            self._received.clear()
            self._status = None

    def wait_for(self, count: int, *, seconds: float = 10.0) -> tuple[Page, ...]:
        """
        Wait until `count` pages were accepted, and return them all.

        Raises:
            TimeoutError: fewer came in `seconds`.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._count() >= count, timeout=seconds):
                raise TimeoutError(f"{self._count()} of {count} pages came in {seconds} s")
            return tuple(page for page in self._received if not page.refused)

    def _count(self) -> int:
        return sum(not page.refused for page in self._received)

    def _answer(self, request: Request) -> Answer:
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        with self._arrived:
            status = self._status
            page = Page(request.path, request.headers, body, request.body, status is not None)
            self._received.append(page)
            self._arrived.notify_all()
        if status is not None:
            return Answer(status, {"error": "told_to_fail"})
        return Answer(HTTPStatus.ACCEPTED, {"status": "accepted"})
