"""
The HTTP door: health for an orchestrator, webhooks of those who find leaked secrets, sign-ins.

Off unless `web.listen` is set. `/livez`: the process answers. `/readyz`: the database takes
writes and Slack is connected. `POST /hooks/NAME`: a delivery is verified over its raw bytes and
committed to the encrypted inbox before the 202; one that is known already answers 200 and does
nothing. Refusals say why in JSON and repeat nothing of the delivery. `/step-up/…`: the pages of
`bot/step_up.py`, if sign-ins are configured. `/metrics` asks nobody who they are, so it has a
door of its own (`web.metrics_listen`), with `/livez` and `/readyz` and nothing else.

The server is the standard library's, one thread per request, bounded in number, size and time:
a few deliveries a minute are worth no framework. TLS is the business of the ingress before it.
What a delivery means is in `bot/intake/hooks`; what becomes of it, in `bot/work/hooks.py`.
"""

import hashlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import orjson
import structlog

from bot.inbox import Inbox
from bot.intake.hook import Delivery, Hook
from bot.metrics import CONTENT_TYPE
from bot.settings import HookSettings, WebSettings
from bot.step_up import PATH, Page, StepUpPages
from graph.errors import (
    AccessDeniedError,
    BadInputError,
    LocksmithError,
    RefusedError,
    UnavailableError,
    raised_at,
)
from graph.plugins import discover

log = structlog.get_logger()

