"""The outbox sends once, honours Slack's limits, and the newest card wins."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.courier import Courier, Outgoing
from bot.outbox import DENIED, FAILED, GONE, LOST, SENT, WAITING, Outbox, update_key
from bot.slack.views.blocks import Message
from bot.slack_api import LostReplyError, MessageGoneError, TokenRefusedError
from graph.database import Database
from graph.errors import AccessDeniedError, LocksmithError, NotFoundError, UnavailableError


class Line:
    """Stands where Slack would: remembers what came, fails as told."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.faults: list[LocksmithError] = []
        self.found: tuple[str, str] | LocksmithError | None = None

    def send(self, outgoing: Outgoing) -> tuple[str, str]:
        self.sent.append(outgoing)
        if self.faults:
            raise self.faults.pop(0)
        return outgoing.channel, f"{len(self.sent)}.0"

    def find(self, outgoing: Outgoing) -> tuple[str, str] | None:
        if isinstance(self.found, LocksmithError):
            raise self.found
        return self.found


class Desk:
    """An outbox, a courier and a clock that moves when told."""

    def __init__(self, database: Database) -> None:
        self.now = datetime(2026, 11, 23, tzinfo=UTC)
        self.line = Line()
        self.outbox = Outbox(database.engine, clock=lambda: self.now)
        self.courier = Courier(self.outbox, self.line, clock=lambda: self.now)

    def send(self, *, after: float = 0) -> None:
        self.now += timedelta(seconds=after)
        self.courier.send_due()

    def state(self, key: str) -> str:
        delivery = self.outbox.delivery(key)
        assert delivery is not None
        return delivery.state


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'outbox.sqlite'}")
    database.create_all()
    yield Desk(database)
    database.close()


def words(text: str) -> Message:
    return Message(text, ())


def test_a_post_is_sent_once_under_its_key(desk: Desk) -> None:
    desk.outbox.post("a", "C1", words("one"))
    desk.outbox.post("a", "C1", words("one"))
    desk.send()
    desk.send()
    assert [each.text for each in desk.line.sent] == ["one"]
    delivery = desk.outbox.delivery("a")
    assert delivery is not None
    assert (delivery.state, delivery.ts) == (SENT, "1.0")


def test_of_many_updates_of_a_card_the_newest_is_sent_once_a_second(desk: Desk) -> None:
    for number in range(5):
        desk.outbox.update("C1", "1.0", words(f"state {number}"))
    desk.send()
    assert [each.text for each in desk.line.sent] == ["state 4"]
    desk.outbox.update("C1", "1.0", words("state 5"))
    desk.send(after=0.5)
    assert len(desk.line.sent) == 1
    desk.outbox.update("C1", "1.0", words("state 6"))
    desk.send(after=0.6)
    assert [each.text for each in desk.line.sent[1:]] == ["state 6"]


@pytest.mark.parametrize("fault", [MessageGoneError("deleted"), LocksmithError("refused")])
def test_what_is_new_after_a_refused_update_does_not_wait(
    desk: Desk, fault: LocksmithError
) -> None:
    # Whether the message is gone must be known at once: only then is it posted anew.
    desk.line.faults = [fault, fault]
    desk.outbox.update("C1", "1.0", words("state 0"))
    desk.send()
    desk.outbox.update("C1", "1.0", words("state 1"))
    desk.send(after=0.1)
    assert [each.text for each in desk.line.sent] == ["state 0", "state 1"]


def test_updates_of_all_cards_stay_below_forty_a_minute(desk: Desk) -> None:
    for second in range(60):
        for card in range(10):
            desk.outbox.update("C1", f"{card}.0", words(f"at {second}"))
        desk.send(after=1)
    assert len(desk.line.sent) <= 40


