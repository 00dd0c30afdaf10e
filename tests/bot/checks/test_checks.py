"""`locksmith check` on real parts: what works, what is missing, and how to grant it."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import hvac
import pytest
import yaml

from bot.checks.everything import check_everything
from bot.checks.finding import Checked, Outcome
from bot.config import load
from bot.graph_parts import graph_parts
from bot.sandbox.company import workspace_shape
from bot.sandbox.openbao import OpenBaoServer
from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.world import STORE, World
from tests.graph.http_stub import Answer, HttpStub
from tests.servers.processes import locksmith, settings_of, write_config

DEAD = "http://127.0.0.1:9"


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(workspace_shape()) as running:
        yield running


@pytest.fixture
def settings(
    world: World, workspace: Workspace, page_receiver: PageReceiver, tmp_path: Path
) -> dict[str, Any]:
    return settings_of(world, workspace, page_receiver, folder=tmp_path)


def checked(settings: dict[str, Any], tmp_path: Path) -> list[Checked]:
    parts = graph_parts(load(str(write_config(settings, tmp_path)), environ={}))
    try:
        return list(check_everything(parts))
    finally:
        parts.close()


def missing(settings: dict[str, Any], tmp_path: Path) -> dict[str, Checked]:
    """Give what is missing, by "connection: what"; each must say what to do."""
    found = [one for one in checked(settings, tmp_path) if one.outcome is Outcome.MISSING]
    for one in found:
        assert one.detail, one
        assert one.do_now, one
    return {f"{one.connection}: {one.what}": one for one in found}


def test_where_all_is_well_nothing_is_missing(settings: dict[str, Any], tmp_path: Path) -> None:
    found = checked(settings, tmp_path)
    assert [one for one in found if one.outcome is not Outcome.OK] == []
    assert {one.connection for one in found} >= {
        "database", "slack", "vault main", "kubernetes demo", "issuer paygate",
    }  # fmt: skip


def test_the_command_exits_0_or_1(settings: dict[str, Any], tmp_path: Path) -> None:
    well = locksmith("--config", str(write_config(settings, tmp_path)), "check")
    assert well.returncode == 0, well.stdout + well.stderr
    assert "0 missing" in well.stdout
    settings["vault"][STORE]["address"] = DEAD
    ill = locksmith("--config", str(write_config(settings, tmp_path)), "check", "--json")
    assert ill.returncode == 1
    assert yaml.safe_load(ill.stdout)["ok"] is False


def test_a_sealed_store_is_said_to_be_sealed(settings: dict[str, Any], tmp_path: Path) -> None:
    with OpenBaoServer(tmp_path / "sealed") as server:
        client = hvac.Client(url=server.address, token=server.root_token)
        settings["vault"][STORE] = {"address": server.address, "token": server.root_token}
        client.sys.seal()
        found = missing(settings, tmp_path)
    assert "sealed" in found["vault main: log in"].detail
    assert "nseal" in found["vault main: log in"].do_now


def test_an_address_where_nobody_answers_is_named(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["vault"][STORE]["address"] = DEAD
    settings["issuers"]["paygate"]["base_url"] = DEAD
    found = missing(settings, tmp_path)
    assert set(found) == {"vault main: log in", "issuer paygate: reach"}
    assert DEAD in found["issuer paygate: reach"].detail


def test_a_refused_login_says_so_without_the_secret(
    settings: dict[str, Any], tmp_path: Path, world: World
) -> None:
    settings["vault"][STORE]["secret_id"] = "00000000-not-this-secret-id"
    found = missing(settings, tmp_path)
    refused = found["vault main: log in"]
    assert "approle" in refused.detail
    assert "not-this-secret-id" not in str(refused)


def test_a_token_without_a_capability_gets_the_stanza_to_grant(
    settings: dict[str, Any], tmp_path: Path, openbao: OpenBaoServer
) -> None:
    client = hvac.Client(url=openbao.address, token=openbao.root_token)
    client.sys.enable_secrets_engine("kv", path="checked", options={"version": "2"})
    client.sys.create_or_update_acl_policy(
        "half", 'path "checked/data/*" { capabilities = ["read"] }', pretty_print=False
    )
    token = client.auth.token.create(policies=["half"], ttl="10m")["auth"]["client_token"]
    settings["vault"][STORE] = {"address": openbao.address, "token": token, "mounts": ["checked"]}
    found = checked(settings, tmp_path)
    (needed,) = [one for one in found if one.outcome is Outcome.MISSING]
    assert 'path "checked/metadata/*" { capabilities = ["read", "list"] }' in needed.do_now
    optional = {one.what: one.do_now for one in found if one.outcome is Outcome.OPTIONAL}
    assert 'path "auth/token/lookup"' in optional["recognise a leaked token"]
    assert 'path "checked/data/*" { capabilities = ["patch"] }' in optional["rotate"]
    client.sys.disable_secrets_engine("checked")


def test_mounts_that_may_not_be_listed_are_a_finding(
    settings: dict[str, Any], tmp_path: Path, openbao: OpenBaoServer
) -> None:
    client = hvac.Client(url=openbao.address, token=openbao.root_token)
    token = client.auth.token.create(policies=["default"], ttl="10m")["auth"]["client_token"]
    settings["vault"][STORE] = {"address": openbao.address, "token": token}
    found = missing(settings, tmp_path)
    assert "sys/mounts" in found["vault main: KV mounts"].do_now


@pytest.mark.parametrize("status", [401, 403])
def test_a_cluster_that_refuses_is_a_finding(
    settings: dict[str, Any], tmp_path: Path, status: int
) -> None:
    body = {"kind": "Status", "status": "Failure", "message": "no", "code": status}
    with HttpStub(lambda asked: Answer(status, body)) as stub:
        settings["kubernetes"]["demo"]["kubeconfig"] = kubeconfig(stub.address, tmp_path)
        found = missing(settings, tmp_path)
    assert set(found) == {"kubernetes demo: reach"}


def test_a_cluster_that_is_not_there_and_a_kubeconfig_that_is_not_there(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    settings["kubernetes"]["demo"]["kubeconfig"] = kubeconfig(DEAD, tmp_path)
    assert set(missing(settings, tmp_path)) == {"kubernetes demo: reach"}
    settings["kubernetes"]["demo"]["kubeconfig"] = "/nowhere/kubeconfig"
    found = missing(settings, tmp_path)
    assert "/nowhere/kubeconfig" in found["kubernetes demo: reach"].detail


def test_a_cluster_role_that_is_too_small_gets_the_rule_to_add(
    settings: dict[str, Any], tmp_path: Path, world: World
) -> None:
    """The API server's answer to a review is "no" for everything about jobs."""

    with ExitStack() as stack:
        stub = stack.enter_context(HttpStub(refusing_jobs))
        settings["kubernetes"]["demo"] |= {
            "kubeconfig": kubeconfig(stub.address, tmp_path), "mode": "references",
        }  # fmt: skip
        found = missing(settings, tmp_path)
    rule = found["kubernetes demo: list jobs"].do_now
    assert '{apiGroups: ["batch"], resources: [jobs], verbs: [list]}' in rule
    assert "kubernetes demo: list pods" not in found


