"""No pager takes the page: the card says so in words that nobody overlooks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.settings import Config, PagerEntry
from tests.scenarios.scene import Scene, running_scene, says


def only_webhooks(config: Config) -> Config:
    """Leave the team's webhook alone to reach it: no second way."""
    pagers = {name: entry for name, entry in config.pagers.items() if entry.kind == "webhook"}
    teams = {
        name: team.model_copy(update={"pagers": tuple(p for p in team.pagers if p in pagers)})
        for name, team in config.teams.items()
    }
    assert all(isinstance(entry, PagerEntry) for entry in pagers.values())
    return config.model_copy(update={"pagers": pagers, "teams": teams})


@pytest.fixture
def lonely_scene(tmp_path: Path) -> Iterator[Scene]:
    with running_scene(tmp_path, change=only_webhooks) as running:
        yield running


def test_when_no_pager_takes_it_the_card_says_that_nobody_was_paged(lonely_scene: Scene) -> None:
    scene = lonely_scene
    scene.receiver.fail_with(500)
    incident = scene.report(scene.world.leaked_token)
    wanted = ("NOBODY WAS PAGED", "payments: NOT paged", "shop: NOT paged")
    scene.card(incident, lambda m: all(words in m.all_text for words in wanted))
    assert not scene.receiver.received
    timeline = " ".join(entry.sentence for entry in scene.case(incident).timeline)
    says(timeline.lower(), "nobody was paged")


def test_another_pager_of_the_team_is_enough(fresh_scene: Scene) -> None:
    scene = fresh_scene
    scene.receiver.fail_with(500)
    incident = scene.report(scene.world.leaked_token)
    card = scene.card(incident, lambda m: "payments: paged by" in m.all_text)
    says(card.all_text, "payments-slack")
    assert "NOBODY WAS PAGED" not in scene.card_now(incident).all_text
    scene.receiver.fail_with(None)
