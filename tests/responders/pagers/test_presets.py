"""The webhook pager in the forms of known systems, on a stand-in that speaks them."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from bot.sandbox.page_receiver import PageReceiver
from responders.pagers.webhook import WebhookPager, WebhookSettings
from tests.responders.pagers.a_page import PAGE
from tests.servers.oncall import TOKEN, oncall

PATHS = {
    "grafana": "/integrations/v1/formatted_webhook/t0ken/",
    "incident_io": "/v2/alert_events/http/01ABC",
    "jira_service_management": "/jsm/ops/integration/v2/alerts",
}


def pager(address: str, preset: str, **more: object) -> WebhookPager:
    settings = {"url": address + PATHS[preset], "preset": preset, "token": TOKEN, "timeout": 1}
    return WebhookPager(WebhookSettings.model_validate({**settings, **more}))


@pytest.mark.parametrize("preset", sorted(PATHS))
def test_each_system_opens_folds_and_resolves_one_alert(preset: str) -> None:
    with oncall() as system:
        route = pager(system.address, preset)
        assert route.page(PAGE).confirmed
        system.faults = ["lost"]
        assert not route.page(PAGE).confirmed
        assert route.page(PAGE).confirmed
        alert = system.alerts[PAGE.key]
        assert alert.rung == 1
        assert PAGE.summary[:40] in str(alert.words)
        long = replace(PAGE, owner="person:" + "a" * 60 + "@example.com", summary="x" * 2000)
        assert route.page(long).confirmed, "a long name is cut, not refused"
        assert alert.state == "triggered"
        if route.acknowledges:
            assert route.acknowledge(PAGE).confirmed
            assert alert.state == "acknowledged"
        assert route.resolve(PAGE).confirmed
        assert alert.state == "resolved"


def test_jira_alone_of_the_three_has_a_word_for_an_acknowledgement() -> None:
    assert [pager("https://x.example", preset).acknowledges for preset in sorted(PATHS)] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("preset", ["incident_io", "jira_service_management"])
def test_a_wrong_token_is_refused_for_good(preset: str) -> None:
    with oncall() as system:
        answer = pager(system.address, preset, token="another").page(PAGE)
    assert not answer.confirmed
    assert answer.final
    assert TOKEN not in repr(pager("https://x.example", preset).settings)


def test_a_template_of_your_own_is_filled_in_and_cannot_be_broken_out_of(
    page_receiver: PageReceiver,
) -> None:
    template = {"text": "{severity}: {summary}", "to": ["{owner}"], "more": "{details_map}"}
    settings = {"url": f"{page_receiver.address}/x", "template": template}
    assert WebhookPager(WebhookSettings.model_validate(settings)).page(PAGE).confirmed
    (taken,) = page_receiver.received
    assert taken.body["text"] == f"critical: {PAGE.summary}"
    assert taken.body["to"] == ["team:payments"]
    assert taken.body["more"] == dict(PAGE.details)
    with pytest.raises(ValidationError, match="colour"):
        WebhookSettings.model_validate({**settings, "template": {"text": "{colour}"}})
