"""Identity, PKI and transit of a real OpenBao: done once, looked at, lied to."""

from collections.abc import Callable
from datetime import UTC, datetime

import hvac
import pytest
from cryptography import x509

from graph.errors import (
    AccessDeniedError,
    BadInputError,
    ConflictError,
    LocksmithError,
    NotFoundError,
)
from responders.step import Receipt, StepContext, VerdictKind
from responders.steps import vault_identity, vault_pki
from responders.steps.vault_transit import KeySettings, Look, RaiseMinimum, Rotate
from tests.responders.steps.databases import Vault
from tests.responders.steps.parts import after, context, pretend, proxy

CONFIRMED, REFUTED, UNKNOWN = VerdictKind.CONFIRMED, VerdictKind.REFUTED, VerdictKind.UNKNOWN


def test_an_entity_is_disabled_and_enabled_again(vault: Vault) -> None:
    made = vault.call("post", "identity/entity", name="ana", metadata={"team": "payments"})["data"]
    step = vault_identity.DisableEntity()
    asked = vault_identity.DisableEntitySettings(store="vault://main", entity=made["id"])
    users = vault.enable("userpass", "auth")
    vault.call("post", f"auth/{users}/users/ana", password="a-long-password")
    methods = vault.call("get", "sys/auth")["data"]
    vault.call(
        "post",
        "identity/entity-alias",
        name="ana",
        canonical_id=made["id"],
        mount_accessor=methods[f"{users}/"]["accessor"],
    )
    client = hvac.Client(vault.address)
    client.auth.userpass.login("ana", "a-long-password", mount_point=users)
    given = context(vault.connections(["vault_identity.disable_entity"]))

    receipt = step.apply(asked, given)
    assert step.verify(asked, receipt, given).kind is CONFIRMED
    with pytest.raises(hvac.exceptions.Forbidden):
        client.auth.token.lookup_self()
    again = step.apply(asked, given)
    assert again.facts == receipt.facts
    undone = step.undo(asked, again, given)
    assert "enabled again" in undone.sentence
    assert client.auth.token.lookup_self()
    now = vault.call("get", f"identity/entity/id/{made['id']}")["data"]
    assert now["metadata"] == {"team": "payments"}
    assert step.verify(asked, receipt, given).kind is REFUTED

    # What somebody else had disabled stays disabled.
    vault.call("post", f"identity/entity/id/{made['id']}", disabled=True)
    theirs = step.apply(asked, given)
    assert theirs.facts["ours"] is False
    step.undo(asked, theirs, given)
    assert vault.call("get", f"identity/entity/id/{made['id']}")["data"]["disabled"] is True


def test_an_entity_that_is_only_claimed_to_be_disabled_is_refuted(vault: Vault) -> None:
    made = vault.call("post", "identity/entity", name="bob")["data"]
    step = vault_identity.DisableEntity()
    asked = vault_identity.DisableEntitySettings(store="main", entity=made["id"])
    with proxy(vault.address, pretend("/entity/id/")) as address:
        given = context(vault.connections([step.name], address=address))
        receipt = step.apply(asked, given)
        assert step.verify(asked, receipt, given).kind is REFUTED
        real = context(vault.connections([step.name]))
        receipt = step.apply(asked, real)
        with pytest.raises(ConflictError):
            step.undo(asked, receipt, given)
    with pytest.raises(NotFoundError):
        step.apply(asked.model_copy(update={"entity": "nobody"}), real)
    blind = context(vault.connections(["vault_token.revoke"]))
    with pytest.raises(AccessDeniedError):
        step.apply(asked, blind)
    assert step.verify(asked, receipt, blind).kind is UNKNOWN


@pytest.fixture
def pki(vault: Vault) -> str:
    mount = vault.enable("pki")
    vault.call("post", f"{mount}/issuers/generate/root/internal", common_name="root", ttl="700h")
    vault.call("post", f"{mount}/roles/web", allow_any_name=True, max_ttl="24h")
    issued = vault.call("post", f"{mount}/issue/web", common_name="shop.example")["data"]
    vault.put("shop/tls", certificate=issued["private_key"] + "\n" + issued["certificate"])
    return mount


def pki_settings(vault: Vault, mount: str) -> vault_pki.RevokeSettings:
    return vault_pki.RevokeSettings(
        mount=f"vault://main/{mount}/issuer/default",
        secret=vault.ref("shop/tls"),
        version=1,
    )


def test_a_certificate_is_revoked_and_listed(vault: Vault, pki: str) -> None:
    asked, step = pki_settings(vault, pki), vault_pki.Revoke()
    given = context(vault.connections([step.name], mount=pki))
    receipt = step.apply(asked, given)
    assert step.verify(asked, receipt, given).kind is CONFIRMED
    serial = str(receipt.facts["serial"])
    crl = vault.call("get", f"{pki}/cert/crl")["data"]["certificate"]
    listed = x509.load_pem_x509_crl(crl.encode())
    found = listed.get_revoked_certificate_by_serial_number(int(serial.replace(":", ""), 16))
    assert found is not None
    assert found.revocation_date_utc <= datetime.now(UTC)
    assert "revoked before" in step.apply(asked, given).sentence
    by_serial = vault_pki.RevokeSettings(mount=asked.mount, serial=serial)
    assert step.verify(by_serial, receipt, given).kind is CONFIRMED
    with pytest.raises(ValueError, match="give the serial"):
        vault_pki.RevokeSettings(mount=asked.mount)


