"""One of four words, by the answer of a real server; never a guess."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from graph.endpoints import LiveChecks
from graph.identify import Identified
from graph.model import Gap
from graph.refs import Ref
from graph.secret_value import SecretValue
from graph.shapes import OPENBAO_TOKEN
from graph.validity import Checked, Validity, check, of_identified
from tests.benchmarks.labelled import KINDS
from tests.graph.http_stub import Answer, Asked, HttpStub

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
MAKE = {kind.name: kind.make for kind in KINDS}


class GitHub:
    """Stands for api.github.com; `answer` is what it says to everybody."""

    def __init__(self) -> None:
        self.answer = Answer(body={"login": "ana"})
        self.server = HttpStub(lambda _: self.answer)

    @property
    def asked(self) -> list[Asked]:
        return self.server.asked

    def settings(self, *hosts: str) -> LiveChecks:
        variables = {"GITHUB_BASE_URL": self.server.address}
        allowed = hosts or ("127.0.0.1",)
        return LiveChecks(live_checks="ask", hosts=allowed, variables=variables, internal=True)


@pytest.fixture
def github() -> Iterator[GitHub]:
    stub = GitHub()
    with stub.server:
        yield stub


def made(kind: str) -> str:
    return MAKE[kind](random.Random(random.random()))  # noqa: S311 - any value will do


def asked_about(plain: str, settings: LiveChecks, around: str = "") -> Checked:
    return check(SecretValue(plain), around=around or plain, settings=settings, now=lambda: NOW)


@pytest.mark.parametrize(
    ("answer", "validity"),
    [
        (Answer(body={"login": "ana"}), Validity.ACTIVE),
        (Answer(401), Validity.INACTIVE),
        (Answer(500), Validity.CHECK_FAILED),
        (Answer(429), Validity.CHECK_FAILED),
        (Answer(body=b"<html>log in to the hotel's network</html>"), Validity.CHECK_FAILED),
    ],
)
def test_what_the_issuer_answers_decides(
    github: GitHub, answer: Answer, validity: Validity
) -> None:
    github.answer = answer
    token = made("github personal")
    around = f"is {token} alive? and {made('gitlab personal')}"
    found = asked_about(token, github.settings(), around)
    assert found.validity is validity
    assert found.at == NOW
    assert [one.headers["authorization"] for one in github.asked] == [f"token {token}"]
    assert token not in found.why


def test_nobody_is_asked_who_is_not_on_the_list(github: GitHub) -> None:
    found = asked_about(made("github personal"), github.settings("api.github.com"))
    assert found.validity is Validity.CANNOT_CHECK
    assert found.why == "127.0.0.1 is not among detection.hosts"
    assert asked_about(made("stripe live"), LiveChecks(hosts=("*.gitlab.com",))).why == (
        "api.stripe.com is not among detection.hosts"
    )
    assert github.asked == []


@pytest.mark.parametrize("kind", ["postgres dsn", "rsa key", "own prefix", "openbao", "jwt"])
def test_what_has_no_call_or_decides_itself_whom_to_ask_is_not_checked(kind: str) -> None:
    everybody = LiveChecks(live_checks="ask", hosts=("*",), internal=True)
    value = made(kind)
    around = f"postgres://app:{value}@127.0.0.1:1/x" if kind == "postgres dsn" else value
    assert asked_about(value, everybody, around).validity is Validity.CANNOT_CHECK


def test_a_server_that_is_not_there_is_a_failed_check() -> None:
    settings = LiveChecks(
        live_checks="ask",
        hosts=("127.0.0.1",),
        variables={"GITHUB_BASE_URL": "http://127.0.0.1:9"},
        internal=True,
    )
    found = asked_about(made("github personal"), settings)
    assert (found.validity, found.why) == (
        Validity.CHECK_FAILED,
        "127.0.0.1 could not be reached",
    )


def test_half_of_a_pair_is_not_guessed_about() -> None:
    settings = LiveChecks(live_checks="ask", hosts=("sts.amazonaws.com",))
    assert asked_about(made("aws access key"), settings).validity is Validity.CANNOT_CHECK


def test_what_our_own_stores_know_is_said_in_the_same_words() -> None:
    known = Identified(
        OPENBAO_TOKEN, "t", facts={"issuer": "vault://main"}, credential=Ref("credential:x")
    )
    gap = Gap("vault/main", "main", "main is sealed")
    told = {
        of_identified(known, now=NOW): Validity.ACTIVE,
        of_identified(Identified(OPENBAO_TOKEN, "t", gaps=(gap,)), now=NOW): Validity.CHECK_FAILED,
        of_identified(Identified(OPENBAO_TOKEN, "t"), now=NOW): Validity.CANNOT_CHECK,
    }
    assert all(found is not None and found.validity is word for found, word in told.items())
    assert of_identified(Identified("generic", "x"), now=NOW) is None


def test_a_bare_off_in_yaml_is_off() -> None:
    assert LiveChecks.model_validate({"live_checks": False}).live_checks == "off"
    with pytest.raises(ValidationError):
        LiveChecks.model_validate({"live_checks": True})
