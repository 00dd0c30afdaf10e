"""A secret in a message: who is asked, reminded and told, and what counts as gone."""

from datetime import timedelta

import pytest

from bot.sandbox.workspace.messages import Message
from graph.errors import UnavailableError
from responders.incident import IncidentState
from tests.bot.slack.conftest import RunningBot, eventually


def spill(bot: RunningBot, *, by: str = "rita", channel: str = "general") -> Message:
    return bot.workspace.as_user(by).post(channel, f"token is {bot.token}")


def asked_of(bot: RunningBot, name: str = "rita") -> Message:
    person = bot.workspace.as_user(name)
    return person.wait_for_message("@locksmith", lambda each: "sighting_removed" in each.buttons)


def told(bot: RunningBot, name: str, words: str, channel: str = "@locksmith") -> Message:
    person = bot.workspace.as_user(name)
    return person.wait_for_message(channel, lambda each: words in each.all_text)


def reminders(bot: RunningBot) -> list[Message]:
    rita = bot.workspace.as_user("rita")
    return [each for each in rita.messages("@locksmith") if "still holds" in each.all_text]


def pass_minutes(bot: RunningBot, minutes: float) -> None:
    bot.clock.ahead += timedelta(minutes=minutes)
    bot.inbox.wake()


def test_author_and_reporter_are_told_in_private_with_the_permalink(bot: RunningBot) -> None:
    rita, sue = bot.workspace.as_user("rita"), bot.workspace.as_user("sue")
    posted = rita.post("general", f"why does this fail? {bot.token} thanks")
    assert sue.shortcut(posted, "leak_report_message")
    asked = asked_of(bot)
    receipt = told(bot, "sue", "was asked in private")
    link = bot.workspace.core.permalink(posted)
    for message in (asked, receipt):
        assert link in [element.get("url") for element in message.elements]
        assert bot.token not in message.all_text
    assert "<@U0RITA>" in receipt.all_text
    assert "do not quote it" in receipt.all_text
    # It opened the incident, or joined the one of the channel's own event: that was quicker then.
    sue.wait_for_message("general", lambda m: m.ephemeral_to == sue.id and "INC-1" in m.all_text)


def test_reminders_then_the_security_channel_then_quiet_and_a_settled_alarm(
    bot: RunningBot,
) -> None:
    posted = spill(bot)
    asked = asked_of(bot)
    bot.wait_until_idle()
    assert reminders(bot) == []
    pass_minutes(bot, 5.1)
    first = told(bot, "rita", "5 minutes after it was found")
    assert "sighting_removed" in first.buttons
    bot.wait_until_idle()
    sue = bot.workspace.as_user("sue")
    assert not [m for m in sue.messages("security") if "still stands" in m.all_text]
    pass_minutes(bot, 10)
    told(bot, "rita", "15 minutes after it was found")
    alarm = told(bot, "sue", "still stands in #general", "security")
    assert "<@U0RITA>" in alarm.all_text
    assert "was asked 3 times" in alarm.all_text
    kinds = [kind for _, kind, _ in bot.desk.notes]
    assert kinds == ["reminded", "reminded", "escalated"]
    bot.workspace.as_user("rita").delete(posted)
    bot.workspace.wait_for(lambda: "does not stand there any more" in sue.latest(alarm).all_text)
    bot.workspace.wait_for(
        lambda: "Slack says so itself" in bot.workspace.as_user("rita").latest(asked).all_text
    )
    bot.workspace.wait_for(lambda: reminders(bot) == [])
    assert bot.desk.removals[0][2] == "verified"


@pytest.mark.parametrize("end", ["deleted", "closed"])
def test_nobody_is_reminded_once_it_is_over(bot: RunningBot, end: str) -> None:
    posted = spill(bot)
    asked_of(bot)
    bot.wait_until_idle()
    if end == "deleted":
        bot.workspace.as_user("rita").delete(posted)
        eventually(lambda: bool(bot.desk.removals))
    else:
        bot.desk.plan("INC-1")
        bot.desk.move("INC-1", IncidentState.CLOSED)
    pass_minutes(bot, 60)
    bot.wait_until_idle()
    assert reminders(bot) == []
    assert bot.desk.notes == []


def test_a_deletion_that_no_event_told_of_is_seen_before_reminding(bot: RunningBot) -> None:
    posted = spill(bot)
    asked_of(bot)
    bot.wait_until_idle()
    with bot.workspace.state.change():  # as if the event got lost
        del bot.workspace.state.messages[posted.channel, posted.ts]
    pass_minutes(bot, 6)
    eventually(lambda: bool(bot.desk.removals))
    assert bot.desk.removals[0][2] == "verified"
    assert reminders(bot) == []


def test_what_is_due_survives_a_restart(bot: RunningBot) -> None:
    spill(bot)
    asked_of(bot)
    bot.wait_until_idle()
    bot.worker.stop()
    pass_minutes(bot, 5.1)
    assert reminders(bot) == []
    bot.worker.start()
    told(bot, "rita", "5 minutes after it was found")
    bot.wait_until_idle()
    assert len(reminders(bot)) == 1


