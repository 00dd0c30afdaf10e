"""
The plumbing that the sandbox's small HTTP servers share: a thread, a free loopback port, JSON.

Standard library only, one request per connection (HTTP/1.0), so that nothing lingers when a test
ends. What the servers answer is in `issuer.py` and `page_receiver.py`.
"""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Protocol, Self

LOOPBACK = "127.0.0.1"


def free_port(*, neighbours: int = 0) -> int:
    """Find a free loopback port whose next `neighbours` ports are free as well."""
    while True:
        with socket.socket() as first:
            first.bind((LOOPBACK, 0))
            port = int(first.getsockname()[1])
            if all(_is_free(port + step) for step in range(1, neighbours + 1)):
                return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def bearer(self) -> str:
        """The token of `Authorization: Bearer …`; "" where there is none."""
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if kind.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Mapping[str, object] | None = None


class Responder(Protocol):
    def __call__(self, request: Request) -> Answer: ...


class LoopbackServer:
    """Serves `responder` from a thread of its own between `start()` and `stop()`."""

    def __init__(self, responder: Responder, *, name: str) -> None:
        self._responder = responder
        self._name = name
        self._server: ThreadingHTTPServer | None = None
        self._thread: Thread | None = None

    @property
    def address(self) -> str:
        """`http://127.0.0.1:PORT`, once started."""
        if self._server is None:
            raise RuntimeError(f"{self._name} is not running")
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def start(self) -> Self:
        responder = self._responder

        class Handler(BaseHTTPRequestHandler):
            def _respond(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(length)
                answer = responder(Request(self.command, self.path, headers, body))
                payload = b"" if answer.body is None else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = do_DELETE = do_PUT = _respond  # noqa: N815 - names set by http.server

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Stay silent: a request line may hold a token."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name=self._name,
            daemon=True,
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = None
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
