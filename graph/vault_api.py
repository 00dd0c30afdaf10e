"""
The seam to Vault and OpenBao: one logged-in `hvac.Client` per store, its errors in our words.

hvac's exceptions carry the whole answer (`text`, `json`) and their `str` the server's sentence, so
none of them may travel: `vault_errors` turns each into one of `graph/errors.py`, says which policy
stanza would allow the refused call, and drops the original. How to log in is given from outside
(`graph/connections.py` reads it from the settings); what to read there is the callers' business.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

import hvac
import requests
from hvac import adapters, exceptions

from graph.errors import (
    AccessDeniedError,
    BadInputError,
    ConflictError,
    LocksmithError,
    NotFoundError,
    UnavailableError,
)

REFUSED = "the server answered: permission denied"
_BAD_TOKEN = "bad token"  # noqa: S105 - the server's words
_TIMEOUT = (5.0, 30.0)  # seconds to connect, seconds to read
_BETWEEN_LOGINS = 30.0  # seconds; where a refusal proves little, new logins are rationed
_AT_ONCE = 0.0  # a fixed token, on its first use: how long it lives is not known yet
_WORTH_RENEWING = 1 / 3  # of its first life; less than that left after a renewal: it nears its end

Login = Callable[[hvac.Client], None]

_CAPABILITIES = {
    "get": '"read"',
    "list": '"list"',
    "post": '"create", "update"',
    "put": '"create", "update"',
    "patch": '"patch"',
    "delete": '"delete"',
}


def stanza(path: str, *capabilities: str) -> str:
    """Write the policy rule that grants `capabilities` on an API path without `/v1/`."""
    granted = ", ".join(f'"{capability}"' for capability in capabilities)
    return f'path "{path}" {{ capabilities = [{granted}] }}'


@contextmanager
def vault_errors(doing: str) -> Iterator[None]:
    """
    Translate what hvac raises inside; `doing` completes "Could not …" ("list the mounts of main").

    Raises:
        AccessDeniedError: 401, 403; `do_now` holds the policy stanza.
        NotFoundError: 404, and the answer about a token that the server does not know.
        ConflictError: a check-and-set version was not the current one.
        BadInputError: any other 400.
        UnavailableError: sealed, not initialised, 429, 5xx, no connection, untrusted certificate.
    """
    try:
        yield
    except LocksmithError:
        raise
    except exceptions.VaultError as error:
        raise _translate_answer(error, doing) from None
    except requests.RequestException as error:
        raise _translate_transport(error, doing) from None


def _translate_answer(error: Any, doing: str) -> LocksmithError:
    happened = f"Could not {doing}: "
    said = " ".join(str(line) for line in error.errors or ()).lower()
    if isinstance(error, exceptions.Forbidden | exceptions.Unauthorized):
        return _translate_refusal(error, happened, said)
    if isinstance(error, exceptions.InvalidPath):
        return NotFoundError(f"{happened}nothing is there.")
    if isinstance(error, exceptions.InvalidRequest) and "check-and-set" in said:
        return ConflictError(
            f"{happened}somebody wrote a newer version in between.",
            means="Nothing was changed by this call.",
            do_now="Read the current version and decide again.",
        )
    if isinstance(error, exceptions.InvalidRequest | exceptions.ParamValidationError):
        return BadInputError(f"{happened}the server did not accept the request.")
    if "sealed" in said:
        return UnavailableError(
            f"{happened}it is sealed.",
            means="A sealed Vault or OpenBao serves nothing until its operators unseal it.",
            do_now="Ask its operators to unseal it (“bao operator unseal”).",
        )
    return UnavailableError(f"{happened}{_failure(error)}.")


def _translate_refusal(error: Any, happened: str, said: str) -> LocksmithError:
    """
    Tell the three reasons of a 403 apart.

    OpenBao answers "bad token" about a token in the body, a bare "permission denied" to an unknown
    token of the caller, and a counted list of errors where a policy is missing; Vault alike, with
    "invalid token" added for the second.
    """
    if _BAD_TOKEN in said:
        return NotFoundError(f"{happened}the server knows no such token.")
    if said == "permission denied" or "invalid token" in said:
        return AccessDeniedError(
            f"{happened}{REFUSED}.",
            means="The bot's own token is not valid, or not any more.",
            do_now="Give the bot a new token, or let it log in by AppRole or Kubernetes.",
        )
    return AccessDeniedError(
        f"{happened}{REFUSED}.",
        means="The bot's token lacks the permission.",
        do_now=f"Add to the bot's policy: {_missing_rule(error)}.",
    )


def _failure(error: Any) -> str:
    if isinstance(error, exceptions.RateLimitExceeded):
        return "the server limits the rate of requests"
    if isinstance(error, exceptions.VaultNotInitialized):
        return "the server is not initialised"
    return "the server failed or answered in an unexpected way"


def _translate_transport(error: requests.RequestException, doing: str) -> LocksmithError:
    happened = f"Could not {doing}: "
    if isinstance(error, requests.exceptions.SSLError):
        return UnavailableError(
            f"{happened}its TLS certificate is not trusted.",
            means="The server may be another one, or is signed by a private authority.",
            do_now="Set `ca_cert` to the file with the authority's certificate.",
        )
    if isinstance(error, requests.Timeout):
        return UnavailableError(f"{happened}it did not answer in time.")
    if isinstance(error, requests.ConnectionError):
        return UnavailableError(
            f"{happened}no connection to the address.",
            do_now="Check `address` and the network between the bot and the server.",
        )
    if isinstance(error, ValueError):  # how requests marks a bad address and a body without JSON
        return BadInputError(
            f"{happened}the address or the answer is malformed.",
            do_now="Check that `address` is the server's own, like https://vault.example:8200.",
        )
    return UnavailableError(f"{happened}the request failed on its way.")


def _missing_rule(error: Any) -> str:
    _, _, path = urlsplit(error.url or "").path.partition("/v1/")
    granted = _CAPABILITIES.get((error.method or "").lower(), '"read"')
    return f'path "{unquote(path)}" {{ capabilities = [{granted}] }}'


class _Adapter(adapters.JSONAdapter):  # type: ignore[misc]  # hvac has no types
    """hvac's own adapter; asks once for a better token when a call is refused."""

    refresh: Callable[[str], bool] | None = None

    def request(self, *args: Any, **kwargs: Any) -> Any:
        token = self.token
        try:
            return super().request(*args, **kwargs)
        except exceptions.Forbidden as error:
            if _BAD_TOKEN in (error.errors or ()):  # about the token in the body, not about ours
                raise
            if self.refresh is None or not self.refresh(token):
                raise
        return super().request(*args, **kwargs)


