"""
An issuer of tokens, as an API over HTTP that the configuration describes: create, revoke, probe.

Why here: the calls are data (`issuers.NAME` in the configuration), what is done with them is the
business of `steps/http_token.py`, and how a call is sent that of `http_calls.py`.

Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ and the
three-valued check of https://github.com/trufflesecurity/trufflehog (a status that proves neither
life nor death is indeterminate).
"""

import re
from collections.abc import Mapping

import httpx
import structlog

from graph.connections import Connections, HttpCall
from graph.errors import BadInputError, LocksmithError, RefusedError, UnavailableError
from graph.secret_value import SecretValue
from responders.http_calls import (
    Call,
    NotSentError,
    Value,
    dig,
    json_of,
    not_taken,
    require_tls,
    send,
)
from responders.probing import Answer

log = structlog.get_logger()

_GONE = {404, 410}
_SERVER_ERROR = 500


class UnclearError(UnavailableError):
    """The issuer was asked for a token, and whether it made one is not known."""


class HttpIssuer:
    """
    One configured issuer.

    Raises:
        RefusedError: it would be asked over an unencrypted connection, or a value in a URL.
    """

    def __init__(self, name: str, connections: Connections) -> None:
        self.name = name
        self._settings = connections.issuer(name)
        require_tls(f"The issuer {name}", self._settings.base_url, f"issuers.{name}.base_url")

    @property
    def idempotent(self) -> bool:
        """Whether a repeated Idempotency-Key is answered with the same token."""
        return self._settings.idempotent

    @property
    def finds(self) -> bool:
        """Whether a token whose answer got lost can be looked for."""
        return self._settings.find is not None

    def create(self, idempotency_key: str, mark: str) -> tuple[str, SecretValue]:
        """
        Create a token: its id ("" if the issuer gives none) and its value.

        Raises:
            UnclearError: it may have made one. After every other error there is none, or its
            message names it.
        """
        call = self._settings.create
        try:
            answer = self._admin(call, mark=mark, headers={"Idempotency-Key": idempotency_key})
        except NotSentError:
            raise
        except UnavailableError as error:
            raise UnclearError(error.happened) from None
        if answer.status_code >= _SERVER_ERROR and answer.status_code not in call.ok:
            raise UnclearError(
                f"{self.name} answered {answer.status_code} when it was asked for a token."
            )
        self._expect(answer, call, "create a token")
        body = json_of(answer)
        token = dig(body, self._settings.token_field)
        found = dig(body, self._settings.id_field)
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
        identifier = identifier or self._id_within(token)
        if not identifier and "{id}" in call.model_dump_json():
            raise RefusedError(
                f"{self.name} revokes by id, and the id of this token is not known here.",
                means="Nothing was revoked.",
                do_now="Revoke it in the issuer's console, then skip this step with that reason.",
            )
        return self._revoke(call, token, identifier)

    def _id_within(self, token: SecretValue) -> str:
        pattern = self._settings.id_pattern
        found = re.search(pattern, token.reveal()) if pattern else None
        return found[1] if found else ""

    def take_back(
        self, identifier: str, token: SecretValue | None = None, *, call: HttpCall | None = None
    ) -> bool:
        """Revoke a token that could not be stored; True when it is gone."""
        call = call or self._settings.revoke_by_id
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

    def end(self, token: SecretValue, identifier: str) -> None:
        """
        Revoke a token that we had made, by its id where the issuer has a call for that.

        Raises:
            LocksmithError: it did not take it.
        """
        call = self._settings.revoke_by_id
        if call is not None and identifier:
            self._revoke(call, token, identifier)
        else:
            self.revoke(token, identifier)

    def find(self, mark: str) -> tuple[str, ...] | None:
        """
        Name the tokens that were created with `mark`; None where that cannot be told.

        Raises:
            UnavailableError: it could not be asked.
        """
        call = self._settings.find
        if call is None:
            return None
        try:
            answer = self._admin(call)
            self._expect(answer, call, "list the tokens")
        except UnavailableError:
            raise
        except LocksmithError as error:
            log.warning("tokens.not_listed", issuer=self.name, why=error.happened)
            return None
        body = json_of(answer)
        items = dig(body, call.items) if call.items else body
        if not isinstance(items, list):
            log.warning("tokens.not_listed", issuer=self.name, why="the answer holds no list")
            return None
        ours = [item for item in items if mark in str(dig(item, call.mark) or "")]
        if not ours and call.more and dig(body, call.more):
            return None  # it may be among those that were not shown
        return tuple(str(dig(item, call.id) or "") for item in ours)

    def remove_found(self, identifier: str) -> bool:
        """Revoke what `find` named; True when it is gone."""
        call = self._settings.find.remove if self._settings.find else None
        return self.take_back(identifier, call=call) if identifier else False

    def probe(self, token: SecretValue) -> Answer:
        """Use a token in the configured harmless call."""
        call = self._settings.probe
        given = "{token}" in call.model_dump_json()
        headers = {} if given else {"Authorization": "Bearer {token}"}
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
        mark: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        given = {"Authorization": "Bearer {admin}", **(headers or {})}
        return self._call(call, token, identifier, given, mark)

    def _call(
        self,
        call: HttpCall,
        token: SecretValue | None,
        identifier: str,
        headers: Mapping[str, str],
        mark: str = "",
    ) -> httpx.Response:
        values: dict[str, Value] = {
            "token": token or "",
            "id": identifier,
            "mark": mark,
            "admin": SecretValue(self._settings.admin_token.get_secret_value()),
        }
        return send(
            Call(call.method, call.path, {**headers, **call.headers}, body=call.body),
            base_url=self._settings.base_url,
            values=values,
            who=self.name,
            in_url=("id", "mark"),
        )

    def _expect(self, answer: httpx.Response, call: HttpCall, doing: str) -> None:
        if answer.status_code not in call.ok:
            raise not_taken(
                answer,
                who=self.name,
                doing=doing,
                denied_do_now=f"Check issuers.{self.name}.admin_token and what it may do.",
                do_now=f"Check the calls of issuers.{self.name} against its documentation.",
            )
