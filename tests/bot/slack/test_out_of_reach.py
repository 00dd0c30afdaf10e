"""While a bot runs: its token revoked, its channel archived or shared, its drawings refused."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from bot.outbox import DENIED, update_key
from bot.sandbox.workspace.messages import Message
from bot.slack.belonging import Belonging, ServedApp
from bot.slack.renewal import Renewal
from bot.slack.views.blocks import message as words
from graph.database import Database
from responders.incident import Case, IncidentState
from tests.bot.cases import GATEWAY, make_case
from tests.bot.slack.conftest import BOT, RunningBot, eventually

INCIDENT = make_case().id
MEMBERS = ("U0SUE", "U0RITA", "U0ADA", BOT)
A_WHILE = timedelta(seconds=65)  # what is remembered of people and channels lapses


def case_in(state: IncidentState) -> Case:
    """The incident, of whose leak nobody is the author: sue may decide."""
    return replace(make_case(state=state), sightings=())


def standing(bot: RunningBot) -> list[Message]:
    """The cards of the incident, as they are in the security channel now."""
    messages = bot.workspace.as_user("ada").messages("C0SECURITY")
    return [each for each in messages if INCIDENT in each.all_text and not each.is_reply]


def show(bot: RunningBot, state: IncidentState = IncidentState.WAITING) -> Message:
    bot.workspace.change_channel("security", members=MEMBERS)
    bot.desk.put(case_in(state))
    eventually(lambda: bool(standing(bot)))
    (card,) = standing(bot)
    ada = bot.workspace.as_user("ada")
    eventually(lambda: len(ada.thread("security", card.ts)) > 1)
    bot.wait_until_idle()
    return card


def until(bot: RunningBot, words: str) -> None:
    """The one card says `words`, once what waits was tried again."""

    def looked() -> bool:
        bot.clock.ahead += timedelta(seconds=20)
        return [words in each.all_text or words in each.buttons for each in standing(bot)] == [True]

    eventually(looked)
    bot.wait_until_idle()
    assert len(standing(bot)) == 1, "nothing stands there twice"


def test_a_token_that_is_revoked_and_replaced_while_it_runs_loses_and_doubles_nothing(
    bot: RunningBot, caplog: pytest.LogCaptureFixture
) -> None:
    card = show(bot)
    bot.workspace.revoke_bot_token(new="xoxb-new")
    bot.desk.put(case_in(IncidentState.RUNNING))
    eventually(lambda: bot.outbox.pending() > 0)
    rita = bot.workspace.as_user("rita")
    assert rita.command("general", "/leak uses payments/gateway"), "it is taken all the same"
    eventually(lambda: bot.app.problem != "")
    assert bot.app.problem == "the bot token is refused (token_revoked)"
    bot.clock.ahead += timedelta(hours=4)  # a night; nothing is given up
    eventually(lambda: "slack.token_refused" in caplog.text)
    assert bot.outbox.pending() > 0
    assert not rita.ephemerals("general")

    bot.configured.append("xoxb-new")
    until(bot, "run_stop")
    assert standing(bot)[0].ts == card.ts, "edited, not posted anew"
    eventually(lambda: len(rita.ephemerals("general")) == 1)
    bot.wait_until_idle()
    assert "Deployment/api" in rita.ephemerals("general")[0].all_text
    assert bot.app.problem == ""
    assert "xoxb" not in caplog.text


@pytest.mark.parametrize(
    "gone", [{"archived": True}, {"members": MEMBERS[:-1]}, {"archived": True, "name": "renamed"}]
)
def test_a_card_out_of_reach_is_made_true_when_the_channel_is_back_and_not_posted_anew(
    bot: RunningBot, gone: dict[str, object]
) -> None:
    card = show(bot)
    bot.workspace.change_channel("security", **gone)
    bot.desk.put(case_in(IncidentState.RUNNING))
    eventually(lambda: state_of_its_update(bot, card) == DENIED)
    bot.clock.ahead += timedelta(hours=2)
    bot.workspace.change_channel("C0SECURITY", archived=False, members=MEMBERS)
    until(bot, "run_stop")
    assert standing(bot)[0].ts == card.ts


def state_of_its_update(bot: RunningBot, card: Message) -> str:
    update = bot.outbox.delivery(update_key(card.channel, card.ts))
    return update.state if update else ""


def test_what_slack_will_not_draw_is_said_in_words_and_drawn_when_it_will(bot: RunningBot) -> None:
    for method in ("chat.postMessage", "chat.update"):
        bot.workspace.refuse_blocks(method)
    bot.workspace.change_channel("security", members=MEMBERS)
    bot.desk.put(replace(case_in(IncidentState.PLANNED), title="Token of <!channel>"))
    eventually(lambda: bool(standing(bot)))
    (card,) = standing(bot)
    assert not card.blocks
    assert "Token of &lt;!channel&gt;" in card.text, "a name of outside still mentions nobody"
    bot.desk.put(case_in(IncidentState.PLANNED))
    assert "these are its words, without its buttons" in card.text
    assert "vault://main/kv/payments/gateway" in card.text
    bot.desk.put(case_in(IncidentState.STOPPED))
    until(bot, "❓")
    for method in ("chat.postMessage", "chat.update"):
        bot.workspace.take_blocks(method)
    bot.desk.put(case_in(IncidentState.RUNNING))
    until(bot, "run_stop")
    assert "without its buttons" not in standing(bot)[0].all_text
    assert standing(bot)[0].ts == card.ts


def test_a_channel_that_outsiders_join_shows_nothing_until_they_are_gone(bot: RunningBot) -> None:
    card, ada = show(bot, IncidentState.PLANNED), bot.workspace.as_user("ada")
    bot.workspace.change_channel("security", ext_shared=True)
    bot.clock.ahead += A_WHILE
    bot.desk.put(case_in(IncidentState.WAITING))

    def withdrawn() -> list[bool]:
        thread = ada.thread("security", card.ts)
        return ["shared with another organisation" in each.all_text for each in thread]

    eventually(lambda: all(withdrawn()))
    bot.wait_until_idle()
    for each in ada.thread("security", card.ts):
        assert str(GATEWAY) not in each.all_text
        assert not each.buttons
    request = bot.workspace.as_user("sue").wait_for_message(
        "@locksmith", lambda each: "approval_review" in each.buttons
    )
    assert INCIDENT in request.all_text, "who decides is still asked, in person"

    bot.workspace.change_channel("security", ext_shared=False)
    bot.clock.ahead += A_WHILE
    bot.desk.put(case_in(IncidentState.WAITING))
    until(bot, "approval_review")
    eventually(lambda: not any(withdrawn()))
    assert standing(bot)[0].ts == card.ts


def test_no_new_message_goes_to_a_shared_channel_whoever_asks_for_it(bot: RunningBot) -> None:
    bot.outbox.post("x", "C0PARTNERS", words("a secret", []))
    bot.wait_until_idle()
    delivery = bot.outbox.delivery("x")
    assert delivery is not None
    assert "shared with another organisation" in delivery.problem
    assert not bot.workspace.as_user("rita").messages("partners")


def test_one_message_a_second_is_what_a_channel_takes_and_all_arrive_once(bot: RunningBot) -> None:
    bot.workspace.state.shape = replace(bot.workspace.state.shape, one_message_a_second=True)
    card = show(bot)
    ada = bot.workspace.as_user("ada")
    eventually(lambda: len(ada.thread("security", card.ts)) > 2)
    bot.wait_until_idle()
    notes = [each.all_text for each in ada.thread("security", card.ts)]
    assert len(notes) > 2
    assert len(notes) == len(set(notes))


def test_a_click_whose_trigger_has_lapsed_is_told_to_begin_again(bot: RunningBot) -> None:
    card, rita = show(bot, IncidentState.STOPPED), bot.workspace.as_user("rita")
    bot.worker.stop()
    assert rita.click(card, "step_skip")
    bot.workspace.expire_triggers()
    bot.worker.start()
    told = rita.wait_for_message("security", lambda each: "expired_trigger_id" in each.all_text)
    assert "Try again from the beginning" in told.all_text


def test_a_person_to_whom_slack_delivers_nothing_holds_nobody_else_up(bot: RunningBot) -> None:
    bot.workspace.change_user("sue", deleted=True)
    bot.outbox.post("x", "U0SUE", words("for sue", []))
    show(bot)
    delivery = bot.outbox.delivery("x")
    assert delivery is not None
    assert "the account is deactivated" in delivery.problem
    assert bot.app.problem == "", "the word for it is that of a refused token"


def test_a_token_of_another_app_is_not_taken_in_its_place(bot: RunningBot) -> None:
    database = Database(f"sqlite:///{bot.database}")
    belonging = Belonging(database.engine)
    url = bot.workspace.base_url
    renew = Renewal(lambda: SecretStr("xoxb-test"), belonging, base_url=url)
    assert renew("xoxb-old") == "xoxb-test"
    belonging.adopt(ServedApp("T0OTHER", "Other", "U0OTHER", "locksmith"))
    assert renew("xoxb-old") == "", "incidents would be shown to other people"
    assert renew("xoxb-test") == "", "the same again"
    database.close()


def test_what_is_asked_while_slack_limits_its_own_answers_is_answered_once(
    bot: RunningBot,
) -> None:
    bot.workspace.fail_next("users.info", status=429, retry_after=1, times=2)
    rita = bot.workspace.as_user("rita")
    assert rita.command("general", "/leak uses payments/gateway")
    rita.wait_for_message("general", lambda each: "Deployment/api" in each.all_text)
    bot.wait_until_idle()
    assert len(rita.ephemerals("general")) == 1
