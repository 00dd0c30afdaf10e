"""
The Socket Mode peer: tickets, connections, envelopes, acknowledgements, redelivery.

Each payload goes to one of the open connections. An event without an acknowledgement comes again
on Slack's schedule with the same envelope id; an interaction or a command is lost and its person
sees a warning. Source: docs.slack.dev/apis/events-api/using-socket-mode. What payloads hold is
decided in `payloads`.
"""

import asyncio
import json
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from bot.sandbox.workspace.record import Ledger
from bot.sandbox.workspace.refusal import Json
from bot.sandbox.workspace.state import State

CONNECTIONS = 10
EVENTS = "events_api"
MEMORY = 200
MAX_FRAME = 1_000_000


@dataclass(slots=True, eq=False)
class Delivery:
    """One payload on its way to the app. `settled` when acknowledged or given up."""

    kind: str
    payload: Json
    on_answer: Callable[[Json | None], None] | None = None
    on_failure: Callable[[], None] | None = None
    envelope_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0
    acknowledged: bool = False
    failed: bool = False
    answer: Json | None = None

    @property
    def settled(self) -> bool:
        return self.acknowledged or self.failed


@dataclass(slots=True, eq=False)
class Connection:
    socket: web.WebSocketResponse
    transport: asyncio.Transport | None = None
    leaving: bool = False


