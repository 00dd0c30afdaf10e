"""
The pages of a sign-in before an approval: the signed link, the way to the provider, and back.

A link is `/step-up/ID.EXPIRES.SIGNATURE`. To open it changes nothing (chat programs and scanners
open links); its button uses it up, binds the sign-in to this browser by a cookie, and leads to the
provider. `/step-up/callback` takes the answer, once, from that browser. State, nonce and PKCE
verifier are derived from the sign-in's id under a key of the installation, so no row holds them.
"""

import hmac
import html
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import structlog
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.oidc import Oidc, Secrets
from graph.errors import LocksmithError, NotFoundError, RefusedError, UnavailableError
from responders.incident import ApprovalRequest, ApprovalState, Case, Person
from responders.step_up import SignedIn, SignIn

log = structlog.get_logger()

PATH = "/step-up/"
_CALLBACK = "callback"
_COOKIE = "locksmith_step_up"
_LONGEST = 4096  # bytes of a query: an answer of a provider is shorter


class Links:
    """Makes links and knows them again; any replica can, because the key is the installation's."""

    def __init__(self, installation_key: str, public_url: str) -> None:
        derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"locksmith/step-up/v1")
        self._key = derivation.derive(installation_key.encode())
        self._base = public_url.rstrip("/")
        parts = urlsplit(self._base)
        self.cookie = f"Path={parts.path}{PATH}; HttpOnly; SameSite=Lax; Max-Age=3600"
        self.cookie += "; Secure" if parts.scheme == "https" else ""

    def of(self, sign_in: SignIn) -> str:
        body = f"{sign_in.id}.{int(sign_in.expires_at.timestamp())}"
        return f"{self._base}{PATH}{body}.{self._sign('link', body)}"

    def id_in(self, token: str) -> str:
        """
        Return the id of the sign-in that a link is for; its age is judged by the row.

        Raises:
            RefusedError: it is none of ours.
        """
        body, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign("link", body).encode()):
            raise _no_link()
        return body.partition(".")[0]

    def secrets_of(self, step_up_id: str) -> Secrets:
        return Secrets(
            state=f"{step_up_id}.{self._sign('state', step_up_id)}",
            nonce=self._sign("nonce", step_up_id),
            verifier=self._sign("verifier", step_up_id),
        )

    def id_of_state(self, state: str) -> str:
        """Return the id that a state was made for; raises RefusedError."""
        step_up_id = state.partition(".")[0]
        if not hmac.compare_digest(state.encode(), self.secrets_of(step_up_id).state.encode()):
            raise _no_link()
        return step_up_id

    def _sign(self, what: str, text: str) -> str:
        return hmac.new(self._key, f"{what}:{text}".encode(), sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Page:
    """What a browser is answered with; `to` sends it elsewhere."""

    status: HTTPStatus
    text: str = ""
    to: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Asking(Protocol):
    """Who may sign in for what; implemented by `responders.step_up.StepUp`."""

    def look(self, step_up_id: str) -> SignIn: ...
    def begin(self, step_up_id: str, browser: str) -> SignIn: ...
    def answer(self, step_up_id: str, browser: str) -> SignIn: ...
    def signed_in(self, sign_in: SignIn, email: str, where: str) -> SignedIn: ...
    def refused(self, sign_in: SignIn, error: LocksmithError) -> None: ...


class Desk(Protocol):
    """What the pages need of `responders.desk.IncidentDesk`."""

    @property
    def step_up(self) -> Asking: ...
    def case(self, incident_id: str) -> Case: ...
    def vote(
        self, request_id: str, person: Person, *, approve: bool, signed_in: SignedIn | None = None
    ) -> ApprovalRequest: ...


class StepUpPages:
    """Answers browsers, refusals included. Knows nothing of sockets."""

    def __init__(self, desk: Desk, links: Links, provider: Oidc) -> None:
        self._desk = desk
        self._links = links
        self._provider = provider

    def get(self, path: str, query: str, cookies: str) -> Page:
        """Show what a link is about, or take the provider's answer."""
        try:
            if path == PATH + _CALLBACK:
                return self._callback(query, cookies)
            step_up_id = self._links.id_in(path.removeprefix(PATH))
            sign_in = self._desk.step_up.look(step_up_id)
            return _page(HTTPStatus.OK, *self._about(sign_in))
        except LocksmithError as error:
            return _refusal(error)

    def post(self, path: str) -> Page:
        """Use a link up, and send the browser to the provider."""
        try:
            step_up_id = self._links.id_in(path.removeprefix(PATH))
            self._desk.step_up.look(step_up_id)
            # Before it is used up: a provider that is down must not cost the link.
            address = self._provider.address(self._links.secrets_of(step_up_id))
            browser = secrets.token_urlsafe(32)
            self._desk.step_up.begin(step_up_id, _digest(browser))
        except LocksmithError as error:
            return _refusal(error)
        cookie = {"Set-Cookie": f"{_COOKIE}={browser}; {self._links.cookie}"}
        return Page(HTTPStatus.SEE_OTHER, to=address, headers=cookie)

    def _about(self, sign_in: SignIn) -> tuple[str, str]:
        case = self._desk.case(sign_in.incident_id)
        final = len(case.plan.irreversible) if case.plan else 0
        words = (
            f"{sign_in.person.name or sign_in.person.identity}, you approve plan"
            f" {sign_in.plan_hash[:8]} of {case.id}. {final} of its steps"
            f" {'has' if final == 1 else 'have'} no way back, so your approval counts when you have"
            f" signed in at {self._provider.name} as {sign_in.person.identity}."
        )
        button = '<form method="post"><button>Sign in and approve</button></form>'
        return words, button

    def _callback(self, query: str, cookies: str) -> Page:
        given = parse_qs(query[:_LONGEST])
        step_up_id = self._links.id_of_state(_only(given, "state"))
        sign_in = self._desk.step_up.answer(step_up_id, _digest(_cookie(cookies)))
        try:
            request = self._count(sign_in, given)
        except LocksmithError as error:
            log.warning("step_up.refused", incident=sign_in.incident_id, happened=error.happened)
            self._desk.step_up.refused(sign_in, error)
            raise
        agreed = sum(vote.approve for vote in request.votes)
        if request.state is ApprovalState.APPROVED:
            words = f"Approved: {sign_in.incident_id} runs now. Follow it on its card in Slack."
        else:
            words = f"Your approval is noted: {agreed} of {request.needed}."
        return _page(HTTPStatus.OK, f"{words} You can close this page.")

    def _count(self, sign_in: SignIn, given: Mapping[str, list[str]]) -> ApprovalRequest:
        if "error" in given or "code" not in given:
            raise RefusedError(
                f"{self._provider.name} did not sign you in.",
                means="The approval was not counted.",
                do_now="Click on Approve once more for a new link.",
            )
        email = self._provider.email(_only(given, "code"), self._links.secrets_of(sign_in.id))
        proof = self._desk.step_up.signed_in(sign_in, email, self._provider.name)
        return self._desk.vote(sign_in.request_id, sign_in.person, approve=True, signed_in=proof)


def _only(given: Mapping[str, list[str]], name: str) -> str:
    found = given.get(name, [])
    if len(found) != 1:
        raise _no_link()
    return found[0]


def _cookie(cookies: str) -> str:
    pairs = (each.strip().partition("=") for each in cookies.split(";"))
    return next((value for name, _, value in pairs if name == _COOKIE), "")


def _digest(browser: str) -> str:
    return sha256(browser.encode()).hexdigest()


def _no_link() -> RefusedError:
    return RefusedError(
        "This link is none that Locksmith made.",
        means="Nothing was changed.",
        do_now="Click on Approve once more for a new link.",
    )


def _refusal(error: LocksmithError) -> Page:
    status = HTTPStatus.FORBIDDEN
    if isinstance(error, UnavailableError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
    elif isinstance(error, NotFoundError):
        status = HTTPStatus.NOT_FOUND
    return _page(status, str(error))


def _page(status: HTTPStatus, words: str, below: str = "") -> Page:
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Locksmith</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<h1>Locksmith</h1><p>{html.escape(words)}</p>{below}</html>"
    )
    return Page(status, text)
