"""Settings, names and Vault; the Kubernetes side is in test_kubernetes_api.py."""

import logging
import secrets
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bot.sandbox.loopback import free_port
from bot.sandbox.openbao import OpenBaoServer
from graph.connections import (
    Connections,
    HttpCall,
    IssuerSettings,
    KubernetesSettings,
    VaultSettings,
    vault_errors,
)
from graph.errors import (
    AccessDeniedError,
    BadInputError,
    ConflictError,
    LocksmithError,
    NotFoundError,
    UnavailableError,
)
from tests.graph.http_stub import Answer, HttpStub
from tests.graph.vault_parts import VaultCorner

CANARY = "pgw_live_CANARYfQ2xLbV7rTz"


@pytest.fixture(scope="module")
def corner(openbao: OpenBaoServer) -> Iterator[VaultCorner]:
    corner = VaultCorner(openbao)
    corner.put("db", {"password": CANARY})
    yield corner
    corner.client.sys.disable_secrets_engine(corner.mount)


def read(connections: Connections, path: str) -> Any:
    with vault_errors(f"read {path}"):
        return connections.vault("main").adapter.get(f"/v1/{path}")


def approle(corner: VaultCorner, **role: Any) -> dict[str, str]:
    method = f"approle-{secrets.token_hex(3)}"
    corner.client.sys.enable_auth_method("approle", path=method)
    base = f"/v1/auth/{method}/role/bot"
    policy = corner.rules("MOUNT/data/* read")
    corner.client.adapter.post(base, json={"token_policies": [policy], **role})
    return {
        "auth": "approle",
        "auth_mount": method,
        "role_id": corner.client.adapter.get(f"{base}/role-id")["data"]["role_id"],
        "secret_id": corner.client.adapter.post(f"{base}/secret-id")["data"]["secret_id"],
    }


def connected(corner: VaultCorner, **settings: Any) -> Connections:
    vault = VaultSettings(address=corner.server.address, **settings)
    return Connections({"main": vault}, {}, {})


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"address": "http://v", "token": "s.CANARY", "colour": "s.CANARY"}, "colour"),
        ({"address": "s.CANARY", "token": "x"}, "address"),
        ({"address": "http://v"}, "needs `token`"),
        ({"address": "http://v", "token": ""}, "needs `token`"),
        ({"address": "http://v", "auth": "approle", "role_id": "s.CANARY"}, "secret_id"),
        ({"address": "http://v", "auth": "kubernetes"}, "needs `role`"),
        ({"address": "http://v", "auth": "s.CANARY"}, "auth"),
    ],
)
def test_wrong_vault_settings_are_refused_without_repeating_a_value(settings, hint):
    with pytest.raises(ValidationError) as caught:
        VaultSettings(**settings)
    assert hint in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_settings_do_not_show_their_secrets():
    settings = VaultSettings(address="http://v", token="s.CANARY")
    call = HttpCall(path="/v1/tokens")
    issuer = IssuerSettings(
        base_url="http://i", admin_token="CANARY", create=call, revoke=call, probe=call
    )
    assert "CANARY" not in repr((settings, issuer, settings.model_dump_json()))


def test_names_that_are_not_configured_are_not_found_and_the_known_ones_are_told():
    connections = Connections(
        {"main": VaultSettings(address="http://v", token="x")}, {"prod": KubernetesSettings()}, {}
    )
    assert connections.vault_names == ("main",)
    assert connections.cluster_names == ("prod",)
    assert connections.issuer_names == ()
    for ask in (connections.vault, connections.vault_settings):
        with pytest.raises(NotFoundError, match="main"):
            ask("other")
    for ask in (connections.kubernetes, connections.cluster_settings):
        with pytest.raises(NotFoundError, match="prod"):
            ask("other")
    with pytest.raises(NotFoundError, match="none"):
        connections.issuer("paygate")


def test_a_token_reads(corner):
    connections = corner.connections()
    assert read(connections, f"{corner.mount}/data/db")["data"]["data"]["password"] == CANARY
    assert connections.vault("main") is connections.vault("main")
    connections.close()


