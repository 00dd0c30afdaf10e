"""300 consumers: ten on the card, all of them by owner in the thread, and as a file, once."""

from dataclasses import replace

import pytest

from bot.sandbox.workspace.messages import Message
from responders.incident import IncidentState
from tests.bot.cases import make_case
from tests.bot.slack.conftest import RunningBot, eventually

COUNT = 300


def thread(bot: RunningBot) -> tuple[Message, list[Message]]:
    sue = bot.workspace.as_user("sue")
    (card,) = [m for m in sue.messages("security") if "CRITICAL" in m.all_text]
    return card, sue.thread("#security", card.ts)[1:]


def settled(bot: RunningBot, words: str) -> None:
    sue = bot.workspace.as_user("sue")
    sue.wait_for_message("security", lambda m: words in m.all_text, timeout=45)
    bot.wait_until_idle()


def test_all_of_them_are_a_click_away_and_the_file_is_there_once(bot: RunningBot) -> None:
    bot.workspace.fail_next("files.completeUploadExternal", drop=True, after_processing=True)
    case = bot.desk.put(make_case(state=IncidentState.PLANNED, consumers=COUNT))
    settled(bot, "All 300, by owner and one by one")
    eventually(lambda: any(m.files for m in thread(bot)[1]))
    bot.wait_until_idle()
    card, replies = thread(bot)
    (note,) = [m for m in replies if "*All 300 consumers, by owner*" in m.all_text]
    assert f"archives/C0SECURITY/p{note.ts.replace('.', '')}" in card.all_text
    assert "the file below" in note.all_text
    (shared,) = [m for m in replies if m.files]
    kept = bot.workspace.state.files[shared.files[0]["id"]]
    assert kept.content is not None
    lines = kept.content.decode().splitlines()
    assert len(lines) == COUNT + 1
    assert all(
        any(str(each.workload).rpartition("/")[2] in line for line in lines)
        for each in case.blast_radius.consumers
    )

    bot.desk.put(replace(case, next_action="Something else changed."))
    settled(bot, "Something else changed.")
    assert len([m for m in thread(bot)[1] if m.files]) == 1, "the same list is not shared again"
    radius = replace(case.blast_radius, consumers=case.blast_radius.consumers[:-1])
    bot.desk.put(replace(case, blast_radius=radius))
    settled(bot, "All 299, by owner and one by one")
    eventually(lambda: len([m for m in thread(bot)[1] if m.files]) == 2)


@pytest.mark.parametrize("bot", [("files:write",)], indirect=True)
def test_without_the_scope_the_command_that_lists_them_is_named(bot: RunningBot) -> None:
    bot.desk.put(make_case(state=IncidentState.PLANNED, consumers=COUNT))
    settled(bot, "All 300, by owner and one by one")
    _, replies = thread(bot)
    (note,) = [m for m in replies if "*All 300 consumers, by owner*" in m.all_text]
    assert "locksmith incident show" in note.all_text
    assert not [m for m in replies if m.files]
    assert not [each for each in bot.workspace.received if each.method.startswith("files.")]
