"""`locksmith serve` as people start it: a process of its own with a config.yaml."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.sandbox.company import workspace_shape
from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.world import STORE, World
from tests.canary.canary import GIVEN
from tests.servers.processes import (
    ServeProcess,
    locksmith,
    settings_of,
    wait_until_collected,
    write_config,
)

pytestmark = pytest.mark.slow

SECONDS_TO_END = 8.0


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(workspace_shape()) as running:
        yield running


@pytest.fixture
def settings(
    world: World, workspace: Workspace, page_receiver: PageReceiver, tmp_path: Path
) -> dict[str, Any]:
    return settings_of(world, workspace, page_receiver, folder=tmp_path)


def help_is_answered(workspace: Workspace) -> bool:
    ben = workspace.as_user("ben")
    assert ben.command("#general", "/leak help")
    answer = ben.wait_for_message(
        "#general", lambda m: m.ephemeral_to == ben.id and "/leak uses" in m.all_text, timeout=20
    )
    return "report" in answer.all_text.lower()


def ends_cleanly(serve: ServeProcess) -> None:
    began = time.monotonic()
    assert serve.stop() == 0, serve.shown[-2000:]
    assert time.monotonic() - began < SECONDS_TO_END
    # The Slack SDK says so when a message was cut off by the end; Slack sends it again.
    crashes = [
        line
        for line in serve.shown.splitlines()
        if "Traceback" in line and "Failed to process a message" not in line
    ]
    assert not crashes
    assert "goes on at the next start" in serve.shown


def secret_file(folder: Path, name: str, value: str) -> str:
    path = folder / GIVEN / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(value + "\n")
    return str(path)


def test_by_token_with_every_secret_in_a_file_or_the_environment(
    settings: dict[str, Any], world: World, workspace: Workspace, tmp_path: Path
) -> None:
    bot_token = settings["slack"].pop("bot_token")
    app_token = settings["slack"].pop("app_token")
    settings["vault"] = {
        STORE: {
            "address": world.openbao.address,
            "auth": "token",
            "token_file": secret_file(tmp_path, "vault", world.bot_token),
        }
    }
    serve = ServeProcess(
        write_config(settings, tmp_path),
        tmp_path / "serve.log",
        {
            "LOCKSMITH_SLACK__BOT_TOKEN_FILE": secret_file(tmp_path, "bot", bot_token),
            "LOCKSMITH_SLACK__APP_TOKEN": app_token,
            "LOCKSMITH_LOG_LEVEL": "DEBUG",
        },
    )
    with serve:
        workspace.wait_for_app()
        assert help_is_answered(workspace)
        ends_cleanly(serve)
    for secret in (bot_token, app_token):
        assert secret not in serve.shown


def test_by_approle_it_survives_kill_9_and_takes_up_what_came_meanwhile(
    settings: dict[str, Any], workspace: Workspace, tmp_path: Path
) -> None:
    serve = ServeProcess(write_config(settings, tmp_path), tmp_path / "serve.log")
    with serve:
        workspace.wait_for_app()
        assert help_is_answered(workspace)
        serve.kill()
        workspace.wait_for(lambda: workspace.connections == 0)
        serve.start()
        workspace.wait_for_app()
        assert help_is_answered(workspace)
        ends_cleanly(serve)


def test_what_the_shell_approves_runs_once_and_shows_on_the_card_of_the_bot(
    fresh_world: World, workspace: Workspace, page_receiver: PageReceiver, tmp_path: Path
) -> None:
    settings = settings_of(fresh_world, workspace, page_receiver, folder=tmp_path)
    settings["approvals"]["approvers"] = ["team:security"]
    config = str(write_config(settings, tmp_path))
    serve = ServeProcess(Path(config), tmp_path / "serve.log")
    sam = workspace.as_user("sam")
    with serve:
        workspace.wait_for_app()
        wait_until_collected(serve.config)
        told = locksmith(
            "--config", config, "report", "--value-stdin", "--json", "--as", "rita@example.com",
            given=fresh_world.leaked_token,
        )  # fmt: skip
        incident = json.loads(told.stdout)["incidents"][0]["incident_id"]

        def card(words: str, timeout: float) -> None:
            sam.wait_for_message(
                "#security",
                lambda m: not m.is_reply and incident in m.all_text and words in m.all_text,
                timeout=timeout,
            )

        card("payments/gateway", 20)
        asked = locksmith("--config", config, "run", incident, "--as", "sue@example.com")
        assert asked.returncode == 0, asked.stderr
        approved = locksmith("--config", config, "approve", incident, "--as", "sam@example.com")
        assert approved.returncode == 0, approved.stdout + approved.stderr
        assert f"{incident} is closed" in approved.stdout
        card("closed", 30)
        ends_cleanly(serve)
    assert len(page_receiver.received) == len({page.raw for page in page_receiver.received})
    tokens = httpx.get(
        f"{fresh_world.issuer.address}/v1/tokens",
        headers={"Authorization": f"Bearer {fresh_world.issuer.admin_token}"},
        trust_env=False,
    ).json()["tokens"]
    assert sorted(one["state"] for one in tokens) == ["active", "revoked"]
    assert locksmith("--config", config, "audit", "verify").returncode == 0


def test_a_store_that_cannot_be_reached_does_not_keep_it_from_starting(
    settings: dict[str, Any], workspace: Workspace, tmp_path: Path
) -> None:
    settings["vault"][STORE]["address"] = "http://127.0.0.1:9"
    serve = ServeProcess(write_config(settings, tmp_path), tmp_path / "serve.log")
    with serve:
        workspace.wait_for_app()
        assert help_is_answered(workspace)
        ends_cleanly(serve)


def test_a_wrong_slack_token_ends_it_with_three_sentences(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    settings["slack"]["bot_token"] = "xoxb-not-this-one-0000"
    config = write_config(settings, tmp_path)
    ended = locksmith("--config", str(config), "serve")
    assert ended.returncode == 1
    assert "Slack" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "xoxb-not-this-one" not in ended.stdout + ended.stderr


def test_without_slack_tokens_it_says_which_keys_to_set(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    del settings["slack"]["bot_token"]
    ended = locksmith("--config", str(write_config(settings, tmp_path)), "serve")
    assert ended.returncode == 2
    assert "slack.bot_token" in ended.stderr
