"""What stands before every listener: commit first, or no acknowledgement."""

from pathlib import Path

import pytest
from slack_bolt import BoltContext, BoltResponse

from bot.inbox import Inbox, inbox_key
from bot.slack.app import commit_first
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
from bot.worker import ERRANDS
from graph.database import Database
from graph.errors import UnavailableError
from tests.bot.test_inbox import Clock

COMMAND = {"command": "/leak", "text": "help", "trigger_id": "1.2", "user_id": "U0RITA"}


def run(inbox: Inbox, body: dict[str, object], *, scan: bool = True) -> tuple[BoltResponse, bool]:
    reached = []

    def proceed() -> BoltResponse:
        reached.append(True)
        return BoltResponse(status=200, body="listener")

    middleware = commit_first(inbox, scan_messages=scan)
    return middleware(body=body, context=BoltContext(), next=proceed), bool(reached)


def inbox_in(folder: Path, *, with_tables: bool = True) -> Inbox:
    database = Database(f"sqlite:///{folder / 'app.sqlite'}")
    if with_tables:
        database.create_all()
    return Inbox(database.engine, inbox_key("k"), clock=Clock())


def test_a_payload_that_cannot_be_kept_is_not_acknowledged(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        run(inbox_in(tmp_path, with_tables=False), dict(COMMAND))


def test_the_listener_runs_once_for_two_deliveries(tmp_path: Path) -> None:
    inbox = inbox_in(tmp_path)
    assert run(inbox, dict(COMMAND))[1]
    response, reached = run(inbox, dict(COMMAND))
    assert (response.status, reached) == (200, False)


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
def test_what_is_not_ours_is_answered_and_never_reaches_bolts_log(
    tmp_path: Path, body: dict[str, object]
) -> None:
    inbox = inbox_in(tmp_path)
    response, reached = run(inbox, body)
    assert (response.status, reached) == (200, False)
    assert inbox.waiting() == 0


def test_messages_are_not_even_taken_in_where_scanning_is_off(tmp_path: Path) -> None:
    inbox = inbox_in(tmp_path)
    event = {"type": "event_callback", "event_id": "E1", "event": {"type": "message", "text": "x"}}
    run(inbox, event, scan=False)
    assert inbox.waiting() == 0


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
