"""The database engine of a real OpenBao on a real PostgreSQL: static roles, leases, the root."""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
import pytest

from graph.connections import Connections
from graph.errors import (
    BadInputError,
    LocksmithError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from responders.step import Receipt, StepContext, VerdictKind
from responders.steps.database_sessions import End, EndSettings
from responders.steps.vault_database import (
    LookStatic,
    RotateRoot,
    RotateRootSettings,
    RotateStatic,
    StaticSettings,
)
from responders.steps.vault_leases import LeasesSettings, Look, Revoke, RevokeSettings
from tests.responders.steps.databases import Orders, Vault
from tests.responders.steps.parts import Meddle, Passed, context, proxy

STEPS = (
    "vault_database.look_static",
    "vault_database.rotate_static",
    "vault_database.rotate_root",
    "vault_leases.look",
    "vault_leases.revoke",
    "database_sessions.end",
)
CREATE = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"


@dataclass
class Engine:
    """A database engine with the connection `orders`, and the root role of its own."""

    vault: Vault
    orders: Orders
    mount: str
    root: str

    def connections(self, address: str = "", *, known: bool = True) -> Connections:
        server = {"orders": self.orders.settings(self.ref("config/orders"))}
        return self.vault.connections(
            STEPS, mount=self.mount, address=address, databases=server if known else None
        )

    def ref(self, path: str) -> str:
        return f"vault://main/{self.mount}/{path}"

    def static(self, name: str = "shop") -> tuple[str, StaticSettings]:
        """Have the engine manage a role of the server."""
        user = self.orders.make_role(name, "given-once")
        self.vault.call(
            "post",
            f"{self.mount}/static-roles/{name}",
            db_name="orders",
            username=user,
            rotation_period="24h",
        )
        return user, StaticSettings(role=self.ref(f"static-creds/{name}"))

    def password(self, name: str = "shop") -> str:
        return str(self.vault.call("get", f"{self.mount}/static-creds/{name}")["data"]["password"])

    def lease(self) -> tuple[str, str]:
        found = self.vault.call("get", f"{self.mount}/creds/report")["data"]
        return found["username"], found["password"]


@pytest.fixture
def engine(vault: Vault, orders: Orders) -> Engine:
    made = Engine(vault, orders, vault.enable("database"), orders.name("engine"))
    # A superuser, as real ones often are: it may change what the admin role made.
    orders.run(f"CREATE ROLE {made.root} LOGIN SUPERUSER PASSWORD 'leaked-root'")
    vault.call(
        "post",
        f"{made.mount}/config/orders",
        plugin_name="postgresql-database-plugin",
        allowed_roles="*",
        connection_url=f"postgresql://{{{{username}}}}:{{{{password}}}}@/postgres?host={orders.folder}",
        username=made.root,
        password="leaked-root",
        # The suffix keeps the users of two tests apart.
        username_template=f"v-{orders.suffix}-{{{{.RoleName}}}}-{{{{random 12}}}}",
    )
    vault.call(
        "post",
        f"{made.mount}/roles/report",
        db_name="orders",
        creation_statements=[CREATE],
        default_ttl="1h",
    )
    return made


def pretend(method: str, part: str) -> Meddle:
    """Answer with success, and do nothing: the shape of hashicorp/vault#29392."""

    def meddle(passed: Passed) -> tuple[int, bytes] | None:
        return (204, b"") if passed.method == method and part in passed.path else None

    return meddle


def noted(given: StepContext, receipts: Mapping[str, Receipt]) -> StepContext:
    return context(given.connections, receipts=receipts, seconds=20)


def test_a_static_password_is_rotated_once_and_tried(engine: Engine) -> None:
    user, asked = engine.static()
    old = engine.password()
    given = context(engine.connections())
    looked = LookStatic().apply(asked, given)
    assert LookStatic().verify(asked, looked, given).kind is VerdictKind.CONFIRMED
    given = noted(given, {"look": looked})
    session = engine.orders.connect(user, old, client="checkout")
    receipt = RotateStatic().apply(asked, given)
    now = engine.password()
    assert now != old
    verdict = RotateStatic().verify(asked, receipt, given)
    assert verdict.kind is VerdictKind.CONFIRMED
    assert verdict.facts["old_value_refused"] is True
    assert not engine.orders.logs_in(user, old)
    assert old not in f"{looked}{receipt}"
    assert now not in f"{receipt}{verdict}"

    again = RotateStatic().apply(asked, given)
    assert engine.password() == now
    assert "rotated before" in again.sentence
    assert RotateStatic().verify(asked, again, given).kind is VerdictKind.CONFIRMED

    given = noted(given, {"look": looked, "rotate": receipt})
    ending = EndSettings(role=asked.role, changed_by="rotate")
    with engine.orders.connect(user, now) as later:
        ended = End().apply(ending, given)
        assert ended.facts["ended"] == 1
        assert End().verify(ending, ended, given).kind is VerdictKind.CONFIRMED
        assert later.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    session.close()


def test_a_password_that_the_database_refuses_is_given_to_nobody(engine: Engine) -> None:
    user, asked = engine.static()
    old = engine.password()
    given = context(engine.connections())
    given = noted(given, {"look": LookStatic().apply(asked, given)})
    engine.orders.run(f"ALTER ROLE {engine.root} NOSUPERUSER")
    with pytest.raises(LocksmithError):
        RotateStatic().apply(asked, given)
    assert engine.password() == old
    assert engine.orders.logs_in(user, old)
    engine.orders.run(f"ALTER ROLE {engine.root} SUPERUSER")
    receipt = RotateStatic().apply(asked, given)
    assert RotateStatic().verify(asked, receipt, given).kind is VerdictKind.CONFIRMED
    assert (engine.password() == old, engine.orders.logs_in(user, old)) == (False, False)


def test_a_rotation_that_the_store_only_claims_is_refuted(engine: Engine) -> None:
    user, asked = engine.static()
    old = engine.password()
    with proxy(engine.vault.address, pretend("POST", "/rotate-role/")) as address:
        given = context(engine.connections(address))
        given = noted(given, {"look": LookStatic().apply(asked, given)})
        receipt = RotateStatic().apply(asked, given)
        verdict = RotateStatic().verify(asked, receipt, given)
    assert verdict.kind is VerdictKind.REFUTED
    assert engine.orders.logs_in(user, old)


def test_a_database_that_did_not_take_it_is_refuted(engine: Engine) -> None:
    user, asked = engine.static()
    given = context(engine.connections())
    given = noted(given, {"look": LookStatic().apply(asked, given)})
    receipt = RotateStatic().apply(asked, given)
    engine.orders.run(f"ALTER ROLE {user} PASSWORD 'something else'")
    assert RotateStatic().verify(asked, receipt, given).kind is VerdictKind.REFUTED


def test_a_server_that_nobody_may_ask_is_unknown(engine: Engine) -> None:
    _, asked = engine.static()
    given = context(engine.connections(known=False))
    given = noted(given, {"look": LookStatic().apply(asked, given)})
    receipt = RotateStatic().apply(asked, given)
    verdict = RotateStatic().verify(asked, receipt, given)
    assert verdict.kind is VerdictKind.UNKNOWN
    assert "databases" in str(verdict.facts["do_now"])
    ending = EndSettings(role=asked.role)
    ended = End().apply(ending, given)
    assert End().verify(ending, ended, given).kind is VerdictKind.UNKNOWN


def test_nothing_is_rotated_or_revoked_without_a_look(engine: Engine) -> None:
    _, asked = engine.static()
    old = engine.password()
    given = context(engine.connections())
    with pytest.raises(BadInputError, match="rotated twice"):
        RotateStatic().apply(asked, given)
    engine.lease()
    with pytest.raises(BadInputError, match="since"):
        Revoke().apply(RevokeSettings(role=engine.ref("creds/report")), given)
    with pytest.raises(NotFoundError):
        Look().apply(LeasesSettings(role=engine.ref("creds/nothing")), given)
    assert engine.password() == old


@pytest.mark.parametrize("only_noted", [False, True])
def test_leases_are_revoked_and_their_users_are_gone(engine: Engine, only_noted: bool) -> None:  # noqa: FBT001
    user, password = engine.lease()
    engine.lease()
    role = engine.ref("creds/report")
    pattern = f"v-{engine.orders.suffix}-report-%"
    given = context(engine.connections())
    looked = Look().apply(LeasesSettings(role=role, user_pattern=pattern), given)
    assert len(looked.facts["leases"]) == len(looked.facts["users"]) == 2  # type: ignore[arg-type]
    given = noted(given, {"look": looked})
    session = engine.orders.connect(user, password, client="report-job")
    asked = RevokeSettings(role=role, only_noted=only_noted)
    newer = engine.lease() if only_noted else None
    receipt = Revoke().apply(asked, given)
    verdict = Revoke().verify(asked, receipt, given)
    assert verdict.kind is VerdictKind.CONFIRMED
    assert verdict.facts["old_value_refused"] is True
    assert user not in engine.orders.users()
    assert not engine.orders.logs_in(user, password)
    if newer:
        assert engine.orders.logs_in(*newer)

    # Repeated, it leaves alone what consumers got since.
    later = engine.lease()
    assert "None of the noted leases" in Revoke().apply(asked, given).sentence
    assert engine.orders.logs_in(*later)

    # A dropped user's session goes on until it is ended.
    assert session.execute("SELECT 1").fetchone() == (1,)
    ended = End().apply(EndSettings(role=role), given)
    assert ended.facts["ended"] == 1
    assert End().verify(EndSettings(role=role), ended, given).kind is VerdictKind.CONFIRMED
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    session.close()


def test_leases_that_the_store_only_claims_to_revoke_are_refuted(engine: Engine) -> None:
    user, password = engine.lease()
    role = engine.ref("creds/report")
    looking = LeasesSettings(role=role, user_pattern=f"v-{engine.orders.suffix}-report-%")

    def hide_the_list_too(passed: Passed) -> tuple[int, bytes] | None:
        listing = passed.method == "LIST" or passed.path.endswith("list=true")
        if listing and "/sys/leases/lookup/" in passed.path and revoked:
            return 404, b'{"errors":[]}'
        if "/revoke-prefix/" in passed.path:
            revoked.append(passed.path)
            return 204, b""
        return None

    revoked: list[str] = []
    for meddle in (pretend("PUT", "/revoke-prefix/"), hide_the_list_too):
        with proxy(engine.vault.address, meddle) as address:
            given = context(engine.connections(address))
            given = context(
                given.connections, receipts={"look": Look().apply(looking, given)}, seconds=2
            )
            receipt = Revoke().apply(RevokeSettings(role=role), given)
            verdict = Revoke().verify(RevokeSettings(role=role), receipt, given)
        assert verdict.kind is VerdictKind.REFUTED
    assert engine.orders.logs_in(user, password)


def test_a_lease_that_is_gone_while_its_user_lives_is_refuted(engine: Engine) -> None:
    engine.vault.call(
        "post",
        f"{engine.mount}/roles/report",
        db_name="orders",
        creation_statements=[CREATE],
        revocation_statements=["SELECT 1"],  # takes nothing away
        default_ttl="1h",
    )
    user, password = engine.lease()
    role = engine.ref("creds/report")
    given = context(engine.connections())
    looking = LeasesSettings(role=role, user_pattern=f"v-{engine.orders.suffix}-report-%")
    given = noted(given, {"look": Look().apply(looking, given)})
    receipt = Revoke().apply(RevokeSettings(role=role), given)
    verdict = Revoke().verify(RevokeSettings(role=role), receipt, given)
    assert verdict.kind is VerdictKind.REFUTED
    assert user in verdict.sentence
    assert engine.orders.logs_in(user, password)


def test_users_that_cannot_be_told_apart_are_not_noted(engine: Engine) -> None:
    engine.lease()
    engine.orders.run(f'CREATE ROLE "v-{engine.orders.suffix}-report-stranger" LOGIN')
    given = context(engine.connections())
    role = engine.ref("creds/report")
    looking = LeasesSettings(role=role, user_pattern=f"v-{engine.orders.suffix}-report-%")
    looked = Look().apply(looking, given)
    assert looked.facts["users"] == []
    given = noted(given, {"look": looked})
    receipt = Revoke().apply(RevokeSettings(role=role), given)
    assert Revoke().verify(RevokeSettings(role=role), receipt, given).kind is VerdictKind.UNKNOWN


def root_of(engine: Engine) -> RotateRootSettings:
    engine.vault.put("infra/root", password="leaked-root")
    return RotateRootSettings(
        connection=engine.ref("config/orders"),
        secret=engine.vault.ref("infra/root"),
        field="password",
        version=1,
    )


def test_the_root_password_is_rotated_once_and_the_engine_goes_on(engine: Engine) -> None:
    asked = root_of(engine)
    given = context(engine.connections())
    receipt = RotateRoot().apply(asked, given)
    assert receipt.facts["rotated"] is True
    verdict = RotateRoot().verify(asked, receipt, given)
    assert verdict.kind is VerdictKind.CONFIRMED
    assert verdict.facts["old_value_refused"] is True
    assert not engine.orders.logs_in(engine.root, "leaked-root")
    assert engine.orders.logs_in(*engine.lease())
    verifier = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
    before = engine.orders.run(verifier, engine.root)
    assert RotateRoot().apply(asked, given).facts["rotated"] is False
    assert engine.orders.run(verifier, engine.root) == before
    assert RotateRoot.final


def test_a_root_rotation_that_is_only_claimed_or_lost_is_told(engine: Engine) -> None:
    asked = root_of(engine)

    def lose_the_answer(passed: Passed) -> tuple[int, bytes] | None:
        if "/rotate-root/" in passed.path:
            passed.forward()
            return 502, b""
        return None

    with proxy(engine.vault.address, pretend("POST", "/rotate-root/")) as address:
        given = context(engine.connections(address))
        receipt = RotateRoot().apply(asked, given)
        assert RotateRoot().verify(asked, receipt, given).kind is VerdictKind.REFUTED
    assert engine.orders.logs_in(engine.root, "leaked-root")
    with proxy(engine.vault.address, lose_the_answer) as address, pytest.raises(UnavailableError):
        RotateRoot().apply(asked, context(engine.connections(address)))
    given = context(engine.connections())
    receipt = RotateRoot().apply(asked, given)
    assert receipt.facts["rotated"] is False
    assert RotateRoot().verify(asked, receipt, given).kind is VerdictKind.CONFIRMED


def test_the_root_is_left_alone_where_nobody_could_look_afterwards(engine: Engine) -> None:
    asked = root_of(engine)
    with pytest.raises(RefusedError, match="not configured"):
        RotateRoot().apply(asked, context(engine.connections(known=False)))
    server = engine.orders.settings(engine.ref("config/orders"))
    same = server.model_copy(update={"admin_user": engine.root})
    ours = engine.vault.connections(STEPS, mount=engine.mount, databases={"orders": same})
    with pytest.raises(RefusedError, match="Locksmith itself"):
        RotateRoot().apply(asked, context(ours))
    assert engine.orders.logs_in(engine.root, "leaked-root")