class SocketMode:
    def __init__(self, state: State, ledger: Ledger, loop: asyncio.AbstractEventLoop) -> None:
        self._state = state
        self._ledger = ledger
        self._loop = loop
        self._timing = state.shape.timing
        self._tickets: dict[str, float] = {}
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections: list[Connection] = []
        self.deliveries: list[Delivery] = []

    def new_ticket(self) -> str:
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = time.monotonic()
        return ticket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection from hello to its end. A ticket opens one connection, once."""
        issued = self._tickets.pop(request.query.get("ticket", ""), None)
        if issued is None or time.monotonic() - issued > self._timing.ticket_seconds:
            return web.json_response({"ok": False, "error": "invalid_ticket"}, status=401)
        socket = web.WebSocketResponse(timeout=1.0, max_msg_size=MAX_FRAME)
        await socket.prepare(request)
        if len(self.connections) >= CONNECTIONS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return socket
        connection = Connection(socket, request.transport)
        await socket.send_json(self._hello())
        self._spawn(self._keep_alive(socket))
        with self._state.change():
            self.connections.append(connection)
        try:
            async for frame in socket:
                if frame.type == WSMsgType.TEXT:
                    self._take(str(frame.data))
        finally:
            with self._state.change():
                self.connections.remove(connection)
        return socket

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.connections) + 1,
            "connection_info": {"app_id": self._state.shape.app.id},
            "debug_info": {
                "host": "local-workspace",
                "build_number": 1,
                "approximate_connection_time": self._timing.connection_seconds,
            },
        }

    async def _keep_alive(self, socket: web.WebSocketResponse) -> None:
        """Ping as Slack does; slack_sdk's reader, asleep in recv, also ends sooner by it."""
        while not socket.closed:
            await asyncio.sleep(self._timing.ping_seconds)
            try:
                await socket.ping(b"Ping from the workspace")
            except ConnectionError:
                return

    def _take(self, text: str) -> None:
        self._ledger.record("socket", text.encode())
        try:
            body = json.loads(text)
        except ValueError:
            return
        delivery = next(
            (d for d in reversed(self.deliveries) if d.envelope_id == body.get("envelope_id")), None
        )
        if delivery is None:
            self._ledger.complain("an acknowledgement of an envelope that was never sent")
            return
        with self._state.change():
            if delivery.failed and delivery.kind != EVENTS:
                self._ledger.complain(f"{delivery.kind} acknowledged too late")
                return
            if delivery.acknowledged:
                return
            delivery.acknowledged = True
            delivery.answer = body.get("payload")
            if delivery.on_answer is not None:
                delivery.on_answer(delivery.answer)

    def send(self, delivery: Delivery) -> Delivery:
        """Hands one payload over, from any thread; watch `delivery.settled`."""
        with self._state.changed:
            self.deliveries.append(delivery)
            # Long demos: forget what is settled, keep what may still be acknowledged.
            if len(self.deliveries) > MEMORY:
                stale = next((d for d in self.deliveries if d.settled), None)
                if stale is not None:
                    self.deliveries.remove(stale)
        self._loop.call_soon_threadsafe(self._dispatch, delivery, 0)
        return delivery

    def repeat(self, delivery: Delivery) -> None:
        """Delivers the same envelope once more, `retry_attempt` 0: what Slack is seen to do."""
        self._loop.call_soon_threadsafe(self._write, delivery, 0)

    def repeat_unacknowledged(self) -> int:
        """Delivers at once every event that was not acknowledged; returns how many."""
        waiting = [d for d in self.deliveries if d.kind == EVENTS and not d.acknowledged]
        for delivery in waiting:
            self._loop.call_soon_threadsafe(self._write, delivery, max(1, delivery.attempts))
        return len(waiting)

    def _dispatch(self, delivery: Delivery, attempt: int) -> None:
        if delivery.acknowledged:
            return
        delivery.attempts += 1
        if not self._write(delivery, attempt) and delivery.kind != EVENTS:
            self._give_up(delivery)
            return
        self._loop.call_later(self._timing.ack_seconds, self._missed, delivery, attempt)

    def _missed(self, delivery: Delivery, attempt: int) -> None:
        if delivery.acknowledged:
            return
        if delivery.kind == EVENTS and attempt < len(self._timing.retry_seconds):
            wait = self._timing.retry_seconds[attempt]
            self._loop.call_later(wait, self._dispatch, delivery, attempt + 1)
            return
        self._give_up(delivery)

    def _give_up(self, delivery: Delivery) -> None:
        with self._state.change():
            delivery.failed = True
            if delivery.on_failure is not None:
                delivery.on_failure()

    def _write(self, delivery: Delivery, attempt: int) -> bool:
        fresh = [c for c in self.connections if not c.leaving] or self.connections
        if not fresh:
            return False
        self._turn += 1
        envelope: Json = {
            "envelope_id": delivery.envelope_id,
            "type": delivery.kind,
            "payload": delivery.payload,
            "accepts_response_payload": delivery.kind != EVENTS,
        }
        if delivery.kind == EVENTS:
            envelope["retry_attempt"] = attempt
            envelope["retry_reason"] = "timeout" if attempt else ""
        self._spawn(_send(fresh[self._turn % len(fresh)].socket, envelope))
        return True

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def refresh(self, reason: str) -> None:
        """
        Asks every connection to be replaced: `warning`, `refresh_requested`, `link_disabled`.

        The old ones still deliver until a new one is there, and close after the warning time.
        """
        self._loop.call_soon_threadsafe(self._refresh, reason)

    def _refresh(self, reason: str) -> None:
        for connection in self.connections:
            connection.leaving = True
            frame = {"type": "disconnect", "reason": reason, "debug_info": {"host": "local"}}
            self._spawn(_send(connection.socket, frame))
            self._loop.call_later(self._timing.warning_seconds, self._end, connection)

    def _end(self, connection: Connection) -> None:
        self._spawn(_close(connection.socket))

    def cut(self) -> None:
        """Break every connection without a word, as a network does."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for connection in self.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def close(self) -> None:
        for connection in list(self.connections):
            await _close(connection.socket)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)


async def _send(socket: web.WebSocketResponse, frame: Json) -> None:
    # A peer that went away meanwhile simply never acknowledges.
    if socket.closed:
        return
    try:
        await socket.send_json(frame)
    except ConnectionError:
        return


async def _close(socket: web.WebSocketResponse) -> None:
    await socket.close()
