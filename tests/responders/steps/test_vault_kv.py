"""Writing a generated value and destroying a version, on a real OpenBao."""

from dataclasses import replace

import hvac
import pytest

from graph.errors import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from responders.step import Receipt, VerdictKind
from responders.steps.vault_kv import (
    DestroyVersion,
    DestroyVersionSettings,
    Rotate,
    RotateSettings,
)
from tests.responders.steps.parts import Passed, Store, context, proxy


def settings(store: Store, **more: object) -> RotateSettings:
    return RotateSettings.model_validate(
        {"secret": store.ref("shop/session"), "field": "signing_key", **more}
    )


def test_rotate_writes_a_new_value_keeps_the_other_fields_and_reads_it_back(store: Store) -> None:
    store.put("shop/session", signing_key="leaked-value-of-the-key", note="kept")
    asked = settings(store, length=48, prefix="sk_", leaked_version=1)
    given = context(store.connections())
    receipt = Rotate().apply(asked, given)
    now = store.read("shop/session")
    assert receipt.facts["version"] == 2 == store.current("shop/session")
    assert now["note"] == "kept"
    assert now["signing_key"] != "leaked-value-of-the-key"
    assert now["signing_key"].startswith("sk_")
    assert len(now["signing_key"]) == 51
    assert now["signing_key"] not in str(receipt)
    verdict = Rotate().verify(asked, receipt, given)
    assert verdict.kind is VerdictKind.CONFIRMED
    assert now["signing_key"] not in str(verdict)


def test_rotate_applied_twice_under_one_key_writes_one_version(store: Store) -> None:
    store.put("shop/session", signing_key="leaked-value-of-the-key")
    connections = store.connections()
    first = Rotate().apply(settings(store), context(connections))
    again = Rotate().apply(settings(store), context(connections))
    other = Rotate().apply(settings(store), context(connections, "incident-2:plan:step"))
    assert first == again
    assert other.facts["version"] == 3 == store.current("shop/session")


