"""
A small API server that lists and watches truthfully, until a test tells it to misbehave.

It keeps a history, so a watch goes on from any version that it still has; `faults` says what is
wrong with a collection: "forbidden" (403 for all), "no_watch" (403 for watches), "gone" (410 once),
"cut" (half an event, then the connection ends), "garbage" (bytes that are no event), "silent"
(nothing is ever sent), "slow" (the list waits until the fault is taken away), "not_a_list".
"""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

KINDS = {
    "namespaces": ("", "Namespace", False),
    "pods": ("", "Pod", True),
    "secrets": ("", "Secret", True),
    "serviceaccounts": ("", "ServiceAccount", True),
    "deployments": ("apps", "Deployment", True),
    "rollouts": ("argoproj.io", "Rollout", True),
}


class ClusterStub:
    """`asked` holds (verb, plural, query) of each request for objects."""

    def __init__(self, *, kinds: tuple[str, ...] = ("namespaces", "pods", "deployments")) -> None:
        self.kinds = set(kinds)
        self.faults: dict[str, str] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self._objects: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        self._history: list[tuple[int, str, str, dict[str, Any]]] = []
        self._version = 100
        self._changed = threading.Condition()
        self._sockets: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; after a `stop` on the same port as before."""
        server = _server(self, self._port)
        self._server, self._port = server, server.server_port
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Die: no new connections, and the open ones are cut."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        self.cut()

    def cut(self) -> None:
        """Cut every open connection."""
        for each in list(self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._changed:
            self._changed.notify_all()

    def put(self, plural: str, obj: dict[str, Any]) -> None:
        key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        known = self._objects.setdefault(plural, {})
        self._happened("MODIFIED" if key in known else "ADDED", plural, obj)
        known[key] = obj

    def delete(self, plural: str, namespace: str, name: str) -> None:
        self._happened("DELETED", plural, self._objects[plural].pop((namespace, name)))

    def bookmark(self, plural: str) -> str:
        """Tell watchers of a new version without an event; return it."""
        group, kind, _ = KINDS[plural]
        self._happened(
            "BOOKMARK", plural, {"kind": kind, "apiVersion": _api(group), "metadata": {}}
        )
        return str(self._version)

    def forget_history(self) -> None:
        with self._changed:
            self._history.clear()

    def _happened(self, kind: str, plural: str, obj: dict[str, Any]) -> None:
        with self._changed:
            self._version += 1
            obj["metadata"]["resourceVersion"] = str(self._version)
            if kind != "BOOKMARK":
                group, name, _ = KINDS[plural]
                obj |= {"kind": name, "apiVersion": _api(group)}
            self._history.append((self._version, plural, kind, json.loads(json.dumps(obj))))
            self._changed.notify_all()

    def discovery(self, path: str) -> dict[str, Any] | None:
        groups = sorted({KINDS[one][0] for one in self.kinds} - {""})
        if path == "/version":
            return {"gitVersion": "v1.30.0"}
        if path == "/api":
            return {"versions": ["v1"]}
        if path == "/apis":
            offered = [
                {
                    "name": group,
                    "versions": [{"version": "v1"}],
                    "preferredVersion": {"version": "v1"},
                }
                for group in groups
            ]
            return {"groups": offered}
        for group in ["", *groups]:
            if path == (f"/apis/{group}/v1" if group else "/api/v1"):
                return {
                    "resources": [
                        {
                            "name": plural,
                            "kind": KINDS[plural][1],
                            "namespaced": KINDS[plural][2],
                            "verbs": ["get", "list", "watch"],
                        }
                        for plural in sorted(self.kinds)
                        if KINDS[plural][0] == group
                    ]
                }
        return None

    def listing(self, plural: str) -> dict[str, Any]:
        group, kind, _ = KINDS[plural]
        return {
            "kind": f"{kind}List",
            "apiVersion": _api(group),
            "metadata": {"resourceVersion": str(self._version)},
            "items": list(self._objects.get(plural, {}).values()),
        }

    def events(self, plural: str, after: int, until: float) -> Iterator[dict[str, Any]]:
        """Yield what happens after a version, until the deadline or a cut."""
        while time.monotonic() < until and self._server is not None:
            with self._changed:
                new = [one for one in self._history if one[0] > after and one[1] == plural]
                if not new:
                    self._changed.wait(0.1)
            for version, _, kind, obj in new:
                after = version
                yield {"type": kind, "object": obj}


def _api(group: str) -> str:
    return f"{group}/v1" if group else "v1"


def _server(stub: ClusterStub, port: int) -> ThreadingHTTPServer:
    class Bound(_Handler):
        pass

    Bound.stub = stub
    return _Server(("127.0.0.1", port), Bound)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """A connection that is cut on purpose is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: ClassVar[ClusterStub]

    def setup(self) -> None:
        super().setup()
        self.stub._sockets.add(self.connection)

    def finish(self) -> None:
        self.stub._sockets.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        found = self.stub.discovery(parts.path)
        plural = parts.path.rpartition("/")[2]
        if found is not None:
            self._answer(200, found)
        elif plural not in self.stub.kinds:
            self._answer(404, {"kind": "Status", "reason": "NotFound"})
        else:
            self._collection(plural, query)

    def _collection(self, plural: str, query: dict[str, str]) -> None:
        watches = "watch" in query
        self.stub.asked.append(("watch" if watches else "list", plural, query))
        fault = self.stub.faults.get(plural, "")
        if fault == "forbidden" or (fault == "no_watch" and watches):
            self._answer(403, {"kind": "Status", "reason": "Forbidden"})
        elif watches:
            self._watch(plural, query, fault)
        elif fault == "not_a_list":
            self._answer(200, {"message": "Welcome to our proxy"})
        else:
            self._wait_while(plural, "slow")
            self._answer(200, self.stub.listing(plural))

    def _watch(self, plural: str, query: dict[str, str], fault: str) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        until = time.monotonic() + float(query.get("timeoutSeconds", "300"))
        if fault == "gone":
            del self.stub.faults[plural]
            self._chunk(json.dumps({"type": "ERROR", "object": {"code": 410}}).encode() + b"\n")
        elif fault == "garbage":
            self._chunk(b"\xff\xfe<html>502 Bad Gateway</html>\n")
        elif fault == "cut":
            self._chunk(b'{"type": "ADDED", "object": {"metadata": {"na')
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        elif fault == "silent":
            self._wait_while(plural, "silent")
        else:
            for event in self.stub.events(plural, int(query["resourceVersion"]), until):
                self._chunk(json.dumps(event).encode() + b"\n")
        self._chunk(b"")

    def _wait_while(self, plural: str, fault: str) -> None:
        while self.stub.faults.get(plural) == fault and self.stub._server is not None:
            time.sleep(0.02)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass
