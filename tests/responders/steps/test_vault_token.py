"""Revoking a token by its accessor, on a real OpenBao, honest and lying."""

import hvac
import pytest

from graph.errors import AccessDeniedError, RefusedError
from responders.step import VerdictKind
from responders.steps.vault_token import Revoke, RevokeSettings
from tests.responders.steps.parts import POLICY, Passed, Store, context, proxy

STEP = Revoke()


def issue(store: Store) -> tuple[str, str]:
    made = store.root.auth.token.create(policies=["default"], display_name="ci")["auth"]
    return made["client_token"], made["accessor"]


def test_a_revoked_token_is_dead_its_child_too_and_both_roads_say_so(store: Store) -> None:
    token, accessor = issue(store)
    store.root.sys.create_or_update_acl_policy(
        f"{store.mount}-parent", 'path "auth/token/create" { capabilities = ["update"] }'
    )
    parent = store.root.auth.token.create(policies=[f"{store.mount}-parent", "default"])["auth"]
    child = hvac.Client(store.address, token=parent["client_token"]).auth.token.create(
        policies=["default"]
    )["auth"]
    given = context(store.connections())
    for found in (accessor, parent["accessor"]):
        asked = RevokeSettings(store="vault://main", accessor=found)
        receipt = STEP.apply(asked, given)
        verdict = STEP.verify(asked, receipt, given)
        assert verdict.kind is VerdictKind.CONFIRMED
        assert verdict.facts["old_value_refused"] is True
        assert verdict.facts["list_read"] is True
    for dead in (token, parent["client_token"], child["client_token"]):
        with pytest.raises(hvac.exceptions.Forbidden):
            hvac.Client(store.address, token=dead).auth.token.lookup_self()


def test_a_token_that_is_gone_already_is_confirmed_and_a_repeat_changes_nothing(
    store: Store,
) -> None:
    _, accessor = issue(store)
    asked = RevokeSettings(store="main", accessor=accessor)
    given = context(store.connections())
    STEP.apply(asked, given)
    again = STEP.apply(asked, given)
    assert again.facts["already_gone"] is True
    assert STEP.verify(asked, again, given).kind is VerdictKind.CONFIRMED


def test_a_server_that_prints_success_while_the_token_lives_is_not_believed(store: Store) -> None:
    token, accessor = issue(store)
    asked = RevokeSettings(store="main", accessor=accessor)

    def claim(passed: Passed) -> tuple[int, bytes] | None:
        return (204, b"") if passed.path.endswith("/revoke-accessor") else None

    with proxy(store.address, claim) as address:
        given = context(store.connections(address=address))
        receipt = STEP.apply(asked, given)
        verdict = STEP.verify(asked, receipt, given)
    assert verdict.kind is VerdictKind.REFUTED
    assert hvac.Client(store.address, token=token).auth.token.lookup_self()


def test_a_token_gone_for_the_lookup_but_still_listed_is_refuted(store: Store) -> None:
    _, accessor = issue(store)
    asked = RevokeSettings(store="main", accessor=accessor)

    def hide(passed: Passed) -> tuple[int, bytes] | None:
        if passed.path.endswith("/lookup-accessor"):
            return 400, b'{"errors":["1 error occurred: * invalid accessor"]}'
        return None

    with proxy(store.address, hide) as address:
        given = context(store.connections(address=address))
        receipt = STEP.apply(asked, given)
        assert STEP.verify(asked, receipt, given).kind is VerdictKind.REFUTED


def test_no_right_to_look_is_unknown_and_no_right_to_list_is_said(store: Store) -> None:
    _, accessor = issue(store)
    asked = RevokeSettings(store="main", accessor=accessor)
    receipt = STEP.apply(asked, context(store.connections()))
    name = f"{store.mount}-no-list"
    store.root.sys.create_or_update_acl_policy(name, POLICY.format(mount=store.mount))
    no_list = store.root.auth.token.create(policies=[name])["auth"]["client_token"]
    verdict = STEP.verify(asked, receipt, context(store.connections(token=no_list)))
    assert verdict.kind is VerdictKind.CONFIRMED
    assert verdict.facts["list_read"] is False
    blind = store.root.auth.token.create(policies=["default"])["auth"]["client_token"]
    given = context(store.connections(token=blind))
    assert STEP.verify(asked, receipt, given).kind is VerdictKind.UNKNOWN
    with pytest.raises(AccessDeniedError):
        STEP.apply(asked, given)


def test_the_bots_own_token_is_not_revoked_by_itself(store: Store) -> None:
    own = hvac.Client(store.address, token=store.token).auth.token.lookup_self()["data"]
    asked = RevokeSettings(store="main", accessor=own["accessor"])
    with pytest.raises(RefusedError):
        STEP.apply(asked, context(store.connections()))
