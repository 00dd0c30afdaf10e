"""One role's password, on a real PostgreSQL and a real OpenBao."""

import time

import pytest

from graph.connections import Connections
from graph.errors import (
    AccessDeniedError,
    BadInputError,
    ConflictError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from responders.step import Receipt, VerdictKind
from responders.steps.postgres import (
    EndSessions,
    EndSessionsSettings,
    RotatePassword,
    RotatePasswordSettings,
)
from tests.responders.steps.databases import Orders, Vault
from tests.responders.steps.parts import Passed, context, proxy

STEPS = ("postgres.rotate_password", "postgres.end_sessions")


def connected(vault: Vault, orders: Orders, address: str = "") -> Connections:
    return vault.connections(STEPS, address=address, databases={"orders": orders.settings()})


def rotate(vault: Vault, **more: object) -> RotatePasswordSettings:
    given = {"database": "orders", "secret": vault.ref("shop/db"), "field": "password"}
    return RotatePasswordSettings.model_validate({**given, **more})


def end(vault: Vault, version: int = 1, **more: object) -> EndSessionsSettings:
    given = {"database": "orders", "secret": vault.ref("shop/db"), "field": "password"}
    return EndSessionsSettings.model_validate({**given, "version": version, **more})


def test_the_new_password_is_in_the_store_and_at_the_server_and_the_old_one_is_refused(
    vault: Vault, orders: Orders
) -> None:
    role = orders.make_role("shop", "leaked-password")
    vault.put("shop/db", username=role, password="leaked-password", note="kept")
    given = context(connected(vault, orders))
    step, asked = RotatePassword(), rotate(vault)
    receipt = step.apply(asked, given)
    now = vault.read("shop/db")
    assert now["note"] == "kept"
    assert orders.logs_in(role, now["password"])
    assert not orders.logs_in(role, "leaked-password")
    verdict = step.verify(asked, receipt, given)
    assert verdict.kind is VerdictKind.CONFIRMED
    assert verdict.facts["old_value_refused"] is True
    assert now["password"] not in f"{receipt}{verdict}"
    # What the server was sent is a verifier, not the password.
    (stored,) = orders.run("SELECT rolpassword FROM pg_authid WHERE rolname = %s", role)
    assert stored[0].startswith("SCRAM-SHA-256$")


def test_an_address_keeps_its_form(vault: Vault, orders: Orders) -> None:
    role = orders.make_role("shop", "leaked-password")
    address = f"postgresql://{role}:leaked-password@db.example:5432/shop?sslmode=require"
    vault.put("shop/db", url=address)
    given = context(connected(vault, orders))
    asked = rotate(vault, field="url")
    receipt = RotatePassword().apply(asked, given)
    now = vault.read("shop/db")["url"]
    assert now.startswith(f"postgresql://{role}:")
    assert now.endswith("@db.example:5432/shop?sslmode=require")
    assert "leaked-password" not in now
    assert RotatePassword().verify(asked, receipt, given).kind is VerdictKind.CONFIRMED
    vault.put("shop/db", url='{"password": "leaked-password"}')
    with pytest.raises(BadInputError):
        RotatePassword().apply(
            rotate(vault, field="url", role=role), context(given.connections, "another:plan:step")
        )
    assert vault.read("shop/db")["url"].startswith("{")


def test_what_the_store_refuses_is_rolled_back_at_the_server(vault: Vault, orders: Orders) -> None:
    role = orders.make_role("shop", "leaked-password")
    vault.put("shop/db", username=role, password="leaked-password")

    def somebody_is_faster(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method == "PATCH" and "/data/" in passed.path:
            vault.put("shop/db", username=role, password="leaked-password", by="a person")
        return None

    with proxy(vault.address, somebody_is_faster) as address, pytest.raises(ConflictError):
        RotatePassword().apply(rotate(vault), context(connected(vault, orders, address)))
    assert orders.logs_in(role, "leaked-password")
    assert vault.read("shop/db")["by"] == "a person"


@pytest.mark.parametrize("limit", ["VALID UNTIL '2020-01-01'", "CONNECTION LIMIT 0"])
def test_a_password_that_the_server_would_refuse_never_reaches_the_store(
    vault: Vault, orders: Orders, limit: str
) -> None:
    role = orders.make_role("shop", "leaked-password")
    vault.put("shop/db", username=role, password="leaked-password")
    orders.run(f"ALTER ROLE {role} {limit}")
    with pytest.raises(RefusedError, match="would refuse the new password") as refused:
        RotatePassword().apply(rotate(vault), context(connected(vault, orders)))
    assert limit.partition(" '")[0].removesuffix(" 0") in str(refused.value)
    assert vault.read("shop/db")["password"] == "leaked-password"
    orders.run(f"ALTER ROLE {role} VALID UNTIL 'infinity' CONNECTION LIMIT -1")
    assert orders.logs_in(role, "leaked-password")


def test_an_admin_that_may_not_any_more_changes_nothing(vault: Vault, orders: Orders) -> None:
    role = orders.make_role("shop", "leaked-password")
    vault.put("shop/db", username=role, password="leaked-password")
    orders.run(f"ALTER ROLE {orders.admin} NOCREATEROLE")
    with pytest.raises(AccessDeniedError, match="permission denied"):
        RotatePassword().apply(rotate(vault), context(connected(vault, orders)))
    assert vault.read("shop/db")["password"] == "leaked-password"
    assert orders.logs_in(role, "leaked-password")
    orders.run(f"ALTER ROLE {orders.admin} CREATEROLE")


@pytest.mark.parametrize("at", ["/metadata/", "/data/"])
def test_a_connection_that_is_lost_in_the_middle_is_mended_by_the_repeat(
    vault: Vault, orders: Orders, at: str
) -> None:
    role = orders.make_role("shop", "leaked-password")
    vault.put("shop/db", username=role, password="leaked-password")
    cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s"

    def lose_the_server(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method == "PATCH" and at in passed.path:
            orders.run(cut, orders.admin)
        return None

    with proxy(vault.address, lose_the_server) as address, pytest.raises(UnavailableError):
        RotatePassword().apply(rotate(vault), context(connected(vault, orders, address)))
    # What the server forgot is not in the store, unless the last moment before its word was cut.
    stored = vault.read("shop/db")["password"]
    assert (stored == "leaked-password") == (at == "/metadata/")
    assert orders.logs_in(role, "leaked-password")
    given = context(connected(vault, orders))
    receipt = RotatePassword().apply(rotate(vault), given)
    assert RotatePassword().verify(rotate(vault), receipt, given).kind is VerdictKind.CONFIRMED
    assert orders.logs_in(role, vault.read("shop/db")["password"])
    assert not orders.logs_in(role, "leaked-password")


def test_a_store_that_is_sealed_in_the_middle_changes_nothing_at_the_server(
    vault: Vault, orders: Orders
) -> None:
    role = orders.make_role("shop", "leaked-password")
    vault.put("shop/db", username=role, password="leaked-password")

    def be_sealed(passed: Passed) -> tuple[int, bytes] | None:
        writes = passed.method == "PATCH" and "/data/" in passed.path
        return (503, b'{"errors":["Vault is sealed"]}') if writes else None

    with proxy(vault.address, be_sealed) as address:
        given = context(connected(vault, orders, address))
        with pytest.raises(UnavailableError, match="sealed"):
            RotatePassword().apply(rotate(vault), given)
    assert orders.logs_in(role, "leaked-password")
    receipt = RotatePassword().apply(rotate(vault), context(connected(vault, orders)))
    assert receipt.facts["version"] == 2
    assert orders.logs_in(role, vault.read("shop/db")["password"])


def test_a_role_that_is_dropped_under_us_is_unknown_and_said(vault: Vault, orders: Orders) -> None:
    role = orders.make_role("shop", "leaked-password")
    vault.put("shop/db", username=role, password="leaked-password")
    connections = connected(vault, orders)
    done = RotatePassword().apply(rotate(vault), context(connections))
    orders.run(f"DROP ROLE {role}")
    given = context(connections, receipts={"rotate": done})
    with pytest.raises(NotFoundError, match=role):
        EndSessions().apply(end(vault), given)
    verdict = EndSessions().verify(end(vault), Receipt("", {"role": role}), given)
    assert verdict.kind is VerdictKind.UNKNOWN
    assert role in verdict.sentence


def test_a_write_whose_answer_got_lost_is_found_again_and_set_at_the_server(
    vault: Vault, orders: Orders
) -> None:
    role = orders.make_role("shop", "leaked-password")
    vault.put("shop/db", username=role, password="leaked-password")

    def lose_the_answer(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method == "PATCH" and "/data/" in passed.path:
            passed.forward()
            return 502, b""
        return None

    with proxy(vault.address, lose_the_answer) as address, pytest.raises(UnavailableError):
        RotatePassword().apply(rotate(vault), context(connected(vault, orders, address)))
    written = vault.read("shop/db")["password"]
    assert not orders.logs_in(role, written)
    given = context(connected(vault, orders))
    receipt = RotatePassword().apply(rotate(vault), given)
    assert receipt.facts["version"] == 2
    assert vault.read("shop/db")["password"] == written
    assert orders.logs_in(role, written)
    again = RotatePassword().apply(rotate(vault), given)
    assert again.facts["version"] == 2
    assert RotatePassword().verify(rotate(vault), again, given).kind is VerdictKind.CONFIRMED


def test_a_server_that_never_took_it_is_refuted(vault: Vault, orders: Orders) -> None:
    role = orders.make_role("shop", "leaked-password")
    vault.put("shop/db", username=role, password="leaked-password")
    given = context(connected(vault, orders))
    receipt = RotatePassword().apply(rotate(vault), given)
    orders.run(f"ALTER ROLE {role} PASSWORD 'leaked-password'")  # whatever the receipt says
    assert RotatePassword().verify(rotate(vault), receipt, given).kind is VerdictKind.REFUTED


def test_old_sessions_end_and_later_ones_stay(vault: Vault, orders: Orders) -> None:
    role = orders.make_role("shop", "leaked-password")
    vault.put("shop/db", username=role, password="leaked-password")
    connections = connected(vault, orders)
    old = orders.connect(role, "leaked-password", client="checkout")
    done = RotatePassword().apply(rotate(vault), context(connections))
    new = orders.connect(role, vault.read("shop/db")["password"])
    given = context(connections, receipts={"rotate": done})
    receipt = EndSessions().apply(end(vault), given)
    assert receipt.facts["ended"] == 1
    assert "checkout" in receipt.sentence
    verdict = EndSessions().verify(end(vault), receipt, given)
    assert verdict.kind is VerdictKind.CONFIRMED
    assert verdict.facts["old_value_refused"] is True
    assert new.execute("SELECT 1").fetchone() == (1,)
    assert EndSessions().apply(end(vault), given).facts["ended"] == 0
    assert new.execute("SELECT 1").fetchone() == (1,)
    assert _is_over(old)
    new.close()


def test_a_session_that_lives_on_is_refuted(vault: Vault, orders: Orders) -> None:
    role = orders.make_role("shop", "leaked-password")
    vault.put("shop/db", username=role, password="leaked-password")
    connections = connected(vault, orders)
    with orders.connect(role, "leaked-password", client="checkout"):
        done = RotatePassword().apply(rotate(vault), context(connections))
        given = context(connections, receipts={"rotate": done}, seconds=1.0)
        claimed = Receipt("done", {"role": role, "before": done.facts["changed_at"]})
        verdict = EndSessions().verify(end(vault), claimed, given)
    assert verdict.kind is VerdictKind.REFUTED
    assert "checkout" in verdict.sentence


def test_refusals(vault: Vault, orders: Orders) -> None:
    role = orders.make_role("shop", "leaked-password")
    vault.put("shop/db", username=role, password="leaked-password")
    given = context(connected(vault, orders))
    with pytest.raises(RefusedError, match="when its password was changed"):
        EndSessions().apply(end(vault), given)
    with pytest.raises(RefusedError, match="Locksmith itself"):
        RotatePassword().apply(rotate(vault, role=orders.admin), given)
    with pytest.raises(NotFoundError):
        RotatePassword().apply(rotate(vault, role="nobody"), given)
    with pytest.raises(NotFoundError):
        RotatePassword().apply(rotate(vault, database="other"), given)
    with pytest.raises(AccessDeniedError):
        RotatePassword().apply(rotate(vault, role="postgres"), given)
    wrong = orders.settings().model_copy(update={"admin_user": "nobody"})
    no_admin = vault.connections(STEPS, databases={"orders": wrong})
    with pytest.raises(AccessDeniedError, match="refused the login"):
        RotatePassword().apply(rotate(vault), context(no_admin))
    away = orders.settings().model_copy(update={"host": "/nowhere"})
    no_server = vault.connections(STEPS, databases={"orders": away})
    with pytest.raises(UnavailableError):
        RotatePassword().apply(rotate(vault), context(no_server))
    assert vault.read("shop/db")["password"] == "leaked-password"
    assert orders.logs_in(role, "leaked-password")


def _is_over(session: object) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            session.execute("SELECT 1")  # type: ignore[attr-defined]
        except Exception:  # noqa: BLE001 - however it ends
            session.close()  # type: ignore[attr-defined]
            return True
    return False
