"""App Home follows what it shows: only where it changed, only whoever opened it, once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.sandbox.workspace.server import Workspace
from bot.slack.people import People
from bot.slack.screen import Screen
from bot.slack_api import web_client
from bot.work import homes
from bot.work.homes import Homes
from graph.database import Database
from responders.incident import IncidentState
from tests.bot.cases import make_case
from tests.bot.slack.conftest import workspace_shape
from tests.bot.small_desk import SmallDesk


@dataclass
class Hall:
    """Two replicas that share a database; the graph's revision and the time move when told."""

    workspace: Workspace
    desk: SmallDesk
    replicas: list[Homes]
    now: datetime = datetime(2026, 11, 23, tzinfo=UTC)
    graph: int = 1

    def look(self, *, after: float = 3) -> int:
        """Let both look; return how often Slack was called."""
        self.now += timedelta(seconds=after)
        before = self.published
        for replica in self.replicas:
            replica.look()
        return self.published - before

    @property
    def published(self) -> int:
        return sum(each.method == "views.publish" for each in self.workspace.received)

    def shown(self, name: str) -> str:
        return self.workspace.as_user(name).home().all_text


@pytest.fixture
def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    database = Database(f"sqlite:///{tmp_path / 'homes.sqlite'}")
    database.create_all()
    desk = SmallDesk()
    with Workspace(workspace_shape()) as workspace:
        client = web_client("xoxb-test", base_url=workspace.base_url)
        replicas = [
            Homes(
                database.engine,
                desk,
                People(client, clock=lambda: made.now.timestamp()),  # noqa: PLW0108 - made below
                Screen(client),
                revisions=desk.revisions,
                graph=lambda: made.graph,
                clock=lambda: made.now,
            )
            for _ in range(2)
        ]
        made = Hall(workspace, desk, replicas)
        yield made
        assert workspace.complaints == []
    database.close()


def test_a_home_that_was_opened_follows_and_no_other_does(hall: Hall) -> None:
    hall.replicas[0].opened("U0RITA")
    assert "0 open incidents" in hall.shown("rita")
    assert hall.look() == 0, "nothing has changed"
    hall.desk.put(make_case(state=IncidentState.PLANNED))
    assert hall.look() == 1, "one of two replicas publishes; nobody else has opened it"
    assert "INC-7" in hall.shown("rita")
    for number in range(5):
        hall.desk.put(replace(make_case(), next_action=f"Wave {number}."))
    assert hall.look() == 1, "many changes are one"
    assert "Wave 4." in hall.shown("rita")
    hall.desk.put(replace(make_case(), next_action="Wave 4.", fingerprint_short="cafe"))
    assert hall.look() == 0, "what it does not show is no reason to publish"
    hall.graph += 1
    assert hall.look() == 0, "the graph is looked at once a minute"


def test_a_home_that_was_opened_long_ago_is_left_alone_until_it_is_opened_again(
    hall: Hall,
) -> None:
    hall.replicas[0].opened("U0RITA")
    hall.now += homes.RECENTLY
    hall.desk.put(make_case())
    assert hall.look() == 0
    hall.replicas[1].opened("U0RITA")
    assert "INC-7" in hall.shown("rita")


def test_what_slack_does_not_take_is_published_when_it_does(hall: Hall) -> None:
    for user in ("U0RITA", "U0SUE"):
        hall.replicas[0].opened(user)
    hall.desk.put(make_case())
    hall.workspace.fail_next("views.publish", status=429, retry_after=20, times=2)
    hall.look()
    assert hall.look(after=10) == 0, "Slack's wish is heeded"
    assert hall.look(after=11) == 2
    for name in ("rita", "sue"):
        assert "INC-7" in hall.shown(name)


def test_nobody_who_may_not_act_is_shown_anything(hall: Hall) -> None:
    hall.desk.put(make_case())
    hall.replicas[0].opened("U0GUS")
    assert "guest account" in hall.shown("gus")
    assert "Ask a full member" in hall.shown("gus")
    hall.replicas[0].opened("U0RITA")
    hall.workspace.change_user("rita", deleted=True)
    hall.desk.put(replace(make_case(), next_action="Something that is not for rita."))
    assert hall.look(after=61) == 0
    assert "not for rita" not in hall.shown("rita")


def test_a_crowd_is_published_within_the_budget_and_all_of_it(hall: Hall) -> None:
    hall.desk.put(make_case())
    for number in range(40):
        user = f"U0P{number}"
        hall.workspace.state.users[user] = replace(
            hall.workspace.state.users["U0RITA"], id=user, name=f"p{number}", email=""
        )
        hall.replicas[0].opened(user)
        hall.now += timedelta(seconds=1)
    hall.now += timedelta(seconds=60)
    hall.desk.put(replace(make_case(), next_action="Wave 2."))
    looks = [hall.look() for _ in range(20)]
    assert sum(looks) == homes.MOST, "those that were opened last"
    assert sum(looks) > max(looks), "not all at once"
