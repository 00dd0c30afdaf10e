"""The webhook pager against a real receiver: signed, confirmed by 2xx alone."""

import hashlib
import hmac

import pytest
from pydantic import ValidationError

from bot.sandbox.page_receiver import PageReceiver
from responders.pagers.webhook import WebhookPager, WebhookSettings
from tests.responders.pagers.a_page import PAGE
from tests.responders.steps.parts import Passed, proxy

SECRET = "shared-with-the-receiver"


def pager(address: str, **more: object) -> WebhookPager:
    return WebhookPager(
        WebhookSettings.model_validate(
            {"url": f"{address}/hooks/locksmith", "secret": SECRET, "timeout": 2, **more}
        )
    )


def test_a_page_is_signed_keyed_and_confirmed(page_receiver: PageReceiver) -> None:
    answer = pager(page_receiver.address, headers={"X-Team": "payments"}).page(PAGE)
    assert answer.confirmed
    (taken,) = page_receiver.received
    stamp = taken.headers["x-locksmith-timestamp"]
    expected = hmac.new(SECRET.encode(), f"{stamp}.".encode() + taken.raw, hashlib.sha256)
    assert taken.signature == f"sha256={expected.hexdigest()}"
    assert taken.headers["idempotency-key"] == PAGE.key
    assert taken.headers["x-team"] == "payments"
    assert taken.body["action"] == "trigger"
    assert taken.body["owner"] == "team:payments"
    assert taken.body["details"] == dict(PAGE.details)
    assert SECRET not in taken.raw.decode()


def test_a_resolution_has_its_own_key_so_that_it_is_not_folded_into_the_page(
    page_receiver: PageReceiver,
) -> None:
    assert pager(page_receiver.address).resolve(PAGE).confirmed
    (taken,) = page_receiver.received
    assert taken.body["action"] == "resolve"
    assert taken.headers["idempotency-key"] == f"{PAGE.key}:resolve"


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500])
def test_anything_but_2xx_is_not_confirmed(page_receiver: PageReceiver, status: int) -> None:
    page_receiver.fail_with(status)
    answer = pager(page_receiver.address).page(PAGE)
    assert not answer.confirmed
    assert answer.sentence


def test_a_redirect_is_not_followed(page_receiver: PageReceiver) -> None:
    asked: list[str] = []

    def redirect(passed: Passed) -> tuple[int, bytes] | None:
        asked.append(passed.path)
        return 307, b""

    with proxy(page_receiver.address, redirect) as address:
        assert not pager(address).page(PAGE).confirmed
    assert asked == ["/hooks/locksmith"]
    assert page_receiver.received == ()


def test_a_dead_and_a_silent_receiver_raise_nothing(page_receiver: PageReceiver) -> None:
    assert not pager("http://127.0.0.1:9").page(PAGE).confirmed
    with proxy(page_receiver.address, lambda _: (0, b"")) as address:
        assert not pager(address).page(PAGE).confirmed


def test_plain_http_to_a_stranger_needs_a_word_in_the_configuration() -> None:
    with pytest.raises(ValidationError, match="allow_http"):
        pager("http://oncall.example.com")
    assert pager("http://oncall.example.com", allow_http=True).settings.allow_http
    assert SECRET not in repr(pager("https://oncall.example.com").settings)
