"""When Slack is down and the others sleep: run alone, helped along and reviewed, at the shell."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bot.cli.conftest import Run, Settings
from tests.bot.cli.test_incidents import RITA, SAM, SUE, reported
from tests.servers.processes import write_config

WHY = ("--reason", "It is on a public page and the others sleep.")


@pytest.fixture
def night(run: Run, settings: Settings, tmp_path: Path) -> Run:
    """The command line where security may break the glass."""
    settings["approvals"]["break_glass"] = ["team:security"]
    config = str(write_config(settings, tmp_path))
    command: Run = lambda *arguments, **more: run("--config", config, *arguments, **more)  # noqa: E731
    assert command("collect").code == 0
    return command


def test_one_runs_it_alone_helps_it_along_and_another_one_reviews_it(
    night: Run, plant: Callable[[], str]
) -> None:
    incident = reported(night, "--value-stdin", given=plant())
    refused = night("break-glass", incident, *WHY, *RITA)
    assert refused.code == 4
    assert "sam" in refused.err
    alone = night("break-glass", incident, *WHY, *SAM)
    assert alone.code == 1, "the run waits for a person's hands"
    shown = night("incident", "show", incident).out
    assert "Next: BREAK-GLASS: sam@example.com" in " ".join(shown.split())

    assert night("retry", incident, *RITA).code == 4
    assert night("retry", incident, *SAM).code == 1, "it waits anew"
    assert night("undo", incident, *RITA).code == 4
    for _ in range(4):
        skipped = night("skip", incident, "--reason", "nobody knows its issuer", *SAM)
    assert skipped.code == 0, skipped.err

    waived = ("incident", "close", incident, "--waiver", "the provider is gone")
    unreviewed = night(*waived, *SAM)
    assert unreviewed.code == 4
    assert "review" in unreviewed.err
    own = night("incident", "review", incident, "--finding", "It was right.", *SAM)
    assert own.code == 4, "nobody reviews their own"
    assert night("incident", "review", incident, "--finding", "It was right.", *SUE).code == 0
    assert night(*waived, *SAM).code == 0
    kept = night("incident", "timeline", incident).out
    for words in ("others sleep", "nobody knows its issuer", "It was right", "provider is gone"):
        assert words in " ".join(kept.split())


def test_the_second_of_two_who_decide_is_told_who_decided(
    night: Run, plant: Callable[[], str]
) -> None:
    incident = reported(night, "--value-stdin", given=plant())
    assert night("run", incident, "--as", "ana@example.com").code == 0
    assert night("deny", incident, "--reason", "not tonight", *SAM).code == 0
    late = night("approve", incident, *SUE)
    assert late.code == 4
    assert "denied" in late.err
    assert "sam" in late.err
