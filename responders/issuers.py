"""
An issuer of tokens, as an API over HTTP that the configuration describes: create, revoke, probe.

Why here: the calls are data (`issuers.NAME` in the configuration), what is done with them is the
business of `steps/http_token.py`. Values go into headers or bodies, never into a URL, and no text
of the HTTP library gets out: both end in logs.

Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ and the
three-valued check of https://github.com/trufflesecurity/trufflehog (a status that proves neither
life nor death is indeterminate).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import structlog

from graph.connections import Connections, HttpCall
from graph.errors import (
    AccessDeniedError,
    BadInputError,
    LocksmithError,
    RefusedError,
    UnavailableError,
)
from graph.secret_value import SecretValue

log = structlog.get_logger()

_TIMEOUT = httpx.Timeout(15.0, connect=5.0)  # seconds
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_DENIED = {401, 403}
_GONE = {404, 410}


@dataclass(frozen=True, slots=True)
class Answer:
    """`accepted` None: neither a proof of life nor of death."""

    accepted: bool | None
    sentence: str


class HttpIssuer:
    """
    One configured issuer.

    Raises:
        RefusedError: it would be asked over an unencrypted connection, or a value in a URL.
    """

    def __init__(self, name: str, connections: Connections) -> None:
        self.name = name
        self._settings = connections.issuer(name)
        parts = urlsplit(self._settings.base_url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise RefusedError(
                f"The issuer {name} is configured without TLS.",
                means="Tokens would cross the network in the clear.",
                do_now=f"Set issuers.{name}.base_url to an https address.",
            )

    def create(self, idempotency_key: str) -> tuple[str, SecretValue]:
        """Create a token: its id ("" if the issuer gives none) and its value."""
        call = self._settings.create
        answer = self._admin(call, headers={"Idempotency-Key": idempotency_key})
        self._expect(answer, call, "create a token")
        try:
            body = answer.json()
        except ValueError:
            body = None
        token = _dig(body, self._settings.token_field)
        found = _dig(body, self._settings.id_field)
        identifier = "" if found is None else str(found)
        if not isinstance(token, str) or not token:
            gone = self.take_back(identifier)
            raise BadInputError(
                f"{self.name} created a token, but its answer holds none in"
                f" “{self._settings.token_field}”.",
                means="It was revoked again."
                if gone
                else "A token that nobody holds exists there.",
                do_now=f"Correct issuers.{self.name}.token_field; look for the token there.",
            )
        return identifier, SecretValue(token)

    def revoke(self, token: SecretValue, identifier: str) -> bool:
        """Revoke by the value (or the id, if the call asks for it); False: unknown there."""
        call = self._settings.revoke
        if not identifier and "{id}" in call.model_dump_json():
            raise RefusedError(
                f"{self.name} revokes by id, and the id of this token is not known here.",
                means="Nothing was revoked.",
                do_now="Revoke it in the issuer's console, then skip this step with that reason.",
            )
        return self._revoke(call, token, identifier)

    def take_back(self, identifier: str, token: SecretValue | None = None) -> bool:
        """Revoke a token that could not be stored; True when it is gone."""
        call = self._settings.revoke_by_id
        try:
            if call is not None and identifier:
                return self._revoke(call, token, identifier) or True
            if token is not None:
                return self.revoke(token, identifier) or True
        except LocksmithError as error:
            log.warning(
                "token.left_over", issuer=self.name, token_id=identifier, why=error.happened
            )
        return False

    def probe(self, token: SecretValue) -> Answer:
        """Use a token in the configured harmless call."""
        call = self._settings.probe
        given = "{token}" in call.model_dump_json()
        headers = {} if given else {"Authorization": f"Bearer {token.reveal()}"}
        try:
            status = self._call(call, token, "", headers).status_code
        except UnavailableError as error:
            return Answer(None, error.happened.rstrip("."))
        if status in call.dead:
            return Answer(accepted=False, sentence=f"it was refused with {status}")
        if status in call.ok:
            return Answer(accepted=True, sentence=f"it was accepted with {status}")
        return Answer(None, f"the answer {status} proves neither life nor death")

    def _revoke(self, call: HttpCall, token: SecretValue | None, identifier: str) -> bool:
        answer = self._admin(call, token=token, identifier=identifier)
        if answer.status_code in _GONE and answer.status_code not in call.ok:
            return False
        self._expect(answer, call, "revoke a token")
        return True

    def _admin(
        self,
        call: HttpCall,
        *,
        token: SecretValue | None = None,
        identifier: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        admin = self._settings.admin_token.get_secret_value()
        return self._call(
            call, token, identifier, {"Authorization": f"Bearer {admin}", **(headers or {})}
        )

    def _call(
        self,
        call: HttpCall,
        token: SecretValue | None,
        identifier: str,
        headers: Mapping[str, str],
    ) -> httpx.Response:
        if "{token}" in call.path:
            raise RefusedError(
                f"The issuer {self.name} is configured to take a token in the URL.",
                means="URLs end up in logs, here and on the way.",
                do_now="Put {token} into a header or the body of that call.",
            )
        values = {"{token}": token.reveal() if token else "", "{id}": identifier}
        path = call.path.replace("{id}", quote(identifier, safe=""))
        try:
            return httpx.request(
                call.method,
                self._settings.base_url.rstrip("/") + path,
                headers={**headers, **_filled(call.headers, values)},
                json=_filled(call.body, values),
                timeout=_TIMEOUT,
                follow_redirects=False,
            )
        # httpx's own text may quote the request: it stays behind.
        except httpx.TimeoutException:
            raise UnavailableError(f"{self.name} did not answer in time.") from None
        except httpx.HTTPError:
            raise UnavailableError(f"{self.name} could not be reached.") from None

    def _expect(self, answer: httpx.Response, call: HttpCall, doing: str) -> None:
        status = answer.status_code
        if status in call.ok:
            return
        happened = f"Could not {doing} at {self.name}: it answered {status}."
        if status in _DENIED:
            raise AccessDeniedError(
                happened,
                means="It does not accept the admin token, or not for this.",
                do_now=f"Check issuers.{self.name}.admin_token and what it may do.",
            )
        if status == 429 or status >= 500:  # noqa: PLR2004 - HTTP's own numbers
            after = answer.headers.get("Retry-After", "")
            raise UnavailableError(happened, retry_after=float(after) if after.isdigit() else None)
        raise BadInputError(
            happened, do_now=f"Check the calls of issuers.{self.name} against its documentation."
        )


def _dig(body: object, path: str) -> object:
    for part in path.split("."):
        body = body.get(part) if isinstance(body, Mapping) else None
    return body


def _filled(template: Any, values: Mapping[str, str]) -> Any:
    """Put the values in place of `{token}` and `{id}`, at any depth."""
    if isinstance(template, str):
        for name, value in values.items():
            template = template.replace(name, value)
        return template
    if isinstance(template, Mapping):
        return {key: _filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, values) for value in template]
    return template
