"""
A road to OpenBao that can break: forwards every request, or answers with a fault first.

Loopback only; bodies pass through unread and are kept nowhere.
"""

import http.client
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Self
from urllib.parse import urlsplit

import pytest

_HOP = {"connection", "transfer-encoding", "content-length", "host"}


class StoreProxy:
    """`fail_next` arms faults; `failed` counts those that were answered."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target).netloc
        self._lock = Lock()
        self._faults: list[tuple[str, str, int]] = []
        self.failed = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def _pass_on(self) -> None:
                proxy.serve(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_LIST = _pass_on  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail_next(self, method: str, part: str, *, status: int = 503, times: int = 1) -> None:
        """Answer `status` to the next requests by `method` whose path holds `part`."""
        with self._lock:
            self._faults += [(method, part, status)] * times

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        fault = self._fault(request.command, request.path)
        if fault:
            content = b'{"errors":["upstream unavailable"]}'
            request.send_response(fault)
        else:
            upstream = http.client.HTTPConnection(self._target, timeout=30)
            kept = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
            upstream.request(request.command, request.path, body=body or None, headers=kept)
            answer = upstream.getresponse()
            content = answer.read()
            request.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    request.send_header(name, value)
            upstream.close()
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _fault(self, method: str, path: str) -> int:
        with self._lock:
            for fault in self._faults:
                if fault[0] == method and fault[1] in path:
                    self._faults.remove(fault)
                    self.failed += 1
                    return fault[2]
        return 0

    def __enter__(self) -> Self:
        Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def store_proxy(request: pytest.FixtureRequest) -> Iterator[StoreProxy]:
    """A proxy in front of the OpenBao of `fresh_world`."""
    with StoreProxy(request.getfixturevalue("fresh_world").openbao.address) as proxy:
        yield proxy