def test_a_write_whose_answer_got_lost_is_found_again_and_not_repeated(store: Store) -> None:
    store.put("shop/session", signing_key="leaked-value-of-the-key")

    def lose_the_answer(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method == "PATCH" and "/data/" in passed.path:
            passed.forward()
            return 502, b""
        return None

    with proxy(store.address, lose_the_answer) as address:
        lossy = store.connections(address=address)
        with pytest.raises(UnavailableError):
            Rotate().apply(settings(store), context(lossy))
    written = store.read("shop/session")
    receipt = Rotate().apply(settings(store), context(store.connections()))
    assert receipt.facts["version"] == 2 == store.current("shop/session")
    assert store.read("shop/session") == written


def test_a_crash_before_the_write_loses_nothing(store: Store) -> None:
    store.put("shop/session", signing_key="leaked-value-of-the-key")

    def refuse_the_write(passed: Passed) -> tuple[int, bytes] | None:
        return (503, b"{}") if passed.method == "PATCH" and "/data/" in passed.path else None

    with proxy(store.address, refuse_the_write) as address, pytest.raises(UnavailableError):
        Rotate().apply(settings(store), context(store.connections(address=address)))
    assert store.current("shop/session") == 1
    receipt = Rotate().apply(settings(store), context(store.connections()))
    assert receipt.facts["version"] == 2


def test_somebody_who_writes_at_the_same_time_is_not_overwritten(store: Store) -> None:
    store.put("shop/session", signing_key="leaked-value-of-the-key")

    def be_faster(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method == "PATCH" and "/data/" in passed.path:
            store.put("shop/session", signing_key="written-by-a-person")
        return None

    with proxy(store.address, be_faster) as address, pytest.raises(ConflictError):
        Rotate().apply(settings(store), context(store.connections(address=address)))
    assert store.read("shop/session") == {"signing_key": "written-by-a-person"}
    # Asked again, it goes on from what is there now, and does not take that version for its own.
    receipt = Rotate().apply(settings(store), context(store.connections()))
    assert receipt.facts["version"] == 3


def test_a_current_version_that_equals_the_leaked_one_is_refuted(store: Store) -> None:
    store.put("shop/session", signing_key="leaked-value-of-the-key")
    asked = settings(store, leaked_version=1)
    given = context(store.connections())
    receipt = Rotate().apply(asked, given)
    store.put("shop/session", signing_key="leaked-value-of-the-key")  # rolled back by a person
    assert Rotate().verify(asked, receipt, given).kind is VerdictKind.REFUTED


def test_missing_secrets_missing_rights_and_a_dead_server_have_their_own_errors(
    store: Store,
) -> None:
    with pytest.raises(NotFoundError):
        Rotate().apply(settings(store), context(store.connections()))
    store.put("shop/session", signing_key="leaked-value-of-the-key")
    poor = store.root.auth.token.create(policies=["default"])["auth"]["client_token"]
    with pytest.raises(AccessDeniedError) as denied:
        Rotate().apply(settings(store), context(store.connections(token=poor)))
    assert "capabilities" in denied.value.do_now
    dead = context(store.connections(address="http://127.0.0.1:9"), seconds=0.2)
    receipt = Rotate().apply(settings(store), context(store.connections()))
    verdict = Rotate().verify(settings(store), receipt, dead)
    assert verdict.kind is VerdictKind.UNKNOWN


def test_destroy_takes_one_version_away_for_good_and_reads_that_back(store: Store) -> None:
    store.put("shop/session", signing_key="leaked-value-of-the-key")
    store.put("shop/session", signing_key="another")
    asked = DestroyVersionSettings(secret=store.ref("shop/session"), version=1)
    given = context(store.connections())
    step = DestroyVersion()
    before = step.apply(asked, given)
    assert step.verify(asked, before, given).kind is VerdictKind.CONFIRMED
    assert "gone already" in step.apply(asked, given).sentence
    assert store.read("shop/session") == {"signing_key": "another"}
    metadata = store.root.secrets.kv.v2.read_secret_metadata(
        "shop/session", mount_point=store.mount
    )
    assert metadata["data"]["versions"]["1"]["destroyed"] is True


def test_the_current_version_is_never_destroyed(store: Store) -> None:
    store.put("shop/session", signing_key="leaked-value-of-the-key")
    asked = DestroyVersionSettings(secret=store.ref("shop/session"), version=1)
    with pytest.raises(RefusedError):
        DestroyVersion().apply(asked, context(store.connections()))
    assert store.read("shop/session")


def test_a_destruction_that_the_server_only_claims_is_refuted(store: Store) -> None:
    store.put("shop/session", signing_key="leaked-value-of-the-key")
    store.put("shop/session", signing_key="another")
    asked = DestroyVersionSettings(secret=store.ref("shop/session"), version=1)

    def claim(passed: Passed) -> tuple[int, bytes] | None:
        return (204, b"") if "/destroy/" in passed.path else None

    with proxy(store.address, claim) as address:
        given = context(store.connections(address=address))
        receipt = DestroyVersion().apply(asked, given)
        assert DestroyVersion().verify(asked, receipt, given).kind is VerdictKind.REFUTED


def test_the_way_back_writes_the_former_value_once_and_both_versions_are_destroyed_later(
    store: Store,
) -> None:
    store.put("shop/session", signing_key="leaked-value-of-the-key", note="kept")
    given = context(store.connections())
    back = replace(given, key=f"{given.key}:undo")
    receipt = Rotate().apply(settings(store), given)

    def lose_the_answer(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method == "PATCH" and "/data/" in passed.path:
            passed.forward()
            return 502, b""
        return None

    with proxy(store.address, lose_the_answer) as address:
        lossy = replace(back, connections=store.connections(address=address))
        with pytest.raises(UnavailableError):
            Rotate().undo(settings(store), receipt, lossy)
    undone = Rotate().undo(settings(store), receipt, back)
    assert undone.facts["restored_version"] == 3 == store.current("shop/session")
    now = store.read("shop/session")
    assert now == {"signing_key": "leaked-value-of-the-key", "note": "kept"}
    seen = Rotate().verify_undo(settings(store), receipt, undone, back)
    assert seen.kind is VerdictKind.CONFIRMED, seen
    assert "leaked-value-of-the-key" not in f"{undone}{seen}"
    # The next plan is about version 3, and what leaked lies in version 1 as well.
    later = context(store.connections(), "incident-1:another-plan:rotate")
    Rotate().apply(settings(store, leaked_version=3), later)
    destroy = DestroyVersionSettings(secret=store.ref("shop/session"), version=3)
    destroyed = DestroyVersion().apply(destroy, later)
    assert "version 3 and 1" in destroyed.sentence
    assert DestroyVersion().verify(destroy, destroyed, later).kind is VerdictKind.CONFIRMED
    for version in (1, 3):
        with pytest.raises(hvac.exceptions.InvalidPath):
            store.read("shop/session", version=version)


def test_the_way_back_leaves_what_somebody_wrote_after_us(store: Store) -> None:
    store.put("shop/session", signing_key="leaked-value-of-the-key")
    given = context(store.connections())
    receipt = Rotate().apply(settings(store), given)
    store.put("shop/session", signing_key="written-by-a-person")
    with pytest.raises(ConflictError, match="Somebody wrote version 3"):
        Rotate().undo(settings(store), receipt, given)
    assert store.read("shop/session") == {"signing_key": "written-by-a-person"}
    undone = Receipt("Back.", {"restored_version": 3})
    assert Rotate().verify_undo(settings(store), receipt, undone, given).kind is VerdictKind.REFUTED
