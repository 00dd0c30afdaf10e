"""
A plan with no way back is approved only after the approver has signed in anew.

The bot, its web door, Slack and a provider of identities are all real and talk over HTTP; the
browser is an HTTP client with its own cookies.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest

from bot.rows import writing
from bot.sandbox.loopback import free_port
from bot.settings import Config
from bot.step_up import Links
from bot.wiring import sign_in_links
from graph.errors import RefusedError
from responders.incident import ApprovalState, Case, IncidentState, Person
from responders.tables import StepUpRow
from tests.scenarios.scene import GATEWAY, Scene, running_scene, says
from tests.servers.oidc import CLIENT, Provider, make_key, running_provider

SAM = Person("sam@example.com", "sam")


@dataclass
class Company:
    scene: Scene
    provider: Provider
    incident: str

    @property
    def case(self) -> Case:
        return self.scene.case(self.incident)

    def link(self, person: Person = SAM) -> str:
        """Ask for a sign-in as the click on Approve does, and give the link."""
        assert self.case.approval is not None
        desk = self.scene.serving.response.desk
        asked = desk.step_up.ask(self.case.approval.id, person)
        assert asked is not None
        return sign_in_links(self.scene.config).of(asked)


@pytest.fixture(scope="module")
def provider(pytestconfig: pytest.Config) -> Iterator[Provider]:
    canary = pytestconfig.pluginmanager.get_plugin("locksmith-canary").canary  # type: ignore[union-attr]
    with running_provider(canary.plant) as server:
        canary.plant(server.client_secret)
        yield server


@pytest.fixture(scope="module")
def company(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    port = free_port()

    def with_step_up(config: Config) -> Config:
        settings = config.model_dump() | {
            "web": {"listen": f"127.0.0.1:{port}"},
            "step_up": {
                "issuer": provider.issuer,
                "client_id": CLIENT,
                "client_secret": provider.client_secret,
                "public_url": f"http://127.0.0.1:{port}",
            },
        }
        return config.model_copy(
            update={
                name: getattr(Config.model_validate(settings), name) for name in ("web", "step_up")
            }
        )

    folder: Path = tmp_path_factory.mktemp("step-up")
    with running_scene(folder, change=with_step_up) as scene:
        path, field = GATEWAY.removeprefix("vault://main/kv/").split("#")
        incident = scene.report(scene.world.read_secret(path)[field])
        scene.ask_approval(incident)
        yield Company(scene, provider, incident)


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


def sign_in(browser: httpx.Client, link: str) -> httpx.Response:
    """Open the link, use its button, go to the provider and come back, as a browser does."""
    opened = browser.get(link)
    assert opened.status_code == 200, opened.text
    sent = browser.post(link)
    assert sent.status_code == 303, sent.text
    back = browser.get(sent.headers["Location"])
    assert back.status_code == 302, back.text
    return browser.get(back.headers["Location"])


def words_of(answer: httpx.Response) -> str:
    return unescape(answer.text)


def lying(**claims: Any) -> Callable[[Provider], None]:
    """Have the provider put these claims into its tokens; None takes one out."""

    def lie(provider: Provider) -> None:
        def told(true: dict[str, Any]) -> Mapping[str, Any]:
            both = true | {
                name: value(true) if callable(value) else value for name, value in claims.items()
            }
            return {name: value for name, value in both.items() if value is not None}

        provider.claims = told

    return lie


def signing(sign: Callable[[Provider, Mapping[str, Any]], str]) -> Callable[[Provider], None]:
    def lie(provider: Provider) -> None:
        provider.sign = lambda claims: sign(provider, claims)

    return lie


def as_somebody_else(provider: Provider) -> None:
    provider.email = "sue@example.com"


def refusing(provider: Provider) -> None:
    provider.error = "access_denied"


def forgetting(provider: Provider) -> None:
    """Forget every code, as if each had been exchanged already."""
    provider.claims = lambda claims: claims
    provider.asked = _Forgetful()


class _Forgetful(dict[str, dict[str, str]]):
    def __setitem__(self, code: str, asked: dict[str, str]) -> None:
        super().__setitem__(code, asked | {"code_challenge": "of somebody else's sign-in"})


LIES: Mapping[str, tuple[Callable[[Provider], None], str]] = {
    "a sign-in of long ago": (
        lying(auth_time=lambda true: true["auth_time"] - 3600),
        "was 60 minutes ago; it may be 5 at most",
    ),
    "no time of the sign-in": (lying(auth_time=None), "something that it has to say is missing"),
    "another sign-in's nonce": (lying(nonce="another"), "belongs to another sign-in"),
    "too old": (lying(exp=lambda true: true["exp"] - 3600), "it is too old"),
    "another client's": (lying(aud="another"), "it was made for another client"),
    "two clients'": (lying(aud=[CLIENT, "another"]), "was made for another client"),
    "another issuer's": (lying(iss="https://login.example"), "it is of another issuer"),
    "an e-mail nobody verified": (lying(email_verified=False), "has not verified the e-mail"),
    "no e-mail": (lying(email=None), "has no claim “email”"),
    "somebody else": (as_somebody_else, "sue@example.com signed in, and this approval is sam"),
    "signed by another key": (
        signing(lambda _, claims: jwt.encode(dict(claims), make_key(), "RS256", {"kid": "first"})),
        "its signature is wrong",
    ),
    "a key that is not published": (
        signing(lambda it, claims: it.signed(claims, kid="second")),
        "none of the published keys has signed it",
    ),
    "signed by nobody": (
        signing(lambda _, claims: jwt.encode(dict(claims), None, "none", {"kid": "first"})),
        "it is signed in a way that is not allowed",
    ),
    "signed with a shared secret": (
        signing(lambda it, claims: jwt.encode(dict(claims), it.client_secret.ljust(32, "-"))),
        "it is signed in a way that is not allowed",
    ),
    "the person said no": (refusing, "did not sign you in"),
    "another one's code": (forgetting, "did not take the sign-in: it answered 400"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_sign_in_that_proves_nothing_is_refused_in_clear_words(
    company: Company, browser: httpx.Client, lie: str
) -> None:
    tell, because = LIES[lie]
    company.provider.asked = {}
    company.provider.be_good(SAM.identity)
    tell(company.provider)
    answer = sign_in(browser, company.link())
    assert answer.status_code == 403
    says(words_of(answer), because, "The approval was not counted.")
    assert company.case.approval is not None
    assert company.case.approval.votes == ()
    assert company.case.state is IncidentState.WAITING
    last = company.case.timeline[-1]
    assert (last.kind, last.actor) == ("step_up_refused", "sam")
    assert because.split(";")[0][:20] in last.sentence


def test_a_link_works_once_for_minutes_in_one_browser_and_only_as_it_was_made(
    company: Company, browser: httpx.Client
) -> None:
    company.provider.be_good(SAM.identity)
    company.provider.asked = {}
    link = company.link()
    head, _, signature = link.rpartition(".")
    other = "0" if signature[0] != "0" else "1"
    for wrong in (f"{head}.{other}{signature[1:]}", f"{link}x", f"{head.rpartition('.')[0]}.9.9"):
        assert "none that Locksmith made" in browser.get(wrong).text
        assert browser.post(wrong).status_code == 403

    # Down: said so, and the link is not used up.
    company.provider.status = 503
    down = browser.post(link)
    assert (down.status_code, "answered 503" in down.text) == (503, True)
    company.provider.status = 200

    # Programs that open links change nothing; the button does, once.
    assert browser.head(link).status_code == 404
    shown = browser.get(link)
    says(words_of(shown), "sam, you approve plan", company.incident, "sam@example.com")
    assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'")
    sent = browser.post(link)
    assert "; Path=/step-up/; HttpOnly; SameSite=Lax" in sent.headers["Set-Cookie"]
    outside = Links("a key", "https://locksmith.example/below/").cookie
    assert outside.startswith("Path=/below/step-up/;")
    assert outside.endswith("; Secure")
    says(words_of(browser.post(link)), "used already")
    says(words_of(browser.get(link)), "used already")
    back = browser.get(sent.headers["Location"]).headers["Location"]
    with httpx.Client(trust_env=False) as another:
        says(words_of(another.get(back)), "begun in another browser")
    forged = back.replace("state=", "state=0")
    says(words_of(browser.get(forged)), "none that Locksmith made")

    late = company.link()
    graph = company.scene.serving.graph
    with writing(graph.database.engine) as session:
        row = session.get_one(StepUpRow, urlsplit(late).path.rpartition("/")[2].partition(".")[0])
        row.expires_at = graph.now() - timedelta(seconds=1)
        session.add(row)
    says(words_of(browser.get(late)), "too old")
    assert company.case.approval is not None
    assert company.case.approval.votes == ()


def test_the_link_goes_to_the_approver_and_the_sign_in_makes_the_approval_count(
    company: Company, browser: httpx.Client
) -> None:
    scene, desk = company.scene, company.scene.serving.response.desk
    company.provider.be_good(SAM.identity)
    company.provider.asked = {}

    # Without a sign-in no road leads past: the core refuses.
    assert company.case.approval is not None
    with pytest.raises(RefusedError, match="needs a sign-in first"):
        desk.vote(company.case.approval.id, SAM, approve=True)

    # The plan changes while sam signs in: what he signed in for is void.
    link = company.link()
    assert company.case.plan is not None
    other = "revoke-first" if company.case.plan.order == "rotate-first" else "rotate-first"
    sent = browser.post(link)
    desk.plan(company.incident, other)
    back = browser.get(sent.headers["Location"]).headers["Location"]
    says(words_of(browser.get(back)), "already", "Look at the incident")
    assert company.case.state is IncidentState.PLANNED

    scene.ask_approval(company.incident)
    scene.approve(company.incident)
    told = scene.be("sam").wait_for_message(
        "@locksmith", lambda m: "does not count yet" in m.all_text
    )
    assert company.case.approval is not None
    assert company.case.approval.state is ApprovalState.PENDING
    address = next(word for word in told.all_text.split() if "/step-up/" in word)
    link = address.strip("<>").partition("|")[0]
    answer = sign_in(browser, link)
    says(words_of(answer), f"Approved: {company.incident} runs now")
    assert company.case.approval.votes
    where = company.provider.issuer.partition("//")[2].partition(":")[0]
    assert any(f"signed in anew at {where}" in each.sentence for each in company.case.timeline)
    says(words_of(browser.get(answer.request.url)), "answered already")
