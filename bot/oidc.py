"""
One sign-in at an OpenID Connect provider: where to send the browser, and what came back of it.

The authorization code flow with PKCE, for one confidential or public client. What the provider says
is believed only as a signed token: signature by its published keys, issuer, audience, nonce, time,
how long ago the person really signed in, and an e-mail that it has verified. Codes and tokens are
secrets: they are in no error, no log and no row. Whose sign-in it has to be is not known here.

Source: https://openid.net/specs/openid-connect-core-1_0.html (3.1.2.1, 3.1.3.7, 5.1),
https://openid.net/specs/openid-connect-discovery-1_0.html and RFC 7636, RFC 9207, RFC 9700.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import jwt
import structlog

from graph.endpoints import SignInSettings
from graph.errors import BadInputError, RefusedError, UnavailableError

log = structlog.get_logger()

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)  # seconds
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_LEEWAY = 30  # seconds that the clocks may differ
# Only what is signed with a key of the provider: never a shared secret, never “none”.
_ALGORITHMS = [
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
]
_NEEDED = ["iss", "sub", "aud", "exp", "iat", "nonce", "auth_time"]


@dataclass(frozen=True, slots=True)
class Secrets:
    """What binds one sign-in together; made anew for each, and known to nobody else."""

    state: str
    nonce: str
    verifier: str

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class _Provider:
    """What its discovery document says."""

    authorization: str
    token: str
    keys: str
    by_post: bool  # it takes the client's secret in the body only


class Oidc:
    """
    The configured provider.

    All raise UnavailableError where it cannot be reached, RefusedError where it or what it says
    cannot be trusted, BadInputError where the configuration does not fit it.
    """

    def __init__(self, settings: SignInSettings, *, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self.redirect_uri = settings.public_url.rstrip("/") + "/step-up/callback"
        self.name = urlsplit(settings.issuer).hostname or settings.issuer

    def look(self) -> None:
        """Read the discovery document, to see that all is well."""
        self._provider()

    def address(self, secrets: Secrets) -> str:
        """Give the address where the browser signs in, with the person asked in any case."""
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid email",
            "state": secrets.state,
            "nonce": secrets.nonce,
            "code_challenge": secrets.challenge,
            "code_challenge_method": "S256",
            "prompt": "login",
            "max_age": str(self._settings.max_age_seconds),
        }
        begin = self._provider().authorization
        return f"{begin}{'&' if '?' in begin else '?'}{urlencode(query)}"

    def email(self, code: str, secrets: Secrets) -> str:
        """Exchange the code and return the e-mail of who has just signed in."""
        provider = self._provider()
        token = self._exchange(provider, code, secrets)
        claims = self._verified(provider, token, secrets)
        self._require_fresh(claims)
        return self._email_in(claims)

    def _provider(self) -> _Provider:
        issuer = self._settings.issuer
        found = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise BadInputError(
                f"{self.name} says that it is another issuer than step_up.issuer.",
                means="Nobody can sign in, so no plan without a way back can be approved.",
                do_now="Write step_up.issuer exactly as “issuer” stands in its discovery document.",
            )
        ways = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return _Provider(
            self._trusted(found.get("authorization_endpoint")),
            self._trusted(found.get("token_endpoint")),
            self._trusted(found.get("jwks_uri")),
            by_post="client_secret_basic" not in ways,
        )

    def _exchange(self, provider: _Provider, code: str, secrets: Secrets) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "client_id": self._settings.client_id,
            "code_verifier": secrets.verifier,
        }
        secret = self._settings.client_secret
        basic = None
        if secret is not None and provider.by_post:
            form["client_secret"] = secret.get_secret_value()
        elif secret is not None:
            # RFC 6749, 2.3.1: both are form-encoded before they become a user and a password.
            basic = (
                quote(self._settings.client_id, safe=""),
                quote(secret.get_secret_value(), safe=""),
            )
        answer = self._ask("POST", provider.token, data=form, auth=basic)
        token = self._json(answer).get("id_token")
        if not isinstance(token, str):
            raise _untrusted(f"{self.name} gave no id_token for the code.")
        return token

    def _verified(self, provider: _Provider, token: str, secrets: Secrets) -> Mapping[str, Any]:
        """Check the signature and what the token says of itself."""
        published = self._get(provider.keys)
        try:
            key = _key_of(token, jwt.PyJWKSet.from_dict(dict(published)))
            claims: dict[str, Any] = jwt.decode(
                token,
                key=key,
                algorithms=_ALGORITHMS,
                audience=self._settings.client_id,
                issuer=self._settings.issuer,
                leeway=_LEEWAY,
                options={"require": _NEEDED},
            )
        except jwt.PyJWTError as error:
            # Of its text only the kind: it may quote the token.
            log.warning("step_up.token_refused", kind=type(error).__name__)
            raise _untrusted(
                f"The token of {self.name} is not good: {_KINDS.get(type(error), 'it is broken')}."
            ) from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        party = claims.get("azp")
        if (several or party is not None) and party != self._settings.client_id:
            raise _untrusted(f"The token of {self.name} was made for another client.")
        if claims["nonce"] != secrets.nonce:
            raise _untrusted(f"The token of {self.name} belongs to another sign-in.")
        return claims

    def _require_fresh(self, claims: Mapping[str, Any]) -> None:
        at = claims["auth_time"]
        if not isinstance(at, int | float) or isinstance(at, bool):
            raise _untrusted(f"The token of {self.name} does not say when the person signed in.")
        age = self._clock().timestamp() - at
        if not -_LEEWAY <= age <= self._settings.max_age_seconds + _LEEWAY:
            raise _untrusted(
                f"The last sign-in at {self.name} was {age / 60:.0f} minutes ago; it may be"
                f" {self._settings.max_age_seconds / 60:.0f} at most."
            )

    def _email_in(self, claims: Mapping[str, Any]) -> str:
        claim = self._settings.email_claim
        email = claims.get(claim)
        if not isinstance(email, str) or not email:
            raise _untrusted(f"The token of {self.name} has no claim “{claim}”.")
        if claim == "email" and claims.get("email_verified") not in {True, "true"}:
            raise _untrusted(f"{self.name} has not verified the e-mail of who signed in.")
        return email

    def _get(self, address: str) -> Mapping[str, Any]:
        return self._json(self._ask("GET", self._trusted(address)))

    def _ask(self, method: str, address: str, **more: Any) -> httpx.Response:
        try:
            answer = httpx.request(
                method, address, timeout=_TIMEOUT, follow_redirects=False, **more
            )
        except httpx.HTTPError as error:
            log.warning("step_up.provider_not_reached", kind=type(error).__name__)
            raise UnavailableError(
                f"{self.name} could not be reached.",
                means="Who approves could not sign in, so the approval was not counted.",
                do_now="Try again when it is back. Break-glass needs no sign-in.",
            ) from None
        if answer.status_code >= 500:  # noqa: PLR2004 - HTTP's own number
            raise UnavailableError(
                f"{self.name} answered {answer.status_code}.",
                means="Who approves could not sign in, so the approval was not counted.",
                do_now="Try again when it is well. Break-glass needs no sign-in.",
            )
        if not answer.is_success:
            raise _untrusted(
                f"{self.name} did not take the sign-in: it answered {answer.status_code}."
            )
        return answer

    def _json(self, answer: httpx.Response) -> Mapping[str, Any]:
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise _untrusted(f"{self.name} answered with something that is no JSON object.")
        return found

    def _trusted(self, address: object) -> str:
        """
        Take an address of the provider's, if nobody on the way can change what it says.

        Raises:
            RefusedError: it is missing, or not https.
        """
        parts = urlsplit(address if isinstance(address, str) else "")
        if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            return parts.geturl()
        raise _untrusted(f"{self.name} names no https address for a part of the sign-in.")


_KINDS: Mapping[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "it is too old",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidSignatureError: "its signature is wrong",
    jwt.InvalidAlgorithmError: "it is signed in a way that is not allowed",
    jwt.InvalidAudienceError: "it was made for another client",
    jwt.InvalidIssuerError: "it is of another issuer",
    jwt.MissingRequiredClaimError: "something that it has to say is missing",
    jwt.InvalidKeyError: "none of the published keys has signed it",
}


def _key_of(token: str, published: jwt.PyJWKSet) -> jwt.PyJWK:
    """
    Choose the key that the token names, or the only one.

    Raises:
        InvalidKeyError: there is none such.
    """
    named = jwt.get_unverified_header(token).get("kid")
    keys = [key for key in published.keys if key.public_key_use in {None, "sig"}]
    found = [key for key in keys if named is None or key.key_id == named]
    if len(found) != 1:
        raise jwt.InvalidKeyError("no such key")
    return found[0]


def _untrusted(happened: str) -> RefusedError:
    return RefusedError(
        happened,
        means="The approval was not counted.",
        do_now="Click on Approve once more for a new link, or tell who runs Locksmith.",
    )
