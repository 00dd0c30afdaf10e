"""The shipped playbooks: each loads, names real steps with settings that fit, and is chosen."""

import re

import pytest
from pydantic import ValidationError

from graph.plugins import discover
from responders.playbook import Credential, Playbook, choose, load_playbooks
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
    "secret": "vault://main/kv/payments/gateway",
    "field": "token",
    "leaked_version": 3,
    "current_version": 3,
    "workloads": ["k8s://prod/payments/Deployment/api"],
    "watched_workloads": ["k8s://prod/payments/Deployment/api"],
    "copies": ["k8s://prod/payments/Secret/gateway#token"],
    "where": "#general",
    "sync": "k8s://prod/payments/ExternalSecret/gateway",
    "target": "k8s://prod/payments/Secret/gateway",
    "target_key": "token",
    "wave": 1,
    "waves": 2,
}
every_playbook = pytest.mark.parametrize("playbook", PLAYBOOKS.values(), ids=PLAYBOOKS)


def filled(value: object) -> object:
    """Put facts in place of placeholders, keeping the type of one that stands alone."""
    if not isinstance(value, str):
        return value
    if alone := re.fullmatch(r"\{([a-z_]+)\}", value):
        return FACTS[alone[1]]
    return re.sub(r"\{([a-z_]+)\}", lambda found: str(FACTS[found[1]]), value)


@every_playbook
def test_every_step_exists_and_takes_the_settings_that_it_is_given(playbook: Playbook) -> None:
    for planned in playbook.steps.values():
        step: AnyStep = STEPS[planned.use]()
        settings = {name: filled(value) for name, value in planned.settings.items()}
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
    ],
)
def test_each_kind_of_credential_finds_its_playbook(credential: Credential, name: str) -> None:
    assert choose(PLAYBOOKS.values(), credential).name == name