def test_the_token_of_whoever_runs_the_bot_is_never_used(corner, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", corner.server.root_token)
    monkeypatch.setenv("VAULT_ADDR", corner.server.address)
    with pytest.raises(AccessDeniedError):
        read(corner.connections("s.unknown"), f"{corner.mount}/data/db")


def test_an_approle_logs_in(corner):
    connections = connected(corner, **approle(corner))
    assert read(connections, f"{corner.mount}/data/db")["data"]["data"]["password"] == CANARY


def test_a_revoked_login_is_made_again(corner):
    connections = connected(corner, **approle(corner))
    read(connections, f"{corner.mount}/data/db")
    old = connections.vault("main").token
    corner.client.adapter.post("/v1/auth/token/revoke", json={"token": old})
    assert read(connections, f"{corner.mount}/data/db")
    assert connections.vault("main").token != old


def test_a_login_that_ended_is_made_again(corner):
    connections = connected(corner, **approle(corner, token_ttl="1s", token_max_ttl="1s"))
    read(connections, f"{corner.mount}/data/db")
    first = connections.vault("main").token
    deadline = time.monotonic() + 15
    while connections.vault("main").token == first:
        assert time.monotonic() < deadline
        assert read(connections, f"{corner.mount}/data/db")
    assert read(connections, f"{corner.mount}/data/db")


def test_a_renewable_token_is_renewed_in_time(corner):
    policy = corner.rules("MOUNT/data/* read")
    made = corner.token([policy, "default"], ttl="2s", period="2s")
    connections = connected(corner, token=made["client_token"])
    until = time.monotonic() + 4
    while time.monotonic() < until:
        assert read(connections, f"{corner.mount}/data/db")


def test_a_login_without_the_right_to_look_itself_up_works(corner):
    connections = connected(corner, **approle(corner, token_no_default_policy=True))
    assert read(connections, f"{corner.mount}/data/db")
    with pytest.raises(AccessDeniedError):
        read(connections, "sys/mounts")
    assert read(connections, f"{corner.mount}/data/db")


def test_a_kubernetes_login_sends_the_service_accounts_token(tmp_path):
    jwt = tmp_path / "token"
    jwt.write_text("the.jwt.itself\n")
    said = {"auth": {"client_token": "s.fresh"}}
    with HttpStub(lambda asked: Answer(body=said if "login" in asked.path else {})) as stub:
        vault = VaultSettings(
            address=stub.address, auth="kubernetes", role="locksmith", jwt_file=str(jwt)
        )
        client = Connections({"main": vault}, {}, {}).vault("main")
    assert client.token == "s.fresh"
    assert stub.asked[0].path == "/v1/auth/kubernetes/login"
    assert b"the.jwt.itself" in stub.asked[0].body
    assert b"\\n" not in stub.asked[0].body


def test_a_missing_account_token_is_told_by_its_path():
    vault = VaultSettings(address="http://v", auth="kubernetes", role="r", jwt_file="/nowhere/t")
    with pytest.raises(UnavailableError, match="/nowhere/t"):
        Connections({"main": vault}, {}, {}).vault("main")


@pytest.mark.parametrize("wrong", [{"secret_id": "CANARY"}, {"auth_mount": "nowhere"}])
def test_a_login_that_is_not_accepted_says_so_without_the_proof(corner, wrong):
    connections = connected(corner, **(approle(corner) | wrong))
    with pytest.raises(AccessDeniedError) as caught:
        connections.vault("main")
    assert "log in" in caught.value.happened
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


def test_many_threads_share_one_client_also_when_its_login_dies(corner):
    connections = connected(corner, **approle(corner))
    killed = connections.vault("main").token

    def work(number: int) -> bool:
        if number == 20:
            corner.client.adapter.post("/v1/auth/token/revoke", json={"token": killed})
        return bool(read(connections, f"{corner.mount}/data/db"))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(100)))


@pytest.mark.parametrize(
    ("method", "path", "rule"),
    [
        ("get", "MOUNT/data/db", 'path "MOUNT/data/db" { capabilities = ["read"] }'),
        ("list", "MOUNT/metadata/a", 'path "MOUNT/metadata/a" { capabilities = ["list"] }'),
        ("post", "MOUNT/data/db", 'path "MOUNT/data/db" { capabilities = ["create", "update"] }'),
        ("delete", "MOUNT/data/db", 'path "MOUNT/data/db" { capabilities = ["delete"] }'),
        ("get", "sys/policies/acl", 'path "sys/policies/acl" { capabilities = ["read"] }'),
    ],
)
def test_a_refusal_names_the_rule_to_grant(corner, method, path, rule):
    client = corner.connections(corner.token(["default"])["client_token"]).vault("main")
    with pytest.raises(AccessDeniedError) as caught, vault_errors("do it"):
        getattr(client.adapter, method)(f"/v1/{path.replace('MOUNT', corner.mount)}")
    assert rule.replace("MOUNT", corner.mount) in caught.value.do_now
    assert caught.value.happened.startswith("Could not do it: ")


def test_a_token_that_is_not_valid_is_told_apart_from_a_missing_rule(corner):
    made = corner.token(["default"])
    connections = corner.connections(made["client_token"])
    connections.vault("main")
    corner.client.auth.token.revoke_accessor(made["accessor"])
    with pytest.raises(AccessDeniedError) as caught:
        read(connections, f"{corner.mount}/data/db")
    assert "not valid" in caught.value.means
    assert "new token" in caught.value.do_now


