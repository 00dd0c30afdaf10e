"""
A stand-in for on-call systems: it speaks their documented protocols, keeps alerts, and can fail.

PagerDuty Events v2, Grafana's formatted webhook, incident.io's HTTP alert source and the
integration events of Jira Service Management. An alert rings once when it is opened; a repeat
under its key folds into it. Faults are played one per request, in order; "lost" does the work and
cuts the line before the answer, "hang" never answers.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import unquote, urlsplit

ROUTING_KEY = "r0ut1ng" + "0" * 25
TOKEN = "0nc4ll-t0ken"

Fault = str | int | tuple[int, dict[str, str]]


@dataclass
class Alert:
    state: str = "triggered"
    rung: int = 1  # how often a phone rang for it
    repeats: int = 0
    words: dict[str, Any] = field(default_factory=dict)


class OnCall:
    """Alerts by key, and what will go wrong."""

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.faults: list[Fault] = []
        self.storm: int | None = None  # this status to everything
        self.closing = Event()
        self.address = ""
        self._lock = Lock()

    @property
    def rung(self) -> int:
        return sum(alert.rung for alert in self.alerts.values())

    def answer(
        self, path: str, headers: dict[str, str], body: Any
    ) -> tuple[int, dict[str, Any], str]:
        """Give status, body and the fault to play after the work was done."""
        with self._lock:
            self.requests.append((path, headers, body))
            fault = self.faults.pop(0) if self.faults else self.storm
            if isinstance(fault, int):
                return fault, {"error": "told to fail"}, ""
            if isinstance(fault, tuple):
                return fault[0], fault[1], "headers"
            if fault == "hang":
                return 0, {}, "hang"
            status, said = self._take(urlsplit(path).path, headers, body)
            return status, said, fault or ""

    def _take(self, path: str, headers: dict[str, str], body: Any) -> tuple[int, dict[str, Any]]:
        if path == "/v2/enqueue":
            return self._pagerduty(body)
        if path.startswith("/integrations/v1/formatted_webhook/"):
            state = {"ok": "resolved", "alerting": "triggered"}.get(body.get("state"), "triggered")
            self._enter(body["alert_uid"], state, body)
            return 200, {}
        if path.startswith("/v2/alert_events/http/"):
            return self._incident_io(headers, body)
        if path.startswith("/jsm/ops/integration/v2/alerts"):
            return self._jira(path.removeprefix("/jsm/ops/integration/v2/alerts"), headers, body)
        return 404, {"message": "no such path"}

    def _incident_io(self, headers: dict[str, str], body: Any) -> tuple[int, dict[str, Any]]:
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"type": "authentication_error"}
        if not body.get("title") or body.get("status") not in {"firing", "resolved"}:
            return 422, {"type": "validation_error"}
        state = "resolved" if body["status"] == "resolved" else "triggered"
        self._enter(body["deduplication_key"], state, body)
        return 202, {"status": "success", "message": "Event accepted for processing"}

    def _pagerduty(self, body: Any) -> tuple[int, dict[str, Any]]:
        wrong = []
        if len(body.get("routing_key", "")) != 32:
            wrong.append("Length of 'routing_key' is incorrect (should be 32 characters)")
        elif body["routing_key"] != ROUTING_KEY:
            wrong.append("Invalid routing key")
        action = body.get("event_action")
        if action not in {"trigger", "acknowledge", "resolve"}:
            wrong.append("'event_action' is missing or wrong")
        if len(body.get("dedup_key", "")) > 255:
            wrong.append("'dedup_key' is too long")
        payload = body.get("payload") or {}
        if len(payload.get("summary", "")) > 1024:
            wrong.append("'payload.summary' is too long")
        if len(json.dumps(body)) > 512 * 1024:
            wrong.append("the event is too large")
        if action == "trigger" and not (payload.get("summary") and payload.get("source")):
            wrong.append("'payload.summary' or 'payload.source' is missing or blank")
        known = {"critical", "error", "warning", "info"}
        if action == "trigger" and payload.get("severity") not in known:
            wrong.append("'payload.severity' is invalid")
        if wrong:
            told = {"status": "invalid event", "message": "Event object is invalid"}
            return 400, {**told, "errors": wrong}
        states = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}
        self._enter(body["dedup_key"], states[action], payload)
        return 202, {
            "status": "success",
            "message": "Event processed",
            "dedup_key": body["dedup_key"],
        }

    def _jira(self, rest: str, headers: dict[str, str], body: Any) -> tuple[int, dict[str, Any]]:
        if headers.get("authorization") != f"GenieKey {TOKEN}":
            return 401, {"message": "Could not authenticate"}
        taken = {"result": "Request will be processed", "requestId": "43a29c5c-3dbf"}
        if not rest:
            tags = body.get("tags", ())
            if (
                not body.get("message")
                or len(body["message"]) > 130
                or len(body.get("alias", "")) > 512
                or any(len(tag) > 50 for tag in tags)
            ):
                return 422, {"message": "Request body is not processable"}
            self._enter(body["alias"], "triggered", body)
            return 202, taken
        alias, _, verb = rest.strip("/").rpartition("/")
        state = {"close": "resolved", "acknowledge": "acknowledged"}[verb]
        self._enter(unquote(alias), state, body)
        return 202, taken

    def _enter(self, key: str, state: str, words: dict[str, Any]) -> None:
        alert = self.alerts.get(key)
        if state == "triggered":
            if alert is None:
                self.alerts[key] = Alert(words=words)
            elif alert.state == "resolved":
                alert.state, alert.rung = "triggered", alert.rung + 1
            else:
                alert.repeats += 1
        elif alert is not None and alert.state != "resolved":  # else it is dropped
            alert.state = state


@contextmanager
def oncall() -> Iterator[OnCall]:
    """Run one until the end of the block."""
    system = OnCall()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, said, fault = system.answer(self.path, headers, json.loads(raw))
            if fault == "hang":
                system.closing.wait(20)
            if fault in {"hang", "lost"}:
                self.close_connection = True
                return
            payload = json.dumps({} if fault == "headers" else said).encode()
            self.send_response(status)
            for name, value in said.items() if fault == "headers" else ():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    system.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield system
    finally:
        system.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
