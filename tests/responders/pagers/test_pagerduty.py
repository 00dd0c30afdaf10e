"""PagerDuty's Events API v2 on a stand-in that speaks it: folding, ack, resolve, and its faults."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from responders.pagers.pagerduty import PagerDutyPager, PagerDutySettings
from tests.responders.pagers.a_page import PAGE
from tests.servers.oncall import ROUTING_KEY, Fault, oncall


def pager(address: str, **more: object) -> PagerDutyPager:
    settings = {"routing_key": ROUTING_KEY, "base_url": address, "timeout": 1, **more}
    return PagerDutyPager(PagerDutySettings.model_validate(settings))


def test_one_alert_per_key_from_the_first_ring_to_the_end() -> None:
    with oncall() as system:
        route = pager(system.address)
        assert route.page(PAGE).confirmed
        assert route.page(PAGE).confirmed
        alert = system.alerts[PAGE.key]
        assert (alert.rung, alert.repeats) == (1, 1)
        assert alert.words["severity"] == "critical"
        assert alert.words["custom_details"]["Consumers"] == "8"
        assert route.acknowledges
        assert route.acknowledge(PAGE).confirmed
        assert alert.state == "acknowledged"
        assert route.resolve(PAGE).confirmed
        assert alert.state == "resolved"
        assert route.page(replace(PAGE, summary="x" * 3000)).confirmed
        assert alert.rung == 2
        endless = replace(PAGE, owner="o" * 600_000, details=(("What", "w" * 600_000),))
        assert route.page(endless).confirmed, "no text of a cluster makes an event too large"


@pytest.mark.parametrize(
    ("fault", "final", "retry_after"),
    [
        (429, False, None),
        ((429, {"Retry-After": "120"}), False, 120.0),
        (500, False, None),
        ("hang", False, None),
        ("lost", False, None),
        (400, True, None),
        ((302, {"Location": "https://elsewhere.example"}), True, None),
    ],
)
def test_only_what_may_pass_is_tried_again(
    fault: Fault, *, final: bool, retry_after: float | None
) -> None:
    with oncall() as system:
        system.faults = [fault]
        answer = pager(system.address, timeout=0.3 if fault == "hang" else 2).page(PAGE)
        assert not answer.confirmed
        assert answer.final is final
        assert answer.retry_after == retry_after
        assert answer.sentence.endswith(".")
        if not final:  # the repeat is folded into what may have arrived
            assert pager(system.address).page(PAGE).confirmed
            assert system.rung == 1


def test_a_wrong_routing_key_is_refused_for_good_and_is_never_printed() -> None:
    with oncall() as system:
        answer = pager(system.address, routing_key="x" * 32).page(PAGE)
        assert answer.final
        assert "400" in answer.sentence
        assert ROUTING_KEY not in repr(pager(system.address).settings)
    with pytest.raises(ValidationError, match="32 characters"):
        pager("https://events.pagerduty.com", routing_key="short")
    with pytest.raises(ValidationError, match="allow_http"):
        pager("http://events.example.com")