def test_what_the_server_says_becomes_our_errors(corner):
    connections = corner.connections()
    with pytest.raises(NotFoundError):
        read(connections, f"{corner.mount}/data/nowhere")
    adapter = connections.vault("main").adapter
    with pytest.raises(ConflictError), vault_errors("write"):
        adapter.post(
            f"/v1/{corner.mount}/data/db", json={"options": {"cas": 9}, "data": {"a": CANARY}}
        )
    with pytest.raises(BadInputError), vault_errors("write"):
        adapter.post("/v1/auth/token/create", json={"ttl": CANARY})
    with pytest.raises(NotFoundError), vault_errors("look up"):
        adapter.post("/v1/auth/token/lookup", json={"token": "s.unknown"})


def test_our_own_errors_pass_unchanged():
    mine = ConflictError("Mine.")
    with pytest.raises(ConflictError) as caught, vault_errors("do it"):
        raise mine
    assert caught.value is mine


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadInputError),
        (401, AccessDeniedError),
        (403, AccessDeniedError),
        (404, NotFoundError),
        (405, UnavailableError),
        (412, UnavailableError),
        (429, UnavailableError),
        (500, UnavailableError),
        (501, UnavailableError),
        (502, UnavailableError),
        (503, UnavailableError),
    ],
)
@pytest.mark.parametrize("body", [{"errors": [f"bad value {CANARY}"]}, CANARY.encode(), b""])
def test_no_answer_of_a_server_is_ever_repeated(status, kind, body, caplog):
    caplog.set_level(logging.DEBUG)
    with HttpStub(lambda _: Answer(status, body)) as stub:
        vault = VaultSettings(address=stub.address, token="s.CANARYtoken")
        connections = Connections({"main": vault}, {}, {})
        with pytest.raises(kind) as caught:
            read(connections, "kv/data/db")
    error: LocksmithError = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + caplog.text
    assert "CANARY" not in shown
    assert error.happened.startswith("Could not read kv/data/db: ")


def test_a_page_instead_of_the_api_is_not_taken_for_an_answer():
    with HttpStub(lambda _: Answer(body=b"<html>", headers={"Content-Type": "text/html"})) as stub:
        vault = VaultSettings(address=stub.address, token="s.x")
        with pytest.raises(LocksmithError, match="malformed"):
            read(Connections({"main": vault}, {}, {}), "kv/data/db")


def test_a_wrong_address_is_unavailable():
    vault = VaultSettings(address=f"http://127.0.0.1:{free_port()}", token="s.x")
    with pytest.raises(UnavailableError, match="no connection"):
        read(Connections({"main": vault}, {}, {}), "kv/data/db")


def test_a_sealed_server_says_so_for_every_way_to_log_in(tmp_path):
    with OpenBaoServer(tmp_path) as server:
        corner = VaultCorner(server)
        proof = approle(corner)
        corner.client.sys.seal()
        for settings in ({"token": server.root_token}, proof):
            with pytest.raises(UnavailableError) as caught:
                read(connected(corner, **settings), "sys/mounts")
            assert "sealed" in caught.value.happened


def test_tls_is_verified_against_the_authority_that_is_given(tmp_path: Path):
    with HttpStub(lambda _: Answer(body={"data": {"a": 1}}), tmp_path) as stub:
        trusting = VaultSettings(address=stub.address, token="s.x", ca_cert=stub.certificate)
        assert read(Connections({"main": trusting}, {}, {}), "x") == {"data": {"a": 1}}
        careful = VaultSettings(address=stub.address, token="s.x")
        before = len(stub.asked)
        with pytest.raises(UnavailableError) as caught:
            read(Connections({"main": careful}, {}, {}), "x")
        assert "not trusted" in caught.value.happened
        assert "ca_cert" in caught.value.do_now
        assert len(stub.asked) == before


def test_an_authority_file_that_is_missing_is_bad_input():
    vault = VaultSettings(address="https://v", token="s.x", ca_cert="/nowhere/ca.pem")
    with pytest.raises(BadInputError, match=r"/nowhere/ca\.pem"):
        Connections({"main": vault}, {}, {}).vault("main")


def test_the_namespace_goes_along(corner):
    with HttpStub(lambda _: Answer(body={"data": {}})) as stub:
        vault = VaultSettings(address=stub.address, token="s.x", namespace="team-a")
        read(Connections({"main": vault}, {}, {}), "x")
    assert {asked.headers["x-vault-namespace"] for asked in stub.asked} == {"team-a"}
