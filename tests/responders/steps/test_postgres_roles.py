"""Two roles that take turns, on a real PostgreSQL and a real OpenBao; under load as well."""

import threading

import pytest

from graph.connections import Connections
from graph.errors import BadInputError, RefusedError, UnavailableError
from responders.step import Receipt, VerdictKind
from responders.steps.postgres import EndSessions, EndSessionsSettings
from responders.steps.postgres_roles import (
    ConfirmIdle,
    FormerSettings,
    Lock,
    Switch,
    SwitchSettings,
)
from tests.responders.steps.databases import Orders, Vault
from tests.responders.steps.parts import Passed, context, proxy

STEPS = (
    "postgres_roles.switch",
    "postgres_roles.confirm_idle",
    "postgres_roles.lock",
    "postgres.end_sessions",
)
DONE = Receipt("done")


class Shop:
    """A service with two roles; the first one is in use, and its password leaked."""

    def __init__(self, vault: Vault, orders: Orders) -> None:
        self.vault, self.orders = vault, orders
        self.first = orders.make_role("shop_a", "leaked-password")
        self.second = orders.make_role("shop_b", "long-forgotten")
        vault.put("shop/db", username=self.first, password="leaked-password", note="kept")

    def connections(self, address: str = "") -> Connections:
        databases = {"orders": self.orders.settings()}
        return self.vault.connections(STEPS, address=address, databases=databases)

    def given(self) -> dict[str, object]:
        return {
            "database": "orders",
            "secret": self.vault.ref("shop/db"),
            "field": "password",
            "role": self.first,
            "other_role": self.second,
        }

    def switch(self) -> SwitchSettings:
        return SwitchSettings.model_validate(self.given())

    def former(self, **more: object) -> FormerSettings:
        return FormerSettings.model_validate(
            {**self.given(), "version": 1, "wait_seconds": 0.5, **more}
        )

    def current(self) -> tuple[str, str]:
        now = self.vault.read("shop/db")
        return now["username"], now["password"]


@pytest.fixture
def shop(vault: Vault, orders: Orders) -> Shop:
    return Shop(vault, orders)


def test_the_idle_role_takes_over_and_the_leaked_one_is_locked(shop: Shop) -> None:
    given = context(shop.connections())
    receipt = Switch().apply(shop.switch(), given)
    user, password = shop.current()
    assert user == shop.second
    assert shop.vault.read("shop/db")["note"] == "kept"
    assert shop.orders.logs_in(user, password)
    assert shop.orders.logs_in(shop.first, "leaked-password")  # both work until it is locked
    assert Switch().verify(shop.switch(), receipt, given).kind is VerdictKind.CONFIRMED
    assert password not in str(receipt)

    assert ConfirmIdle().verify(shop.former(), DONE, given).kind is VerdictKind.CONFIRMED
    locked = Lock().apply(shop.former(), given)
    verdict = Lock().verify(shop.former(), locked, given)
    assert verdict.kind is VerdictKind.CONFIRMED
    assert verdict.facts["old_value_refused"] is True
    assert not shop.orders.logs_in(shop.first, "leaked-password")
    assert shop.orders.logs_in(user, password)
    assert Lock().apply(shop.former(), given).facts["locked_before"] is True


def test_the_next_rotation_takes_the_locked_role_again(shop: Shop) -> None:
    given = context(shop.connections())
    Switch().apply(shop.switch(), given)
    Lock().apply(shop.former(), given)
    Switch().apply(shop.switch(), context(given.connections, "incident-2:plan:switch"))
    user, password = shop.current()
    assert user == shop.first
    assert shop.orders.logs_in(user, password)
    assert not shop.orders.logs_in(shop.first, "leaked-password")


