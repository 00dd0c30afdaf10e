"""
The page's own endpoints: static files, the state as JSON, a stream of changes, what a person does.

A page may be any user, since this is a demo; but only a page that this server delivered may act:
the Host must be loopback (no DNS rebinding), the Origin our own, the body JSON. Everything a
person does goes through `people`, in a thread, because it waits for the app.
"""

import asyncio
import mimetypes
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import PurePosixPath
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from bot.sandbox.workspace.core import Core
from bot.sandbox.workspace.messages import Message, View
from bot.sandbox.workspace.page_state import page_state
from bot.sandbox.workspace.people import Person
from bot.sandbox.workspace.refusal import Json, Refusal

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEARTBEAT = 15.0
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _is_ours(request: web.Request) -> bool:
    host = request.headers.get("Host", "")
    if urlsplit(f"//{host}").hostname not in LOOPBACK:
        return False
    if request.headers.get("Sec-Fetch-Site", "none") == "cross-site" and request.method != "GET":
        return False
    origin = request.headers.get("Origin")
    if request.method == "GET":
        return origin in (None, f"http://{host}")
    return origin == f"http://{host}" and request.content_type == "application/json"


class PageApi:
    def __init__(self, core: Core, loop: asyncio.AbstractEventLoop) -> None:
        self._core = core
        self._loop = loop
        self._listeners: set[asyncio.Event] = set()
        self._closing = False
        core.state.watchers.append(self._changed)

    def add_routes(self, application: web.Application) -> None:
        routes: tuple[tuple[str, Serve], ...] = (
            ("/", self._index),
            ("/static/{name}", self._static),
            ("/archives/{channel}/{stamp}", self._permalink),
            ("/files/{id}", self._file),
            ("/page/state", self._state),
            ("/page/events", self._events),
        )
        for path, serve in routes:
            application.router.add_get(path, self._guarded(serve))
        application.router.add_post("/page/act", self._guarded(self._act))
        application.on_shutdown.append(self._shutdown)

    def _guarded(self, serve: Serve) -> Serve:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if not _is_ours(request):
                return web.json_response({"ok": False, "error": "not_from_here"}, status=403)
            response = await serve(request)
            if not response.prepared:
                response.headers.update(HEADERS)
            return response

        return guarded

    def _changed(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.set()

    async def _shutdown(self, application: web.Application) -> None:
        self._closing = True
        self._wake()

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return _asset("index.html")

    async def _static(self, request: web.Request) -> web.StreamResponse:
        return _asset(request.match_info["name"])

    async def _permalink(self, request: web.Request) -> web.StreamResponse:
        digits = request.match_info["stamp"].removeprefix("p")
        ts = f"{digits[:-6]}.{digits[-6:]}"
        query = {"channel": request.match_info["channel"], "focus": ts}
        if "thread_ts" in request.query:
            query["thread"] = request.query["thread_ts"]
        raise web.HTTPFound(f"/?{urlencode(query)}")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        found = self._core.state.files.get(request.match_info["id"])
        if found is None or found.content is None or not found.complete:
            return web.Response(status=404)
        kind = mimetypes.guess_type(found.name)[0]
        if kind in IMAGES:
            return web.Response(body=found.content, content_type=kind)
        name = PurePosixPath(found.name).name.replace('"', "")
        return web.Response(
            body=found.content,
            content_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    async def _state(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        try:
            body = page_state(
                self._core,
                user=query.get("user", ""),
                channel=query.get("channel", ""),
                thread=query.get("thread", ""),
            )
        except Refusal as refusal:
            return web.json_response(refusal.answer(), status=404)
        return web.json_response({"ok": True, **body})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Stream the revision number after each change (server-sent events)."""
        headers = {**HEADERS, "Content-Type": "text/event-stream"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        listener = asyncio.Event()
        listener.set()
        self._listeners.add(listener)
        try:
            while not self._closing:
                try:
                    await asyncio.wait_for(listener.wait(), HEARTBEAT)
                    listener.clear()
                except TimeoutError:
                    await response.write(b": still here\n\n")
                    continue
                await response.write(f"data: {self._core.state.revision}\n\n".encode())
        except ConnectionError:
            return response
        finally:
            self._listeners.discard(listener)
        return response

    async def _act(self, request: web.Request) -> web.StreamResponse:
        try:
            order = await request.json()
            name = ACTS[order["do"]]
            person = Person(self._core, self._core.state.user(str(order["user"])).id)
        except (ValueError, KeyError, TypeError):
            return web.json_response({"ok": False, "error": "invalid_arguments"}, status=400)
        except Refusal as refusal:
            return web.json_response(refusal.answer())
        try:
            answer = await asyncio.to_thread(name, person, order)
        except Refusal as refusal:
            return web.json_response(refusal.answer())
        except KeyError:
            return web.json_response({"ok": False, "error": "invalid_arguments"}, status=400)
        return web.json_response({"ok": True, **(answer or {})})


def _asset(name: str) -> web.StreamResponse:
    known = {
        entry.name: entry for entry in files("bot.sandbox.workspace").joinpath("static").iterdir()
    }
    if name not in known:
        return web.Response(status=404)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return web.Response(body=known[name].read_bytes(), content_type=kind, charset="utf-8")


Act = Callable[[Person, Json], Json | None]


def _message(person: Person, order: Json) -> Message:
    channel = person.channel(str(order["channel"]))
    return person.core.state.message(channel.id, str(order["ts"]))


def _post(person: Person, order: Json) -> None:
    person.post(order["channel"], str(order["text"]), thread_ts=order.get("thread_ts"))


def _edit(person: Person, order: Json) -> None:
    person.edit(_message(person, order), str(order["text"]))


def _delete(person: Person, order: Json) -> None:
    message = _message(person, order)
    if message.ephemeral_to is None:
        person.delete(message)
    else:
        person.dismiss(message)


def _click(person: Person, order: Json) -> None:
    if order.get("view") is None:
        where: Message | View = _message(person, order)
    else:
        where = _view(person, str(order["view"]))
        person.fill_known(order.get("values") or {})
    person.click(
        where, str(order["action_id"]), value=order.get("value"), block_id=order.get("block_id")
    )


def _view(person: Person, view_id: str) -> View:
    top, home = person.core.top_view(person.id), person.core.state.homes.get(person.id)
    for view in (top, home):
        if view is not None and view.id == view_id:
            return view
    raise Refusal("not_found")


def _submit(person: Person, order: Json) -> Json:
    return {"errors": person.submit(order.get("values") or {}) or {}}


def _shortcut(person: Person, order: Json) -> None:
    person.shortcut(_message(person, order), str(order["callback_id"]))


ACTS: dict[str, Act] = {
    "post": _post,
    "edit": _edit,
    "delete": _delete,
    "click": _click,
    "submit": _submit,
    "shortcut": _shortcut,
    "global_shortcut": lambda person, order: {
        "acknowledged": person.global_shortcut(str(order["callback_id"]))
    },
    "command": lambda person, order: {
        "acknowledged": person.command(order["channel"], str(order["text"]))
    },
    "close": lambda person, order: person.close(),
    "open_home": lambda person, order: person.open_home(),
}