def test_im_done_is_checked_where_the_bot_may_look(bot: RunningBot) -> None:
    posted = spill(bot)
    asked = asked_of(bot)
    rita = bot.workspace.as_user("rita")
    assert rita.click(asked, "sighting_removed")
    told(bot, "rita", "Slack still shows the message")
    assert bot.desk.removals == []
    rita.delete(posted)
    bot.workspace.wait_for(lambda: "sighting_removed" not in rita.latest(asked).buttons)


@pytest.mark.parametrize("bot", [("channels:history", "groups:history")], indirect=True)
def test_where_the_bot_may_not_look_it_is_the_authors_word(bot: RunningBot) -> None:
    rita, sue = bot.workspace.as_user("rita"), bot.workspace.as_user("sue")
    posted = rita.post("general", f"look: {bot.token}")
    assert sue.shortcut(posted, "leak_report_message")
    asked = asked_of(bot)
    assert rita.click(asked, "sighting_removed")
    told(bot, "rita", "noted under your name")
    assert bot.desk.removals == [("INC-1", bot.desk.reports[0].where, "claimed")]
    pass_minutes(bot, 60)
    bot.wait_until_idle()
    assert reminders(bot) == []


def test_an_edit_that_takes_the_value_out_is_not_a_deletion_and_says_so(bot: RunningBot) -> None:
    posted = spill(bot)
    asked = asked_of(bot)
    bot.wait_until_idle()
    rita = bot.workspace.as_user("rita")
    edited = rita.edit(posted, "token is gone now")
    bot.workspace.wait_for(lambda: "An edit is not a deletion" in rita.latest(asked).all_text)
    assert bot.desk.removals[-1][2] == "edited"
    pass_minutes(bot, 60)
    bot.wait_until_idle()
    assert reminders(bot) == []
    rita.edit(edited, f"here again: {bot.token}")
    bot.workspace.wait_for(
        lambda: sum("Delete it now" in m.all_text for m in rita.messages("@locksmith")) == 1
    )
    rita.delete(rita.latest(posted))
    eventually(lambda: bot.desk.removals[-1][2] == "verified")


def test_another_edit_of_a_message_that_still_holds_it_adds_nothing(bot: RunningBot) -> None:
    posted = spill(bot)
    asked_of(bot)
    bot.wait_until_idle()
    bot.workspace.as_user("rita").edit(posted, f"it is {bot.token}, I mean")
    bot.wait_until_idle()
    assert len({report.once for report in bot.desk.reports}) == 1
    assert bot.desk.removals == []


def test_what_was_deleted_before_anybody_looked_is_an_incident_all_the_same(
    bot: RunningBot,
) -> None:
    bot.worker.stop()
    posted = spill(bot)
    bot.workspace.as_user("rita").delete(posted)
    bot.worker.start()
    eventually(lambda: bool(bot.desk.removals))
    assert bot.desk.removals[0][2] == "verified"


def test_who_could_see_it_is_counted(bot: RunningBot) -> None:
    spill(bot)
    asked_of(bot)
    eventually(lambda: bot.desk.kept["INC-1"].sightings[0].exposure is not None)
    exposure = bot.desk.kept["INC-1"].sightings[0].exposure
    assert exposure is not None
    assert (exposure.people, exposure.guests, exposure.outsiders, exposure.apps) == (3, 1, 0, 1)
    assert exposure.open_to_all
    sue = bot.workspace.as_user("sue")
    sue.wait_for_message(
        "security", lambda m: "3 people (1 guest) and 1 app, open to the whole" in m.all_text
    )


def test_without_an_admins_token_nothing_is_deleted(bot: RunningBot) -> None:
    posted = spill(bot)
    asked_of(bot)
    bot.wait_until_idle()
    assert bot.token in bot.workspace.as_user("rita").latest(posted).text
    assert not [each for each in bot.workspace.received if each.method == "chat.delete"]


def test_an_admins_token_deletes_at_once_and_the_event_proves_it(erasing_bot: RunningBot) -> None:
    bot = erasing_bot
    rita = bot.workspace.as_user("rita")
    posted = rita.post("general", f"token is {bot.token}")
    eventually(lambda: bool(bot.desk.removals))
    assert bot.desk.removals[0][2] == "verified"
    assert posted.ts not in [each.ts for each in rita.messages("general")]
    assert [kind for _, kind, _ in bot.desk.notes] == ["intent", "receipt"]
    told(bot, "rita", "Locksmith deleted your message")


def test_no_audit_row_no_deletion(erasing_bot: RunningBot) -> None:
    bot = erasing_bot
    bot.desk.audit_fault = UnavailableError("The database did not answer.")
    posted = spill(bot)
    eventually(lambda: bool(bot.desk.reports))
    eventually(lambda: bot.inbox.waiting() == 1)
    assert bot.token in bot.workspace.as_user("rita").latest(posted).text
    bot.desk.audit_fault = None
    eventually(lambda: bool(bot.desk.removals), 20)


def test_a_token_without_the_right_is_written_down_and_the_author_is_asked(
    erasing_bot: RunningBot,
) -> None:
    bot = erasing_bot
    bot.workspace.change_user("ada", is_admin=False)
    spill(bot)
    asked_of(bot)
    kinds = [(kind, sentence) for _, kind, sentence in bot.desk.notes]
    assert kinds[0][0] == "intent"
    assert "cant_delete_message" in kinds[1][1]
