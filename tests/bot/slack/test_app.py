"""What comes from Slack: ours or not, complete or not, committed or not acknowledged."""

from pathlib import Path
from typing import Any

import pytest
from slack_bolt import Ack, BoltResponse

from bot.inbox import Inbox, inbox_key
from bot.slack.app import only_ours
from bot.slack.hand_over import hand_over, unconfirmed
from bot.slack.payloads import (
    ACTIONS,
    COMMAND_NAME,
    EVENTS,
    FORMS,
    SHORTCUTS,
    asked,
    form_values,
    metadata,
    new_entry,
)
from bot.slack.views.forms import busy_view
from bot.worker import ERRANDS
from graph.database import Database
from graph.errors import UnavailableError
from tests.bot.test_inbox import Clock

COMMAND: dict[str, Any] = {
    "command": "/leak",
    "text": "help",
    "trigger_id": "1.2",
    "user_id": "U0RITA",
}
FORM: dict[str, Any] = {
    "type": "view_submission",
    "trigger_id": "1.3",
    "token": "of Slack",
    "view": {"callback_id": "approval_give", "private_metadata": '{"confirm": "inc-1"}'},
}


def inbox_in(folder: Path, *, with_tables: bool = True) -> Inbox:
    database = Database(f"sqlite:///{folder / 'app.sqlite'}")
    if with_tables:
        database.create_all()
    return Inbox(database.engine, inbox_key("k"), clock=Clock())


def reaches_a_listener(body: dict[str, object], *, scan: bool = True) -> bool:
    reached = []

    def proceed() -> BoltResponse:
        reached.append(True)
        return BoltResponse(status=200, body="listener")

    response = only_ours(scan_messages=scan)(body=body, next=proceed)
    assert response.status == 200
    return bool(reached)


def test_a_payload_that_cannot_be_kept_is_not_acknowledged(tmp_path: Path) -> None:
    ack = Ack()
    with pytest.raises(UnavailableError):
        hand_over(inbox_in(tmp_path, with_tables=False))(ack, COMMAND)
    assert ack.response is None


def test_of_two_deliveries_one_is_worked_and_redraws_its_form(tmp_path: Path) -> None:
    inbox = inbox_in(tmp_path)
    listen = hand_over(inbox, view=busy_view("Approving"))
    assert "Approving" in str(listen(Ack(), FORM).body)
    assert listen(Ack(), FORM).body == "", "the form shows the outcome by then"
    assert inbox.waiting() == 1


def test_a_form_that_is_incomplete_stays_open_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    inbox = inbox_in(tmp_path)
    listen = hand_over(inbox, wrong=unconfirmed("Type {wanted} exactly."))
    said = str(listen(Ack(), FORM).body)
    assert "Type inc-1 exactly." in said
    assert inbox.waiting() == 0
    typed = {"values": {"confirmation": {"x": {"value": "INC-1 "}}}}
    listen(Ack(), {**FORM, "view": {**FORM["view"], "state": typed}})
    assert inbox.waiting() == 1


def test_nothing_of_the_envelope_is_kept(tmp_path: Path) -> None:
    clock = Clock()
    database = Database(f"sqlite:///{tmp_path / 'app.sqlite'}")
    database.create_all()
    inbox = Inbox(database.engine, inbox_key("k"), clock=clock)
    hand_over(inbox)(Ack(), FORM)
    assert inbox.take() is None, "a form rests until its acknowledgement is on the screen"
    clock.pass_seconds(1)
    entry = inbox.take()
    assert entry is not None
    assert set(entry.payload) == {"type", "trigger_id", "view"}


@pytest.mark.parametrize(
    "body",
    [
        {"type": "block_actions", "actions": [{"action_id": "message_open"}], "trigger_id": "1"},
        {"type": "view_closed", "view": {"callback_id": "leak_report_form"}},
        {"type": "event_callback", "event": {"type": "message", "subtype": "channel_join"}},
        {"command": "/other", "trigger_id": "1"},
        {},
    ],
)
def test_what_is_not_ours_is_answered_and_never_reaches_bolts_log(body: dict[str, object]) -> None:
    assert not reaches_a_listener(body)


def test_messages_are_not_even_taken_in_where_scanning_is_off() -> None:
    event = {"type": "event_callback", "event_id": "E1", "event": {"type": "message", "text": "x"}}
    assert reaches_a_listener(event)
    assert not reaches_a_listener(event, scan=False)


def test_each_name_that_can_arrive_has_an_errand() -> None:
    wanted = {("event", name) for name in EVENTS} | {("shortcut", name) for name in SHORTCUTS}
    wanted |= {("action", name) for name in ACTIONS} | {("view", name) for name in FORMS}
    wanted |= {("spill", name) for name in ("count", "remind", "erase", "confirm")}
    assert set(ERRANDS) == wanted | {("command", COMMAND_NAME), ("hook", "delivery")}


def test_payloads_of_odd_shapes_are_read_without_falling_over() -> None:
    assert new_entry({"type": "block_actions"}) is None
    assert asked({"type": "block_actions"}).user == ""
    assert form_values({"view": {"state": {"values": {"a": {"b": {"value": None}}}}}}) == {"a": ""}
    assert metadata({"view": {"private_metadata": "not json"}}) == {}
    assert metadata({"view": {"private_metadata": "[1]"}}) == {}
