"""AppRole of a real OpenBao: a secret-id replaced, destroyed, lied about, lost on the way."""

from dataclasses import replace
from datetime import timedelta

import pytest

from graph.errors import (
    BadInputError,
    RefusedError,
    UnavailableError,
)
from responders.step import VerdictKind
from responders.steps import vault_approle, vault_approle_tokens
from tests.responders.steps.approles import AppRole, approle
from tests.responders.steps.parts import Passed, after, context, lose, pretend, proxy

__all__ = ["approle"]

CONFIRMED, REFUTED, UNKNOWN = VerdictKind.CONFIRMED, VerdictKind.REFUTED, VerdictKind.UNKNOWN


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
