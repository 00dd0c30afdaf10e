"""The shipped playbooks: each loads, names real steps with settings that fit, and is chosen."""

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import cast

import kingfisher_sdk
import pytest
from pydantic import ValidationError

from graph.plugins import discover
from responders.linting import lint
from responders.placeholders import Values, fill
from responders.playbook import Credential, Playbook, choose, find_playbooks, load_playbooks
from responders.step import AnyStep, Step

PLAYBOOKS = load_playbooks()
STEPS = discover(Step, "responders.steps")
FACTS: dict[str, object] = {
    "incident": "inc-1",
    "detector": "generic",
    "credential": "credential:abc",
    "issuer": "paygate",
    "store": "main",
    "accessor": "accessor-1",
    "entity": "7d2e3179-f69b-450c-7179-ac8ee8bd8ca9",
    "secret": "vault://main/kv/payments/gateway",
    "field": "token",
    "leaked_version": 3,
    "current_version": 3,
    "workloads": ["k8s://prod/payments/Deployment/api"],
    "consumers": ["k8s://prod/payments/Deployment/api"],
    "watched_workloads": ["k8s://prod/payments/Deployment/api"],
    "copies": ["k8s://prod/payments/Secret/gateway#token"],
    "where": "#general",
    "sync": "k8s://prod/payments/ExternalSecret/gateway",
    "target": "k8s://prod/payments/Secret/gateway",
    "target_key": "token",
    "wave": 1,
    "waves": 2,
}
# What the metadata of a secret says for a playbook that is asked for by name.
METADATA: dict[str, dict[str, object]] = {
    "postgres-password": {"playbook_database": "orders", "playbook_role": "shop"},
    "postgres-two-roles": {
        "playbook_database": "orders",
        "playbook_role": "shop_a",
        "playbook_other_role": "shop_b",
    },
    "vault-database-root": {"playbook_connection": "vault://main/database/config/orders"},
    "vault-approle-secret-id": {"playbook_role": "vault://main/auth/approle/role/ci"},
    "vault-pki-certificate": {"playbook_issuer": "vault://main/pki/issuer/default"},
    "aws-access-key": {"playbook_user": "aws://111122223333/iam/user/deploy"},
    "http-described-api": {
        "playbook_revoke_url": "https://api.tickets.example/v1/keys/revoke",
        "playbook_try_url": "https://api.tickets.example/v1/me",
        "playbook_admin": "vault://main/kv/ops/tickets#admin",
    },
    "image-pull-secret": {
        "playbook_target": "k8s://prod/shop/Secret/registry",
        "playbook_registry": "registry.example.com",
    },
    "vault-transit-key": {"playbook_key": "vault://main/transit/keys/payments"},
}
# Asked for by name too, and in need of nothing more.
NAMED = {
    "kubernetes-account-token",
    "kubernetes-generated",
    "kubernetes-immutable",
    "kubernetes-tls",
    "vault-entity",
}
ENGINES = {
    "vault_database_static": "vault://main/database/static-creds/shop",
    "vault_database_dynamic": "vault://main/database/creds/report",
    "aws_secrets_manager": "aws://111122223333/eu-west-1/secretsmanager/orders",
}


def detectors() -> list[str]:
    return [str(rule["id"]) for rule in kingfisher_sdk.Rules(confidence="low").metadata()]


every_playbook = pytest.mark.parametrize("playbook", PLAYBOOKS.values(), ids=PLAYBOOKS)


def facts_for(playbook: Playbook) -> Values:
    """Give what is known where this playbook is chosen."""
    facts = FACTS | METADATA.get(playbook.name, {})
    for store in playbook.matches.stores:
        facts |= {"secret": ENGINES[store]} if store in ENGINES else {}
    return cast("Values", facts)


@every_playbook
def test_every_step_exists_and_takes_the_settings_that_it_is_given(playbook: Playbook) -> None:
    for planned in playbook.steps.values():
        step: AnyStep = STEPS[planned.use]()
        settings = fill(planned.settings, facts_for(playbook))
        try:
            made = step.Settings.model_validate(settings)
        except ValidationError as error:
            pytest.fail(f"{playbook.name}: {planned.use}: {error}")
        assert step.preview(made)


@every_playbook
def test_in_every_order_the_leaked_version_dies_last_and_the_new_one_comes_before_its_copies(
    playbook: Playbook,
) -> None:
    for order in playbook.orders.values():
        phases = [playbook.steps[name].phase for name in order]
        if "refresh" in phases:
            assert phases.index("rotate") < phases.index("refresh") < phases.index("reload")
        if "revoke" in phases and "verify" in phases:
            assert phases.index("revoke") < phases.index("verify")
        uses = [playbook.steps[name].use for name in order]
        if "vault_kv.destroy_version" in uses:
            assert uses[-1] == "vault_kv.destroy_version"


