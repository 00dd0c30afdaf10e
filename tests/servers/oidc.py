"""
A small OpenID Connect provider over HTTP: discovery, keys, the sign-in, the token endpoint.

It signs with real RSA keys, knows its client, checks PKCE and gives each code once. Whoever comes
to its sign-in page is signed in at once as `email`; `claims` and the other switches make it lie.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT = "locksmith"


def make_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """`seen` is told each code and token that it gives, so that a test can look for them."""

    def __init__(self, seen: Callable[[str], object]) -> None:
        self.client_secret = secrets.token_urlsafe(24)
        self.key, self.kid = make_key(), "first"
        self.issuer = ""
        self.asked: dict[str, dict[str, str]] = {}  # by code: what the browser came with
        self._seen = seen
        self.be_good("sam@example.com")

    def be_good(self, email: str) -> None:
        """Sign this person in, and lie about nothing."""
        self.email, self.status, self.error = email, 200, ""
        self.claims: Callable[[dict[str, Any]], Mapping[str, Any]] = lambda claims: claims
        self.sign: Callable[[Mapping[str, Any]], str] = self.signed

    def signed(self, claims: Mapping[str, Any], **header: str) -> str:
        return jwt.encode(dict(claims), self.key, "RS256", headers={"kid": self.kid, **header})

    def answer(self, path: str, query: str, form: str, basic: str) -> tuple[int, Any, str]:
        """Give status, JSON and where to go; the paths are those of the discovery document."""
        if self.status != 200:
            return self.status, {"error": "server_error"}, ""
        if path == "/.well-known/openid-configuration":
            return 200, self._discovery(), ""
        if path == "/keys":
            public = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
            return 200, {"keys": [public | {"kid": self.kid, "use": "sig"}]}, ""
        if path == "/authorize":
            return 302, {}, self._authorize({k: v[0] for k, v in parse_qs(query).items()})
        if path == "/token":
            return *self._token({k: v[0] for k, v in parse_qs(form).items()}, basic), ""
        return 404, {}, ""

    def _discovery(self) -> dict[str, object]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def _authorize(self, asked: dict[str, str]) -> str:
        assert (asked["client_id"], asked["response_type"]) == (CLIENT, "code")
        assert (asked["prompt"], asked["code_challenge_method"]) == ("login", "S256")
        answer = {"state": asked["state"]}
        if self.error:
            answer["error"] = self.error
        else:
            code = secrets.token_urlsafe(24)
            self._seen(code)
            self.asked[code] = asked
            answer["code"] = code
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def _token(self, form: dict[str, str], basic: str) -> tuple[int, dict[str, object]]:
        user, _, password = base64.b64decode(basic.removeprefix("Basic ")).decode().partition(":")
        if (unquote(user), unquote(password)) != (CLIENT, self.client_secret):
            return 401, {"error": "invalid_client"}
        asked = self.asked.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        if asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "u-1",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": asked["nonce"],
            "email": self.email,
            "email_verified": True,
        }
        token = self.sign(self.claims(claims))
        self._seen(token)
        return 200, {"token_type": "Bearer", "id_token": token}


@contextmanager
def running_provider(seen: Callable[[str], object]) -> Iterator[Provider]:
    provider = Provider(seen)

    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            parts = urlsplit(self.path)
            form = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            basic = self.headers.get("Authorization", "")
            status, body, to = provider.answer(parts.path, parts.query, form, basic)
            payload = json.dumps(body).encode()
            self.send_response(status)
            if to:
                self.send_header("Location", to)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = _respond  # noqa: N815 - names set by http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
