"""The index key inside a real OpenBao: it digests, it is rotated, and it never comes here."""

import secrets
from collections.abc import Iterator

import pytest

from bot.sandbox.openbao import OpenBaoServer
from graph.errors import AccessDeniedError, NotFoundError
from graph.fingerprints import Fingerprinter, LocalKey, generate_key
from graph.secret_value import SecretValue
from graph.transit_key import TransitKeys, rules
from tests.graph.vault_parts import VaultCorner

VALUE = SecretValue("pgw_live_9fQ2xLbV7rTzK1mN8cWd")


@pytest.fixture(scope="module")
def corner(openbao: OpenBaoServer) -> Iterator[VaultCorner]:
    corner = VaultCorner(openbao)
    corner.client.sys.enable_secrets_engine("transit", path=f"{corner.mount}-transit")
    yield corner
    corner.client.sys.disable_secrets_engine(f"{corner.mount}-transit")
    corner.client.sys.disable_secrets_engine(corner.mount)


def made(corner: VaultCorner, *, token: str = "") -> tuple[TransitKeys, str]:
    key = f"index-{secrets.token_hex(3)}"
    path = f"{corner.mount}-transit/keys/{key}"
    corner.client.adapter.post(f"/v1/{path}", json={"type": "aes256-gcm96"})
    connections = corner.connections(token)
    return TransitKeys(connections, store="main", key=key, mount=f"{corner.mount}-transit"), path


def test_a_leak_is_recognised_by_digests_that_the_store_made(corner: VaultCorner):
    keys, _ = made(corner)
    fingerprinter = Fingerprinter(keys)
    stored = fingerprinter.of_stored(VALUE)
    leaked = fingerprinter.of_leaked(SecretValue(f'{{"token": "{VALUE.reveal()}"}}'))
    assert {one.digest for one in stored} & {one.digest for one in leaked}
    assert stored[0].key_id.endswith(":1")
    assert len(stored[0].digest) == 64
    other, _ = made(corner)
    assert stored[0].digest != Fingerprinter(other).of_stored(VALUE)[0].digest


def test_many_values_go_in_few_calls(corner: VaultCorner, openbao: OpenBaoServer):
    keys, _ = made(corner)
    (key,) = keys.versions()
    before = calls(openbao, corner)
    digests = key.digests([f"value-{number}".encode() for number in range(450)])
    assert len(set(digests)) == 450
    assert calls(openbao, corner) - before == 3
    assert digests[7] == key.digests([b"value-7"])[0]


def calls(openbao: OpenBaoServer, corner: VaultCorner) -> int:
    path = f'"path":"{corner.mount}-transit/hmac/'
    lines = openbao.audit_log.read_text().splitlines()
    return sum(path in line and '"type":"request"' in line for line in lines)


def test_a_rotated_key_begins_a_new_index_and_still_knows_the_old_one(corner: VaultCorner):
    keys, path = made(corner)
    old = Fingerprinter(keys).of_stored(VALUE)[0]
    corner.client.adapter.post(f"/v1/{path}/rotate", json={})
    again = TransitKeys(
        corner.connections(),
        store="main",
        key=path.rpartition("/")[2],
        mount=f"{corner.mount}-transit",
    )
    fingerprinter = Fingerprinter(again)
    assert fingerprinter.of_stored(VALUE)[0].key_id.endswith(":2")
    assert fingerprinter.of_stored(VALUE)[0].digest != old.digest
    assert old.digest in {one.digest for one in fingerprinter.of_leaked(VALUE)}
    assert fingerprinter.is_of(VALUE, old.digest)


def test_an_index_that_moves_into_the_store_stays_readable(corner: VaultCorner):
    local = LocalKey(SecretValue(generate_key()))
    before = local.digests([VALUE.reveal().encode()])[0]
    keys, _ = made(corner)
    moved = Fingerprinter(keys, previous=[local])
    assert before in {one.digest for one in moved.of_leaked(VALUE)}
    assert before not in {one.digest for one in moved.of_stored(VALUE)}


def test_the_rules_that_the_docs_name_are_enough_and_less_is_refused(corner: VaultCorner):
    keys, path = made(corner)
    name = path.rpartition("/")[2]
    policy = corner.policy(f"p-{name}", rules(f"{corner.mount}-transit", name))
    enough = corner.token([policy])["client_token"]
    mount = f"{corner.mount}-transit"
    allowed = TransitKeys(corner.connections(enough), store="main", key=name, mount=mount)
    assert Fingerprinter(allowed).of_stored(VALUE) == Fingerprinter(keys).of_stored(VALUE)
    poor = corner.token([corner.rules("MOUNT/data/* read")])["client_token"]
    refused = TransitKeys(corner.connections(poor), store="main", key=name, mount=mount)
    with pytest.raises(AccessDeniedError) as caught:
        Fingerprinter(refused).of_stored(VALUE)
    assert f"{mount}/keys/{name}" in caught.value.do_now
    nothing = TransitKeys(corner.connections(), store="main", key="none-such", mount=mount)
    with pytest.raises(NotFoundError):
        Fingerprinter(nothing).of_stored(VALUE)
