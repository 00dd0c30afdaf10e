"""Two replicas on one PostgreSQL: each entry is worked once, each post is sent once, one budget."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from bot.courier import UPDATES_PER_MINUTE, Courier, Outgoing
from bot.inbox import Inbox, inbox_key
from bot.outbox import UPDATE, Outbox
from bot.slack.views.blocks import Message
from graph.database import Database
from graph.leases import Leases
from tests.servers.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

KEYS = [f"trigger:{number}" for number in range(40)]
CARDS = 50
STEP = 2  # seconds between two looks


class Clock:
    """The time of day of both; a second passes when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Line:
    """Stands where Slack would; keeps who sent what, and when."""

    def __init__(self, clock: Clock, name: str, sent: list[tuple[str, float, Outgoing]]) -> None:
        self._clock, self._name, self._sent = clock, name, sent

    def send(self, outgoing: Outgoing) -> tuple[str, str]:
        self._sent.append((self._name, self._clock().timestamp(), outgoing))
        return outgoing.channel, f"{len(self._sent)}.0"

    def find(self, outgoing: Outgoing) -> tuple[str, str] | None:
        raise AssertionError(f"nothing was lost, and {outgoing.key} is looked for")


@dataclass(frozen=True)
class Replica:
    inbox: Inbox
    outbox: Outbox
    courier: Courier
    leases: Leases


class Pair:
    """Two replicas that share a database, a clock and Slack, and nothing else."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.clock = Clock()
        self.sent: list[tuple[str, float, Outgoing]] = []
        self.replicas = [self._replica(url, stack, name) for name in ("one", "two")]

    def _replica(self, url: str, stack: ExitStack, name: str) -> Replica:
        database = Database(url)
        stack.callback(database.close)
        database.create_all()
        leases = Leases(database.engine)
        outbox = Outbox(database.engine, clock=self.clock)
        courier = Courier(
            outbox,
            Line(self.clock, name, self.sent),
            clock=self.clock,
            turn=lambda: leases.hold("slack/updates"),
        )
        key = inbox_key("installation")
        inbox = Inbox(database.engine, key, clock=self.clock, worker=name)
        return Replica(inbox, outbox, courier, leases)

    def at_once(self, work: Callable[[Replica], object]) -> None:
        """Let both do the same at the same time, twice each."""
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work, each) for each in self.replicas * 2]:
                done.result()


@pytest.fixture
def pair(postgres_url: str) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(postgres_url, stack)


def card(number: int) -> Message:
    return Message(text=f"card {number}", blocks=())


def test_what_both_are_handed_is_kept_once_and_worked_once(pair: Pair) -> None:
    made: Counter[str] = Counter()
    worked: Counter[str] = Counter()

    def receive(replica: Replica) -> None:
        for key in KEYS:
            made[replica.inbox.put(key, {"text": "x"}, kind="command", name="/leak")] += 1

    def work(replica: Replica) -> None:
        while (entry := replica.inbox.take()) is not None:
            worked[entry.key] += 1
            replica.inbox.done(entry)

    pair.at_once(receive)
    assert made - Counter({"": made[""]}) == Counter(KEYS)
    pair.at_once(work)
    assert worked == Counter(KEYS)


def test_a_post_that_both_want_is_sent_once(pair: Pair) -> None:
    def post(replica: Replica) -> None:
        for number, key in enumerate(KEYS):
            replica.outbox.post(key, f"C{number}", card(number))
        replica.courier.send_due()

    pair.at_once(post)
    pair.at_once(lambda replica: replica.courier.send_due())
    assert Counter(outgoing.key for _, _, outgoing in pair.sent) == Counter(KEYS)


def test_one_budget_of_updates_even_where_the_sender_changes(pair: Pair) -> None:
    one, two = pair.replicas

    def seconds(count: int, *senders: Replica) -> None:
        for _ in range(count // STEP):
            pair.clock.now += timedelta(seconds=STEP)
            for each in senders:
                each.courier.send_due()

    for number in range(CARDS):
        (one if number % 2 else two).outbox.update("C0SECURITY", f"{number}.0", card(number))
    seconds(24, one, two)
    first = {name for name, _, _ in pair.sent}
    assert first == {"one"}, "only whose turn it is"
    one.leases.release("slack/updates")  # as when it is stopped
    seconds(70, two)

    updates = [(at, outgoing) for _, at, outgoing in pair.sent if outgoing.kind == UPDATE]
    assert len({outgoing.address for _, outgoing in updates}) == CARDS == len(updates)
    assert {name for name, _, _ in pair.sent} == {"one", "two"}
    busiest = max(sum(at <= later < at + 60 for later, _ in updates) for at, _ in updates)
    assert busiest <= UPDATES_PER_MINUTE
    assert busiest > UPDATES_PER_MINUTE // 2