def refusing_jobs(asked: Any) -> Answer:
    """Answer as a small API server would: discovery, and reviews."""
    groups = {"apps": ["deployments"], "batch": ["jobs", "cronjobs"]}
    if asked.path == "/version":
        return Answer(body={"gitVersion": "v1.30.0"})
    if asked.path == "/api":
        return Answer(body={"kind": "APIVersions", "versions": ["v1"]})
    if asked.path == "/apis":
        versions = [
            {
                "name": name,
                "versions": [{"groupVersion": f"{name}/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": f"{name}/v1", "version": "v1"},
            }
            for name in groups
        ]
        return Answer(body={"kind": "APIGroupList", "groups": versions})
    if asked.method == "GET":
        name = asked.path.removeprefix("/apis/").split("/")[0]
        plurals = groups.get(name, ["pods", "namespaces"])
        listed = [
            {
                "name": p,
                "kind": p.title(),
                "namespaced": True,
                "verbs": ["list"],
                "singularName": "",
            }
            for p in plurals
        ]
        return Answer(body={"kind": "APIResourceList", "groupVersion": "v1", "resources": listed})
    return Answer(201, {"kind": "Review", "status": {"allowed": b'"jobs"' not in asked.body}})


def kubeconfig(address: str, folder: Path) -> str:
    path = folder / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": address}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    user = {"name": "u", "user": {"token": "nobody"}}
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [cluster],
                "contexts": [context],
                "users": [user],
                "current-context": "c",
            }
        )
    )
    return str(path)


