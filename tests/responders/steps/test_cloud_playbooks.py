"""The playbooks of providers and clouds, planned from what was collected and carried out."""

import secrets
from typing import Any
from urllib.parse import urlsplit

import pytest

from bot.sandbox.issuer import Paygate
from graph.connections import HttpSettings, ProviderSettings
from graph.model import Node, NodeKind
from graph.refs import Ref
from graph.snapshot import Snapshot
from responders.playbook import load_playbooks
from responders.provider import load_providers
from tests.responders.steps.databases import Vault
from tests.responders.steps.parts import proxy
from tests.responders.steps.test_aws_access_key import Deploy, refusing
from tests.responders.steps.test_playbooks_to_the_end import (
    carry_out,
    collected,
    describe,
    drafted,
)
from tests.servers.aws import ACCOUNT, REGION, Aws
from tests.servers.providers import Providers

PLAYBOOKS = load_playbooks()
# Playbook: what the token looks like here, the type that is detected, and who ends the old one.
TOKENS = {
    "github-token": ("github", "github-pat", ""),
    "github-app-token": ("github-app", "github-app-token", ""),
    "gitlab-token": ("gitlab", "gitlab-pat", ""),
    "slack-token": ("slack", "slack-bot-token", ""),
    "buildkite-token": ("buildkite", "buildkite-user-access-token", ""),
    "npm-token": ("npm", "npmjsaccesstoken", "by hand"),
    "stripe-key": ("stripe", "stripe-access-token", "by hand"),
    "openai-key": ("openai", "openai-api-key", "by hand"),
    "sendgrid-key": ("sendgrid", "sendgrid", "by hand"),
    "huggingface-token": ("huggingface", "huggingface-access-token", "by hand"),
}


def settings_of(providers: Providers) -> dict[str, ProviderSettings]:
    return {
        name: ProviderSettings(base_url=providers.address_of(name)) for name in load_providers()
    }


@pytest.mark.parametrize("name", TOKENS)
def test_a_stored_token_of_a_provider(vault: Vault, providers: Providers, name: str) -> None:
    kind, detector, by_hand = TOKENS[name]
    old, new = providers.make(kind), providers.make(kind)
    vault.put("ci/token", token=old)
    # The orders differ in when the person acts; each second playbook is carried out in the other.
    order = list(PLAYBOOKS[name].orders)[len(name) % 2]
    plan, note = drafted(collected(vault), vault.ref("ci/token"), "token", order, detector=detector)
    assert (plan.playbook, note) == (name, "")

    def person(step: str) -> None:
        if step.startswith("replace"):
            vault.put("ci/token", token=new)
        if step == "revoke":
            providers.kill(old)

    connections = vault.connections({s.use for s in plan.steps}, providers=settings_of(providers))
    waiting = carry_out(plan, connections, person)
    assert waiting == [s.id for s in plan.steps if s.use == "manual.confirm"]
    assert ("revoke" in waiting) == bool(by_hand)
    assert not providers.live(old)
    assert providers.live(new)
    versions = vault.call("get", f"{vault.mount}/metadata/ci/token")["data"]["versions"]
    assert versions["1"]["destroyed"] is True


@pytest.mark.parametrize("name", [*TOKENS, "pypi-token", "aws-access-key-by-hand"])
def test_a_token_that_lies_nowhere_has_a_plan_of_its_type(vault: Vault, name: str) -> None:
    detector = PLAYBOOKS[name].matches.detectors[0]
    plan, note = drafted(Snapshot.of([], []), "", "", "revoke-first", detector=detector)
    assert (plan.playbook, note) == (name, "")
    assert {step.use for step in plan.steps} == {"manual.confirm"}
    assert [step.phase for step in plan.steps][-1] == "verify"
    assert "unknown" not in " ".join(step.title for step in plan.steps)


@pytest.mark.parametrize("order", PLAYBOOKS["aws-access-key"].orders)
def test_an_access_key_of_aws(vault: Vault, aws: Aws, order: str) -> None:
    name = f"deploy-{secrets.token_hex(4)}"
    iam = aws.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    vault.put("ci/aws", AWS_ID=key["AccessKeyId"], AWS_SECRET=key["SecretAccessKey"])
    describe(
        vault,
        "ci/aws",
        playbook="aws-access-key",
        playbook_user=f"aws://{ACCOUNT}/iam/user/{name}",
        playbook_id_field="AWS_ID",
        playbook_field="AWS_SECRET",
    )
    plan, note = drafted(collected(vault), vault.ref("ci/aws"), "AWS_SECRET", order)
    assert (plan.playbook, note) == ("aws-access-key", "")
    asked: Any = Deploy(aws, None, name, key["AccessKeyId"], "")  # type: ignore[arg-type]
    with proxy(aws.address, refusing(asked)) as address:
        account = {"prod": aws.settings(endpoint_url=address, tries=1)}
        used = {step.use for step in plan.steps}
        assert carry_out(plan, vault.connections(used, aws=account)) == []
    assert asked.keys() == {vault.read("ci/aws")["AWS_ID"]: "Active"}
    assert key["AccessKeyId"] not in asked.keys()  # noqa: SIM118 - a method of ours


def test_a_secret_of_aws_secrets_manager(aws: Aws) -> None:
    name = f"orders-{secrets.token_hex(4)}"
    client = aws.client("secretsmanager")
    old = client.create_secret(Name=name, SecretString="leaked-signing-key")["VersionId"]
    ref = f"aws://{ACCOUNT}/{REGION}/secretsmanager/{name}"
    snapshot = Snapshot.of([Node(Ref(ref), NodeKind.SECRET)], [])
    plan, note = drafted(snapshot, ref, "", "rotate-first")
    assert (plan.playbook, note) == ("aws-secrets-manager", "")
    assert carry_out(plan, aws.connections()) == ["prove"]
    assert client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["VersionId"] != old
    assert not client.describe_secret(SecretId=name)["VersionIdsToStages"].get(old)


def test_a_key_whose_revoking_call_is_described(vault: Vault, issuer: Paygate) -> None:
    _, old = issuer.issue()
    _, new = issuer.issue()
    vault.put("ci/tickets", key=old)
    vault.put("ops/tickets", admin=issuer.admin_token)
    describe(
        vault,
        "ci/tickets",
        playbook="http-described-api",
        playbook_revoke_url=f"{issuer.address}/v1/tokens/revoke",
        playbook_try_url=f"{issuer.address}/v1/account",
        playbook_admin=vault.ref("ops/tickets#admin"),
    )
    plan, note = drafted(collected(vault), vault.ref("ci/tickets"), "key", "rotate-first")
    assert (plan.playbook, note) == ("http-described-api", "")
    listed = HttpSettings(hosts=(urlsplit(issuer.address).netloc,))
    connections = vault.connections({step.use for step in plan.steps}, http=listed)

    def person(step: str) -> None:
        vault.put("ci/tickets", key=new)

    assert carry_out(plan, connections, person) == ["replace:1"]
    assert not issuer.accepts(old)
    assert issuer.accepts(new)