@every_playbook
def test_rotate_first_revokes_only_after_every_consumer_has_moved(playbook: Playbook) -> None:
    phases = [playbook.steps[name].phase for name in playbook.orders.get("rotate-first", ())]
    if "reload" in phases and "revoke" in phases:
        last_reload = len(phases) - phases[::-1].index("reload")
        assert last_reload <= phases.index("revoke")


@pytest.mark.parametrize(
    ("credential", "name"),
    [
        (Credential("generic", "vault_kv", "paygate"), "http-api-token"),
        (Credential("generic", "vault_kv", "generated"), "vault-kv-generated"),
        (Credential("generic", "vault_kv"), "vault-kv-manual"),
        (Credential("openbao_token", "vault_token", "vault://main"), "vault-token"),
        (Credential("generic", "kubernetes"), "kubernetes-secret"),
        (Credential("generic", "unknown"), "unknown-credential"),
        (Credential("generic", "vault_database_static"), "vault-database-static"),
        (Credential("generic", "vault_database_dynamic"), "vault-database-dynamic"),
        (Credential("generic", "vault_kv", "", "postgres-two-roles"), "postgres-two-roles"),
        (Credential("generic", "vault_kv", "paygate", "postgres-password"), "postgres-password"),
        (
            Credential("openbao_token", "vault_token", "vault://main", "vault-entity"),
            "vault-entity",
        ),
        (Credential("github-pat", "vault_kv"), "github-token"),
        (Credential("github-pat", "unknown"), "github-token"),
        (Credential("github-pat", "vault_kv", "paygate"), "http-api-token"),
        (Credential("github-app-token", "kubernetes"), "github-app-token"),
        (Credential("gitlab-pat-routable", "vault_kv"), "gitlab-token"),
        (Credential("slack-legacy-bot-token", "unknown"), "slack-token"),
        (Credential("npmjsaccesstoken", "unknown"), "npm-token"),
        (Credential("aws-access-token", "unknown"), "aws-access-key-by-hand"),
        (Credential("aws-access-token", "vault_kv", "", "aws-access-key"), "aws-access-key"),
        (Credential("generic", "aws_secrets_manager"), "aws-secrets-manager"),
        (Credential("generic", "vault_kv", "", "no-such-playbook"), "vault-kv-manual"),
    ],
)
def test_each_kind_of_credential_finds_its_playbook(credential: Credential, name: str) -> None:
    assert choose(PLAYBOOKS.values(), credential).name == name


def test_a_playbook_that_asks_by_name_is_never_taken_by_itself() -> None:
    named = {playbook.name for playbook in PLAYBOOKS.values() if playbook.matches.named}
    assert named == {*METADATA, *NAMED}
    for store in ("vault_kv", "vault_token", "kubernetes", "unknown"):
        chosen = choose(PLAYBOOKS.values(), Credential("generic", store))  # type: ignore[arg-type]
        assert chosen.name not in named


@every_playbook
def test_a_plan_without_what_the_playbook_needs_is_refused_and_not_guessed(
    playbook: Playbook,
) -> None:
    if playbook.name not in METADATA:
        return
    lacking = 0
    for planned in playbook.steps.values():
        step: AnyStep = STEPS[planned.use]()
        try:
            step.Settings.model_validate(fill(planned.settings, cast("Values", FACTS)))
        except ValidationError:
            lacking += 1
    assert lacking


def test_each_playbook_says_what_it_was_tested_on_and_there_are_more_than_twenty() -> None:
    assert not [name for name, playbook in PLAYBOOKS.items() if not playbook.tested_on]
    assert len(PLAYBOOKS) >= 20


def test_the_lint_finds_nothing_in_ours() -> None:
    for found in find_playbooks().values():
        assert lint(found.file.read_text(), str(found.file), STEPS) == ()


def test_each_type_that_a_playbook_is_for_is_one_that_the_detection_knows() -> None:
    known = {re.sub(r"^.*[./]", "", name) for name in detectors()}
    asked = {d for playbook in PLAYBOOKS.values() for d in playbook.matches.detectors}
    unknown = {d for d in asked if not any(fnmatchcase(name, d) for name in known)}
    assert not unknown - {"openbao_token"}


def test_the_table_in_the_docs_has_a_row_for_each_with_what_it_was_tested_on() -> None:
    page = (Path(__file__).parents[2] / "docs" / "playbooks.md").read_text()
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert set(rows) == set(PLAYBOOKS)
    for name, playbook in PLAYBOOKS.items():
        assert f"| {playbook.title} |" in rows[name]
        assert rows[name].endswith(f"| {playbook.tested_on} |")