def test_a_certificate_that_is_only_claimed_to_be_revoked_is_refuted(
    vault: Vault, pki: str
) -> None:
    asked, step = pki_settings(vault, pki), vault_pki.Revoke()
    with proxy(vault.address, pretend(f"/{pki}/revoke")) as address:
        given = context(vault.connections([step.name], mount=pki, address=address))
        receipt = step.apply(asked, given)
        assert step.verify(asked, receipt, given).kind is REFUTED


def test_a_revocation_that_no_client_can_learn_of_is_unknown(vault: Vault, pki: str) -> None:
    asked, step = pki_settings(vault, pki), vault_pki.Revoke()
    vault.call("post", f"{pki}/config/crl", auto_rebuild=True)
    given = context(vault.connections([step.name], mount=pki), seconds=1.5)
    receipt = step.apply(asked, given)
    assert step.verify(asked, receipt, given).kind is UNKNOWN
    vault.put("shop/tls", certificate="no certificate")
    with pytest.raises(BadInputError):
        step.apply(asked.model_copy(update={"version": 2}), given)


@pytest.fixture
def transit(vault: Vault) -> str:
    mount = vault.enable("transit")
    vault.call("post", f"{mount}/keys/pay")
    return mount


TRANSIT = ("vault_transit.look", "vault_transit.rotate", "vault_transit.raise_minimum")


def test_a_key_gets_one_new_version_and_the_old_one_ends_and_comes_back(
    vault: Vault, transit: str
) -> None:
    asked = KeySettings(key=f"vault://main/{transit}/keys/pay")
    old = vault.call("post", f"{transit}/encrypt/pay", plaintext="b2xk")["data"]["ciphertext"]
    given = context(vault.connections(TRANSIT, mount=transit))
    looked = Look().apply(asked, given)
    assert Look().verify(asked, looked, given).kind is CONFIRMED
    given = after(given, look=looked)
    receipt = Rotate().apply(asked, given)
    assert Rotate().verify(asked, receipt, given).kind is CONFIRMED
    Rotate().apply(asked, given)
    assert vault.call("get", f"{transit}/keys/pay")["data"]["latest_version"] == 2

    raised = RaiseMinimum().apply(asked, given)
    verdict = RaiseMinimum().verify(asked, raised, given)
    assert verdict.kind is CONFIRMED
    assert verdict.facts["old_value_refused"] is True
    with pytest.raises(hvac.exceptions.InvalidRequest):
        vault.call("post", f"{transit}/decrypt/pay", ciphertext=old)
    again = RaiseMinimum().apply(asked, given)
    assert RaiseMinimum().verify(asked, again, given).kind is CONFIRMED

    RaiseMinimum().undo(asked, raised, given)
    assert (
        vault.call("post", f"{transit}/decrypt/pay", ciphertext=old)["data"]["plaintext"] == "b2xk"
    )
    assert RaiseMinimum().verify(asked, raised, given).kind is REFUTED


def test_a_key_that_only_signs_is_rotated_without_a_trial(vault: Vault, transit: str) -> None:
    vault.call("post", f"{transit}/keys/sign", type="ed25519")
    asked = KeySettings(key=f"vault://main/{transit}/keys/sign")
    given = context(vault.connections(TRANSIT, mount=transit))
    given = after(given, look=Look().apply(asked, given))
    receipt = Rotate().apply(asked, given)
    verdict = Rotate().verify(asked, receipt, given)
    assert verdict.kind is CONFIRMED
    assert "was not tried" in verdict.sentence
    raised = RaiseMinimum().apply(asked, given)
    verdict = RaiseMinimum().verify(asked, raised, given)
    assert verdict.kind is CONFIRMED
    assert "old_value_refused" not in verdict.facts


def test_what_the_store_only_claims_about_a_key_is_refuted(vault: Vault, transit: str) -> None:
    asked = KeySettings(key=f"vault://main/{transit}/keys/pay")
    with proxy(vault.address, pretend("/rotate")) as address:
        given = context(vault.connections(TRANSIT, mount=transit, address=address))
        given = after(given, look=Look().apply(asked, given))
        receipt = Rotate().apply(asked, given)
        assert Rotate().verify(asked, receipt, given).kind is REFUTED
        with pytest.raises(ConflictError):
            RaiseMinimum().apply(asked, given)
    vault.call("post", f"{transit}/keys/pay/rotate")
    with proxy(vault.address, pretend("/config")) as address:
        given = after(
            context(vault.connections(TRANSIT, mount=transit, address=address)), **given.receipts
        )
        raised = RaiseMinimum().apply(asked, given)
        assert RaiseMinimum().verify(asked, raised, given).kind is REFUTED


@pytest.mark.parametrize(
    "apply",
    [
        lambda asked, given: Rotate().apply(asked, given),
        lambda asked, given: RaiseMinimum().apply(asked, given),
    ],
)
def test_a_key_is_not_changed_without_a_look(
    vault: Vault, transit: str, apply: Callable[[KeySettings, StepContext], Receipt]
) -> None:
    asked = KeySettings(key=f"vault://main/{transit}/keys/pay")
    with pytest.raises(LocksmithError, match="has noted"):
        apply(asked, context(vault.connections(TRANSIT, mount=transit)))
    assert vault.call("get", f"{transit}/keys/pay")["data"]["latest_version"] == 1
