"""A Slack token without a scope: refused at the start, or told to who asks, with its name."""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from bot.checks.finding import Outcome
from bot.checks.slack import check_slack
from bot.sandbox.company import workspace_shape
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.workspace.shape import WorkspaceShape, app_from_manifest
from bot.settings import Config, SlackSettings
from bot.slack_features import CORE, manifest
from graph.errors import AccessDeniedError
from tests.scenarios.scene import changed, incident_in, running_scene, says


def without(*scopes: str) -> WorkspaceShape:
    shape = workspace_shape()
    manifest = yaml.safe_load((files("bot.slack") / "manifest.yaml").read_text())
    app = app_from_manifest(
        manifest, bot_token=shape.app.bot_token, app_token=shape.app.app_token, without=scopes
    )
    return replace(shape, app=app)


@pytest.mark.parametrize("scope", ["channels:read", "groups:read"])
def test_without_a_scope_to_find_the_channel_it_does_not_start_and_names_it(
    tmp_path: Path, scope: str
) -> None:
    with (
        pytest.raises(AccessDeniedError) as refused,
        running_scene(tmp_path, shape=without(scope)),
    ):
        pass
    error = refused.value
    says(error.happened, "missing_scope", scope)
    says(error.means, "scopes")
    says(error.do_now, "locksmith check", "add the scope")


def test_without_the_right_to_look_up_people_nobody_acts_and_everybody_is_told(
    tmp_path: Path,
) -> None:
    with running_scene(tmp_path, shape=without("users:read", "users:read.email")) as scene:
        answer = scene.ask("/leak uses payments/gateway")
        says(answer.all_text, "missing_scope", "users:read", "locksmith check", "add the scope")
        assert "Deployment/api" not in answer.all_text
        missing = {
            each.what for each in check_slack(scene.config.slack) if each.outcome is Outcome.MISSING
        }
        assert missing == {"scope users:read"}


def test_without_e_mail_addresses_people_are_who_slack_says(tmp_path: Path) -> None:
    with running_scene(tmp_path, shape=without("users:read.email")) as scene:
        incident = scene.report(scene.world.leaked_token)
        case = scene.case(incident)
        assert case.reporter.identity.startswith("slack:")
        card = scene.ask_approval(incident)
        scene.be("sue").click(card, "approval_review")
        says(scene.refusal("sue", "may not decide").all_text, "asked", "Ask sam")


def test_without_the_right_to_write_the_incident_is_kept_and_its_reporter_told(
    tmp_path: Path,
) -> None:
    with running_scene(tmp_path, shape=without("chat:write")) as scene:
        shown = scene.fill_in({"value": scene.world.leaked_token}, by="rita")
        incident = incident_in(shown.all_text)
        says(shown.all_text, "is open")
        says(scene.ask(f"/leak status {incident}").all_text, incident, "payments/gateway#token")
        scopes = [each for each in check_slack(scene.config.slack) if "chat:write" in each.what]
        assert scopes[0].outcome is Outcome.MISSING
        says(scopes[0].do_now, "Add chat:write", "install the app again")


@pytest.mark.slow
def test_with_the_core_scopes_alone_a_leak_is_reported_approved_and_closed(tmp_path: Path) -> None:
    shape = workspace_shape()
    least = yaml.safe_load(manifest((files("bot.slack") / "manifest.yaml").read_text(), ()))
    tokens = {"bot_token": shape.app.bot_token, "app_token": shape.app.app_token}
    shape = replace(shape, app=app_from_manifest(least, **tokens))
    assert shape.app.scopes == frozenset(CORE)

    def core_only(config: Config) -> Config:
        slack, approvals = {"features": ()}, {"approvers": ("group:security",)}
        return changed(config, {"slack": slack, "approvals": approvals})

    with running_scene(tmp_path, shape=shape, change=core_only) as scene:
        assert {
            each.outcome for each in check_slack(scene.config.slack) if "scope" in each.what
        } == {Outcome.OK}
        incident = scene.report(scene.world.leaked_token)
        scene.ask_approval(incident)
        scene.approve(incident)
        scene.card(incident, lambda m: "closed" in m.all_text, timeout=90)
        says(scene.ask("/leak uses payments/gateway").all_text, "Deployment/api")
        scene.be("sue").open_home()
        scene.be("sue").home(lambda view: "home_search" in view.inputs)
        assert not scene.outside.issuer_accepts(scene.world.leaked_token)


def test_what_is_granted_and_not_needed_is_named(tmp_path: Path) -> None:
    shape = workspace_shape()
    more = replace(shape.app, scopes=shape.app.scopes | {"chat:write.public"})
    with Workspace(replace(shape, app=more)) as workspace:
        settings = SlackSettings(
            bot_token=SecretStr(more.bot_token),
            app_token=SecretStr(more.app_token),
            base_url=workspace.base_url,
            features=("emails", "mentions", "direct_messages", "lists", "scan"),
        )
        found = {each.what: each for each in check_slack(settings)}
        assert found["scope chat:write.public"].detail == "granted, and not needed: nothing uses it"
        says(found["scope files:read"].detail, "only files needs it", "slack.features leaves out")
        assert found["scope files:read"].outcome is Outcome.OPTIONAL
        assert found["scope files:write"].outcome is Outcome.OK
        workspace.change_channel("security", archived=True)
        found = {each.what: each for each in check_slack(settings)}
        assert found["security channel security"].detail == "archived"
