"""
Paygate: the payment provider of the demo, who issues and revokes the token that leaks.

A leaked value is dead when its issuer refuses it; replacing it in the store alone changes nothing.
So the demo needs an issuer that can be asked from outside. Real HTTP, no tokens in its answers
after the first, digests only inside. It stands for the API of any such provider::

    POST   /v1/tokens          admin, {"name"} -> 201 {"id", "token"}
    GET    /v1/tokens          admin  -> 200 {"tokens": [{"id", "name", "created", "state", …}]}
    DELETE /v1/tokens/{id}     admin  -> 204, 404 unknown
    POST   /v1/tokens/revoke   admin, {"token"} -> 200 {"id", "state"}, 404 unknown
    GET    /v1/account         token  -> 200 {"account", "token_id"}, 401 refused
"""

import hashlib
import json
import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Lock

from bot.sandbox.loopback import Answer, LoopbackServer, Request

TOKEN_PREFIX = "pgw_live_"  # noqa: S105 - a prefix, not a value
TOKEN_PATTERN = r"pgw_live_[A-Za-z0-9]{32}"  # noqa: S105 - the shape, not a value
ACCOUNT = "acct_northwind_payments"

_BASE62 = string.ascii_letters + string.digits
_REFUSED = Answer(HTTPStatus.UNAUTHORIZED, {"error": "unauthorized"})
_UNKNOWN = Answer(HTTPStatus.NOT_FOUND, {"error": "not_found"})


@dataclass(slots=True)
class _Token:
    identifier: str
    name: str
    created: datetime
    last_used: datetime | None = None
    revoked: bool = False

    def view(self) -> dict[str, object]:
        return {
            "id": self.identifier,
            "name": self.name,
            "created": self.created.isoformat(),
            "last_used": self.last_used.isoformat() if self.last_used else None,
            "state": "revoked" if self.revoked else "active",
        }


class Paygate(LoopbackServer):
    """The provider's API on a free loopback port; `admin_token` is what an issuer step needs."""

    def __init__(self) -> None:
        super().__init__(self._answer, name="paygate")
        self.admin_token = f"pgw_admin_{secrets.token_hex(16)}"
        self._tokens: dict[str, _Token] = {}  # by sha256 of the value
        self._lock = Lock()

    def issue(self, name: str = "") -> tuple[str, str]:
        """Issue a token: its id, and the value that will never be shown again."""
        value = TOKEN_PREFIX + "".join(secrets.choice(_BASE62) for _ in range(32))
        identifier = f"tok_{secrets.token_hex(8)}"
        with self._lock:
            self._tokens[_digest(value)] = _Token(identifier, name, datetime.now(UTC))
        return identifier, value

    def accepts(self, value: str) -> bool:
        """Whether a value is active; unlike `GET /v1/account` it leaves `last_used` alone."""
        with self._lock:
            token = self._tokens.get(_digest(value))
            return token is not None and not token.revoked

    def id_of(self, value: str) -> str | None:
        with self._lock:
            token = self._tokens.get(_digest(value))
            return token.identifier if token else None

    def _answer(self, request: Request) -> Answer:
        if request.method == "GET" and request.path == "/v1/account":
            return self._account(request.bearer)
        if not secrets.compare_digest(request.bearer.encode(), self.admin_token.encode()):
            return _REFUSED
        match request.method, request.path.strip("/").split("/"):
            case "POST", ["v1", "tokens"]:
                identifier, value = self.issue(_name_in(request.body))
                answer = Answer(HTTPStatus.CREATED, {"id": identifier, "token": value})
            case "GET", ["v1", "tokens"]:
                with self._lock:
                    views = [token.view() for token in self._tokens.values()]
                answer = Answer(HTTPStatus.OK, {"tokens": views})
            case "POST", ["v1", "tokens", "revoke"]:
                answer = self._revoke_value(request.body)
            case "DELETE", ["v1", "tokens", identifier]:
                answer = self._revoke_id(identifier)
            case _:
                answer = _UNKNOWN
        return answer

    def _account(self, value: str) -> Answer:
        with self._lock:
            token = self._tokens.get(_digest(value))
            if token is None or token.revoked:
                return _REFUSED
            token.last_used = datetime.now(UTC)
            return Answer(HTTPStatus.OK, {"account": ACCOUNT, "token_id": token.identifier})

    def _revoke_value(self, body: bytes) -> Answer:
        try:
            value = json.loads(body)["token"]
        except (ValueError, KeyError, TypeError):
            return Answer(HTTPStatus.BAD_REQUEST, {"error": "token_required"})
        with self._lock:
            token = self._tokens.get(_digest(str(value)))
            if token is None:
                return _UNKNOWN
            token.revoked = True
            return Answer(HTTPStatus.OK, {"id": token.identifier, "state": "revoked"})

    def _revoke_id(self, identifier: str) -> Answer:
        with self._lock:
            for token in self._tokens.values():
                if token.identifier == identifier:
                    token.revoked = True
                    return Answer(HTTPStatus.NO_CONTENT)
        return _UNKNOWN


def _name_in(body: bytes) -> str:
    try:
        return str(json.loads(body or b"{}").get("name", ""))
    except (ValueError, AttributeError):
        return ""


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
