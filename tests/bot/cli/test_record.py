"""`incident export`, `findings` and `stats` from the shell."""

import pytest

from bot.sandbox.world import World
from tests.bot.cli.conftest import Run
from tests.bot.cli.test_incidents import reported

SAM = ("--as", "sam@example.com")


@pytest.fixture
def own(run: Run, config: str) -> Run:
    command: Run = lambda *arguments, **more: run("--config", config, *arguments, **more)  # noqa: E731
    assert command("collect").code == 0
    return command


def test_an_incident_becomes_a_record_findings_and_figures(own: Run, world: World) -> None:
    incident = reported(own, "--value-stdin", given=world.leaked_token)
    assert own("incident", "ack", incident, *SAM).code == 0
    outsider = own("incident", "assign", incident, "--to", "rita@example.com", *SAM)
    assert outsider.code == 4
    assert "It can be led by" in outsider.err
    named = own("incident", "assign", incident, "--to", "Ana@example.com", "--json", *SAM)
    assert named.code == 0, named.err
    assert named.json["lead"]["person"]["identity"] == "ana@example.com"
    assert "- Lead: ana@example.com, since" in own("incident", "show", incident).out
    close = own("incident", "close", incident, "--waiver", "the account is gone", *SAM)
    assert close.code == 0, close.err
    text = own("incident", "export", incident)
    assert text.code == 0, text.err
    for part in ("# Post-mortem", "## Clocks", "## What was known", "## Follow-ups", "- [ ] "):
        assert part in text.out, part
    found = own("incident", "export", incident, "--format", "json").json
    assert found["frozen"][0]["why"] == "opened"
    assert found["follow_ups"]
    assert own("incident", "export", incident, "--json").json["id"] == incident
    added = own("findings", "add", incident, "Write a runbook", "--owner", "payments", *SAM)
    assert added.code == 0, added.err
    listed = own("findings", "--json").json
    mine = next(one for one in listed if one["title"] == "Write a runbook")
    assert mine["owner"] == "team:payments"
    assert any(one["kind"] == "idle_copy" for one in listed)
    closed = own("findings", "close", mine["id"], "--reason", "written", *SAM)
    assert closed.code == 0, closed.err
    assert mine["id"] not in own("findings").out
    assert own("findings", "close", mine["id"], "--reason", "again", *SAM).code == 3
    figures = own("stats", "--json").json["stats"]
    assert figures["all"]["incidents"] == 1
    assert figures["all"]["clocks"]["acknowledged"]["of"] == 1
    assert "team:payments" in figures["per_team"]
    assert "team:payments" in own("stats", "--since", "90d").out
    assert own("stats", "--since", "2100-01-01", "--json").json["stats"]["all"]["incidents"] == 0
    assert own("stats", "--since", "yesterday").code == 2
    for ended in (text, added, closed):
        assert world.leaked_token not in ended.out + ended.err
