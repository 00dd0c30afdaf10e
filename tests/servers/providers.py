"""
Stand-ins for GitHub, GitLab, Slack …: what their documentation says, over HTTP on loopback.

Each lies under its own path (`address_of("github")`). Tokens are made here, in the shape of the
real ones, and only their state is kept. What is copied from the documentation is named at each
method: statuses, bodies, and the rules that a client has to know.
"""

import json
import secrets
import string
from collections.abc import Iterator
from http import HTTPStatus
from threading import Lock
from urllib.parse import urlsplit

import pytest

from bot.sandbox.loopback import Answer, LoopbackServer, Request

_LETTERS = string.ascii_letters + string.digits
_SHAPES = {
    "github": ("ghp_", 36),
    "github-app": ("ghs_", 36),
    "gitlab": ("glpat-", 20),
    "slack": ("xoxb-1234567890-", 24),
    "buildkite": ("bkua_", 40),
    "npm": ("npm_", 36),
    "stripe": ("sk_live_", 24),
    "openai": ("sk-proj-", 48),
    "sendgrid": ("SG.abcdefghijklmnopqrstuv.", 43),
    "huggingface": ("hf_", 34),
}
_REVOCABLE = ("ghp_", "github_pat_", "gho_", "ghu_", "ghr_")
_OK, _NO = HTTPStatus.OK, HTTPStatus.UNAUTHORIZED


