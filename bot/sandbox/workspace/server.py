"""
The running workspace: one thread, one event loop, one port on loopback for app, person and page.

This is what tests and the demo start. The bot connects with `WebClient(base_url=...)`.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Self

from aiohttp import web

from bot.sandbox.workspace import methods_chat, methods_directory, methods_views
from bot.sandbox.workspace.core import Core
from bot.sandbox.workspace.file_objects import hand_out
from bot.sandbox.workspace.page_api import PageApi
from bot.sandbox.workspace.people import Person
from bot.sandbox.workspace.record import Fault, Ledger, Received
from bot.sandbox.workspace.refusal import Refusal
from bot.sandbox.workspace.shape import WorkspaceShape
from bot.sandbox.workspace.socket_mode import Delivery, SocketMode
from bot.sandbox.workspace.state import State, furnish
from bot.sandbox.workspace.web_api import TOO_LARGE, WebApi, arguments_of

HOST = "127.0.0.1"
MAX_BODY = 8_000_000
START_SECONDS = 10.0
METHODS = {**methods_chat.METHODS, **methods_directory.METHODS, **methods_views.METHODS}


class Workspace:
    """
    A Slack workspace on 127.0.0.1. `port` 0 takes a free one.

    `base_url` is for WebClient, `page_url` for a person's browser, `received` is every byte that
    the app sent, `complaints` what Slack would tell its developer.
    """

    def __init__(self, shape: WorkspaceShape, *, port: int = 0) -> None:
        self.shape = shape
        self._wanted_port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="workspace", daemon=True)
        self._ready = threading.Event()
        self._done: asyncio.Event | None = None
        self._failure: OSError | None = None
        self.port = 0
        self.state: State = furnish(shape)
        self.ledger = Ledger()
        self.socket = SocketMode(self.state, self.ledger, self._loop)
        self.core = Core(self.state, self.ledger, self.socket, origin="")

    def start(self) -> Self:
        """Start serving. Raises OSError when the port is taken."""
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise TimeoutError("the workspace did not start")
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Close connections and the port; harmless when called twice."""
        if self._done is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._done.set)
            self._thread.join(START_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        return f"{self.core.origin}/api/"

    @property
    def page_url(self) -> str:
        return f"{self.core.origin}/"

    @property
    def received(self) -> list[Received]:
        return list(self.ledger.received)

    @property
    def complaints(self) -> list[str]:
        return list(self.ledger.complaints)

    @property
    def connections(self) -> int:
        return len(self.socket.connections)

    @property
    def deliveries(self) -> list[Delivery]:
        """The payloads sent to the app, oldest first; the last 200."""
        return list(self.socket.deliveries)

    def as_user(self, name: str) -> Person:
        """By id or handle. Raises Refusal user_not_found; bots have no driver."""
        user = self.state.user(name)
        if user.is_bot:
            raise Refusal("user_not_found")
        return Person(self.core, user.id)

    def wait_for(self, predicate: Callable[[], object], timeout: float = 10.0) -> None:
        """Until `predicate` is true; asked after each change here. Raises TimeoutError."""
        if not self.state.wait_for(predicate, timeout):
            raise TimeoutError(f"not so within {timeout} seconds")

    def wait_for_app(self, timeout: float = 10.0) -> None:
        """Until the app has a Socket Mode connection."""
        self.wait_for(lambda: self.socket.connections, timeout)

    # Faults and changes from outside

    def fail_next(
        self,
        method: str,
        *,
        status: int | None = None,
        error: str | None = None,
        retry_after: int | None = None,
        after_processing: bool = False,
        drop: bool = False,
        times: int = 1,
    ) -> None:
        """
        Lets the next `times` calls of a Web API method go wrong.

        `status` answers with that HTTP status, `error` with Slack's code, `drop` breaks the
        connection; `after_processing`: the effect happens, only the answer is lost.
        """
        fault = Fault(
            status=status,
            error=error,
            retry_after=retry_after,
            after_processing=after_processing,
            drop=drop,
        )
        self.ledger.arm(method, fault, times)

    def refuse_blocks(self, method: str, *, error: str = "invalid_blocks") -> None:
        """Let Slack refuse whatever this method draws, until `take_blocks`; words alone pass."""
        self.ledger.arm(method, Fault(error=error, of_blocks=True), 1)

    def take_blocks(self, method: str) -> None:
        self.ledger.lift(method)

    def revoke_bot_token(self, *, new: str) -> None:
        """Refuse the bot's token from now on; `new` is the one that a person would fetch then."""
        with self.state.change():
            app = self.state.shape.app
            self.state.revoked.add(app.bot_token)
            self.state.shape = replace(self.state.shape, app=replace(app, bot_token=new))

    def repeat(self, delivery: Delivery) -> None:
        """Delivers the same envelope again, as Slack sometimes does."""
        self.socket.repeat(delivery)

    def repeat_unacknowledged(self) -> int:
        """Delivers every unacknowledged event at once instead of on Slack's schedule."""
        return self.socket.repeat_unacknowledged()

    def refresh_connections(self, reason: str = "refresh_requested") -> None:
        self.socket.refresh(reason)

    def cut_connections(self) -> None:
        self.socket.cut()

    def expire_triggers(self) -> None:
        """As if the three seconds of every trigger_id were over."""
        with self.state.changed:
            for trigger in self.state.triggers.values():
                trigger.issued -= self.shape.timing.trigger_seconds + 1

    def change_user(self, name: str, **fields: Any) -> None:
        """For example `deleted=True` or `is_restricted=True`."""
        user = self.state.user(name)
        with self.state.change():
            self.state.users[user.id] = replace(user, **fields)

    def change_channel(self, name: str, /, **fields: Any) -> None:
        """For example `archived=True`, `ext_shared=True` or `members=(...)`."""
        channel = self.state.channel(name)
        with self.state.change():
            self.state.channels[channel.id] = replace(channel, **fields)

    def change_group(self, group_id: str, users: Iterable[str]) -> None:
        """Replace a user group's members and tells the app."""
        members = tuple(users)
        with self.state.change():
            self.state.groups[group_id] = replace(self.state.groups[group_id], users=members)
        event = {
            "type": "subteam_members_changed",
            "subteam_id": group_id,
            "team_id": self.shape.team_id,
            "date_update": 0,
            "event_ts": self.state.new_ts(),
        }
        self.core.tell("subteam_members_changed", event)

    # The server

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        self._done = asyncio.Event()
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, HOST, self._wanted_port)
            try:
                await site.start()
            except OSError as refused:
                self._failure = refused
                return
            self.port = runner.addresses[0][1]
            self.core.origin = f"http://{HOST}:{self.port}"
            self._ready.set()
            await self._done.wait()
        finally:
            await self.socket.close()
            await runner.cleanup()
            await self._loop.shutdown_default_executor()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY)
        api = WebApi(self.core, METHODS)
        for pattern in ("/api/{method}", "/api/{method}/"):
            application.router.add_route("*", pattern, api.serve)
        application.router.add_get("/link/", self.socket.serve)
        application.router.add_post("/response/{token}", self._response_url)
        application.router.add_route("*", "/upload/{token}", self._upload)
        application.router.add_get("/files-pri/{file}/{name}", self._hand_out)
        PageApi(self.core, self._loop).add_routes(application)
        return application

    async def _response_url(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.ledger.record("response_url", body)
        try:
            arguments = arguments_of(request, body)
            methods_chat.answer_response_url(self.core, request.match_info["token"], arguments)
        except Refusal as refusal:
            status = 404 if refusal.error in ("unknown_url", "expired_url", "used_url") else 400
            return web.json_response(refusal.answer(), status=status)
        return web.Response(text="ok")

    async def _hand_out(self, request: web.Request) -> web.StreamResponse:
        self.ledger.record("file", request.path.encode())
        return hand_out(self.core, request)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.ledger.record("upload", body)
        if len(body) > MAX_BODY:
            return web.Response(status=TOO_LARGE)
        known = methods_views.receive_upload(self.core, request.match_info["token"], body)
        return web.Response(text="OK", status=200 if known else 404)
