"""The canary can bite, and a whole leak with failures on its way gives it nothing to bite."""

import base64
import logging
import re
import sqlite3
import subprocess
import sys
from io import StringIO
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog
from slack_sdk import WebClient

from bot.logs import configure_logging
from bot.sandbox.company import workspace_shape
from bot.sandbox.workspace.server import Workspace
from tests.canary.canary import GIVEN, SHORTEST, Canary, forms
from tests.servers.processes import ROOT, environment

# Not planted in the session's canary: what leaks it here is on purpose.
VALUE = "swordfish/9f41+c7d2&e8a0=tail"


@pytest.fixture
def own() -> Canary:
    canary = Canary()
    canary.plant(VALUE, name="the value")
    return canary


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz " * 50])
@pytest.mark.parametrize("form", ["plain", "URL-encoded", "base64", "base64 for URLs"])
def test_a_value_is_found_in_each_form_wherever_it_starts(
    own: Canary, before: str, form: str
) -> None:
    text = before + VALUE + " and more text behind it"
    match form:
        case "URL-encoded":
            data = (before + quote(VALUE, safe="") + "&next=1").encode()
        case "base64":
            data = b"key: " + base64.b64encode(text.encode())
        case "base64 for URLs":
            data = base64.urlsafe_b64encode(text.encode())
        case _:
            data = text.encode()
    own.hear("somewhere", data)
    (hit,) = {(hit.place, hit.name) for hit in own.search()}
    assert hit == ("somewhere", "the value")


def test_the_shortest_value_is_found_at_every_offset() -> None:
    canary = Canary()
    value = canary.plant("a1b2c3d4e5f6g7h8")
    assert len(value) == SHORTEST
    for _, needle in forms(value):
        for before in range(20):
            canary.hear(f"{before} {needle!r}", b"." * before + needle)
    asked = {f"{before} {needle!r}" for _, needle in forms(value) for before in range(20)}
    assert {hit.place for hit in canary.search()} >= asked


def test_a_value_that_could_be_anywhere_by_chance_is_no_canary() -> None:
    with pytest.raises(ValueError, match="needs 16"):
        Canary().plant("too short")


def test_it_bites_in_a_database_row_and_in_a_file(own: Canary, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "locksmith-runs.db") as database:
        database.execute("CREATE TABLE checkpoint (output TEXT)")
        database.execute("INSERT INTO checkpoint VALUES (?)", (f"got {VALUE} from the store",))
    database.close()
    (tmp_path / GIVEN).mkdir()
    (tmp_path / GIVEN / "token").write_text(VALUE)
    (hit,) = own.search([tmp_path])
    assert str(hit) == "the value lies in plain form in the file locksmith-runs.db"
    assert VALUE not in str(hit)


def test_it_bites_in_a_log_that_was_written_through_our_own_logging(own: Canary) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = StringIO()
    try:
        configure_logging("DEBUG", stream=stream)
        try:
            raise RuntimeError(f"cannot parse {VALUE}")  # noqa: TRY301 - a traceback is wanted
        except RuntimeError:
            structlog.get_logger().exception("parsing.failed")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    own.hear("the log", stream.getvalue())
    assert [hit.place for hit in own.search()] == ["the log"]


def test_it_bites_in_what_slack_received(own: Canary) -> None:
    with Workspace(workspace_shape()) as workspace:
        client = WebClient(token=workspace.shape.app.bot_token, base_url=workspace.base_url)
        client.chat_postMessage(channel="C0GENERAL", text=f"is it {VALUE}?")
        for sent in workspace.received:
            own.hear(f"Slack ({sent.method})", sent.body)
    assert {hit.place for hit in own.search()} == {"Slack (chat.postMessage)"}


LEAKS = """
import logging, structlog
from slack_sdk import WebClient
from bot.sandbox.company import workspace_shape
from bot.sandbox.workspace.server import Workspace

def test_log(plant):
    structlog.get_logger().info("value.seen", fact=plant())

def test_file(plant, tmp_path):
    (tmp_path / "rows.db").write_text(plant())

def test_output(plant):
    print(plant())

def test_slack(plant):
    with Workspace(workspace_shape()) as workspace:
        client = WebClient(token=workspace.shape.app.bot_token, base_url=workspace.base_url)
        client.chat_postMessage(channel="C0GENERAL", text=plant())

def test_nothing(plant, tmp_path):
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "token").write_text(plant())
"""


def session(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a test session of its own, with the same plug-in."""
    (folder / "test_leaks.py").write_text(LEAKS)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:kmock", f"--rootdir={folder}"]
    options += ["-p", "tests.canary.plugin", f"--basetemp={folder / 'base'}", "-c", "/dev/null"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *arguments, str(folder / "test_leaks.py")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment(),
        cwd=ROOT,
    )


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_hit_fails_the_session_in_which_all_tests_passed(tmp_path: Path, workers: str) -> None:
    ended = session(tmp_path, "-n", workers)
    assert "5 passed" in ended.stdout, ended.stdout + ended.stderr
    assert ended.returncode == 1
    for place in ("the log at DEBUG", "rows.db", "test_output", "Slack (chat.postMessage)"):
        assert place in ended.stdout
    assert not re.search(r"canary[0-9a-f]{32}", ended.stdout)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_without_a_hit_the_session_passes(tmp_path: Path, workers: str) -> None:
    ended = session(tmp_path, "-n", workers, "-k", "test_nothing")
    assert ended.returncode == 0, ended.stdout
    assert "0 hits" in ended.stdout
