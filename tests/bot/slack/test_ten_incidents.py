"""Ten incidents at once: within the budget of updates, none starved, all true at the end."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from bot.courier import UPDATES_PER_MINUTE, Courier
from bot.outbox import Outbox
from bot.sandbox.workspace.server import Workspace
from bot.slack.audience import Audience
from bot.slack.people import People
from bot.slack.publisher import Publisher
from bot.slack.sender import SlackSender
from bot.slack_api import web_client
from graph.database import Database
from responders.approvals import ApprovalPolicy
from responders.incident import IncidentState
from tests.bot.cases import make_case
from tests.bot.slack.conftest import workspace_shape
from tests.bot.small_desk import SmallDesk

INCIDENTS = 10
BUSY_SECONDS = 75
EACH_CHANGES_EVERY = 3  # seconds: 200 changes a minute
LONGEST_WITHOUT_NEWS = 30  # ten cards share one update each two seconds


@dataclass
class Hall:
    """
    Publisher and couriers, a second at a time; `updates` are (second, message) as Slack got them.
    """

    workspace: Workspace
    desk: SmallDesk
    publisher: Publisher
    couriers: list[Courier]
    outbox: Outbox
    now: datetime = datetime(2026, 11, 23, tzinfo=UTC)
    second: int = 0
    updates: list[tuple[int, str]] = field(default_factory=list)

    def tick(self) -> None:
        self.second += 1
        self.now += timedelta(seconds=1)
        self.publisher.patrol()
        before = len(self.workspace.received)
        for courier in self.couriers:
            courier.send_due()
        self.updates += [
            (self.second, str(orjson.loads(each.body)["ts"]))
            for each in self.workspace.received[before:]
            if each.method == "chat.update"
        ]

    def until_quiet(self) -> None:
        for _ in range(300):
            self.tick()
            if not self.outbox.pending():
                return
        pytest.fail("it does not come to rest")


@pytest.fixture
def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    database = Database(f"sqlite:///{tmp_path / 'ten.sqlite'}")
    database.create_all()
    with Workspace(workspace_shape()) as workspace:
        client = web_client("xoxb-test", base_url=workspace.base_url)
        people = People(client)
        desk = SmallDesk()
        outbox = Outbox(database.engine, clock=lambda: made.now)
        publisher = Publisher(
            database.engine,
            desk,
            outbox,
            channel=people.channel_id("security"),
            audience=Audience(
                people, lambda entry: [], ApprovalPolicy(approvers=("sue@example.com",))
            ),
            checkpoint=lambda: "audit checkpoint 9 abcdef 2026-11-23T00:00:00+00:00",
        )
        couriers = [
            Courier(
                outbox, SlackSender(client), clock=lambda: made.now, turn=lambda turn=turn: turn
            )
            for turn in (True, False)
        ]
        made = Hall(workspace, desk, publisher, couriers, outbox)
        yield made
        assert workspace.complaints == []
    database.close()


def test_ten_cards_stay_within_the_budget_and_converge(hall: Hall) -> None:
    names = [f"inc-{number}" for number in range(INCIDENTS)]
    for name in names:
        hall.desk.put(replace(make_case(state=IncidentState.RUNNING), id=name))
    hall.until_quiet()
    hall.updates.clear()
    begun = hall.second

    for second in range(BUSY_SECONDS):
        if second == 30:
            hall.workspace.fail_next("chat.update", status=429, retry_after=3, times=2)
        for name in names[second % EACH_CHANGES_EVERY :: EACH_CHANGES_EVERY]:
            case = hall.desk.case(name)
            hall.desk.put(replace(case, next_action=f"Wave {second} of {name}."))
        hall.tick()

    busiest = max(
        sum(at <= moment < at + 60 for moment, _ in hall.updates)
        for at in range(begun, begun + BUSY_SECONDS)
    )
    assert busiest <= UPDATES_PER_MINUTE, "in no minute more than the budget"
    assert busiest > UPDATES_PER_MINUTE // 2, "and the budget is made use of"
    for card in {ts for _, ts in hall.updates}:
        seen = [begun, *(second for second, ts in hall.updates if ts == card), hall.second]
        waits = [after - before for before, after in pairwise(seen)]
        assert max(waits) <= LONGEST_WITHOUT_NEWS, "no card is forgotten while others change"

    for name in names:
        hall.desk.move(name, IncidentState.CLOSED)
    hall.until_quiet()
    cards = [m for m in hall.workspace.as_user("sue").messages("security") if not m.is_reply]
    assert len(cards) == INCIDENTS
    for name in names:
        (card,) = [each for each in cards if f"`{name}`" in each.all_text]
        assert hall.desk.case(name).next_action in card.all_text
        assert "*closed*" in card.all_text
