"""A token replaced and revoked at a real HTTP issuer, stored in a real OpenBao; and the crashes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from bot.sandbox.issuer import Paygate
from graph.connections import Connections, IssuerSettings
from graph.errors import (
    AccessDeniedError,
    BadInputError,
    ConflictError,
    RefusedError,
    UnavailableError,
)
from responders.step import VerdictKind
from responders.steps.http_token import Revoke, RevokeSettings, Rotate, RotateSettings
from tests.responders.steps.parts import BEGAN, Meddle, Passed, Store, context, paygate, proxy

PATH = "payments/gateway"


def rotation(store: Store) -> RotateSettings:
    return RotateSettings(issuer="paygate", secret=store.ref(PATH), field="token")


def revocation(store: Store, version: int = 1) -> RevokeSettings:
    return RevokeSettings(issuer="paygate", secret=store.ref(PATH), field="token", version=version)


def leak(store: Store, issuer: Paygate) -> str:
    """Store a live token as version 1, and return it."""
    _, value = issuer.issue()
    store.put(PATH, token=value, webhook_secret="kept")
    return value


def connected(store: Store, issuer: IssuerSettings, address: str = "") -> Connections:
    return store.connections(issuers={"paygate": issuer}, address=address)


@contextmanager
def meddled_issuer(store: Store, issuer: Paygate, meddle: Meddle) -> Iterator[Connections]:
    with proxy(issuer.address, meddle) as address:
        yield connected(store, paygate(issuer, address=address))


def active(issuer: Paygate) -> set[str]:
    with issuer._lock:
        return {t.identifier for t in issuer._tokens.values() if not t.revoked}


def test_rotate_then_revoke_leaves_a_live_new_token_and_a_dead_old_one(
    store: Store, issuer: Paygate
) -> None:
    old = leak(store, issuer)
    given = context(connected(store, paygate(issuer)))
    receipt = Rotate().apply(rotation(store), given)
    new = store.read(PATH)
    assert new["webhook_secret"] == "kept"
    assert issuer.accepts(new["token"])
    assert issuer.accepts(old)
    assert receipt.facts["token_id"] == issuer.id_of(new["token"])
    verdict = Rotate().verify(rotation(store), receipt, given)
    assert verdict.kind is VerdictKind.CONFIRMED
    revoked = Revoke().apply(revocation(store), given)
    assert not issuer.accepts(old)
    proof = Revoke().verify(revocation(store), revoked, given)
    assert proof.kind is VerdictKind.CONFIRMED
    assert proof.facts["old_value_refused"] is True
    assert "accepts the current one" in proof.sentence
    for said in (receipt, verdict, revoked, proof):
        assert new["token"] not in str(said)
        assert old not in str(said)


def test_both_steps_applied_twice_have_one_effect(store: Store, issuer: Paygate) -> None:
    leak(store, issuer)
    before = active(issuer)
    given = context(connected(store, paygate(issuer)))
    assert Rotate().apply(rotation(store), given) == Rotate().apply(rotation(store), given)
    assert store.current(PATH) == 2
    assert len(active(issuer) - before) == 1
    Revoke().apply(revocation(store), given)
    again = Revoke().apply(revocation(store), given)
    assert Revoke().verify(revocation(store), again, given).kind is VerdictKind.CONFIRMED


def test_revoke_first_kills_the_value_that_is_still_the_current_one(
    store: Store, issuer: Paygate
) -> None:
    old = leak(store, issuer)
    given = context(connected(store, paygate(issuer)))
    receipt = Revoke().apply(revocation(store), given)
    assert not issuer.accepts(old)
    assert Revoke().verify(revocation(store), receipt, given).kind is VerdictKind.CONFIRMED


def test_a_token_that_cannot_be_stored_is_revoked_again(store: Store, issuer: Paygate) -> None:
    leak(store, issuer)
    before = active(issuer)

    def be_faster(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method == "PATCH" and "/data/" in passed.path:
            store.put(PATH, token="written-by-a-person")
        return None

    with proxy(store.address, be_faster) as address:
        given = context(connected(store, paygate(issuer), address))
        with pytest.raises(ConflictError):
            Rotate().apply(rotation(store), given)
    assert active(issuer) == before
    # Asked again, it makes a really new one and stores it on top of what is there.
    receipt = Rotate().apply(rotation(store), context(connected(store, paygate(issuer))))
    assert receipt.facts["version"] == 3
    assert issuer.accepts(store.read(PATH)["token"])
    assert len(active(issuer) - before) == 1


def test_a_write_whose_answer_got_lost_keeps_its_token(store: Store, issuer: Paygate) -> None:
    leak(store, issuer)
    before = active(issuer)

    def lose_the_answer(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method == "PATCH" and "/data/" in passed.path:
            passed.forward()
            return 0, b""
        return None

    with proxy(store.address, lose_the_answer) as address, pytest.raises(UnavailableError):
        Rotate().apply(rotation(store), context(connected(store, paygate(issuer), address)))
    receipt = Rotate().apply(rotation(store), context(connected(store, paygate(issuer))))
    assert receipt.facts["version"] == 2 == store.current(PATH)
    assert receipt.facts["token_id"] == issuer.id_of(store.read(PATH)["token"])
    assert len(active(issuer) - before) == 1


def test_a_crash_between_creating_and_storing_leaves_no_orphan(
    store: Store, issuer: Paygate
) -> None:
    leak(store, issuer)
    before = active(issuer)

    def fall_over(passed: Passed) -> tuple[int, bytes] | None:
        return (0, b"") if passed.method == "PATCH" and "/data/" in passed.path else None

    with proxy(store.address, fall_over) as address, pytest.raises(UnavailableError):
        Rotate().apply(rotation(store), context(connected(store, paygate(issuer), address)))
    receipt = Rotate().apply(rotation(store), context(connected(store, paygate(issuer))))
    assert active(issuer) - before == {receipt.facts["token_id"]}
    assert "left_over" not in receipt.facts


BY_VALUE_ONLY = {"revoke_by_id": None, "find": None}


def test_an_orphan_that_cannot_be_taken_back_is_asked_for_and_named(
    store: Store, issuer: Paygate
) -> None:
    leak(store, issuer)
    before = active(issuer)
    by_value_only = paygate(issuer).model_copy(update=BY_VALUE_ONLY)

    def fall_over(passed: Passed) -> tuple[int, bytes] | None:
        return (0, b"") if passed.method == "PATCH" and "/data/" in passed.path else None

    with proxy(store.address, fall_over) as address, pytest.raises(UnavailableError):
        Rotate().apply(rotation(store), context(connected(store, by_value_only, address)))
    (orphan,) = active(issuer) - before
    with pytest.raises(
        RefusedError, match=f"The token {orphan} may have been made .* at 12:30 UTC"
    ):
        Rotate().apply(rotation(store), context(connected(store, by_value_only)))
    assert active(issuer) - before == {orphan}
    later = BEGAN + timedelta(minutes=5)
    receipt = Rotate().apply(rotation(store), context(connected(store, by_value_only), began=later))
    assert receipt.facts["left_over"] == orphan
    assert orphan in receipt.sentence


def lose_the_first_answer(issuer: Paygate) -> tuple[Meddle, list[bytes]]:
    """Have the issuer make a token, and lose its answer, once; the answers are kept."""
    made: list[bytes] = []

    def lose(passed: Passed) -> tuple[int, bytes] | None:
        if (passed.method, passed.path) != ("POST", "/v1/tokens"):
            return None
        made.append(passed.forward()[1])
        return (0, b"") if len(made) == 1 else (201, made[-1])

    return lose, made


def test_a_token_whose_answer_got_lost_is_found_by_its_mark_and_revoked(
    store: Store, issuer: Paygate
) -> None:
    leak(store, issuer)
    before = active(issuer)
    _, of_somebody_else = issuer.issue("shop something else")
    lose, made = lose_the_first_answer(issuer)
    with meddled_issuer(store, issuer, lose) as connections:
        with pytest.raises(UnavailableError):
            Rotate().apply(rotation(store), context(connections))
        receipt = Rotate().apply(rotation(store), context(connections))
    first, second = (json.loads(answer) for answer in made)
    assert not issuer.accepts(first["token"])
    assert store.read(PATH)["token"] == second["token"]
    assert issuer.accepts(of_somebody_else)
    kept = {receipt.facts["token_id"], issuer.id_of(of_somebody_else)}
    assert active(issuer) - before == kept


@pytest.mark.parametrize("kind", ["no list", "not allowed", "not complete"])
def test_where_nobody_can_tell_a_person_is_asked_before_a_second_one_is_made(
    store: Store, issuer: Paygate, kind: str
) -> None:
    leak(store, issuer)
    before = active(issuer)
    lose, _ = lose_the_first_answer(issuer)

    def meddle(passed: Passed) -> tuple[int, bytes] | None:
        if kind != "no list" and (passed.method, passed.path) == ("GET", "/v1/tokens"):
            shown = {"not allowed": (403, b"{}"), "not complete": (200, b'{"tokens":[],"more":1}')}
            return shown[kind]
        return lose(passed)

    with proxy(issuer.address, meddle) as address:
        described = paygate(issuer, address=address)
        assert described.find is not None
        listed = described.find.model_copy(update={"more": "more"})
        described = described.model_copy(update={"find": None if kind == "no list" else listed})
        connections = connected(store, described)
        first = RefusedError if kind == "no list" else UnavailableError
        with pytest.raises(first):
            Rotate().apply(rotation(store), context(connections))
        # Taken up again as often as it may be: a crash is nobody's word.
        for _ in range(2):
            with pytest.raises(
                RefusedError, match="A token may have been made at paygate at 12:30"
            ):
                Rotate().apply(rotation(store), context(connections))
        assert len(active(issuer) - before) == 1
        (orphan,) = active(issuer) - before
        issuer._revoke_id(orphan)
        again = context(connections, began=BEGAN + timedelta(minutes=5))
        receipt = Rotate().apply(rotation(store), again)
        assert Rotate().apply(rotation(store), again) == receipt
    assert active(issuer) - before == {receipt.facts["token_id"]}


@pytest.mark.parametrize("answer", [(429, b""), (403, b"{}"), (400, b"{}")])
def test_a_clear_no_of_the_issuer_leaves_nothing_to_ask_for(
    store: Store, issuer: Paygate, answer: tuple[int, bytes]
) -> None:
    leak(store, issuer)
    before = active(issuer)

    def refuse(passed: Passed) -> tuple[int, bytes] | None:
        return answer if (passed.method, passed.path) == ("POST", "/v1/tokens") else None

    with proxy(issuer.address, refuse) as address:
        described = paygate(issuer, address=address).model_copy(update={"find": None})
        with pytest.raises((UnavailableError, AccessDeniedError, BadInputError)):
            Rotate().apply(rotation(store), context(connected(store, described)))
    honest = paygate(issuer).model_copy(update={"find": None})
    receipt = Rotate().apply(rotation(store), context(connected(store, honest)))
    assert active(issuer) - before == {receipt.facts["token_id"]}


def test_an_issuer_that_cannot_be_reached_has_made_nothing(store: Store, issuer: Paygate) -> None:
    leak(store, issuer)
    nobody = paygate(issuer, address="http://127.0.0.1:9").model_copy(update={"find": None})
    with pytest.raises(UnavailableError, match="could not be reached"):
        Rotate().apply(rotation(store), context(connected(store, nobody)))
    honest = paygate(issuer).model_copy(update={"find": None})
    assert Rotate().apply(rotation(store), context(connected(store, honest))).facts["version"] == 2


def test_the_same_idempotency_key_is_sent_with_every_try(store: Store, issuer: Paygate) -> None:
    """An issuer that knows the header gives the same token again: nothing is left over."""
    leak(store, issuer)
    made: dict[bytes, tuple[int, bytes]] = {}

    def remember(passed: Passed) -> tuple[int, bytes] | None:
        if (passed.method, passed.path) != ("POST", "/v1/tokens"):
            return None
        if not made:
            made[passed.path.encode()] = passed.forward()
            return 0, b""
        return made[passed.path.encode()]

    with proxy(issuer.address, remember) as address:
        described = paygate(issuer, address=address)
        described = described.model_copy(update={"idempotent": True, "find": None})
        connections = connected(store, described)
        with pytest.raises(UnavailableError):
            Rotate().apply(rotation(store), context(connections))
        receipt = Rotate().apply(rotation(store), context(connections))
    first = json.loads(made[b"/v1/tokens"][1])
    assert receipt.facts["token_id"] == first["id"]
    assert store.read(PATH)["token"] == first["token"]


def test_a_token_that_its_issuer_does_not_accept_never_reaches_the_store(
    store: Store, issuer: Paygate
) -> None:
    old = leak(store, issuer)

    def refuse_probes(passed: Passed) -> tuple[int, bytes] | None:
        return (401, b"{}") if passed.path == "/v1/account" else None

    before = active(issuer)
    with (
        meddled_issuer(store, issuer, refuse_probes) as connections,
        pytest.raises(UnavailableError),
    ):
        Rotate().apply(rotation(store), context(connections, seconds=1.0))
    assert store.read(PATH)["token"] == old
    assert active(issuer) == before


def test_an_issuer_that_only_claims_the_revocation_is_refuted(
    store: Store, issuer: Paygate
) -> None:
    leak(store, issuer)

    def claim(passed: Passed) -> tuple[int, bytes] | None:
        return (200, b"{}") if passed.path == "/v1/tokens/revoke" else None

    with meddled_issuer(store, issuer, claim) as connections:
        given = context(connections)
        receipt = Revoke().apply(revocation(store), given)
        verdict = Revoke().verify(revocation(store), receipt, given)
    assert verdict.kind is VerdictKind.REFUTED
    assert verdict.facts["old_value_refused"] is False


@pytest.mark.parametrize("answer", [(429, b""), (500, b""), (404, b""), (302, b""), (0, b"")])
def test_an_answer_that_proves_neither_life_nor_death_is_unknown(
    store: Store, issuer: Paygate, answer: tuple[int, bytes]
) -> None:
    leak(store, issuer)

    def answer_oddly(passed: Passed) -> tuple[int, bytes] | None:
        return answer if passed.path == "/v1/account" else None

    with meddled_issuer(store, issuer, answer_oddly) as connections:
        given = context(connections)
        receipt = Revoke().apply(revocation(store), given)
        assert Revoke().verify(revocation(store), receipt, given).kind is VerdictKind.UNKNOWN


def test_an_issuer_that_refuses_everybody_proves_nothing(store: Store, issuer: Paygate) -> None:
    leak(store, issuer)
    honest = context(connected(store, paygate(issuer)))
    Rotate().apply(rotation(store), honest)

    def refuse_everybody(passed: Passed) -> tuple[int, bytes] | None:
        return (401, b"{}") if passed.path == "/v1/account" else None

    with meddled_issuer(store, issuer, refuse_everybody) as connections:
        given = context(connections)
        receipt = Revoke().apply(revocation(store), given)
        verdict = Revoke().verify(revocation(store), receipt, given)
    assert verdict.kind is VerdictKind.UNKNOWN
    assert "refuse everybody" in verdict.sentence


def test_a_leaked_version_that_was_destroyed_cannot_be_probed_and_is_unknown(
    store: Store, issuer: Paygate
) -> None:
    leak(store, issuer)
    given = context(connected(store, paygate(issuer)))
    receipt = Revoke().apply(revocation(store), given)
    store.root.secrets.kv.v2.destroy_secret_versions(PATH, [1], mount_point=store.mount)
    assert Revoke().verify(revocation(store), receipt, given).kind is VerdictKind.UNKNOWN


def test_configurations_that_would_spill_a_token_are_refused(store: Store, issuer: Paygate) -> None:
    leak(store, issuer)
    plain = paygate(issuer).model_copy(update={"base_url": "http://paygate.example"})
    with pytest.raises(RefusedError, match="without TLS"):
        Rotate().apply(rotation(store), context(connected(store, plain)))
    good = paygate(issuer)
    in_url = good.revoke.model_copy(update={"path": "/v1/tokens/{token}", "method": "DELETE"})
    spilling = good.model_copy(update={"revoke": in_url})
    with pytest.raises(RefusedError, match="URL"):
        Revoke().apply(revocation(store), context(connected(store, spilling)))


def test_an_issuer_that_revokes_by_id_needs_one_and_knows_those_made_here(
    store: Store, issuer: Paygate
) -> None:
    leak(store, issuer)
    settings = paygate(issuer)
    assert settings.revoke_by_id is not None
    by_id = settings.model_copy(update={"revoke": settings.revoke_by_id})
    given = context(connected(store, by_id))
    with pytest.raises(RefusedError, match="id of this token"):
        Revoke().apply(revocation(store), given)
    Rotate().apply(rotation(store), given)
    issued = store.read(PATH)["token"]
    Revoke().apply(revocation(store, version=2), given)
    assert not issuer.accepts(issued)


def test_a_refused_admin_token_and_an_odd_answer_have_their_own_errors(
    store: Store, issuer: Paygate
) -> None:
    leak(store, issuer)
    before = active(issuer)
    wrong = paygate(issuer).model_copy(update={"token_field": "data.secret"})
    with pytest.raises(BadInputError, match=r"data\.secret"):
        Rotate().apply(rotation(store), context(connected(store, wrong)))
    assert active(issuer) == before
    settings = IssuerSettings.model_validate(
        paygate(issuer).model_dump(exclude={"admin_token"}) | {"admin_token": "not-the-admin"}
    )
    with pytest.raises(AccessDeniedError):
        Revoke().apply(revocation(store), context(connected(store, settings)))