MAX_BODY = 5 * 1024 * 1024  # bytes
MAX_AT_ONCE = 32  # requests
IDLE_SECONDS = 10.0  # without a byte
BODY_SECONDS = 30.0  # for a whole body
_PIECE = 64 * 1024
_STATUSES: tuple[tuple[type[LocksmithError], HTTPStatus], ...] = (
    (AccessDeniedError, HTTPStatus.UNAUTHORIZED),
    (RefusedError, HTTPStatus.UNAUTHORIZED),
    (BadInputError, HTTPStatus.BAD_REQUEST),
    (UnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with; `body` becomes JSON."""

    status: HTTPStatus
    body: Mapping[str, Any]


class Intaker:
    """
    Verifies deliveries and puts them into the inbox. Knows nothing of HTTP but headers and bytes.

    Raises (when made):
        BadInputError: a configured hook is of no known kind.
    """

    def __init__(
        self, hooks: Mapping[str, HookSettings], inbox: Inbox, *, clock: Callable[[], datetime]
    ) -> None:
        kinds = discover(Hook, "bot.intake.hooks")
        for name, settings in hooks.items():
            if settings.kind not in kinds:
                raise BadInputError(
                    f"web.hooks.{name}.kind is “{settings.kind}”, and there is no such kind.",
                    do_now=f"Use one of: {', '.join(sorted(kinds))}.",
                )
        self._hooks = {name: (kinds[each.kind](), each) for name, each in hooks.items()}
        self._inbox = inbox
        self._clock = clock

    def __contains__(self, name: str) -> bool:
        return name in self._hooks

    def take(self, name: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """
        Verify one delivery and commit it.

        Raises:
            AccessDeniedError, RefusedError: the signature. BadInputError: the content.
            UnavailableError: it could not be committed; the sender may try again.
        """
        hook, settings = self._hooks[name]
        delivery = Delivery(headers, body, self._clock())
        unique = hook.verify(delivery, settings.secret.get_secret_value())
        payload = hook.payload(delivery)
        if because := hook.ignored(delivery, payload):
            return Answer(HTTPStatus.OK, {"status": "ignored", "because": because})
        made = self._inbox.put(
            f"hook:{name}:{hashlib.sha256(unique.encode()).hexdigest()}",
            {
                "hook": name,
                "kind": hook.name,
                "open_unmatched": settings.open_unmatched,
                "body": payload,
            },
            kind="hook",
            name="delivery",
        )
        if not made:
            return Answer(HTTPStatus.OK, {"status": "known"})
        log.info("delivery.taken", hook=name, bytes=len(body))
        return Answer(HTTPStatus.ACCEPTED, {"status": "accepted"})


class WebServer:
    """
    The running door; `address` is "ADDRESS:PORT" once it was made (port 0 lets the system choose).

    `ready` gives the parts that must be well, each with its problem ("" if there is none). With
    `metrics` it is the other door, without hooks and pages.

    Raises (when made):
        BadInputError: its address is none, or not one that can be listened on.
    """

    def __init__(
        self,
        settings: WebSettings,
        inbox: Inbox,
        *,
        clock: Callable[[], datetime],
        ready: Callable[[], Mapping[str, str]],
        metrics: Callable[[], bytes] | None = None,
        pages: StepUpPages | None = None,
    ) -> None:
        intaker = Intaker(settings.hooks if metrics is None else {}, inbox, clock=clock)
        if metrics is None:
            self._server = _listening(settings.listen, "web.listen")
        else:
            self._server = _listening(settings.metrics_listen, "web.metrics_listen")
        self._server.intaker = intaker
        self._server.ready = ready
        self._server.metrics = metrics
        self._server.pages = pages
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        host, port = self._server.server_address[:2]
        shown = host.decode() if isinstance(host, bytes) else host
        return f"[{shown}]:{port}" if ":" in str(shown) else f"{shown}:{port}"

    def start(self) -> None:
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="web", daemon=True
        )
        self._thread.start()
        log.info("web.listening", address=self.address)

    def stop(self) -> None:
        """Take no more requests; those under way have their inbox row or none."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join(IDLE_SECONDS)
            self._thread = None
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that says nothing must not hold up the end
    request_queue_size = 128
    intaker: Intaker
    ready: Callable[[], Mapping[str, str]]
    metrics: Callable[[], bytes] | None
    pages: StepUpPages | None

    def __init__(self, address: tuple[str, int]) -> None:
        self._room = threading.BoundedSemaphore(MAX_AT_ONCE)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            log.warning("web.full", at_once=MAX_AT_ONCE)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log the kind of error and where: its text and its frames may hold a delivery."""
        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        if isinstance(error, (ConnectionError, TimeoutError)):
            log.debug("web.connection_lost", error=type(error).__name__)
        elif error is not None:
            log.error("web.failed", error=type(error).__name__, where=raised_at(error))


class _ServerIPv6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "locksmith", ""
    timeout = IDLE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if self.server.pages and path.startswith(PATH) and self.command == "GET":
            query, cookies = urlsplit(self.path).query, self.headers.get("Cookie", "")
            self._show(self.server.pages.get(path, query, cookies))
        elif path == "/livez":
            self._send(Answer(HTTPStatus.OK, {"status": "alive"}))
        elif path == "/readyz":
            problems = self.server.ready()
            bad = any(problems.values())
            status = HTTPStatus.SERVICE_UNAVAILABLE if bad else HTTPStatus.OK
            parts = {part: problem or "ok" for part, problem in problems.items()}
            self._send(Answer(status, {"status": "not ready" if bad else "ready", **parts}))
        elif path == "/metrics" and self.server.metrics:
            self._measure(self.server.metrics)
        elif path.startswith("/hooks/"):
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "A hook takes POST only.", allow="POST")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        name = path.removeprefix("/hooks/")
        if self.server.pages and path.startswith(PATH):
            if self._body() is not None:
                self._show(self.server.pages.post(path))
            return
        if path in {"/livez", "/readyz"}:
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "This takes GET only.", allow="GET")
            return
        if not path.startswith("/hooks/") or name not in self.server.intaker:
            self._refuse(HTTPStatus.NOT_FOUND, "No such hook is configured (web.hooks).")
            return
        body = self._body()
        if body is None:
            return
        headers = {key.lower(): value for key, value in self.headers.items()}
        try:
            answer = self.server.intaker.take(name, headers, body)
        except LocksmithError as error:
            log.warning("delivery.refused", hook=name, happened=error.happened)
            status = next((found for kind, found in _STATUSES if isinstance(error, kind)), None)
            answer = Answer(
                status or HTTPStatus.INTERNAL_SERVER_ERROR,
                {"error": error.happened, "means": error.means, "do_now": error.do_now},
            )
        self._send(answer)

    def _show(self, page: Page) -> None:
        headers = {
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            **({"Location": page.to} if page.to else {}),
            **page.headers,
        }
        self._write(page.status, page.text.encode(), "text/html; charset=utf-8", headers)

    def _measure(self, metrics: Callable[[], bytes]) -> None:
        try:
            text = metrics()
        except UnavailableError as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, error.happened)
            return
        self._write(HTTPStatus.OK, text, CONTENT_TYPE)

    def _body(self) -> bytes | None:
        """Read what was announced, no more and not for ever; None: it was refused."""
        lengths = self.headers.get_all("Content-Length") or []
        if self.headers.get("Transfer-Encoding") or not lengths:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "Content-Length is needed.")
            return None
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            self._refuse(HTTPStatus.BAD_REQUEST, "Content-Length is no number.")
            return None
        length = int(lengths[0][:20])
        if length > MAX_BODY:
            self._drain(length)
            limit = MAX_BODY // 1024**2
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"More than {limit} MiB.")
            return None
        body = self._read(length)
        if len(body) < length:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The body did not come in time, or whole.")
            return None
        return body

    def _read(self, length: int) -> bytes:
        until = time.monotonic() + BODY_SECONDS
        pieces, missing = [], length
        while missing and time.monotonic() < until:
            try:
                piece = self.rfile.read1(min(missing, _PIECE))
            except TimeoutError:
                break
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _drain(self, length: int) -> None:
        """Let a body that is somewhat too large come to its end, so that the answer is heard."""
        until, left = time.monotonic() + IDLE_SECONDS, min(length, 4 * MAX_BODY)
        while left > 0 and time.monotonic() < until:
            piece = self.rfile.read1(min(left, _PIECE))
            if not piece:
                return
            left -= len(piece)

    def _refuse(self, status: HTTPStatus, because: str, *, allow: str = "") -> None:
        self._send(Answer(status, {"error": because}), allow=allow)

    def _send(self, answer: Answer, *, allow: str = "") -> None:
        content = orjson.dumps(answer.body) + b"\n"
        more = {"Allow": allow} if allow else {}
        self._write(answer.status, content, "application/json", more)

    def _write(
        self, status: HTTPStatus, content: bytes, kind: str, more: Mapping[str, str] | None = None
    ) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a malformed request without the request line that the base class repeats."""
        self.command = getattr(self, "command", None) or "GET"
        self.request_version = self.protocol_version  # 0.9, its guess, has no status line
        status = HTTPStatus(code)
        self._refuse(status, f"{status.phrase}.")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log no request lines: an address may hold what somebody pasted into it."""


def _listening(listen: str, setting: str) -> _Server:
    host, split, port = listen.rpartition(":")
    if not split or not (port.isascii() and port.isdigit()) or int(port[:6]) > 65535:  # noqa: PLR2004 - the last port
        raise BadInputError(
            f"{setting} is “{listen}”, which is no ADDRESS:PORT.",
            do_now="Write 127.0.0.1:8080, 0.0.0.0:8080, or [::]:8080.",
        )
    bare = host.removeprefix("[").removesuffix("]")
    kind = _ServerIPv6 if ":" in bare else _Server
    try:
        return kind((bare or "0.0.0.0", int(port)))  # noqa: S104 - ":8080" says every address
    except OSError as error:
        raise BadInputError(
            f"{setting} is {listen}, and nothing can listen there: {error.strerror or 'unknown'}.",
            means="Nothing was started.",
            do_now="Free the port, or choose another address.",
        ) from None
