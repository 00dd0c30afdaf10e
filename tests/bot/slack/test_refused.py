"""What Slack refuses, and two bots on one app: nothing is lost, nothing stands there twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.sandbox.workspace.messages import Message
from bot.slack.app import SlackApp
from bot.slack_api import web_client
from responders.incident import IncidentState
from tests.bot.cases import make_case
from tests.bot.slack.conftest import RunningBot, eventually

SECONDS = 60
ASKED = 12


def cards(bot: RunningBot) -> list[Message]:
    sue = bot.workspace.as_user("sue")
    return [each for each in sue.messages("security") if "CRITICAL" in each.all_text]


def until_shown(bot: RunningBot) -> None:
    """Publish again and again, as the patrol does each few seconds, until the card is there."""

    def looked() -> bool:
        bot.desk.put(make_case(state=IncidentState.PLANNED))
        bot.wait_until_idle()
        return bool(cards(bot))

    eventually(looked, SECONDS)


@pytest.mark.parametrize("code", ["restricted_action", "ratelimited"])
def test_a_card_that_slack_refuses_is_there_once_when_it_takes_it(
    bot: RunningBot, code: str
) -> None:
    bot.workspace.fail_next("chat.postMessage", error=code, times=2)
    until_shown(bot)
    assert len(cards(bot)) == 1


def test_a_card_in_an_archived_channel_is_there_once_when_it_is_opened_again(
    bot: RunningBot,
) -> None:
    bot.workspace.change_channel("security", archived=True)
    bot.desk.put(make_case(state=IncidentState.PLANNED))
    bot.wait_until_idle()
    assert not cards(bot)
    bot.workspace.change_channel("security", archived=False)
    until_shown(bot)
    bot.wait_until_idle()
    assert len(cards(bot)) == 1


def test_of_two_replicas_whose_sockets_are_refreshed_one_answers_each_question(
    bot: RunningBot,
) -> None:
    client = web_client("xoxb-test", base_url=bot.workspace.base_url)
    other = SlackApp(client, "xapp-test", bot.inbox)
    other.start()
    try:
        bot.workspace.wait_for(lambda: bot.workspace.connections == 2, SECONDS)
        rita = bot.workspace.as_user("rita")
        taken = 0
        for number in range(ASKED):
            if number % 4 == 1:
                bot.workspace.refresh_connections()
            taken += rita.command("general", "/leak help")
        bot.wait_until_idle()

        def answers() -> int:
            return sum("/leak uses" in each.all_text for each in rita.ephemerals("general"))

        eventually(lambda: answers() >= taken, SECONDS)
        assert taken > 0
        assert answers() <= ASKED, "none is answered twice"
    finally:
        bot.workspace.cut_connections()
        other.stop()


@pytest.mark.parametrize("change", [{"deleted": True}, {"is_restricted": True}])
def test_whose_account_changes_between_click_and_run_changes_nothing(
    bot: RunningBot, change: dict[str, bool]
) -> None:
    bot.desk.put(make_case(state=IncidentState.RUNNING))
    eventually(lambda: bool(cards(bot)), SECONDS)
    card, incident = cards(bot)[0], make_case().id
    sue = bot.workspace.as_user("sue")
    assert sue.command("general", "/leak help"), "known as active from here on"
    bot.wait_until_idle()
    bot.worker.stop()
    assert sue.click(card, "run_stop"), "the click is taken"
    bot.workspace.change_user("sue", **change)
    bot.worker.start()
    bot.wait_until_idle()
    assert bot.desk.case(incident).state is IncidentState.RUNNING


def test_while_slack_does_not_say_who_somebody_is_nothing_is_changed(bot: RunningBot) -> None:
    bot.desk.put(make_case(state=IncidentState.RUNNING))
    eventually(lambda: bool(cards(bot)), SECONDS)
    card, incident = cards(bot)[0], make_case().id
    sue = bot.workspace.as_user("sue")
    assert sue.command("general", "/leak help")
    bot.wait_until_idle()
    bot.workspace.fail_next("users.info", error="missing_scope", times=1)
    assert sue.click(card, "run_stop")
    sue.wait_for_message("security", lambda m: "does not allow looking up a user" in m.all_text)
    assert bot.desk.case(incident).state is IncidentState.RUNNING


def test_the_channel_hears_of_a_failure_the_end_and_a_request_about_to_expire_only(
    bot: RunningBot,
) -> None:
    sue = bot.workspace.as_user("sue")

    def heard() -> list[str]:
        return [m.all_text for m in sue.messages("security") if m.is_reply]

    soon = replace(make_case(state=IncidentState.WAITING), title="Waits")
    assert soon.approval is not None
    bot.clock.ahead = soon.approval.expires_at - datetime.now(UTC) - timedelta(hours=1)
    bot.desk.put(soon)
    eventually(lambda: bool(cards(bot)), SECONDS)
    bot.wait_until_idle()
    assert heard() == [], "an hour before, the thread is enough"
    bot.clock.ahead += timedelta(minutes=50)
    eventually(lambda: any("nobody has decided yet" in text for text in heard()), SECONDS)
    assert len(heard()) == 1

    bot.desk.put(make_case(state=IncidentState.RUNNING))
    bot.desk.put(make_case(state=IncidentState.STOPPED))
    eventually(lambda: any("Stopped" in text for text in heard()), SECONDS)
    bot.desk.put(make_case(state=IncidentState.CLOSED))
    eventually(lambda: any("✅ `INC-7`" in text for text in heard()), SECONDS)
    bot.wait_until_idle()
    assert len(heard()) == 3
    assert not any("Evidence" in text for text in heard()), "the proof stays in the thread"
