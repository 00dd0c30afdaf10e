"""
The Web API over HTTP: tokens, scopes, argument forms, faults, and Slack's way of saying no.

Methods themselves live in `methods_*`, each a function of (Core, arguments) that returns the
answer's fields or raises Refusal. Source: docs.slack.dev/apis/web-api.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from bot.sandbox.workspace.core import Core
from bot.sandbox.workspace.record import Fault
from bot.sandbox.workspace.refusal import Json, Refusal

JSON_ARGUMENTS = ("blocks", "view", "attachments", "files", "metadata")
CALLER = "caller"  # set by us after authorization, never taken from a request
RATE_LIMITED = 429
TOO_LARGE = 413

Call = Callable[[Core, Json], Json]


@dataclass(frozen=True, slots=True)
class Method:
    """
    `scopes`: any one of them is enough; none needed when empty. `by_app`: needs xapp-.

    `by_user`: a user token serves as well; then `caller_of` names who calls.
    """

    call: Call
    scopes: tuple[str, ...] = ()
    by_app: bool = False
    by_user: bool = False
    open_to_all: bool = False


def arguments_of(request: web.Request, body: bytes) -> Json:
    """Query, form or JSON: the same arguments. Raises Refusal invalid_json, invalid_form_data."""
    arguments: Json = dict(request.query)
    if body and request.content_type == "application/json":
        try:
            parsed = json.loads(body)
        except ValueError:
            raise Refusal("invalid_json") from None
        if not isinstance(parsed, dict):
            raise Refusal("json_not_object")
        arguments.update(parsed)
    elif body:
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
        except ValueError:
            raise Refusal("invalid_form_data") from None
        arguments.update(pairs)
    for key in JSON_ARGUMENTS:
        value = arguments.get(key)
        if isinstance(value, str) and value[:1] in ("[", "{"):
            arguments[key] = _parsed(key, value)
    return {key: value for key, value in arguments.items() if value is not None}


def _parsed(key: str, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        raise Refusal("invalid_blocks_format" if key == "blocks" else "invalid_json") from None


def is_true(value: object) -> bool:
    """Booleans come as JSON true, "1" or "true"."""
    return value in (True, 1, "1", "true", "True")


def required(arguments: Json, key: str, error: str = "invalid_arguments") -> str:
    """Return a non-empty string argument. Raises Refusal with `error`."""
    value = arguments.get(key)
    if not isinstance(value, str) or not value:
        detail = f"[ERROR] missing required field: {key}"
        raise Refusal(error, response_metadata={"messages": [detail]})
    return value


def _draws(request: web.Request, body: bytes) -> bool:
    try:
        return bool(arguments_of(request, body).get("blocks"))
    except Refusal:
        return False


class WebApi:
    def __init__(self, core: Core, methods: dict[str, Method]) -> None:
        self._core = core
        self._methods = methods

    async def serve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        body = await request.read()
        query = request.rel_url.raw_query_string.encode()
        self._core.ledger.record(name, body or query)
        fault = self._core.ledger.next_fault(name, with_blocks=_draws(request, body))
        if fault is not None and not fault.after_processing:
            return self._faulty(request, fault)
        answer = self._answer(request, name, body)
        if fault is not None:
            return self._faulty(request, fault)
        if answer.get("error") == "ratelimited":
            return web.json_response(answer, status=RATE_LIMITED, headers={"Retry-After": "1"})
        scopes = ",".join(sorted(self._core.app.scopes))
        accepted = ",".join(self._methods[name].scopes) if name in self._methods else ""
        headers = {"X-OAuth-Scopes": scopes, "X-Accepted-OAuth-Scopes": accepted}
        return web.json_response(answer, headers=headers)

    def _faulty(self, request: web.Request, fault: Fault) -> web.Response:
        if fault.drop and request.transport is not None:
            request.transport.abort()
            return web.Response(status=500)
        if fault.status is None:
            return web.json_response({"ok": False, "error": fault.error or "internal_error"})
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        error = fault.error or ("ratelimited" if fault.status == RATE_LIMITED else "internal_error")
        answer = {"ok": False, "error": error}
        return web.json_response(answer, status=fault.status, headers=headers)

    def _answer(self, request: web.Request, name: str, body: bytes) -> Json:
        try:
            return {"ok": True, **self._call(request, name, body)}
        except Refusal as refusal:
            return refusal.answer()

    def _call(self, request: web.Request, name: str, body: bytes) -> Json:
        method = self._methods.get(name)
        if method is None:
            raise Refusal("unknown_method", req_method=name)
        arguments = arguments_of(request, body)
        arguments.pop(CALLER, None)
        if not method.open_to_all:
            self._authorize(request, arguments, method)
        arguments.pop("token", None)
        return method.call(self._core, arguments)

    def _authorize(self, request: web.Request, arguments: Json, method: Method) -> None:
        header = request.headers.get("Authorization", "")
        token = header.removeprefix("Bearer ").strip() or str(arguments.get("token", ""))
        app = self._core.app
        if not token:
            raise Refusal("not_authed")
        user_token = next((each for each in app.user_tokens if each.token == token), None)
        if user_token is not None:
            if not method.by_user:
                raise Refusal("not_allowed_token_type")
            if not set(method.scopes) & user_token.scopes:
                raise _missing_scope(method.scopes, user_token.scopes)
            arguments[CALLER] = user_token.user
            return
        if token in self._core.state.revoked:
            raise Refusal("token_revoked")
        if token not in (app.bot_token, app.app_token):
            raise Refusal("invalid_auth")
        if (token == app.app_token) != method.by_app:
            raise Refusal("not_allowed_token_type")
        if method.scopes and not set(method.scopes) & app.scopes:
            require_scope(self._core, *method.scopes)


def require_scope(core: Core, *scopes: str) -> None:
    """Raise Refusal missing_scope unless one of `scopes` is granted."""
    if not set(scopes) & core.app.scopes:
        raise _missing_scope(scopes, core.app.scopes)


def _missing_scope(needed: Sequence[str], granted: frozenset[str]) -> Refusal:
    return Refusal("missing_scope", needed=needed[0], provided=",".join(sorted(granted)))


def caller_of(core: Core, arguments: Json) -> str:
    """Return the user as whom a method is called: the bot, or the user of a user token."""
    return str(arguments.get(CALLER) or core.app.bot_user_id)
