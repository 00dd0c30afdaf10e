"""The Slack pager over the real Web API protocol: one try, escaped, confirmed by `ok`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from responders.pagers.slack import SlackPager, SlackPagerSettings
from tests.graph.http_stub import Answer, Asked, HttpStub
from tests.responders.pagers.a_page import PAGE
from tests.responders.steps.parts import Passed, proxy

TOKEN = "xoxb-not-a-real-token"


@contextmanager
def slack(status: int, answer: dict[str, object] | None) -> Iterator[tuple[str, list[Passed]]]:
    """Answer every post in the same way, and keep those calls; say nothing of channels."""
    calls: list[Passed] = []

    def respond(passed: Passed) -> tuple[int, bytes]:
        if "conversations.info" in passed.path:
            return 200, b'{"ok": false, "error": "missing_scope"}'
        calls.append(passed)
        return status, b"" if answer is None else json.dumps(answer).encode()

    with proxy("http://127.0.0.1:9", respond) as address:
        yield f"{address}/api/", calls


def pager(address: str, **more: object) -> SlackPager:
    settings = {"bot_token": TOKEN, "base_url": address, "channel": "C1", "timeout": 2, **more}
    return SlackPager(SlackPagerSettings.model_validate(settings))


def sent(call: Passed) -> dict[str, str]:
    body = call.body.decode()
    try:
        return {name: str(value) for name, value in json.loads(body).items()}
    except ValueError:
        return {name: values[0] for name, values in parse_qs(body).items()}


def test_a_page_mentions_the_group_escapes_all_else_and_is_confirmed() -> None:
    with slack(200, {"ok": True, "ts": "1.2", "channel": "C1"}) as (address, calls):
        answer = pager(address, group="S0123").page(PAGE)
    assert answer.confirmed
    (call,) = calls
    assert call.path == "/api/chat.postMessage"
    message = sent(call)
    assert message["channel"] == "C1"
    assert "<!subteam^S0123>" in message["text"]
    assert "<!channel>" not in message["text"]
    assert "<https://evil" not in message["text"]
    assert "&lt;!channel&gt;" in message["text"]
    assert message["unfurl_links"].lower() in {"false", "0"}
    assert message["unfurl_media"].lower() in {"false", "0"}


def test_a_direct_message_goes_to_the_user_without_a_mention() -> None:
    with slack(200, {"ok": True}) as (address, calls):
        assert pager(address, channel="", user="U0123").page(PAGE).confirmed
    assert sent(calls[0])["channel"] == "U0123"
    assert "<@U0123>" not in sent(calls[0])["text"]


def test_the_end_is_told_without_a_mention() -> None:
    with slack(200, {"ok": True}) as (address, calls):
        assert pager(address, group="S0123").resolve(PAGE).confirmed
    assert "subteam" not in sent(calls[0])["text"]


def test_a_lost_answer_is_not_confirmed_and_not_posted_twice() -> None:
    with slack(0, None) as (address, calls):
        answer = pager(address).page(PAGE)
    assert not answer.confirmed
    assert "not known" in answer.sentence
    assert len(calls) == 1


@pytest.mark.parametrize("base", ["http://127.0.0.1:9", "https://slack.invalid"])
def test_what_never_left_is_posted_again_later(base: str) -> None:
    answer = pager(f"{base}/api/").page(PAGE)
    assert not answer.confirmed
    assert not answer.final, "no connection came to be: nothing can stand there twice"
    assert "could not be reached" in answer.sentence


def test_slack_says_how_long_to_wait_and_the_link_survives_long_words() -> None:
    long = replace(PAGE, details=(("What", "&" * 9000),))
    with slack(200, {"ok": True}) as (address, calls):
        assert pager(address).page(long).confirmed
    assert sent(calls[0])["text"].endswith(f"<{PAGE.link}|Open incident inc-1>")
    limited = Answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "40"})
    with HttpStub(lambda asked: limited) as busy:
        answer = pager(f"{busy.address}/api/").page(PAGE)
    assert (answer.final, answer.retry_after) == (False, 40.0)


@pytest.mark.parametrize(
    ("status", "answer", "word"),
    [
        (200, {"ok": False, "error": "channel_not_found"}, "channel_not_found"),
        (429, {"ok": False, "error": "ratelimited"}, "ratelimited"),
        (500, None, "an unexpected answer"),
        (200, {"ok": False, "error": "<!channel> look"}, "an unexpected answer"),
    ],
)
def test_a_refusal_names_slacks_own_word_and_no_more(
    status: int, answer: dict[str, object] | None, word: str
) -> None:
    with slack(status, answer) as (address, calls):
        refused = pager(address).page(PAGE)
    assert not refused.confirmed
    assert word in refused.sentence
    assert len(calls) == 1


def test_nothing_is_said_in_a_channel_that_another_organisation_reads() -> None:
    def answer(asked: Asked) -> Answer:
        facts = {"is_ext_shared": True} if "conversations.info" in asked.path else {}
        return Answer(200, {"ok": True, "channel": facts})

    with HttpStub(answer) as stub:
        refused = pager(f"{stub.address}/api/").page(PAGE)
        assert (refused.confirmed, refused.final) == (False, True)
        assert "another organisation" in refused.sentence
        assert pager(f"{stub.address}/api/", channel="", user="U0123").page(PAGE).confirmed


def test_a_pager_without_a_place_is_a_configuration_error() -> None:
    with pytest.raises(ValidationError, match="channel"):
        pager("https://slack.com/api/", channel="")
    assert TOKEN not in repr(pager("https://slack.com/api/").settings)
