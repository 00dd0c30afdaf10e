"""A real OpenBao with its audit device: who read what is found in the file, the value never."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import hvac
import pytest

from bot.sandbox.openbao import OpenBaoServer
from graph.audit_hash import seek_value
from graph.audit_logs.vault import VaultAuditLog
from graph.connections import Connections, VaultSettings
from graph.database import Database
from graph.fingerprints import Fingerprinter, generate_key
from graph.ingest import ingest, log_gaps
from graph.queries.access import accesses
from graph.reads import Reads
from graph.refs import vault
from graph.secret_value import SecretValue
from tests.graph.vault_parts import VaultCorner

NOW = datetime(2026, 11, 28, tzinfo=UTC)
FINGERPRINTER = Fingerprinter(SecretValue(generate_key()))


@pytest.fixture(scope="module")
def corner(openbao: OpenBaoServer) -> Iterator[VaultCorner]:
    corner = VaultCorner(openbao)
    yield corner
    corner.client.sys.disable_secrets_engine(corner.mount)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/graph.db")
    database.create_all()
    yield database
    database.close()


def connected(corner: VaultCorner, *, token: str = "", **given: str) -> Connections:
    settings = VaultSettings(
        address=corner.server.address,
        token=token or corner.server.root_token,
        **{"audit_log": str(corner.server.audit_log), **given},
    )
    return Connections({"main": settings}, {}, {})


def reader(corner: VaultCorner) -> tuple[hvac.Client, str]:
    """Log in a reader by AppRole; returns its client and role."""
    method, role = f"approle-{secrets.token_hex(3)}", f"app-{secrets.token_hex(3)}"
    corner.client.sys.enable_auth_method("approle", path=method)
    base = f"/v1/auth/{method}/role/{role}"
    policy = corner.rules("MOUNT/data/* read")
    corner.client.adapter.post(base, json={"token_policies": [policy]})
    proof = {
        "role_id": corner.client.adapter.get(f"{base}/role-id")["data"]["role_id"],
        "secret_id": corner.client.adapter.post(f"{base}/secret-id")["data"]["secret_id"],
    }
    client = hvac.Client(url=corner.server.address, token="")
    client.token = client.adapter.post(f"/v1/auth/{method}/login", json=proof)["auth"][
        "client_token"
    ]
    return client, role


def take_in(reads: Reads, connections: Connections) -> int:
    return sum(one.reads for one in ingest(reads, connections, now=NOW))


def test_who_read_a_secret_how_often_and_which_version(corner: VaultCorner, database: Database):
    reads, connections = Reads(database.engine), connected(corner)
    path = f"payments/{secrets.token_hex(3)}"
    for _ in range(2):
        corner.put(path, {"password": f"fQ2xLbV7rTz{secrets.token_hex(8)}"})
    client, role = reader(corner)
    client.adapter.get(f"/v1/{corner.mount}/data/{path}")
    client.adapter.get(f"/v1/{corner.mount}/data/{path}", params={"version": 1})
    with pytest.raises(hvac.exceptions.Forbidden):  # no read: refused
        client.adapter.get(f"/v1/{corner.mount}/metadata/{path}")
    assert take_in(reads, connections) >= 2
    (one,) = accesses(reads.of([vault("main", corner.mount, path)], since=None))
    assert role in one.who
    assert (one.times, one.versions, one.verbs) == (2, (1, 2), ("read",))
    assert one.addresses == ("127.0.0.1",)
    assert one.last.tzinfo is not None


def test_who_was_served_this_very_value_is_found_by_the_devices_own_digest(
    corner: VaultCorner, database: Database
):
    reads, connections = Reads(database.engine), connected(corner)
    leaked, other = (f"sErved{secrets.token_hex(12)}" for _ in range(2))
    first, second = secrets.token_hex(3), secrets.token_hex(3)
    corner.put(first, {"user": "app", "token": leaked})
    corner.put(second, {"token": other})
    client, role = reader(corner)
    for path in (first, second):
        client.adapter.get(f"/v1/{corner.mount}/data/{path}")
    corner.put(first, {"token": f"later{secrets.token_hex(8)}"})
    client.adapter.get(f"/v1/{corner.mount}/data/{first}")  # which holds another value now
    sought = seek_value(SecretValue(f"{leaked}\n"), connections, FINGERPRINTER, reads)
    assert not sought.gaps
    take_in(reads, connections)
    (one,) = accesses(reads.served(sought.fingerprints, since=None))
    assert (one.secret, one.times, one.versions) == (vault("main", corner.mount, first), 1, (1,))
    assert role in one.who
    for value in (leaked, other):
        assert value not in database_text(database)


def database_text(database: Database) -> str:
    with database.engine.connect() as connection:
        return "\n".join(connection.connection.driver_connection.iterdump())  # type: ignore[union-attr]


def test_the_same_log_twice_makes_each_read_once(corner: VaultCorner, database: Database):
    reads, connections = Reads(database.engine), connected(corner)
    path = secrets.token_hex(3)
    corner.put(path, {"token": secrets.token_hex(16)})
    corner.client.adapter.get(f"/v1/{corner.mount}/data/{path}")
    take_in(reads, connections)
    assert take_in(reads, connections) == 0
    database.engine.connect().close()
    again = Reads(database.engine)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM graph_audit_log")  # as if read by another replica
    take_in(again, connections)
    assert len(again.of([vault("main", corner.mount, path)], since=None)) == 1


def test_what_is_not_known_is_a_gap(corner: VaultCorner, database: Database, tmp_path: Path):
    reads = Reads(database.engine)
    bare = connected(corner, audit_log="")
    (gap,) = log_gaps(reads, bare, since=None)
    assert "no audit log is configured" in gap.reason
    assert "vault.main.audit_log" in gap.do_now
    missing = connected(corner, audit_log=str(tmp_path / "none.log"))
    take_in(reads, missing)
    assert any("is not there" in gap.reason for gap in log_gaps(reads, missing, since=None))
    known = connected(corner)
    corner.put("x", {"a": secrets.token_hex(16)})
    corner.client.adapter.get(f"/v1/{corner.mount}/data/x")
    take_in(reads, known)
    (since,) = log_gaps(reads, known, since=None)
    assert "known since" in since.reason
    assert not log_gaps(reads, known, since=datetime.now(UTC))


def test_a_bot_that_may_not_ask_for_digests_says_what_to_grant(
    corner: VaultCorner, database: Database
):
    token = corner.token([corner.rules("MOUNT/data/* read")])["client_token"]
    poor = connected(corner, token=token)
    value = SecretValue(f"sErved{secrets.token_hex(12)}")
    (gap,) = seek_value(value, poor, FINGERPRINTER, Reads(database.engine)).gaps
    assert "sys/audit" in gap.do_now


def test_a_log_with_values_in_clear_is_told_and_no_value_is_kept():
    value = f"clear{secrets.token_hex(8)}"
    line = (
        '{"time":"2026-11-28T10:00:00.123456789Z","type":"response","auth":{"display_name":"root"},'
        '"request":{"id":"r1","operation":"read","mount_type":"kv","mount_point":"kv/",'
        '"path":"kv/data/db"},"response":{"data":{"data":{"password":"'
        + value
        + '"},"metadata":{"version":3}}}}'
    ).encode()
    (event,) = VaultAuditLog().events(line, "main")
    assert value not in repr(event)
    assert event.version == 3
    assert "leaks" in VaultAuditLog().warning(line)
