"""Several processes on one database: one runs a step, one takes over, an upgrade goes on."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from responders.incident import Case, IncidentState
from responders.ledger import Ledger
from tests.responders.room import ANA, REPORTER, START, Room, observation, report
from tests.servers.postgres import postgres_server, postgres_url

pytestmark = pytest.mark.slow

__all__ = ["postgres_server", "postgres_url"]

Until = Callable[..., Case]
ROOT = Path(__file__).parents[2]
EFFECTS = [
    "rotate",
    "refresh k8s://prod/legacy/Secret/gateway",
    "refresh k8s://prod/payments/Secret/gateway",
    "restart 1",
    "restart 2",
    "restart 3",
    "revoke",
]


@contextmanager
def replica(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.responders.replica", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for line in process.stdout:
        if line == "up\n":
            break
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def executors(ledger: Ledger) -> dict[str, list[str]]:
    """Which processes committed an intent for a step, in order."""
    found: dict[str, list[str]] = {}
    for entry in ledger.entries():
        if entry.kind == "intent" and "step" in entry.facts:
            step = str(entry.facts["step"])
            found.setdefault(step, []).append(str(entry.facts["executor"]))
    return found


@pytest.fixture
def desk_only(tmp_path: Path, postgres_url: str) -> Iterator[Room]:
    """People at the shared database, with no engine of their own: what they approve others run."""
    room = Room(tmp_path, url=postgres_url, now=lambda: datetime.now(UTC))
    room.graph.merge(observation(), now=START)
    yield room
    room.database.close()


def approved(room: Room) -> str:
    opened = room.desk.report(report())
    request = room.desk.ask_approval(opened.incident_id, REPORTER)
    room.desk.vote(request.id, ANA, approve=True)
    return opened.incident_id


def test_a_dead_replica_loses_its_run_to_another_and_no_step_runs_twice(
    desk_only: Room, until: Until, tmp_path: Path, postgres_url: str
) -> None:
    given = (str(tmp_path), postgres_url)
    kill_at = ("locksmith-workflows-1", "restart:2:receipt")
    with replica(*given, *kill_at) as first, replica(*given, *kill_at) as second:
        incident_id = approved(desk_only)
        # Whoever has the run dies after the effect, before its receipt; the other one resumes the
        # step, and dies at the same point of it; a third one brings it to its end.
        until(
            desk_only,
            incident_id,
            IncidentState.RUNNING,
            where=lambda: None not in {first.poll(), second.poll()},
            seconds=60,
        )
        with replica(*given):
            case = until(desk_only, incident_id, IncidentState.VERIFIED, seconds=60)
    assert desk_only.effect_lines() == EFFECTS
    assert set(map(str, (each.state for each in case.progress))) == {"confirmed"}
    found = executors(desk_only.records.ledger)
    assert len(set(found.pop("restart:2"))) == 3
    assert all(len(names) == 1 for names in found.values()), json.dumps(found)
    assert desk_only.records.verify_audit().finding == "intact"


def test_two_live_replicas_share_the_work_without_doing_any_twice(
    desk_only: Room, until: Until, tmp_path: Path, postgres_url: str
) -> None:
    with replica(str(tmp_path), postgres_url), replica(str(tmp_path), postgres_url):
        incident_id = approved(desk_only)
        until(desk_only, incident_id, IncidentState.VERIFIED, seconds=60)
    assert desk_only.effect_lines() == EFFECTS
    assert all(len(names) == 1 for names in executors(desk_only.records.ledger).values())


def test_a_replica_that_slept_too_long_leaves_its_step_to_who_took_it(
    desk_only: Room, until: Until, tmp_path: Path, postgres_url: str
) -> None:
    given = (str(tmp_path), postgres_url)
    asleep = ("locksmith-workflows-1", "restart:2:receipt", "SIGSTOP")
    with replica(*given, *asleep) as first:
        incident_id = approved(desk_only)
        stat = Path(f"/proc/{first.pid}/stat")
        until(
            desk_only,
            incident_id,
            IncidentState.RUNNING,
            where=lambda: stat.read_text().rpartition(")")[2].split()[0] == "T",
            seconds=60,
        )
        try:
            with replica(*given, *asleep[:1]):
                until(desk_only, incident_id, IncidentState.VERIFIED, seconds=60)
        finally:
            first.send_signal(signal.SIGCONT)
    # It woke up with a receipt in its hands, and ended in peace: nothing of it was written.
    assert first.returncode == 0
    assert desk_only.effect_lines() == EFFECTS
    ledger = desk_only.records.ledger
    kinds = [one.kind for one in ledger.entries() if one.facts.get("step") == "restart:2"]
    assert kinds == ["intent", "intent", "receipt", "verdict"]
    assert len(set(executors(ledger)["restart:2"])) == 2
    assert desk_only.desk.case(incident_id).state is IncidentState.VERIFIED
    assert desk_only.records.verify_audit().finding == "intact"


def test_an_upgrade_goes_on_with_a_run_and_with_an_approval_that_is_open(
    desk_only: Room, until: Until, tmp_path: Path, postgres_url: str
) -> None:
    given = (str(tmp_path), postgres_url)
    with replica(*given, "locksmith-workflows-0", "restart:1:receipt") as old:
        opened = desk_only.desk.report(report())
        request = desk_only.desk.ask_approval(opened.incident_id, REPORTER)
        desk_only.desk.vote(request.id, ANA, approve=True)
        other = desk_only.desk.report(report("77" * 32, matched=False))
        waiting = desk_only.desk.ask_approval(other.incident_id, REPORTER)
        until(
            desk_only,
            opened.incident_id,
            IncidentState.RUNNING,
            where=lambda: old.poll() is not None,
            seconds=60,
        )
    with replica(*given):
        case = until(desk_only, opened.incident_id, IncidentState.VERIFIED, seconds=60)
        assert any(each.kind == "upgraded" for each in case.timeline)
        assert desk_only.effect_lines() == EFFECTS
        desk_only.desk.vote(waiting.id, ANA, approve=True)
        until(desk_only, other.incident_id, IncidentState.STOPPED, seconds=60)
    assert "ask" in desk_only.effect_lines()