class VaultSession:
    """
    Keeps one client logged in; safe to use from several threads.

    `login` sets a fresh token on the client it is given; None stands for a fixed token, which can
    be renewed but not replaced.
    """

    def __init__(
        self,
        store: str,
        address: str,
        *,
        namespace: str = "",
        ca_cert: str = "",
        token: str = "",
        login: Login | None = None,
    ) -> None:
        self.store = store
        self._login = login
        self._lock = threading.RLock()
        self._renew_at: float | None = _AT_ONCE  # monotonic seconds; None: nothing to renew
        self._logged_in_at = float("-inf")
        self._may_look_up = False  # a token that could look itself up and cannot any more is dead
        self._verify: bool | str = ca_cert or True
        self._make = partial(
            hvac.Client,
            url=address,
            verify=self._verify,
            timeout=_TIMEOUT,
            namespace=namespace or None,
        )
        # Never None as a token: hvac would then take the one of whoever runs the bot.
        self._client = self._make(token=token, adapter=_Adapter)
        if login is not None:
            self._client.adapter.refresh = self._replace

    def client(self) -> hvac.Client:
        """
        Return the client, logged in and renewed if half of its token's life is over.

        Raises:
            AccessDeniedError, UnavailableError: the login did not work.
        """
        with self._lock:
            if self._login is not None and not self._client.token:
                self._log_in()
            elif self._renew_at is not None and time.monotonic() >= self._renew_at:
                self._renew()
            return self._client

    def close(self) -> None:
        self._client.adapter.close()

    def _log_in(self) -> None:
        """Log in with a client of its own: others go on with the old token in the meantime."""
        if self._login is None:
            return
        self._logged_in_at = time.monotonic()
        fresh = self._make(token="")
        try:
            self._login(fresh)
            self._client.token = fresh.token
        finally:
            fresh.adapter.close()
        self._learn_life()

    def _renew(self) -> None:
        """Renew; a token that cannot be renewed (any more) is replaced where that is possible."""
        if self._renew_at == _AT_ONCE:
            self._learn_life()
            return
        try:
            with vault_errors(f"renew the bot's token of {self.store}"):
                self._client.auth.token.renew_self()
        except (AccessDeniedError, BadInputError):
            self._log_in()
            return
        if self._learn_life() < _WORTH_RENEWING:
            self._log_in()

    def _learn_life(self) -> float:
        """
        Set when to renew, and return how much of its first life the token has left (0 to 1).

        A token that may not look itself up is used as it is, until it is refused.
        """
        status, life = self._look_up(self._client.token)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return 1.0  # sealed or failing: the call itself will say so, and we ask again
        self._may_look_up = status == HTTPStatus.OK
        ttl = float(life.get("ttl") or 0)
        replaceable = bool(life.get("renewable")) or self._login is not None
        self._renew_at = time.monotonic() + ttl / 2 if ttl > 0 and replaceable else None
        return ttl / float(life.get("creation_ttl") or ttl or 1) if self._renew_at else 1.0

    def _replace(self, refused_token: str) -> bool:
        """After a refusal, tell whether there is now another token than the refused one."""
        with self._lock:
            if self._client.token != refused_token:
                return bool(self._client.token)
            if not refused_token or self._look_up(refused_token)[0] == HTTPStatus.OK:
                return False
            if not self._may_look_up and time.monotonic() - self._logged_in_at < _BETWEEN_LOGINS:
                return False
            self._log_in()
            return True

    def _look_up(self, token: str) -> tuple[int, dict[str, Any]]:
        """Ask past our adapter, which would ask back; returns the status and what is known."""
        headers = {"X-Vault-Token": token, "X-Vault-Request": "true"}
        if self._client.adapter.namespace:
            headers["X-Vault-Namespace"] = self._client.adapter.namespace
        url = f"{self._client.url}/v1/auth/token/lookup-self"
        with vault_errors(f"look up the bot's own token of {self.store}"):
            # Said again: REQUESTS_CA_BUNDLE would win over what the session was told.
            answer = self._client.session.get(
                url, headers=headers, timeout=_TIMEOUT, verify=self._verify
            )
            found = answer.json() if answer.ok else {}
        data = found.get("data") if isinstance(found, dict) else None
        return answer.status_code, data if isinstance(data, dict) else {}
