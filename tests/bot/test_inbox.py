"""The inbox keeps a payload once, sealed, gives it to one worker, and purges it."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.inbox import Entry, Inbox, inbox_key
from graph.database import Database

PAYLOAD = {"text": "pgw_live_planted_value_0123456789"}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'inbox.sqlite'}")
    database.create_all()
    yield database
    database.close()


@pytest.fixture
def inbox(database: Database, clock: Clock) -> Inbox:
    return Inbox(database.engine, inbox_key("installation"), clock=clock)


def put(inbox: Inbox, key: str = "trigger:1", *, resting: float = 0, urgent: bool = True) -> str:
    return inbox.put(
        key, PAYLOAD, kind="command", name="/leak", urgent=urgent, resting_seconds=resting
    )


def take(inbox: Inbox) -> Entry:
    entry = inbox.take()
    assert entry is not None
    return entry


def test_a_second_delivery_under_the_same_key_makes_no_second_entry(inbox: Inbox) -> None:
    assert put(inbox) == "trigger:1"
    assert put(inbox) == ""
    inbox.done(take(inbox))
    assert put(inbox) == "", "also after it was worked"
    assert inbox.take() is None


def test_of_many_deliveries_at_once_one_counts(inbox: Inbox) -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(put(inbox))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [""] * 7 + ["trigger:1"]


def test_a_payload_without_an_id_of_slack_is_known_by_its_content(inbox: Inbox) -> None:
    assert put(inbox, "").startswith("digest:")
    assert put(inbox, "") == ""


def test_nothing_readable_lies_in_the_database(inbox: Inbox, tmp_path: Path) -> None:
    put(inbox)
    assert take(inbox).payload == PAYLOAD
    for file in tmp_path.iterdir():
        assert b"planted_value" not in file.read_bytes()


def test_the_payload_is_not_in_the_repr_of_an_entry(inbox: Inbox) -> None:
    put(inbox)
    assert "planted" not in repr(take(inbox))


def test_two_workers_never_hold_one_entry_and_a_lapsed_lease_is_taken_over(
    inbox: Inbox, clock: Clock
) -> None:
    put(inbox)
    first = take(inbox)
    assert inbox.take() is None
    clock.pass_seconds(61)
    second = take(inbox)
    assert second.attempts == 2
    inbox.done(first)  # too late: the lease is not its own any more
    assert inbox.waiting() == 1
    inbox.done(second)
    assert inbox.waiting() == 0


def test_an_entry_that_rests_waits_for_its_moment(inbox: Inbox, clock: Clock) -> None:
    put(inbox, resting=0.5)
    put(inbox, "trigger:2")
    assert inbox.waiting() == 2
    assert take(inbox).key == "trigger:2"
    assert inbox.take() is None
    clock.pass_seconds(0.5)
    assert take(inbox).key == "trigger:1"


def test_a_discarded_entry_is_never_taken(inbox: Inbox, clock: Clock) -> None:
    inbox.put("spill:1", PAYLOAD, kind="spill", name="remind", after_seconds=60)
    assert inbox.waiting() == 0, "what is due later is nothing that waits"
    inbox.discard("spill:1")
    clock.pass_seconds(100)
    assert inbox.take() is None
    assert put(inbox, "spill:1") == ""


def test_urgent_entries_come_first(inbox: Inbox) -> None:
    put(inbox, "event:1", urgent=False)
    put(inbox, "trigger:1")
    assert take(inbox).key == "trigger:1"


def test_an_entry_of_another_installation_key_is_given_up(
    inbox: Inbox, database: Database, clock: Clock
) -> None:
    put(inbox)
    other = Inbox(database.engine, inbox_key("another"), clock=clock)
    assert other.take() is None
    assert other.waiting() == 0


def test_what_waits_when_the_key_is_changed_is_still_read(
    inbox: Inbox, database: Database, clock: Clock
) -> None:
    put(inbox)
    later = Inbox(
        database.engine, inbox_key("later"), clock=clock, previous=[inbox_key("installation")]
    )
    assert take(later).payload == PAYLOAD


def test_finished_entries_are_forgotten_after_slacks_last_redelivery(
    inbox: Inbox, clock: Clock
) -> None:
    put(inbox)
    inbox.give_up(take(inbox))
    clock.pass_seconds(3600)
    assert inbox.forget(older_than=timedelta(days=2)) == 0
    clock.pass_seconds(3 * 86400)
    assert inbox.forget(older_than=timedelta(days=2)) == 1