def test_switching_twice_under_one_key_switches_once(shop: Shop) -> None:
    connections = shop.connections()

    def lose_the_answer(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method == "PATCH" and "/data/" in passed.path:
            passed.forward()
            return 502, b""
        return None

    with proxy(shop.vault.address, lose_the_answer) as address, pytest.raises(UnavailableError):
        Switch().apply(shop.switch(), context(shop.connections(address)))
    written = shop.current()
    first = Switch().apply(shop.switch(), context(connections))
    assert first == Switch().apply(shop.switch(), context(connections))
    assert first.facts["version"] == 2
    assert shop.current() == written
    assert shop.orders.logs_in(*written)


def test_a_password_that_the_server_refuses_never_reaches_the_store(shop: Shop) -> None:
    shop.orders.run(f"ALTER ROLE {shop.second} CONNECTION LIMIT 0")
    with pytest.raises(UnavailableError, match="does not accept the new password"):
        Switch().apply(shop.switch(), context(shop.connections()))
    assert shop.current() == (shop.first, "leaked-password")


def test_a_role_that_somebody_uses_is_not_idle(shop: Shop) -> None:
    given = context(shop.connections())
    with (
        shop.orders.connect(shop.second, "long-forgotten", client="forgotten-job"),
        pytest.raises(RefusedError, match="forgotten-job"),
    ):
        Switch().apply(shop.switch(), given)
    assert shop.orders.logs_in(shop.second, "long-forgotten")


def test_who_still_uses_the_leaked_role_holds_it_back_by_name(shop: Shop) -> None:
    given = context(shop.connections())
    Switch().apply(shop.switch(), given)
    with shop.orders.connect(shop.first, "leaked-password", client="report-job"):
        verdict = ConfirmIdle().verify(shop.former(), DONE, given)
        assert verdict.kind is VerdictKind.UNKNOWN
        assert "report-job" in verdict.sentence
        receipt = Lock().apply(shop.former(), given)
        assert Lock().verify(shop.former(), receipt, given).kind is VerdictKind.CONFIRMED
        # Locked is not gone: who is in stays in, until its sessions are ended.
        ending = EndSessionsSettings(
            database="orders", secret=shop.vault.ref("shop/db"), field="password", version=1
        )
        ended = EndSessions().apply(ending, given)
        assert ended.facts["ended"] == 1
        assert EndSessions().verify(ending, ended, given).kind is VerdictKind.CONFIRMED
    assert ConfirmIdle().verify(shop.former(), DONE, given).kind is VerdictKind.CONFIRMED


def test_the_role_in_use_is_never_locked_and_strangers_are_refused(shop: Shop) -> None:
    given = context(shop.connections())
    with pytest.raises(RefusedError, match="in the current version"):
        Lock().apply(shop.former(), given)
    with pytest.raises(BadInputError, match="names neither"):
        Switch().apply(shop.switch().model_copy(update={"role": "x", "other_role": "y"}), given)
    assert shop.current() == (shop.first, "leaked-password")


def test_a_lock_that_did_not_happen_is_refuted(shop: Shop) -> None:
    given = context(shop.connections())
    Switch().apply(shop.switch(), given)
    verdict = Lock().verify(shop.former(), DONE, given)
    assert verdict.kind is VerdictKind.REFUTED
    assert verdict.facts["old_value_refused"] is False


def test_under_a_steady_stream_of_logins_none_fails(shop: Shop) -> None:
    """Clients read the store before each login, as a consumer does that follows its copy."""
    over, failed, done = threading.Event(), [], [0, 0, 0]

    def keep_logging_in(number: int) -> None:
        while not over.is_set():
            user, password = shop.current()
            try:
                with shop.orders.connect(user, password) as session:
                    session.execute("SELECT 1")
                done[number] += 1
            except Exception as error:  # noqa: BLE001 - any failure counts
                failed.append(type(error).__name__)

    def more_logins() -> None:
        """Let every client log in again, so that each state of the rotation is met by all."""
        wanted = [count + 3 for count in done]
        while not failed and any(have < want for have, want in zip(done, wanted, strict=True)):
            over.wait(0.01)

    clients = [threading.Thread(target=keep_logging_in, args=(n,)) for n in range(len(done))]
    for client in clients:
        client.start()
    try:
        given = context(shop.connections())
        more_logins()
        receipt = Switch().apply(shop.switch(), given)
        more_logins()
        assert Switch().verify(shop.switch(), receipt, given).kind is VerdictKind.CONFIRMED
        idle = ConfirmIdle().verify(shop.former(wait_seconds=20), DONE, given)
        assert idle.kind is VerdictKind.CONFIRMED
        locked = Lock().apply(shop.former(), given)
        more_logins()
        assert Lock().verify(shop.former(), locked, given).kind is VerdictKind.CONFIRMED
        more_logins()
    finally:
        over.set()
        for client in clients:
            client.join()
    assert failed == []
    assert sum(done) >= 36
    assert not shop.orders.logs_in(shop.first, "leaked-password")
