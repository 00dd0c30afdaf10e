"""Slack is down, slow, or loses its replies: the card converges, and nothing is said twice."""

from collections import Counter

import pytest

from tests.scenarios.scene import Scene, eventually, says

pytestmark = pytest.mark.slow


def test_amid_a_run_the_card_converges_and_no_message_stands_there_twice(
    scene: Scene,
) -> None:
    slack = scene.workspace
    slack.fail_next("chat.postMessage", drop=True, after_processing=True)  # the root card's reply
    incident = scene.report(scene.world.leaked_token)
    scene.ask_approval(incident)
    scene.approve(incident)
    slack.fail_next("chat.update", status=429, retry_after=1, times=2)
    slack.fail_next("chat.update", status=503)
    slack.fail_next("chat.update", drop=True)
    slack.fail_next("chat.postMessage", status=500)
    slack.fail_next("chat.postMessage", drop=True, after_processing=True, times=2)
    card = scene.card_now(incident, lambda m: "closed" in m.all_text, timeout=90)
    scene.wait_until_idle(30)
    assert not scene.outside.issuer_accepts(scene.world.leaked_token)
    assert len(scene.cards(incident)) == 1
    replies = scene.be("sam").thread("#security", card.ts)[1:]
    twice = [text for text, count in Counter(m.all_text for m in replies).items() if count > 1]
    assert not twice
    says("\n".join(m.all_text for m in replies), "Evidence", "checkpoint")


def test_cut_connections_and_redelivered_events_open_nothing_twice(scene: Scene) -> None:
    slack, rita = scene.workspace, scene.be("rita")
    stripe = scene.world.read_secret("shop/stripe")["api_key"]
    message = rita.post("#general", f"is {stripe} ours?")
    scene.card("shop/stripe#api_key")
    event = next(
        each for each in slack.deliveries if each.payload.get("event", {}).get("ts") == message.ts
    )
    slack.cut_connections()
    slack.wait_for(lambda: slack.connections == 0)
    slack.wait_for_app(30)
    for _ in range(3):
        slack.repeat(event)
    slack.repeat_unacknowledged()
    assert rita.shortcut(message, "leak_report_message")
    scene.wait_until_idle()
    incidents = [case for case in scene.incidents() if "shop/stripe" in case.title]
    assert len(incidents) == 1
    assert len(scene.cards("shop/stripe#api_key")) == 1
    asked = [m for m in rita.messages("@locksmith") if "holds a secret" in m.all_text]
    assert len(asked) == 1


def test_a_report_while_slack_is_down_is_kept_and_shown_when_it_is_back(scene: Scene) -> None:
    slack = scene.workspace
    slack.fail_next("chat.postMessage", status=503, times=2)
    slack.fail_next("views.update", status=503)
    value = scene.world.read_secret("reporting/db")["password"]
    ana = scene.open_form("ana")
    assert ana.submit({"value": value, "where": "a wiki"}) is None
    eventually(lambda: [c for c in scene.incidents() if "reporting/db#password" in c.title])
    ana.close(everything=True)
    scene.card("reporting/db#password", timeout=40)
    scene.wait_until_idle(40)
    assert len(scene.cards("reporting/db#password")) == 1
    ana.wait_for_message("@locksmith", lambda m: "reporting/db" in m.all_text, timeout=20)
    (case,) = [each for each in scene.incidents() if "reporting/db#password" in each.title]
    assert len(case.sightings) == 1, "one report is one sighting, however often it was tried"
