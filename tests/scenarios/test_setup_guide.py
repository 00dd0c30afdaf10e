"""The setup guide, word for word: its manifest, its configuration, its two commands."""

import re
from pathlib import Path

import pytest
import yaml

from bot.sandbox.company import workspace_shape
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.workspace.shape import WorkspaceShape, app_from_manifest
from tests.canary.canary import GIVEN
from tests.scenarios.scene import eventually
from tests.servers.processes import ServeProcess, locksmith

GUIDE = Path(__file__).parents[2] / "docs" / "slack.md"
SECRETS = "/run/secrets/locksmith"
BOT_TOKEN, APP_TOKEN = "xoxb-of-the-guide", "xapp-of-the-guide"


def configuration(folder: Path) -> Path:
    """The YAML of the guide; only the folder of the secrets is another one."""
    (block,) = re.findall(r"```yaml\n(slack:.*?)```", GUIDE.read_text(), re.DOTALL)
    given = folder / GIVEN
    given.mkdir()
    (given / "slack-bot-token").write_text(BOT_TOKEN + "\n")
    (given / "slack-app-token").write_text(APP_TOKEN + "\n")
    path = folder / "config.yaml"
    path.write_text(block.replace(SECRETS, str(given)))
    return path


def made_from(manifest: str) -> WorkspaceShape:
    """The workspace once somebody pasted the manifest and pressed “Install”."""
    app = app_from_manifest(yaml.safe_load(manifest), bot_token=BOT_TOKEN, app_token=APP_TOKEN)
    shape = workspace_shape()
    return WorkspaceShape(users=shape.users, channels=shape.channels, app=app)


@pytest.mark.slow
def test_who_follows_the_guide_has_a_bot_that_answers(tmp_path: Path) -> None:
    variables = {"LOCKSMITH_DATA": str(tmp_path / "data")}
    printed = locksmith("slack", "manifest", **variables)
    assert printed.returncode == 0
    config = configuration(tmp_path)
    with Workspace(made_from(printed.stdout)) as workspace:
        variables["LOCKSMITH_SLACK__BASE_URL"] = workspace.base_url
        checked = locksmith("--config", str(config), "check", **variables)
        assert "not granted" not in checked.stdout
        assert "0 missing (✗), 2 optional" in checked.stdout, checked.stdout
        assert checked.returncode == 0
        with ServeProcess(config, tmp_path / "serve.log", variables):
            workspace.wait_for_app(30)
            sam = workspace.as_user("sam")
            assert sam.command("#general", "/leak help")
            sam.wait_for_message("#general", lambda m: "/leak uses" in m.all_text, timeout=30)
            a_token_that_is_replaced_is_taken(workspace, tmp_path / GIVEN / "slack-bot-token")


def a_token_that_is_replaced_is_taken(workspace: Workspace, file: Path) -> None:
    """While it runs: revoked, then another one in the same file."""
    workspace.revoke_bot_token(new="xoxb-the-second-one")
    ben = workspace.as_user("ben")
    asked = len(workspace.received)
    assert ben.command("#general", "/leak status")
    eventually(lambda: any(each.method == "users.info" for each in workspace.received[asked:]))
    assert not ben.ephemerals("#general")
    file.write_text("xoxb-the-second-one\n")
    ben.wait_for_message("#general", lambda m: "No incident is open" in m.all_text, timeout=60)
