"""
The way back of steps whose new value is made elsewhere: an issuer, an AppRole, a pair of roles.

Each is applied, taken back (once with the answer lost), judged, and rotated again, on the real
parts; what was in use before has to work all along, and afterwards.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.sandbox.issuer import Paygate
from graph.errors import ConflictError, UnavailableError
from responders.step import Receipt, StepContext, VerdictKind
from responders.steps import aws_access_key, http_token, postgres_roles, vault_approle
from tests.responders.steps.approles import AppRole
from tests.responders.steps.databases import Orders, Vault
from tests.responders.steps.parts import Passed, Store, context, paygate, proxy
from tests.responders.steps.test_aws_access_key import PATH as AWS_PATH
from tests.responders.steps.test_aws_access_key import Deploy, deploy
from tests.responders.steps.test_http_token import PATH, leak, revocation, rotation
from tests.responders.steps.test_postgres_roles import Shop

__all__ = ["deploy"]

CONFIRMED, REFUTED, UNKNOWN = VerdictKind.CONFIRMED, VerdictKind.REFUTED, VerdictKind.UNKNOWN


def lose_the_answer(passed: Passed) -> tuple[int, bytes] | None:
    if passed.method == "PATCH" and "/data/" in passed.path:
        passed.forward()
        return 502, b""
    return None


def lose_any_answer(passed: Passed) -> tuple[int, bytes] | None:
    passed.forward()
    return 502, b""


def say_nothing(passed: Passed) -> tuple[int, bytes] | None:
    return 0, b""


def back(given: StepContext) -> StepContext:
    return replace(given, key=f"{given.key}:undo")


def later(given: StepContext) -> StepContext:
    return replace(given, key="incident-1:another-plan:rotate")


def test_an_issued_token_is_taken_back_and_the_former_one_is_in_use_again(
    store: Store, issuer: Paygate
) -> None:
    old = leak(store, issuer)
    step, asked = http_token.Rotate(), rotation(store)
    given = context(store.connections(issuers={"paygate": paygate(issuer)}))
    receipt = step.apply(asked, given)
    new = store.read(PATH)["token"]
    assert (new == old, issuer.accepts(old)) == (False, True)

    with proxy(store.address, lose_the_answer) as address:
        lossy = replace(back(given), connections=store.connections(address=address))
        with pytest.raises(UnavailableError):
            step.undo(asked, receipt, lossy)
    undone = step.undo(asked, receipt, back(given))
    assert undone.facts["restored_version"] == 3 == store.current(PATH)
    assert store.read(PATH) == {"token": old, "webhook_secret": "kept"}
    seen = step.verify_undo(asked, receipt, undone, back(given))
    assert seen.kind is CONFIRMED, seen
    assert old not in f"{undone}{seen}"
    assert new not in f"{undone}{seen}"
    # Consumers may have the new one until their copies are back: it stays valid.
    assert issuer.accepts(new)
    with proxy(store.address, say_nothing) as address:
        soon = given.now() + timedelta(seconds=1)
        blind = replace(back(given), connections=store.connections(address=address), deadline=soon)
        assert step.verify_undo(asked, receipt, undone, blind).kind is UNKNOWN

    # Once nobody has it any more it is revoked, and the former one is what it was.
    with proxy(issuer.address, lose_any_answer) as address:
        lossy = context(store.connections(issuers={"paygate": paygate(issuer, address=address)}))
        with pytest.raises(UnavailableError):
            step.clear_up(asked, undone, lossy)
    ended = step.clear_up(asked, undone, back(given))
    assert (issuer.accepts(new), issuer.accepts(old)) == (False, True)
    seen = step.verify_cleared(asked, undone, back(given))
    assert seen.kind is CONFIRMED, seen
    assert new not in f"{undone}{ended}{seen}"

    # The next plan rotates from there, and the leaked token dies by the version that holds it now.
    again = step.apply(asked, later(given))
    assert again.facts["version"] == 4
    revoke, leaked = http_token.Revoke(), revocation(store, version=3)
    revoked = revoke.apply(leaked, later(given))
    assert revoke.verify(leaked, revoked, later(given)).kind is CONFIRMED
    assert not issuer.accepts(old)
    assert issuer.accepts(store.read(PATH)["token"])


def test_a_token_that_somebody_replaced_meanwhile_is_left_as_it_is(
    store: Store, issuer: Paygate
) -> None:
    leak(store, issuer)
    step, asked = http_token.Rotate(), rotation(store)
    given = context(store.connections(issuers={"paygate": paygate(issuer)}))
    receipt = step.apply(asked, given)
    store.put(PATH, token="written-by-a-person")
    with pytest.raises(ConflictError, match="Somebody wrote version 3"):
        step.undo(asked, receipt, back(given))
    assert store.read(PATH)["token"] == "written-by-a-person"
    claimed = Receipt("Back.", {"restored_version": 3})
    assert step.verify_undo(asked, receipt, claimed, back(given)).kind is REFUTED


def test_a_secret_id_is_taken_back_and_logs_in_again(vault: Vault) -> None:
    approle = AppRole(vault)
    step, asked = vault_approle.Rotate(), approle.rotate()
    given = approle.given()
    receipt = step.apply(asked, given)
    new = vault.read("ci/approle")["secret_id"]

    with proxy(vault.address, lose_the_answer) as address:
        lossy = replace(back(given), connections=approle.given(address).connections)
        with pytest.raises(UnavailableError):
            step.undo(asked, receipt, lossy)
    undone = step.undo(asked, receipt, back(given))
    assert vault.read("ci/approle")["secret_id"] == approle.leaked
    seen = step.verify_undo(asked, receipt, undone, back(given))
    assert seen.kind is CONFIRMED, seen
    assert approle.log_in(approle.leaked)
    assert approle.log_in(new)  # a job that read it meanwhile is not cut off
    assert approle.leaked not in f"{undone}{seen}"
    assert step.verify_cleared(asked, undone, back(given)).kind is REFUTED
    for _ in range(2):
        ended = step.clear_up(asked, undone, back(given))
    assert (approle.log_in(new), approle.secret_ids()) == ("", 1)
    assert approle.log_in(approle.leaked)
    seen = step.verify_cleared(asked, undone, back(given))
    assert seen.kind is CONFIRMED, seen
    assert new not in f"{undone}{ended}{seen}"

    again = step.apply(asked, later(given))
    assert again.facts["version"] == 4
    assert approle.log_in(vault.read("ci/approle")["secret_id"])


def test_a_pair_of_aws_is_taken_back_and_its_second_key_deleted(deploy: Deploy) -> None:
    step, asked, given = aws_access_key.Rotate(), deploy.rotation, deploy.context()
    receipt = step.apply(asked, given)
    new = deploy.store.read(AWS_PATH)
    undone = step.undo(asked, receipt, back(given))
    again = step.undo(asked, receipt, back(given))
    assert again == undone
    now = deploy.store.read(AWS_PATH)
    assert (now["access_key_id"], now["secret_access_key"]) == (deploy.leaked, deploy.secret)
    assert now["region"] == "eu-west-1"
    assert step.verify_undo(asked, receipt, undone, back(given)).kind is CONFIRMED
    assert deploy.keys() == {deploy.leaked: "Active", new["access_key_id"]: "Active"}
    for _ in range(2):
        step.clear_up(asked, undone, back(given))
    seen = step.verify_cleared(asked, undone, back(given))
    assert seen.kind is CONFIRMED, seen
    assert deploy.keys() == {deploy.leaked: "Active"}
    # There is room for another one: the next plan is not stopped by the limit of two.
    assert step.apply(asked, later(given)).facts["version"] == 4


def test_what_is_back_in_the_store_and_dead_where_it_is_used_is_refuted(
    store: Store, issuer: Paygate, vault: Vault, orders: Orders
) -> None:
    old = leak(store, issuer)
    token, asked = http_token.Rotate(), rotation(store)
    given = context(store.connections(issuers={"paygate": paygate(issuer)}))
    receipt = token.apply(asked, given)
    undone = token.undo(asked, receipt, back(given))
    issuer._revoke_id(str(issuer.id_of(old)))  # somebody was in a hurry
    seen = token.verify_undo(asked, receipt, undone, back(given))
    assert (seen.kind, "it was refused with 401" in seen.sentence) == (REFUTED, True)

    approle = AppRole(vault)
    secret_id, wanted, given = vault_approle.Rotate(), approle.rotate(), approle.given()
    receipt = secret_id.apply(wanted, given)
    undone = secret_id.undo(wanted, receipt, back(given))
    vault.call("post", f"{approle.role}/secret-id/destroy", secret_id=approle.leaked)
    seen = secret_id.verify_undo(wanted, receipt, undone, back(given))
    assert (seen.kind, "no living secret-id" in seen.sentence) == (REFUTED, True)

    shop = Shop(vault, orders)
    roles, switch, given = postgres_roles.Switch(), shop.switch(), context(shop.connections())
    receipt = roles.apply(switch, given)
    undone = roles.undo(switch, receipt, back(given))
    orders.run(f"ALTER ROLE {shop.first} NOLOGIN")
    seen = roles.verify_undo(switch, receipt, undone, back(given))
    assert seen.kind is REFUTED, seen


def test_a_switch_of_roles_is_taken_back_with_the_name_and_the_password_together(
    vault: Vault, orders: Orders
) -> None:
    shop = Shop(vault, orders)
    step, asked = postgres_roles.Switch(), shop.switch()
    given = context(shop.connections())
    receipt = step.apply(asked, given)
    taken = shop.current()
    assert taken[0] == shop.second

    with proxy(vault.address, lose_the_answer) as address:
        lossy = replace(back(given), connections=shop.connections(address))
        with pytest.raises(UnavailableError):
            step.undo(asked, receipt, lossy)
    undone = step.undo(asked, receipt, back(given))
    assert shop.current() == (shop.first, "leaked-password")
    assert vault.read("shop/db")["note"] == "kept"
    seen = step.verify_undo(asked, receipt, undone, back(given))
    assert seen.kind is CONFIRMED, seen
    # Nobody was cut off on the way, whichever of the two a pod has.
    assert orders.logs_in(shop.first, "leaked-password")
    assert orders.logs_in(*taken)
    assert "leaked-password" not in f"{undone}{seen}"

    again = step.apply(asked, later(given))
    assert again.facts["version"] == 4
    user, password = shop.current()
    assert (user, password == taken[1]) == (shop.second, False)
    assert orders.logs_in(user, password)
    former = shop.former(version=3)
    locked = postgres_roles.Lock().apply(former, later(given))
    assert postgres_roles.Lock().verify(former, locked, later(given)).kind is CONFIRMED
    assert not orders.logs_in(shop.first, "leaked-password")
    assert orders.logs_in(user, password)


def test_a_switch_that_is_back_by_half_is_refuted(vault: Vault, orders: Orders) -> None:
    """The password alone would log nobody in: the pair counts."""
    shop = Shop(vault, orders)
    step, asked = postgres_roles.Switch(), shop.switch()
    given = context(shop.connections())
    receipt = step.apply(asked, given)
    vault.put("shop/db", username=shop.second, password="leaked-password", note="kept")
    claimed = Receipt("Back.", {"restored_version": 3})
    assert step.verify_undo(asked, receipt, claimed, back(given)).kind is REFUTED
