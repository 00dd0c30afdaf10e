"""The shipped policies: accepted by a real OpenBao, enough for a rotation, and no more."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac
import pytest
import yaml

from bot.sandbox.company import workspace_shape
from bot.sandbox.outside import Outside
from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.world import STORE, World
from graph.vault.policies import parse_policy
from tests.servers.processes import ROOT, locksmith, settings_of, write_config

pytestmark = pytest.mark.slow

READ = ROOT / "deploy" / "vault" / "read.hcl"
ACT = ROOT / "deploy" / "vault" / "act.hcl"
DOCS = ROOT / "docs" / "permissions.md"

BEYOND = (
    "kv/delete/payments/gateway", "kv/undelete/payments/gateway", "kv/config", "sys/seal",
    "sys/audit", "sys/policies/acl/ops#update", "auth/approle/role/ci#update",
    "auth/approle/role/ci/secret-id", "auth/token/create", "auth/token/revoke",
    "auth/token/revoke-orphan", "identity/entity", "sys/mounts/new", "secret/data/other",
    "kv/data/payments/gateway#create", "kv/data/payments/gateway#update",
    "kv/data/payments/gateway#delete", "kv/metadata/payments/gateway#delete",
)  # fmt: skip


def granted(*texts: str) -> dict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for text in texts:
        for rule in parse_policy(text):
            found[rule.pattern] |= rule.capabilities
    return dict(found)


def documented() -> dict[str, set[str]]:
    """Read the Vault table of docs/permissions.md."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    section = DOCS.read_text().partition("## Vault and OpenBao")[2].partition("## Kubernetes")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            found[cells[0].strip("`")] |= {one.strip() for one in cells[1].split(",")}
    return dict(found)


def test_the_docs_list_exactly_what_the_policies_grant() -> None:
    assert documented() == granted(READ.read_text(), ACT.read_text())


def test_the_bot_of_the_demo_has_exactly_the_shipped_policies() -> None:
    store = yaml.safe_load((ROOT / "bot" / "sandbox" / "store.yaml").read_text())
    assert granted(store["policies"]["locksmith"]) == granted(READ.read_text(), ACT.read_text())


def test_reading_grants_no_change() -> None:
    changes = {"create", "patch", "delete", "sudo"}
    for path, capabilities in granted(READ.read_text()).items():
        assert not capabilities & changes, path
        assert "update" not in capabilities or path.startswith("auth/token/"), path


@pytest.fixture
def shipped(fresh_world: World) -> str:
    """A token of the world's OpenBao with the two shipped policies, and nothing else."""
    client = hvac.Client(url=fresh_world.openbao.address, token=fresh_world.openbao.root_token)
    for name, file in (("locksmith-read", READ), ("locksmith-act", ACT)):
        client.sys.create_or_update_acl_policy(name, file.read_text(), pretty_print=False)
    made = client.auth.token.create(
        policies=["locksmith-read", "locksmith-act"], no_default_policy=True, ttl="30m"
    )
    return str(made["auth"]["client_token"])


def test_they_grant_nothing_beyond(fresh_world: World, shipped: str) -> None:
    root = hvac.Client(url=fresh_world.openbao.address, token=fresh_world.openbao.root_token)
    for entry in BEYOND:
        path, _, capability = entry.partition("#")
        answer = root.sys.get_capabilities([path], token=shipped)
        has = set((answer.get("data") or answer)[path])
        refused = capability not in has if capability else has == {"deny"}
        assert refused, f"{entry}: {has}"


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(workspace_shape()) as running:
        yield running


def test_they_are_enough_to_collect_rotate_and_revoke(
    fresh_world: World,
    shipped: str,
    workspace: Workspace,
    page_receiver: PageReceiver,
    tmp_path: Path,
) -> None:
    settings = settings_of(fresh_world, workspace, page_receiver, folder=tmp_path)
    settings["approvals"]["approvers"] = ["team:security"]
    settings["vault"][STORE] = {
        "address": fresh_world.openbao.address, "token": shipped, "mounts": ["kv"],
    }  # fmt: skip
    config = str(write_config(settings, tmp_path))

    def done(*arguments: str, given: str | None = None) -> Any:
        ended = locksmith("--config", config, *arguments, given=given)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    collected = json.loads(done("collect", "--json"))
    (store,) = [one for one in collected["sources"] if one["source"] == "vault/main"]
    assert store["gaps"] == []
    assert store["fingerprints"] > 0
    ci = fresh_world.issue_ci_token()
    for value in (fresh_world.leaked_token, ci.token):
        reported = done(
            "report", "--value-stdin", "--json", "--as", "rita@example.com", given=value
        )
        incident = json.loads(reported)["incidents"][0]["incident_id"]
        done("run", incident, "--as", "sue@example.com")
        assert "is closed" in done("approve", incident, "--as", "sam@example.com")
    with Outside(fresh_world) as outside:
        assert outside.token_in_store() != fresh_world.leaked_token
        assert not outside.issuer_accepts(fresh_world.leaked_token)
        assert not outside.token_works(ci.token)
