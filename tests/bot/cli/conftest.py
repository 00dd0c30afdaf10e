"""The command line in this process, on the demo's company with a config.yaml and a full graph."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.__main__ import main
from bot.sandbox.company import workspace_shape
from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.world import World
from tests.servers.processes import settings_of, write_config

Settings = dict[str, Any]


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the program's own `main` as the shell would; `given` is its standard input."""

    def command(*arguments: str, given: str = "") -> Ended:
        monkeypatch.setattr(sys, "argv", ["locksmith", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return Ended(int(ended.value.code or 0), shown.out, shown.err)

    return command


@pytest.fixture(scope="session")
def slack() -> Iterator[Workspace]:
    with Workspace(workspace_shape()) as running:
        yield running


@pytest.fixture(scope="session")
def receiver() -> Iterator[PageReceiver]:
    with PageReceiver() as running:
        yield running


def _settings(world: World, slack: Workspace, receiver: PageReceiver, folder: Path) -> Settings:
    settings = settings_of(world, slack, receiver, folder=folder)
    # Without Slack nobody knows who is in a Slack group: approvers are people of this file.
    settings["approvals"]["approvers"] = ["team:security"]
    return settings


@pytest.fixture
def settings(world: World, slack: Workspace, receiver: PageReceiver, tmp_path: Path) -> Settings:
    """A configuration with a database of its own, for the world that nobody changes."""
    return _settings(world, slack, receiver, tmp_path)


@pytest.fixture
def config(settings: Settings, tmp_path: Path) -> str:
    return str(write_config(settings, tmp_path))


@pytest.fixture(scope="session")
def _collected(
    world: World,
    slack: Workspace,
    receiver: PageReceiver,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    return str(
        write_config(
            _settings(world, slack, receiver, folder := tmp_path_factory.mktemp("cli")), folder
        )
    )


@pytest.fixture
def company(_collected: str, run: Run) -> Run:
    """The command line on a graph that was collected; tests ask, and change nothing."""
    marker = Path(_collected).with_name("collected")
    if not marker.exists():
        ended = run("--config", _collected, "collect")
        assert ended.code == 0, ended.err
        marker.touch()
    return lambda *arguments, **more: run("--config", _collected, *arguments, **more)


@pytest.fixture
def changing(
    fresh_world: World, slack: Workspace, receiver: PageReceiver, tmp_path: Path, run: Run
) -> Run:
    """The command line on a world that may be rotated; its graph is collected."""
    path = str(write_config(_settings(fresh_world, slack, receiver, tmp_path), tmp_path))
    assert run("--config", path, "collect").code == 0
    return lambda *arguments, **more: run("--config", path, *arguments, **more)
