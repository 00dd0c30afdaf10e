"""Reports by mention, by direct message, by file, and without the value."""

import base64

import pytest

from bot.sandbox.workspace.messages import Message
from bot.sandbox.workspace.refusal import Refusal
from tests.bot.guesses import guess
from tests.bot.slack.conftest import RunningBot, eventually

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def told(bot: RunningBot, name: str, words: str, channel: str = "general") -> Message:
    person = bot.workspace.as_user(name)
    return person.wait_for_message(channel, lambda each: words in each.all_text)


def never_repeated(bot: RunningBot, *values: str) -> None:
    for received in bot.workspace.received:
        if received.method != "socket":
            assert not any(value.encode() in received.body for value in values)


def test_a_mention_in_a_thread_takes_the_message_that_started_it(bot: RunningBot) -> None:
    rita, sue = bot.workspace.as_user("rita"), bot.workspace.as_user("sue")
    root = rita.post("general", f"why is {bot.token} failing?")
    rita.post("general", "ah no", thread_ts=root.ts)
    sue.post("general", "@locksmith this is a leak", thread_ts=root.ts)
    receipt = told(bot, "sue", "was asked in private")
    assert receipt.ephemeral_to == sue.id
    assert {report.where for report in bot.desk.reports} == {bot.workspace.core.permalink(root)}
    assert "sue" in {report.reporter.name for report in bot.desk.reports}
    never_repeated(bot, bot.token)


@pytest.mark.parametrize("bot", [("channels:history", "groups:history")], indirect=True)
def test_a_mention_where_the_thread_cannot_be_read_says_what_to_do(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    root = rita.post("general", f"look: {bot.token}")
    rita.post("general", "@locksmith this is a leak", thread_ts=root.ts)
    answer = told(bot, "rita", "may not read this thread")
    assert "Report a leak" in answer.all_text
    assert "leak_report_open" in answer.buttons
    assert bot.desk.reports == []


def test_a_mention_with_a_name_asks_and_the_click_opens(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    rita.post("general", "@locksmith the payments gateway token, I think")
    asked = told(bot, "rita", "Is it this one?")
    assert "payments/gateway" in asked.all_text
    assert asked.ephemeral_to == rita.id
    assert bot.desk.reports == []
    assert rita.click(asked, "offer_take")
    told(bot, "rita", "Incident")
    assert bot.desk.reports[0].named_ref.startswith("vault://main/kv/payments/gateway")
    rita.click(asked, "offer_take")
    told(bot, "rita", "not open any more")
    assert len(bot.desk.reports) == 1


def test_a_value_in_a_direct_message_is_a_report_and_is_to_be_deleted(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    posted = rita.post("@locksmith", bot.token)
    request = told(bot, "rita", "Your message in a direct message holds a secret", "@locksmith")
    assert "sighting_removed" in request.buttons
    told(bot, "rita", "Incident", "@locksmith")
    assert bot.desk.reports[0].where_name == "a direct message"
    rita.delete(posted)
    eventually(lambda: bool(bot.desk.removals))
    assert bot.desk.removals[0][2] == "verified"
    never_repeated(bot, bot.token)


def test_a_direct_message_may_name_the_secret_or_ask_for_help(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    rita.post("@locksmith", "something of payments, I think")
    asked = told(bot, "rita", "Which one leaked?", "@locksmith")
    assert "payments/db" in asked.all_text
    rita.post("@locksmith", "help")
    told(bot, "rita", "/leak uses", "@locksmith")
    rita.post("@locksmith", "who can read payments/gateway?")
    assert "question_uses" in told(bot, "rita", "Who can read `vault", "@locksmith").buttons
    rita.post("@locksmith", "zebra crossing")
    told(bot, "rita", "No secret was recognised", "@locksmith")
    assert bot.desk.reports == []


def test_a_guest_is_refused_but_the_value_is_handled(bot: RunningBot) -> None:
    bot.workspace.as_user("gus").post("@locksmith", f"is it {bot.token} ?")
    told(bot, "gus", "guest account", "@locksmith")
    eventually(lambda: bool(bot.desk.reports))


@pytest.mark.parametrize("bot", [("im:history",)], indirect=True)
def test_without_the_scope_a_direct_message_is_not_heard(bot: RunningBot) -> None:
    bot.workspace.as_user("rita").post("@locksmith", bot.token)
    bot.wait_until_idle()
    assert bot.desk.reports == []


def test_of_several_guesses_in_a_message_the_reporter_chooses(bot: RunningBot) -> None:
    rita, sue = bot.workspace.as_user("rita"), bot.workspace.as_user("sue")
    first, second = guess(), guess()
    posted = rita.post("general", f"one is {first} and the other {second} hm")
    sue.shortcut(posted, "leak_report_message")
    asked = told(bot, "sue", "Which one leaked?")
    assert first not in asked.all_text
    assert first[:3] in asked.all_text
    assert bot.desk.reports == []
    choice = next(e for e in asked.elements if e["action_id"] == "offer_take")
    assert sue.click(asked, "offer_take", block_id=choice["block_id"])
    told(bot, "sue", "was asked in private")
    told(bot, "rita", "Delete it now", "@locksmith")
    assert len(bot.desk.reports) == 1
    rita.delete(posted)
    eventually(lambda: bool(bot.desk.removals))
    never_repeated(bot, first, second)


def test_several_names_in_the_form_are_chosen_from_in_its_place(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    rita.global_shortcut("leak_report")
    rita.modal(lambda each: each.callback_id == "leak_report_form")
    rita.submit({"named": "payments", "where": "a wiki page"})
    view = rita.modal(lambda each: "Which one leaked?" in each.all_text)
    button = next(e for e in view.elements if e["action_id"] == "offer_take")
    assert bot.workspace.as_user("rita").click(view, "offer_take", block_id=button["block_id"])
    rita.modal(lambda each: "Incident" in each.all_text)
    assert bot.desk.reports[0].where == "a wiki page"


def test_a_value_of_unknown_kind_in_the_command_is_not_repeated(bot: RunningBot) -> None:
    rita, value = bot.workspace.as_user("rita"), guess()
    rita.command("general", f"/leak {value}")
    told(bot, "rita", "held a secret")
    rita.command("general", f"/leak uses {value}x")
    told(bot, "rita", "looks like a value")
    never_repeated(bot, value)


def test_a_text_file_is_read(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    rita.upload("general", "deploy.env", f"A=1\nTOKEN={bot.token}\n".encode(), text="my env")
    request = told(bot, "rita", "Delete the file with it", "@locksmith")
    assert "sighting_removed" in request.buttons
    assert bot.desk.reports[0].matches
    never_repeated(bot, bot.token)


@pytest.mark.parametrize("bot", [("files:read",)], indirect=True)
def test_without_the_scope_a_file_is_not_read_and_that_is_said(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    posted = rita.upload("general", "deploy.env", f"TOKEN={bot.token}".encode(), snippet=True)
    bot.wait_until_idle()
    rita.shortcut(posted, "leak_report_message")
    answer = told(bot, "rita", "No secret was recognised")
    assert "files:read is not granted" in answer.all_text
    assert not [each for each in bot.workspace.received if each.method == "file"]


def test_an_image_cannot_be_read_and_says_so(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    posted = rita.upload("general", "screenshot.png", PNG)
    rita.shortcut(posted, "leak_report_message")
    answer = told(bot, "rita", "No secret was recognised")
    assert "1 picture was not read" in answer.all_text


def test_the_workspace_refuses_what_slack_refuses(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    with pytest.raises(Refusal, match="cant_delete_message"):
        bot.workspace.as_user("sue").delete(rita.post("general", "mine"))
