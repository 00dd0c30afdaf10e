import httpx
import pytest

from bot.sandbox.page_receiver import PageReceiver


def test_a_page_is_kept_as_it_came(page_receiver: PageReceiver) -> None:
    answer = httpx.post(
        f"{page_receiver.address}/hook",
        content=b'{"incident": 7}',
        headers={"X-Locksmith-Signature": "v1=abc"},
        trust_env=False,
    )
    assert answer.status_code == 202
    (page,) = page_receiver.wait_for(1)
    assert (page.path, page.body, page.raw) == ("/hook", {"incident": 7}, b'{"incident": 7}')
    assert page.signature == "v1=abc"


def test_it_fails_as_told_and_recovers(page_receiver: PageReceiver) -> None:
    page_receiver.fail_with(503)
    assert httpx.post(page_receiver.address, json={}, trust_env=False).status_code == 503
    page_receiver.fail_with(None)
    assert httpx.post(page_receiver.address, json={}, trust_env=False).status_code == 202
    assert len(page_receiver.received) == 1
    assert len(page_receiver.refused) == 1


def test_waiting_for_a_page_that_does_not_come_ends(page_receiver: PageReceiver) -> None:
    with pytest.raises(TimeoutError, match="0 of 1"):
        page_receiver.wait_for(1, seconds=0.05)
