"""AppRole, identity, PKI and transit of a real OpenBao: done once, looked at, lied to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import hvac
import pytest
from cryptography import x509

from graph.errors import (
    AccessDeniedError,
    BadInputError,
    ConflictError,
    LocksmithError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from responders.step import Receipt, StepContext, VerdictKind
from responders.steps import vault_approle, vault_approle_tokens, vault_identity, vault_pki
from responders.steps.vault_transit import KeySettings, Look, RaiseMinimum, Rotate
from tests.responders.steps.databases import Vault
from tests.responders.steps.parts import Meddle, Passed, context, proxy

CONFIRMED, REFUTED, UNKNOWN = VerdictKind.CONFIRMED, VerdictKind.REFUTED, VerdictKind.UNKNOWN


def pretend(part: str) -> Meddle:
    """Answer a change with success, and do nothing: the shape of hashicorp/vault#29392."""

    def meddle(passed: Passed) -> tuple[int, bytes] | None:
        return (204, b"") if passed.method in {"POST", "PUT"} and part in passed.path else None

    return meddle


def lose(part: str) -> Meddle:
    """Let a change pass, and lose the answer."""

    def meddle(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method in {"POST", "PUT", "PATCH"} and part in passed.path:
            passed.forward()
            return 502, b""
        return None

    return meddle


def after(
    given: StepContext, key: str = "incident-1:plan:step", **receipts: Receipt
) -> StepContext:
    return context(given.connections, key, receipts=receipts, seconds=20)


class AppRole:
    """A role with one secret-id in the store, which leaked as version 1."""

    steps = (
        "vault_approle.rotate",
        "vault_approle.look",
        "vault_approle.destroy",
        "vault_approle_tokens.revoke",
    )

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.mount = vault.enable("approle", "auth")
        self.role = f"auth/{self.mount}/role/ci"
        vault.call("post", self.role, token_policies=["default"])
        self.role_id = vault.call("get", f"{self.role}/role-id")["data"]["role_id"]
        self.leaked = vault.call("post", f"{self.role}/secret-id")["data"]["secret_id"]
        vault.put("ci/approle", secret_id=self.leaked)

    def given(self, address: str = "") -> StepContext:
        return context(self.vault.connections(self.steps, mount=self.mount, address=address))

    def rotate(self) -> vault_approle.RotateSettings:
        return vault_approle.RotateSettings(
            role=f"vault://main/{self.role}",
            secret=self.vault.ref("ci/approle"),
            field="secret_id",
        )

    def asked(self) -> vault_approle.LeakedSettings:
        return vault_approle.LeakedSettings(**self.rotate().model_dump(), version=1)

    def tokens(self) -> vault_approle_tokens.RevokeSettings:
        return vault_approle_tokens.RevokeSettings(role=f"vault://main/{self.role}")

    def log_in(self, secret_id: str) -> str:
        """Give a token, "" where the login is refused."""
        client = hvac.Client(self.vault.address)
        try:
            client.auth.approle.login(self.role_id, secret_id, mount_point=self.mount)
        except hvac.exceptions.InvalidRequest:
            return ""
        return str(client.token)

    def lives(self, token: str) -> bool:
        try:
            hvac.Client(self.vault.address, token=token).auth.token.lookup_self()
        except hvac.exceptions.Forbidden:
            return False
        return True

    def secret_ids(self) -> int:
        return len(self.vault.call("list", f"{self.role}/secret-id")["data"]["keys"])


@pytest.fixture
def approle(vault: Vault) -> AppRole:
    return AppRole(vault)


def test_a_secret_id_is_replaced_destroyed_and_its_tokens_with_it(approle: AppRole) -> None:
    old_token = approle.log_in(approle.leaked)
    given = approle.given()
    rotate, look = vault_approle.Rotate(), vault_approle.Look()
    receipt = rotate.apply(approle.rotate(), given)
    new = approle.vault.read("ci/approle")["secret_id"]
    assert rotate.verify(approle.rotate(), receipt, given).kind is CONFIRMED
    assert rotate.apply(approle.rotate(), given) == receipt
    assert approle.secret_ids() == 2
    new_token = approle.log_in(new)
    assert new_token
    assert approle.log_in(approle.leaked)  # both work until the old one is destroyed

    looked = look.apply(approle.asked(), given)
    given = after(given, look=looked)
    destroy = vault_approle.Destroy()
    done = destroy.apply(approle.asked(), given)
    verdict = destroy.verify(approle.asked(), done, given)
    assert verdict.kind is CONFIRMED
    assert verdict.facts == {"old_value_refused": True, "list_read": True}
    assert not approle.log_in(approle.leaked)
    assert "gone already" in destroy.apply(approle.asked(), given).sentence

    assert approle.lives(old_token)  # a token outlives its secret-id
    tokens = vault_approle_tokens.Revoke()
    ended = tokens.apply(approle.tokens(), given)
    assert tokens.verify(approle.tokens(), ended, given).kind is CONFIRMED
    assert not approle.lives(old_token)
    assert approle.lives(new_token)
    assert tokens.apply(approle.tokens(), given).facts["revoked"] == []
    assert new not in f"{receipt}{looked}{done}{ended}"


def test_a_secret_id_of_ours_takes_only_its_own_tokens_with_it(approle: AppRole) -> None:
    first = approle.given()
    vault_approle.Rotate().apply(approle.rotate(), first)
    leaked = approle.vault.read("ci/approle")["secret_id"]
    by_leaked, by_other = approle.log_in(leaked), approle.log_in(approle.leaked)
    asked = approle.asked().model_copy(update={"version": 2})
    given = after(first, look=vault_approle.Look().apply(asked, first))
    vault_approle.Destroy().apply(asked, given)
    vault_approle_tokens.Revoke().apply(approle.tokens(), given)
    assert not approle.lives(by_leaked)
    assert approle.lives(by_other)


def test_a_lost_answer_makes_no_second_version(approle: AppRole) -> None:
    with proxy(approle.vault.address, lose("/data/")) as address, pytest.raises(UnavailableError):
        vault_approle.Rotate().apply(approle.rotate(), approle.given(address))
    written = approle.vault.read("ci/approle")
    receipt = vault_approle.Rotate().apply(approle.rotate(), approle.given())
    assert receipt.facts["version"] == 2
    assert approle.vault.read("ci/approle") == written
    assert approle.secret_ids() == 2


def test_a_secret_id_that_could_not_be_stored_is_destroyed_by_the_next_try(
    approle: AppRole,
) -> None:
    def refuse(passed: Passed) -> tuple[int, bytes] | None:
        return (503, b"{}") if passed.method == "PATCH" and "/data/" in passed.path else None

    with proxy(approle.vault.address, refuse) as address, pytest.raises(UnavailableError):
        vault_approle.Rotate().apply(approle.rotate(), approle.given(address))
    given = context(approle.vault.connections(AppRole.steps[:3], mount=approle.mount))
    vault_approle.Rotate().apply(approle.rotate(), given)
    assert approle.secret_ids() == 2


def test_a_secret_id_whose_making_was_not_answered_is_found_and_destroyed(
    approle: AppRole,
) -> None:
    made = f"{approle.role}/secret-id"

    def lose_it(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method == "POST" and passed.path.endswith(made):
            passed.forward()
            return 502, b""
        return None

    with proxy(approle.vault.address, lose_it) as address, pytest.raises(UnavailableError):
        vault_approle.Rotate().apply(approle.rotate(), approle.given(address))
    assert approle.secret_ids() == 2
    vault_approle.Rotate().apply(approle.rotate(), approle.given())
    assert approle.secret_ids() == 2


def test_where_secret_ids_may_not_be_listed_a_person_is_asked_before_a_second_one(
    approle: AppRole,
) -> None:
    made = f"{approle.role}/secret-id"

    def lose_it(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method == "LIST" and passed.path.endswith(made):
            return 403, b'{"errors":["permission denied"]}'
        if passed.method == "POST" and passed.path.endswith(made) and approle.secret_ids() == 1:
            passed.forward()
            return 502, b""
        return None

    with proxy(approle.vault.address, lose_it) as address:
        given = approle.given(address)
        with pytest.raises(UnavailableError):
            vault_approle.Rotate().apply(approle.rotate(), given)
        for _ in range(2):
            with pytest.raises(RefusedError, match=r"A secret-id may have been made .* at 12:30"):
                vault_approle.Rotate().apply(approle.rotate(), given)
        assert approle.secret_ids() == 2
        again = replace(given, began=given.began + timedelta(minutes=5))
        receipt = vault_approle.Rotate().apply(approle.rotate(), again)
    assert "a person looked for it" in receipt.sentence


def test_what_the_store_only_claims_about_an_approle_is_refuted(approle: AppRole) -> None:
    token = approle.log_in(approle.leaked)
    with proxy(approle.vault.address, pretend("/destroy")) as address:
        given = approle.given(address)
        given = after(given, look=vault_approle.Look().apply(approle.asked(), given))
        done = vault_approle.Destroy().apply(approle.asked(), given)
        assert vault_approle.Destroy().verify(approle.asked(), done, given).kind is REFUTED
    with proxy(approle.vault.address, pretend("/revoke-accessor")) as address:
        given = after(approle.given(address), look=given.receipts["look"])
        ended = vault_approle_tokens.Revoke().apply(approle.tokens(), given)
        assert vault_approle_tokens.Revoke().verify(approle.tokens(), ended, given).kind is REFUTED
    assert approle.log_in(approle.leaked)
    assert approle.lives(token)


def test_without_a_look_in_time_no_tokens_are_guessed(approle: AppRole) -> None:
    given = approle.given()
    with pytest.raises(BadInputError):
        vault_approle.Destroy().apply(approle.asked(), given)
    with pytest.raises(BadInputError):
        vault_approle_tokens.Revoke().apply(approle.tokens(), given)
    approle.vault.call("post", f"{approle.role}/secret-id/destroy", secret_id=approle.leaked)
    looked = vault_approle.Look().apply(approle.asked(), given)
    with pytest.raises(RefusedError, match="before anybody looked"):
        vault_approle_tokens.Revoke().apply(approle.tokens(), after(given, look=looked))


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