class Providers(LoopbackServer):
    """All of them on one port; `live` says whether a token is still accepted."""

    def __init__(self) -> None:
        super().__init__(self._route, name="providers")
        self._lock = Lock()
        self._live: dict[str, bool] = {}
        self._names: dict[str, str] = {}  # of what OpenAI and SendGrid made, by id
        self.calls: list[str] = []

    admin = "sk-admin-of-the-stand-in"  # of OpenAI and SendGrid: may make and delete keys

    def make(self, kind: str) -> str:
        begin, length = _SHAPES[kind]
        token = begin + "".join(secrets.choice(_LETTERS) for _ in range(length))
        with self._lock:
            self._live[token] = True
        return token

    def live(self, token: str) -> bool:
        with self._lock:
            return self._live.get(token, False)

    def kill(self, token: str) -> None:
        """Do what a person does in the provider's console."""
        with self._lock:
            self._live[token] = False

    def address_of(self, provider: str) -> str:
        return f"{self.address}/{provider}"

    def _route(self, request: Request) -> Answer:
        name, _, rest = urlsplit(request.path).path.strip("/").partition("/")
        self.calls.append(f"{request.method} /{name}/{rest}")
        answer: Answer = getattr(self, f"_{name}")(request, f"{request.method} /{rest}")
        return answer

    def _github(self, request: Request, call: str) -> Answer:
        """202 for what is handed in, 403 for whoever authenticates; 401 “Bad credentials”."""
        if call == "POST /credentials/revoke":
            return self._handed_in(request)
        if not self.live(request.bearer):
            return Answer(_NO, {"message": "Bad credentials", "status": "401"})
        if call == "DELETE /installation/token":
            self.kill(request.bearer)
            return Answer(HTTPStatus.NO_CONTENT)
        return Answer(_OK, {"login": "octocat", "total_count": 0})

    def _handed_in(self, request: Request) -> Answer:
        if request.headers.get("authorization"):
            return Answer(HTTPStatus.FORBIDDEN, {"message": "Forbidden"})
        tokens = json.loads(request.body).get("credentials")
        if not tokens or not all(one.startswith(_REVOCABLE) for one in tokens):
            return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, {"message": "Validation failed"})
        for one in tokens:
            self.kill(one)
        return Answer(HTTPStatus.ACCEPTED, {})

    def _gitlab(self, request: Request, call: str) -> Answer:
        """204 revoked, 401 for a token that is none (any more)."""
        token = request.headers.get("private-token", "")
        if not self.live(token):
            return Answer(_NO, {"message": "401 Unauthorized"})
        if call == "GET /api/v4/personal_access_tokens/self":
            return Answer(_OK, {"id": 4, "active": True, "revoked": False})
        if call == "DELETE /api/v4/personal_access_tokens/self":
            self.kill(token)
            return Answer(HTTPStatus.NO_CONTENT)
        return Answer(HTTPStatus.NOT_FOUND, {"message": "404 Not Found"})

    def _slack(self, request: Request, call: str) -> Answer:
        """Always 200; `ok` and `error` tell."""
        if not self.live(request.bearer):
            return Answer(_OK, {"ok": False, "error": "token_revoked"})
        if call == "POST /auth.revoke":
            self.kill(request.bearer)
            return Answer(_OK, {"ok": True, "revoked": True})
        return Answer(_OK, {"ok": True, "team_id": "T1", "user_id": "U1"})

    def _buildkite(self, request: Request, call: str) -> Answer:
        if not self.live(request.bearer):
            return Answer(_NO, {"message": "Authentication required"})
        if call == "DELETE /v2/access-token":
            self.kill(request.bearer)
            return Answer(HTTPStatus.NO_CONTENT)
        return Answer(_OK, {"uuid": "1", "scopes": ["read_agents"]})

    def _only_probed(self, request: Request, call: str) -> Answer:
        if not call.startswith("GET /"):
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED, {})
        return Answer(_OK, {}) if self.live(request.bearer) else Answer(_NO, {"error": "invalid"})

    _npm = _stripe = _huggingface = _only_probed

    def _openai(self, request: Request, call: str) -> Answer:
        """A service account comes with its first key; both are deleted by id, with 200."""
        project = "/v1/organization/projects/proj_orders"
        if project not in call:
            return self._only_probed(request, call)
        if request.bearer != self.admin:
            return Answer(_NO, {"error": {"code": "invalid_api_key"}})
        if call == f"POST {project}/service_accounts":
            key = self.make("openai")
            made = {"object": "organization.project.service_account.api_key", "value": key}
            self._keep_name(f"svc_{key[-8:]}", request)
            made |= {"id": f"key_{key[-8:]}"}
            return Answer(_OK, {"id": f"svc_{key[-8:]}", "api_key": made})
        if call == f"GET {project}/service_accounts":
            return Answer(_OK, {"object": "list", "data": self._named("id"), "has_more": False})
        part = call.rpartition("/")[2].partition("_")[2]  # of svc_… or key_…
        return Answer(_OK if self._delete(part) else HTTPStatus.NOT_FOUND, {})

    def _sendgrid(self, request: Request, call: str) -> Answer:
        """201 with the key and its id, which stands in the key; 204 for a deletion."""
        if "/v3/api_keys" not in call:
            return self._only_probed(request, call)
        if request.bearer != self.admin:
            return Answer(HTTPStatus.FORBIDDEN, {"errors": [{"message": "access forbidden"}]})
        if call == "POST /v3/api_keys":
            identifier = "".join(secrets.choice(_LETTERS) for _ in range(22))
            key = f"SG.{identifier}." + "".join(secrets.choice(_LETTERS) for _ in range(43))
            with self._lock:
                self._live[key] = True
            self._keep_name(identifier, request)
            made = {"api_key": key, "api_key_id": identifier, "name": self._names[identifier]}
            return Answer(HTTPStatus.CREATED, made)
        if call == "GET /v3/api_keys":
            return Answer(_OK, {"result": self._named("api_key_id")})
        gone = self._delete(f".{call.rpartition('/')[2]}.")
        return Answer(HTTPStatus.NO_CONTENT if gone else HTTPStatus.NOT_FOUND)

    def _keep_name(self, identifier: str, request: Request) -> None:
        self._names[identifier] = str(json.loads(request.body)["name"])

    def _named(self, id_field: str) -> list[dict[str, str]]:
        return [{id_field: each, "name": name} for each, name in self._names.items()]

    def _delete(self, part: str) -> bool:
        with self._lock:
            found = [key for key, live in self._live.items() if live and part in key]
            self._live |= dict.fromkeys(found, False)
        return bool(found)


@pytest.fixture(scope="session")
def providers() -> Iterator[Providers]:
    with Providers() as server:
        yield server