def test_too_many_requests_is_honoured(desk: Desk) -> None:
    desk.line.faults = [UnavailableError("slow down", retry_after=30)]
    desk.outbox.post("a", "C1", words("one"))
    desk.outbox.post("b", "C1", words("two"))
    desk.send()
    desk.send(after=29)
    assert len(desk.line.sent) == 1
    desk.send(after=2)
    assert desk.state("a") == SENT
    assert desk.state("b") == SENT


def test_a_post_whose_reply_was_lost_is_found_and_not_repeated(desk: Desk) -> None:
    desk.line.faults = [LostReplyError("no answer")]
    desk.line.found = ("C1", "9.9")
    desk.outbox.post("a", "C1", words("one"))
    desk.send()
    assert desk.state("a") == LOST
    desk.send(after=5)
    assert desk.state("a") == SENT
    assert len(desk.line.sent) == 1


def test_a_lost_post_that_is_not_there_is_sent_again(desk: Desk) -> None:
    desk.line.faults = [LostReplyError("no answer")]
    desk.outbox.post("a", "C1", words("one"))
    desk.send()
    desk.send(after=5)
    assert len(desk.line.sent) == 2


def test_where_nobody_may_look_the_repeat_says_so(desk: Desk) -> None:
    desk.line.faults = [LostReplyError("no answer")]
    desk.line.found = AccessDeniedError("no history scope")
    desk.outbox.post("a", "C1", words("one"))
    desk.send()
    desk.send(after=5)
    assert desk.line.sent[1].doubtful


def test_a_post_of_a_process_that_died_is_looked_for(desk: Desk) -> None:
    desk.outbox.post("a", "C1", words("one"))
    (row,) = desk.outbox.due()
    assert desk.outbox.claim(row)  # and then the process is gone
    desk.line.found = ("C1", "9.9")
    desk.send(after=61)
    assert desk.line.sent == []
    assert desk.state("a") == SENT


def test_what_slack_refuses_is_not_tried_forever(desk: Desk) -> None:
    desk.line.faults = [NotFoundError("gone")]
    desk.outbox.post("a", "C1", words("one"))
    desk.send()
    desk.send(after=60)
    assert desk.state("a") == FAILED
    assert len(desk.line.sent) == 1


def test_an_unreachable_slack_loses_nothing(desk: Desk) -> None:
    desk.line.faults = [UnavailableError("down")] * 5
    desk.outbox.post("a", "C1", words("one"))
    for _ in range(5):
        desk.send(after=60)
        assert desk.state("a") == WAITING
    desk.send(after=60)
    assert desk.state("a") == SENT


def test_while_the_token_is_refused_everything_waits_and_nothing_is_given_up(desk: Desk) -> None:
    desk.outbox.post("a", "C1", words("one"))
    desk.outbox.update("C1", "1.0", words("two"))
    desk.line.faults = [TokenRefusedError("revoked")] * 5
    for _ in range(5):
        desk.send(after=16)
    assert (desk.state("a"), desk.state(update_key("C1", "1.0"))) == (WAITING, WAITING)
    assert len(desk.line.sent) == 5, "one look at a time, whatever is waiting"
    desk.send(after=1)
    assert len(desk.line.sent) == 5
    desk.now += timedelta(seconds=16)
    assert [row.attempts for row in desk.outbox.due()] == [0, 0], "none of it is at fault"
    desk.send()
    assert (desk.state("a"), desk.state(update_key("C1", "1.0"))) == (SENT, SENT)


def test_an_update_that_is_denied_is_made_later_and_one_of_a_gone_message_is_not(
    desk: Desk,
) -> None:
    desk.line.faults = [AccessDeniedError("archived"), MessageGoneError("deleted")]
    desk.outbox.update("C1", "1.0", words("one"))
    desk.outbox.update("C1", "2.0", words("two"))
    desk.send()
    first, second = update_key("C1", "1.0"), update_key("C1", "2.0")
    assert (desk.state(first), desk.state(second)) == (DENIED, GONE)
    desk.send(after=60)
    assert (desk.state(first), desk.state(second)) == (SENT, GONE)