def test_a_wrong_slack_token(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["slack"]["bot_token"] = "xoxb-not-this-one"
    found = missing(settings, tmp_path)
    assert "invalid_auth" in found["slack: bot token"].detail
    assert "xoxb-not-this-one" not in str(found)


def test_a_wrong_app_token(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["slack"]["app_token"] = "xapp-not-this-one"
    found = missing(settings, tmp_path)
    assert "connections:write" in found["slack: app token (Socket Mode)"].do_now


def test_slack_tokens_that_are_not_set(settings: dict[str, Any], tmp_path: Path) -> None:
    del settings["slack"]["app_token"]
    assert set(missing(settings, tmp_path)) == {"slack: tokens"}


def test_a_slack_that_does_not_answer(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["slack"]["base_url"] = f"{DEAD}/api/"
    settings["pagers"] = {}
    for team in settings["teams"].values():
        team["pagers"] = []
    found = missing(settings, tmp_path)
    assert "cannot be reached" in found["slack: bot token"].detail


@pytest.mark.parametrize(
    ("scope", "is_needed"), [("usergroups:read", True), ("channels:history", False)]
)
def test_a_scope_that_was_not_granted(
    settings: dict[str, Any], tmp_path: Path, scope: str, *, is_needed: bool
) -> None:
    shape = workspace_shape()
    less = replace(shape.app, scopes=tuple(one for one in shape.app.scopes if one != scope))
    with Workspace(replace(shape, app=less)) as workspace:
        settings["slack"]["base_url"] = workspace.base_url
        found = {f"{one.what}": one for one in checked(settings, tmp_path)}
    lacking = found[f"scope {scope}"]
    assert lacking.outcome is (Outcome.MISSING if is_needed else Outcome.OPTIONAL)
    assert scope in lacking.do_now


def test_a_security_channel_without_the_bot_in_it(
    settings: dict[str, Any], workspace: Workspace, tmp_path: Path
) -> None:
    workspace.change_channel("#payments", members=("U0SAM",))
    settings["slack"]["security_channel"] = "payments"
    found = missing(settings, tmp_path)
    assert "/invite @locksmith" in found["slack: security channel payments"].do_now
    settings["slack"]["security_channel"] = "#no-such-channel"
    found = missing(settings, tmp_path)
    assert "does not see" in found["slack: security channel #no-such-channel"].detail


def test_a_security_channel_that_is_shared_with_others(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    settings["slack"]["security_channel"] = "partners"
    found = missing(settings, tmp_path)
    assert "shared" in found["slack: security channel partners"].detail


def test_approvers_that_nobody_configured(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["approvals"]["approvers"] = ["team:nobody"]
    settings["response"]["allow"] = []
    settings["pagers"] = {}
    for team in settings["teams"].values():
        team["pagers"] = []
    found = checked(settings, tmp_path)
    by = {one.what: one for one in found if one.outcome is not Outcome.OK}
    assert "teams.nobody.members" in by["approvers"].do_now
    assert by["what may be changed"].outcome is Outcome.OPTIONAL
    assert by["reach"].connection == "pagers"
