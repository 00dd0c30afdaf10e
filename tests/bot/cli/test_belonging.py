"""A database serves one app in one workspace: another one is refused until somebody means it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.company import workspace_shape
from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.world import World
from bot.slack.app import SlackApp
from bot.slack.belonging import Belonging, app_of
from bot.slack_api import web_client
from graph.database import Database
from graph.errors import BadInputError
from tests.bot.cli.conftest import Run, Settings
from tests.bot.slack.test_app import inbox_in
from tests.servers.processes import ServeProcess, locksmith, settings_of, write_config


@pytest.fixture
def elsewhere() -> Iterator[Workspace]:
    """The workspace of a test installation."""
    shape = replace(workspace_shape(), team_id="T0TEST", team_name="Test")
    with Workspace(shape) as running:
        yield running


def app_row(found: Any) -> dict[str, str]:
    (row,) = [one for one in found["checks"] if one["what"] == "app of this database"]
    return dict(row)


def test_a_database_of_production_is_not_served_for_a_test_app(
    run: Run, settings: Settings, elsewhere: Workspace, tmp_path: Path
) -> None:
    config = str(write_config(settings, tmp_path))
    first = app_row(run("--config", config, "check", "--json").json)
    assert first["outcome"] == "ok"
    assert "none yet" in first["detail"]
    assert "It served" not in run("--config", config, "slack", "adopt").out

    settings["slack"]["base_url"] = elsewhere.base_url
    config = str(write_config(settings, tmp_path))
    seen = app_row(run("--config", config, "check", "--json").json)
    assert seen["outcome"] == "missing"
    assert "(T0EXAMPLE)" in seen["detail"]
    assert "(T0TEST)" in seen["detail"]
    ended = locksmith("--config", config, "serve")
    assert ended.returncode == 2
    assert "This database serves @locksmith" in ended.stderr
    assert "locksmith slack adopt" in ended.stderr
    assert "chat.postMessage" not in {each.method for each in elsewhere.received}

    meant = run("--config", config, "slack", "adopt")
    assert meant.code == 0, meant.err
    assert "serves @locksmith (U0LOCKSMITH) in Test (T0TEST)" in meant.out
    assert "It served @locksmith (U0LOCKSMITH) in Example (T0EXAMPLE)" in meant.out
    assert app_row(run("--config", config, "check", "--json").json)["outcome"] == "ok"


def test_a_new_database_leaves_an_app_alone_that_others_serve(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'own.sqlite'}")
    database.create_all()
    shape = workspace_shape()
    with Workspace(shape) as workspace:
        client = web_client(shape.app.bot_token, base_url=workspace.base_url)
        belonging, own = Belonging(database.engine), app_of(client)
        first = SlackApp(client, shape.app.app_token, inbox_in(tmp_path))
        first.start()
        second = SlackApp(
            client,
            shape.app.app_token,
            inbox_in(tmp_path),
            may_join=lambda connections: belonging.require_alone(connections, 1),
        )
        with pytest.raises(BadInputError, match="2 connections"):
            second.start()
        workspace.wait_for(lambda: workspace.connections == 1)
        belonging.keep(own)
        belonging.require_alone(9, 1)  # an old connection may linger after a restart
        workspace.cut_connections()
        first.stop()
    database.close()


@pytest.mark.slow
def test_production_tokens_in_a_test_installation_end_it_and_take_nothing(
    world: World, page_receiver: PageReceiver, tmp_path: Path
) -> None:
    with Workspace(workspace_shape()) as workspace:
        folders = [tmp_path / "production", tmp_path / "test"]
        configs = [
            write_config(settings_of(world, workspace, page_receiver, folder=each), each)
            for each in folders
        ]
        with ServeProcess(configs[0], tmp_path / "serve.log") as production:
            workspace.wait_for_app()
            ended = locksmith("--config", str(configs[1]), "serve")
            assert ended.returncode == 2, ended.stderr
            assert "Another Locksmith serves it" in ended.stderr
            ben = workspace.as_user("ben")
            assert ben.command("#general", "/leak help")
            ben.wait_for_message("#general", lambda m: "/leak uses" in m.all_text, timeout=20)
            assert production.stop() == 0
