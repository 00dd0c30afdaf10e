"""Whatever can be pressed, sent or asked: only a full member of the workspace gets anywhere."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from sqlmodel import Session, select

from bot.outbox import OutboxRow
from bot.worker import ERRANDS
from graph.database import Database
from responders.incident import IncidentState
from tests.bot.cases import make_case
from tests.bot.slack.conftest import BOT, RunningBot

KINDS: Mapping[str, tuple[dict[str, object], str]] = {
    "a guest": ({"is_restricted": True}, "guest account"),
    "a guest of one channel": ({"is_ultra_restricted": True}, "guest account"),
    "a stranger": ({"is_stranger": True, "team_id": "T0OTHER"}, "another organisation"),
    "one of another workspace": ({"team_id": "T0OTHER"}, "another organisation"),
    "a deactivated user": ({"deleted": True}, "deactivated"),
    "a workflow": ({"is_bot": True}, "a bot or a workflow"),
}
# What concerns the message that a person has posted, whoever they are; the rest is no person's.
THEIR_OWN = {("action", "sighting_removed")}
BY_PEOPLE = [
    (kind, name)
    for kind, name in ERRANDS
    if kind in {"action", "command", "shortcut", "view"} and (kind, name) not in THEIR_OWN
]


def payload(kind: str, name: str, user: str) -> dict[str, object]:
    """What Slack sends when this user presses, types or submits it in the security channel."""
    asker = {"id": user}
    if kind == "command":
        return {"command": name, "text": "uses payments/gateway", "user_id": user}
    if kind == "shortcut":
        message = {"text": "pgw_live_0123456789", "ts": "1.0", "user": "U0RITA"}
        return {"type": "message_action", "callback_id": name, "user": asker, "message": message}
    if kind == "view":
        values = {"reason": {"typed": {"type": "plain_text_input", "value": "so it is"}}}
        ids = orjson.dumps({"incident": "INC-7", "request": "req-1"}).decode()
        view = {"callback_id": name, "private_metadata": ids, "state": {"values": values}}
        return {"type": "view_submission", "user": asker, "view": view}
    action = {"action_id": name, "value": "INC-7:step-1", "type": "button"}
    where = {"id": "C0SECURITY"}
    return {"type": "block_actions", "user": asker, "channel": where, "actions": [action]}


def said_to(bot: RunningBot, user: str) -> list[str]:
    """What is on its way to a user, as it lies in the outbox."""
    database = Database(f"sqlite:///{bot.database}")
    with Session(database.engine) as session:
        rows = session.exec(select(OutboxRow)).all()
    database.close()
    return [row.content for row in rows if user in {row.address, row.channel}]


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_else_changes_or_learns_anything(bot: RunningBot, kind: str) -> None:
    fields, why = KINDS[kind]
    bot.workspace.change_channel("security", members=("U0SUE", "U0ADA", BOT))
    bot.workspace.change_user("ada", **fields)  # an administrator, even
    before = bot.desk.put(make_case(state=IncidentState.WAITING))
    for errand, name in BY_PEOPLE:
        bot.inbox.put("", payload(errand, name, "U0ADA"), kind=errand, name=name)
    bot.worker.stop()  # what is under way is finished
    while bot.worker.work_one():
        pass
    assert bot.desk.case("INC-7") == before
    assert not bot.desk.reports
    told = said_to(bot, "U0ADA")
    assert len(told) == len(BY_PEOPLE)
    for words in told:
        assert why in words
        assert "Nothing was changed." in words
        assert "Ask a full member of this workspace" in words
        assert "payments" not in words
    assert not bot.workspace.state.modals.get("U0ADA")


def test_colleagues_of_the_same_enterprise_grid_are_no_strangers(bot: RunningBot) -> None:
    """And a workspace elsewhere is, whatever it says its enterprise is called."""
    bot.workspace.state.shape = replace(bot.workspace.state.shape, enterprise_id="E0OURS")
    bot.clock.ahead += timedelta(hours=2)  # what was known of the workspace lapses
    bot.workspace.change_user("ada", team_id="T0SISTER", enterprise_id="E0OURS")
    bot.workspace.change_user("rita", team_id="T0OTHER", enterprise_id="E0THEIRS")
    for name, words in (("ada", "Deployment/api"), ("rita", "another organisation")):
        person = bot.workspace.as_user(name)
        bot.workspace.change_channel("general", members=("U0RITA", "U0ADA", BOT))
        assert person.command("general", "/leak uses payments/gateway")
        person.wait_for_message("general", lambda each, words=words: words in each.all_text)
