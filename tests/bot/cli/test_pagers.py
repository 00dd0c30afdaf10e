"""`pager test`, `incident ack` and `incident severity` from the shell."""

from pathlib import Path

import pytest

from bot.sandbox.world import World
from tests.bot.cli.conftest import Run, Settings
from tests.bot.cli.test_incidents import reported
from tests.servers.oncall import ROUTING_KEY, oncall
from tests.servers.processes import write_config

SAM, RITA = ("--as", "sam@example.com"), ("--as", "rita@example.com")


def test_pager_test_rings_and_calls_off_through_each(
    run: Run, settings: Settings, tmp_path: Path
) -> None:
    with oncall() as system:
        settings["pagers"] |= {
            "duty": {"kind": "pagerduty", "routing_key": ROUTING_KEY, "base_url": system.address},
            "wrong": {"kind": "pagerduty", "routing_key": "x" * 32, "base_url": system.address},
        }
        config = str(write_config(settings, tmp_path))
        one = run("--config", config, "pager", "test", "duty", "--json")
        assert one.code == 0, one.err
        assert one.json["pagers"][0]["page"]["confirmed"]
        (alert,) = system.alerts.values()
        assert alert.state == "resolved"
        assert alert.words["severity"] == "info"
        every = run("--config", config, "pager", "test")
        assert every.code == 1
        assert "127.0.0.1 answered 400" in every.out
        assert len(every.out.splitlines()) >= len(settings["pagers"])
        unknown = run("--config", config, "pager", "test", "dury")
        assert unknown.code == 3
        assert "duty" in unknown.err
    assert ROUTING_KEY not in one.out + every.out + every.err


@pytest.fixture
def own(run: Run, config: str) -> Run:
    command: Run = lambda *arguments, **more: run("--config", config, *arguments, **more)  # noqa: E731
    assert command("collect").code == 0
    return command


def test_an_incident_is_taken_on_and_judged(own: Run, world: World) -> None:
    incident = reported(own, "--value-stdin", given=world.leaked_token)
    taken = own("incident", "ack", incident, *SAM)
    assert taken.code == 0, taken.err
    assert f"{incident} is yours" in taken.out
    lower = own("incident", "severity", incident, "low", "--reason", "a test", *RITA)
    assert lower.code == 4
    assert "may not lower the severity" in lower.err
    judged = own("incident", "severity", incident, "low", "--reason", "a sandbox", *SAM, "--json")
    assert judged.code == 0, judged.err
    assert judged.json["severity"] == "low"
    assert judged.json["severity_reasons"][0].startswith("lowered from")
    assert own("incident", "severity", incident, "worst", "--reason", "x", *SAM).code == 2
