"""The unchanged bot on the local workspace: report, ask, approve, refuse, follow, close."""

import secrets
from dataclasses import replace

import pytest

from bot.sandbox.workspace.messages import Message
from graph.errors import UnavailableError
from responders.incident import IncidentState
from tests.bot.cases import make_case
from tests.bot.slack.conftest import RunningBot, eventually


def root_card(bot: RunningBot) -> Message:
    sue = bot.workspace.as_user("sue")
    return sue.wait_for_message("security", lambda each: "CRITICAL" in each.all_text)


def report_by_shortcut(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    posted = rita.post("general", f"why does this fail? {bot.token} thanks")
    assert rita.shortcut(posted, "leak_report_message")


def nothing_leaked(bot: RunningBot) -> None:
    for received in bot.workspace.received:
        if received.method != "socket":
            assert bot.token.encode() not in received.body
    for file in bot.database.parent.iterdir():
        assert bot.token.encode() not in file.read_bytes()


def test_a_message_reported_by_shortcut_opens_one_incident_with_one_root_card(
    bot: RunningBot,
) -> None:
    report_by_shortcut(bot)
    card = root_card(bot)
    assert "vault://main/kv/payments/gateway#token" in card.all_text
    assert bot.token not in card.all_text
    rita = bot.workspace.as_user("rita")
    rita.wait_for_message("general", lambda each: "INC-1" in each.all_text and each.ephemeral_to)
    asked = rita.wait_for_message("@locksmith", lambda each: "Delete it now" in each.all_text)
    assert "sighting_removed" in asked.buttons
    bot.wait_until_idle()
    roots = [each for each in rita.messages("security") if "CRITICAL" in each.all_text]
    assert len(roots) == 1
    assert {report.matches[0].key for report in bot.desk.reports} == {"token"}
    nothing_leaked(bot)


def test_a_message_that_the_bot_reads_is_found_without_anybody_reporting(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    posted = rita.post("general", f"token is {bot.token}")
    root_card(bot)
    assert bot.desk.reports[0].reporter.name == "Locksmith"
    assert bot.desk.reports[0].author is not None
    rita.wait_for_message("@locksmith", lambda each: "sighting_removed" in each.buttons)
    rita.delete(posted)
    eventually(lambda: bool(bot.desk.removals))
    assert bot.desk.removals[0][2] == "verified", "Slack itself said so"
    sue = bot.workspace.as_user("sue")
    card = root_card(bot)
    bot.workspace.wait_for(
        lambda: any("removed: verified" in e.all_text for e in sue.thread("security", card.ts))
    )


def test_an_edit_that_adds_a_secret_is_seen(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    posted = rita.post("general", "hello there")
    rita.edit(posted, f"hello {bot.token}")
    root_card(bot)


def test_chatter_opens_nothing(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    rita.post("general", "good morning, the payments gateway is slow today")
    rita.post("general", "see commit 3f786850e387550fdab836ed7e6dc881de23001b please")
    bot.workspace.wait_for(lambda: bot.workspace.deliveries != [])
    bot.wait_until_idle()
    assert bot.desk.reports == []


def test_leak_alone_opens_the_form_and_its_report_opens_an_incident(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    assert rita.command("general", "/leak")
    view = rita.modal(lambda each: each.callback_id == "leak_report_form")
    assert set(view.inputs) == {"value", "named", "where", "note"}
    assert rita.submit({"value": bot.token, "note": f"found {bot.token} in a log"}) is None
    root_card(bot)
    rita.modal(lambda each: "Incident" in each.all_text)
    assert "[value removed]" in bot.desk.reports[0].note
    rita.wait_for_message("@locksmith", lambda each: "Incident" in each.all_text)
    nothing_leaked(bot)


def test_an_empty_form_is_refused_at_once(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    rita.global_shortcut("leak_report")
    rita.modal(lambda each: each.callback_id == "leak_report_form")
    problems = rita.submit({"note": "no idea"})
    assert problems is not None
    assert "value" in problems
    bot.wait_until_idle()
    assert bot.desk.reports == []


def test_a_secret_reported_by_name_alone(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    rita.global_shortcut("leak_report")
    rita.modal(lambda each: each.callback_id == "leak_report_form")
    assert rita.submit({"named": "payments/gateway"}) is None
    root_card(bot)
    assert bot.desk.reports[0].named_ref == "vault://main/kv/payments/gateway"


def test_a_value_that_nobody_knows_still_opens_an_incident(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    rita.global_shortcut("leak_report")
    rita.modal(lambda each: each.callback_id == "leak_report_form")
    rita.submit({"value": "correct horse battery staple"})
    root_card(bot)
    assert bot.desk.reports[0].matches == ()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/leak help", "/leak uses"),
        ("/leak uses payments/gateway", "Deployment/api"),
        ("/leak readers payments/gateway", "Who can read"),
        ("/leak blast payments/gateway", "Where it lies"),
        ("/leak status", "No incident is open"),
        ("/leak uses nonsense-name", "Nothing in the graph is called"),
        ("/leak uses payments", "fits 2 things"),
        ("/leak frobnicate", "I do not know “frobnicate”"),
        ("/leak hunter2!", "I do not know that"),
        ("/leak status INC-99", "There is no incident"),
    ],
)
def test_questions_are_answered_to_the_one_who_asked(
    bot: RunningBot, command: str, expected: str
) -> None:
    rita = bot.workspace.as_user("rita")
    assert rita.command("general", command)
    found = rita.wait_for_message("general", lambda each: expected in each.all_text)
    assert found.ephemeral_to == "U0RITA"
    assert bot.workspace.as_user("sue").ephemerals("general") == []


def test_a_value_in_the_command_itself_is_taken_care_of(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    rita.command("general", f"/leak uses {bot.token}")
    answer = rita.wait_for_message("general", lambda each: "held a secret" in each.all_text)
    assert bot.token not in answer.all_text
    root_card(bot)
    nothing_leaked(bot)


def test_nothing_found_asks_for_the_form(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    posted = rita.post("general", "is this one? hunter2")
    rita.shortcut(posted, "leak_report_message")
    asked = rita.wait_for_message("general", lambda each: "No secret was" in each.all_text)
    rita.click(asked, "leak_report_open")
    rita.modal(lambda each: each.callback_id == "leak_report_form")
    assert bot.desk.reports == []


def test_two_secrets_in_one_message_are_two_incidents(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    other = f"acme_test_{secrets.token_hex(16)}"
    posted = rita.post("general", f"old {bot.token} new {other} and again {bot.token}")
    rita.shortcut(posted, "leak_report_message")
    rita.wait_for_message(
        "general", lambda each: "INC-1" in each.all_text and "INC-2" in each.all_text
    )
    assert len(bot.desk.kept) == 2


def test_the_reporter_may_not_approve_and_security_may(bot: RunningBot) -> None:
    report_by_shortcut(bot)
    rita, sue = bot.workspace.as_user("rita"), bot.workspace.as_user("sue")
    card = root_card(bot)
    assert rita.click(card, "plan_revoke_first")
    rita.wait_for_message("security", lambda each: "The plan is now" in each.all_text)
    rita.click(rita.latest(card), "approval_ask")
    request = sue.wait_for_message(
        "security", lambda each: "approval_review" in each.buttons and each.is_reply
    )
    rita.click(request, "approval_review")
    refusal = rita.wait_for_message("security", lambda each: "may not decide" in each.all_text)
    assert refusal.ephemeral_to == "U0RITA"
    assert "Ask Sue" in refusal.all_text
    assert bot.desk.case("INC-1").state is IncidentState.WAITING

    copy = sue.wait_for_message("@locksmith", lambda each: "approval_review" in each.buttons)
    sue.click(copy, "approval_review")
    sue.modal(lambda each: each.callback_id == "approval_give")
    assert sue.submit({"confirmation": "yes"}) == {
        "confirmation": "Type INC-1 exactly: part of this has no way back."
    }
    assert sue.submit({"confirmation": "inc-1"}) is None
    bot.workspace.wait_for(lambda: "approved" in sue.latest(request).all_text)
    bot.workspace.wait_for(lambda: "approval_review" not in sue.latest(copy).buttons)
    bot.workspace.wait_for(lambda: "run_stop" in sue.latest(card).buttons)
    assert "⏳" in sue.latest(card).all_text


def test_a_denial_needs_a_reason_and_a_late_click_is_told(bot: RunningBot) -> None:
    report_by_shortcut(bot)
    sue = bot.workspace.as_user("sue")
    card = root_card(bot)
    bot.workspace.as_user("rita").click(card, "approval_ask")
    request = sue.wait_for_message(
        "security", lambda each: "approval_deny" in each.buttons and each.is_reply
    )
    sue.click(request, "approval_deny")
    sue.modal(lambda each: each.callback_id == "approval_refuse")
    assert sue.submit({"reason": "wrong window"}) is None
    bot.workspace.wait_for(lambda: "wrong window" in sue.latest(request).all_text)
    assert bot.desk.case("INC-1").state is IncidentState.PLANNED


def test_an_older_request_is_redrawn_when_a_newer_one_is_made(bot: RunningBot) -> None:
    report_by_shortcut(bot)
    sue = bot.workspace.as_user("sue")
    card = root_card(bot)
    rita = bot.workspace.as_user("rita")
    rita.click(card, "approval_ask")
    old = sue.wait_for_message(
        "security", lambda each: "approval_deny" in each.buttons and each.is_reply
    )
    bot.desk.ask_approval("INC-1", bot.desk.case("INC-1").reporter)
    bot.workspace.wait_for(lambda: "replaced by a newer" in sue.latest(old).all_text)
    sue.wait_for_message(
        "security", lambda each: "approval_deny" in each.buttons and each.ts != old.ts
    )


def test_the_run_is_followed_on_the_card_and_closed_with_proof(bot: RunningBot) -> None:
    report_by_shortcut(bot)
    sue = bot.workspace.as_user("sue")
    card = root_card(bot)
    bot.desk.move("INC-1", IncidentState.STOPPED)
    bot.workspace.wait_for(lambda: "step_retry" in sue.latest(card).buttons)
    assert "❓" in sue.latest(card).all_text
    sue.wait_for_message("security", lambda each: "Stopped" in each.all_text and each.is_reply)
    sue.click(sue.latest(card), "step_skip")
    sue.modal(lambda each: each.callback_id == "step_skip_reason")
    assert sue.submit({"reason": "done by hand"}) is None
    bot.workspace.wait_for(lambda: "run_stop" in sue.latest(card).buttons)
    bot.desk.move("INC-1", IncidentState.VERIFIED)
    bot.workspace.wait_for(lambda: "incident_close" in sue.latest(card).buttons)
    sue.click(sue.latest(card), "incident_close")
    sue.wait_for_message("security", lambda each: "Evidence" in each.all_text and each.is_reply)
    sue.wait_for_message("security", lambda each: "audit checkpoint 9" in each.all_text)
    bot.wait_until_idle()
    notes = [each.text for each in sue.thread("security", card.ts)]
    assert len(notes) == len(set(notes))


def test_a_guest_is_refused_and_told_why(bot: RunningBot) -> None:
    gus = bot.workspace.as_user("gus")
    gus.command("general", "/leak uses payments/gateway")
    gus.wait_for_message("general", lambda each: "guest account" in each.all_text)


def test_a_shared_channel_is_refused(bot: RunningBot) -> None:
    rita = bot.workspace.as_user("rita")
    rita.command("partners", "/leak uses payments/gateway")
    refusal = rita.wait_for_message(
        "partners", lambda each: "another organisation" in each.all_text
    )
    assert "Deployment" not in refusal.all_text


def test_the_home_tab_shows_what_waits(bot: RunningBot) -> None:
    report_by_shortcut(bot)
    root_card(bot)
    sue = bot.workspace.as_user("sue")
    sue.open_home()
    sue.home(lambda each: "INC-1" in each.all_text)


def test_a_repeated_delivery_is_worked_once(bot: RunningBot) -> None:
    report_by_shortcut(bot)
    root_card(bot)
    bot.wait_until_idle()
    before = len(bot.desk.reports)
    for delivery in list(bot.workspace.deliveries):
        bot.workspace.repeat(delivery)
    rita = bot.workspace.as_user("rita")
    rita.command("general", "/leak help")
    rita.wait_for_message("general", lambda each: "/leak uses" in each.all_text)
    bot.wait_until_idle()
    assert len(bot.desk.reports) == before


def test_a_lost_reply_makes_no_second_card(bot: RunningBot) -> None:
    bot.workspace.fail_next("chat.postMessage", after_processing=True, drop=True)
    bot.desk.put(make_case())
    card = root_card(bot)
    bot.wait_until_idle()
    sue = bot.workspace.as_user("sue")
    bot.workspace.wait_for(lambda: len(sue.thread("security", card.ts)) > 1)
    bot.wait_until_idle()
    assert len([each for each in sue.messages("security") if "CRITICAL" in each.all_text]) == 1


def test_a_card_that_was_never_posted_is_posted_after_the_fault(bot: RunningBot) -> None:
    bot.workspace.fail_next("chat.postMessage", status=429, retry_after=1)
    bot.desk.put(make_case())
    root_card(bot)


def test_a_deleted_card_comes_back(bot: RunningBot) -> None:
    report_by_shortcut(bot)
    card = root_card(bot)
    bot.wait_until_idle()
    bot.workspace.as_user("ada").delete(card)  # an admin may
    bot.desk.move("INC-1", IncidentState.RUNNING)
    sue = bot.workspace.as_user("sue")
    sue.wait_for_message(
        "security",
        lambda each: "run_stop" in each.buttons and each.ts != card.ts,
    )


def test_a_defect_is_told_without_its_content(
    bot: RunningBot, capfd: pytest.CaptureFixture[str]
) -> None:
    bot.desk.fault = ValueError(f"the value was {bot.token}")
    rita = bot.workspace.as_user("rita")
    rita.command("general", "/leak status INC-1")
    told = rita.wait_for_message("general", lambda each: "itself broke" in each.all_text)
    assert bot.token not in told.all_text
    bot.wait_until_idle()
    captured = capfd.readouterr()
    assert bot.token not in captured.out + captured.err
    assert "Traceback" not in captured.out + captured.err


def test_a_store_that_is_down_is_tried_again(bot: RunningBot) -> None:
    bot.desk.fault = UnavailableError("The database did not answer.")
    rita = bot.workspace.as_user("rita")
    rita.command("general", "/leak status INC-1")
    eventually(lambda: bot.inbox.waiting() == 1)
    bot.desk.put(make_case())
    bot.desk.put(replace(make_case(), id="INC-1"))
    bot.desk.fault = None
    rita.wait_for_message("general", lambda each: "INC-1" in each.all_text)


def test_many_clicks_at_once_are_acknowledged_in_time_and_none_is_lost(bot: RunningBot) -> None:
    bot.desk.put(make_case(state=IncidentState.STOPPED))
    card = root_card(bot)
    rita = bot.workspace.as_user("rita")
    for _ in range(20):
        rita.click(card, "step_retry", wait=False)
    bot.wait_until_idle()
    eventually(lambda: bot.desk.case("INC-7").revision >= 20)
    assert bot.workspace.complaints == []
