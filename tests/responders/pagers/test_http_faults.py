"""Pages over HTTPS that cannot be trusted or found, and receivers that check the signature."""

import hashlib
import hmac
import json
import time
from pathlib import Path

import pytest

from responders.pager import AnyPager
from responders.pagers.pagerduty import PagerDutyPager, PagerDutySettings
from responders.pagers.webhook import WebhookPager, WebhookSettings
from tests.graph.http_stub import Answer, Asked, HttpStub
from tests.responders.pagers.a_page import PAGE
from tests.servers.oncall import ROUTING_KEY

SECRET = "shared-with-the-receiver"


def pagers(address: str) -> list[AnyPager]:
    duty = {"routing_key": ROUTING_KEY, "base_url": address, "timeout": 2}
    hook = {"url": f"{address}/hook", "secret": SECRET, "timeout": 2}
    return [
        PagerDutyPager(PagerDutySettings.model_validate(duty)),
        WebhookPager(WebhookSettings.model_validate(hook)),
    ]


def test_an_authority_that_nobody_trusts_and_a_name_that_nobody_knows_get_no_page(
    tmp_path: Path,
) -> None:
    with HttpStub(lambda asked: Answer(202), tmp_path) as stranger:
        found = pagers(stranger.address.replace("http://", "https://"))
        answers = [pager.page(PAGE) for pager in found]
        assert stranger.asked == [], "no byte of the page went there"
    answers += [pager.page(PAGE) for pager in pagers("https://oncall.invalid")]
    for answer in answers:
        assert not answer.confirmed
        assert not answer.final, "a certificate is renewed, and DNS comes back"
        assert "could not be reached" in answer.sentence


class Receiver:
    """Checks as docs/pagers.md says: the signature over stamp and body, then the stamp's age."""

    def __init__(self, *, ahead: float = 0) -> None:
        self.ahead = ahead  # seconds; how wrong its clock is
        self.stamps: list[str] = []

    def __call__(self, asked: Asked) -> Answer:
        stamp = asked.headers["x-locksmith-timestamp"]
        signed = hmac.new(SECRET.encode(), f"{stamp}.".encode() + asked.body, hashlib.sha256)
        assert hmac.compare_digest(
            asked.headers["x-locksmith-signature"], f"sha256={signed.hexdigest()}"
        )
        self.stamps.append(stamp)
        late = abs(time.time() + self.ahead - int(stamp)) > 300
        return Answer(401 if late else 202)


@pytest.mark.parametrize(("ahead", "taken"), [(0, True), (-900, False), (900, False)])
def test_a_receiver_with_a_wrong_clock_refuses_and_that_is_said(ahead: int, *, taken: bool) -> None:
    receiver = Receiver(ahead=ahead)
    with HttpStub(receiver) as stub:
        answer = pagers(stub.address)[1].page(PAGE)
        assert answer.confirmed is taken
        assert answer.final is not taken, "the next tier is called, at once"
        assert taken or "401" in answer.sentence
        assert json.loads(stub.asked[0].body)["key"] == PAGE.key
    assert len(receiver.stamps) == 1
