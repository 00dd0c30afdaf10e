from collections.abc import Iterator

import pytest

from bot.sandbox.loopback import free_port
from bot.sandbox.openbao import OpenBaoServer
from graph.connections import Connections, VaultSettings
from graph.identify import identify
from graph.model import EdgeKind, NodeKind
from graph.secret_value import SecretValue
from tests.graph.vault_parts import VaultCorner


@pytest.fixture(scope="module")
def corner(openbao: OpenBaoServer) -> Iterator[VaultCorner]:
    corner = VaultCorner(openbao)
    yield corner
    corner.client.sys.disable_secrets_engine(corner.mount)


def bot(corner: VaultCorner, *rules: str) -> str:
    return str(corner.token([corner.rules(*rules)])["client_token"])


@pytest.fixture
def connections(corner: VaultCorner) -> Connections:
    return corner.connections(bot(corner, "auth/token/lookup update"))


def test_a_leaked_token_is_known_by_its_issuer_with_what_it_opens(corner, connections):
    policy = corner.rules("MOUNT/data/* read")
    leaked = corner.token([policy], display_name="ci", ttl="1h")
    found = identify(SecretValue(leaked["client_token"] + "\n"), connections)
    assert found.detector == "openbao_token"
    assert found.facts["issuer"] == "vault://main"
    assert found.facts["accessor"] == leaked["accessor"]
    assert set(found.facts["policies"]) == {policy, "default"}
    assert found.facts["display_name"] == "token-ci"
    assert 3500 < found.facts["ttl"] <= 3600
    assert found.facts["expire_time"].startswith("20")
    assert found.facts["orphan"] is False
    opened = {edge.head for edge in found.edges if edge.kind is EdgeKind.OPENS}
    assert opened == {f"vault://main/-/Policy/{policy}", "vault://main/-/Policy/default"}
    assert {edge.tail for edge in found.edges} == {found.credential}
    kinds = {node.ref: node.kind for node in found.nodes}
    assert kinds[found.credential] is NodeKind.CREDENTIAL
    assert opened <= kinds.keys()
    assert not found.gaps


def test_the_token_itself_is_nowhere_in_the_answer(corner, connections):
    for made in (corner.token(["default"]), corner.token(["default"], type="batch", ttl="1h")):
        assert made["client_token"] not in repr(
            identify(SecretValue(made["client_token"]), connections)
        )


def test_a_batch_token_is_known_though_it_has_no_accessor(corner, connections):
    leaked = corner.token(["default"], type="batch", ttl="1h")
    found = identify(SecretValue(leaked["client_token"]), connections)
    assert found.facts["type"] == "batch"
    assert found.facts["accessor"] == ""
    assert found.credential is not None


def test_a_token_of_an_approle_names_its_role(corner, connections):
    corner.client.sys.enable_auth_method("approle", path=f"{corner.mount}-role")
    base = f"/v1/auth/{corner.mount}-role/role/ci"
    corner.client.adapter.post(base, json={"token_policies": ["default"]})
    role_id = corner.client.adapter.get(f"{base}/role-id")["data"]["role_id"]
    secret_id = corner.client.adapter.post(f"{base}/secret-id")["data"]["secret_id"]
    login = corner.client.adapter.post(
        f"/v1/auth/{corner.mount}-role/login", json={"role_id": role_id, "secret_id": secret_id}
    )
    found = identify(SecretValue(login["auth"]["client_token"]), connections)
    assert found.facts["role"] == f"vault://main/auth/{corner.mount}-role/role/ci"


def test_a_token_that_no_store_knows_has_no_issuer_and_no_gap(connections):
    found = identify(SecretValue("s.AbCdEfGh12345678IjKlMnOp"), connections)
    assert found.detector == "openbao_token"
    assert found.credential is None
    assert "issuer" not in found.facts
    assert not found.gaps


def test_a_revoked_token_is_no_longer_known(corner, connections):
    leaked = corner.token(["default"])
    corner.client.auth.token.revoke_accessor(leaked["accessor"])
    assert identify(SecretValue(leaked["client_token"]), connections).credential is None


def test_a_store_that_refuses_the_question_is_a_gap_with_the_rule_to_grant(corner):
    leaked = corner.token(["default"])
    found = identify(
        SecretValue(leaked["client_token"]), corner.connections(bot(corner, "sys/mounts read"))
    )
    [gap] = found.gaps
    assert 'path "auth/token/lookup" { capabilities = ["update"] }' in gap.do_now
    assert found.credential is None


def test_every_configured_store_is_asked_also_after_one_that_is_down(corner):
    leaked = corner.token(["default"])
    good = VaultSettings(
        address=corner.server.address, token=bot(corner, "auth/token/lookup update")
    )
    down = VaultSettings(address=f"http://127.0.0.1:{free_port()}", token="s.x")
    found = identify(
        SecretValue(leaked["client_token"]), Connections({"down": down, "good": good}, {}, {})
    )
    assert found.facts["issuer"] == "vault://good"
    assert [gap.source for gap in found.gaps] == ["vault/down"]


@pytest.mark.parametrize(
    ("value", "detector"),
    [
        ("pgw_live_9fQ2xLbV7rTzK1mN8cWdE4hJ6sYpA3gU", "generic"),
        ("xoxb-2438592345-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx", "slack-bot-token"),
        ("nothing that looks like a secret", "generic"),
        ("", "generic"),
    ],
)
def test_other_values_get_their_type_and_are_shown_to_no_store(value, detector):
    # The only store is down: had it been asked, there would be a gap.
    down = VaultSettings(address=f"http://127.0.0.1:{free_port()}", token="s.x")
    found = identify(SecretValue(value), Connections({"down": down}, {}, {}))
    assert found.detector == detector
    assert found.detector_name
    assert not found.gaps
