"""
Who used a leaked credential: requests with a token, logins with a secret-id, tokens with a number.

A real OpenBao with its file device; lines as an API server writes them.
"""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import hvac
import orjson
import pytest

from bot.sandbox.openbao import OpenBaoServer
from graph.audit_hash import seek_uses, seek_value
from graph.audit_logs.kubernetes import KubernetesAuditLog
from graph.connections import Connections, VaultSettings
from graph.database import Database
from graph.fingerprints import Fingerprinter, generate_key
from graph.identify import identify
from graph.reads import Reads
from graph.secret_value import SecretValue
from graph.use_event import Told
from graph.uses import UseLogs
from tests.graph.audit_logs.test_kubernetes_log import EVENT
from tests.graph.vault_parts import VaultCorner

FINGERPRINTER = Fingerprinter(SecretValue(generate_key()))
SOURCE = "audit_log/vault/main"


class Watch:
    """One store with a log, one database; `seek` keeps what the log calls a value."""

    def __init__(self, server: OpenBaoServer, database: Database, log: Path | None = None) -> None:
        settings = VaultSettings.model_validate(
            {
                "address": server.address,
                "token": server.root_token,
                "audit_log": str(log or server.audit_log),
            }
        )
        self.connections = Connections({"main": settings}, {}, {})
        self.reads = Reads(database.engine)
        self.logs = UseLogs(self.reads, self.connections)
        self.began = datetime.now(UTC)

    def seek(self, value: str) -> tuple[str, ...]:
        leaked = SecretValue(value)
        sought = seek_value(leaked, self.connections, FINGERPRINTER, self.reads)
        facts = identify(leaked, self.connections).facts
        assert not seek_uses(facts, sought.fingerprints, self.connections, self.reads)
        return sought.fingerprints

    def told(self, fingerprints: tuple[str, ...]) -> Told:
        now = datetime.now(UTC)
        return self.logs.ask(SOURCE, fingerprints, since=self.began, now=now)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/graph.db")
    database.create_all()
    yield database
    database.close()


@pytest.fixture
def watch(openbao: OpenBaoServer, database: Database) -> Watch:
    return Watch(openbao, database)


def test_each_request_with_a_leaked_token_is_told_with_who_and_from_where(
    openbao: OpenBaoServer, watch: Watch
) -> None:
    corner = VaultCorner(openbao)
    token = corner.token(["default"], display_name="nightly")["client_token"]
    other = corner.token(["default"], display_name="another")["client_token"]
    known_as = watch.seek(token)
    # Locksmith asked whose token it is, with a token of its own: that is no use of it.
    assert watch.told(known_as) == Told(known=True)
    for each in (token, other):
        hvac.Client(openbao.address, token=each).auth.token.lookup_self()
    with pytest.raises(hvac.exceptions.Forbidden):  # refused, and used all the same
        hvac.Client(openbao.address, token=token).adapter.get("/v1/sys/mounts")
    told = watch.told(known_as)
    assert [use.what for use in told.uses] == ["read auth/token/lookup-self", "read sys/mounts"]
    assert {use.address for use in told.uses} == {"127.0.0.1"}
    assert all("nightly" in use.who for use in told.uses)
    assert watch.told(known_as) == told, "the same lines are taken in once"
    # What it asks after it was revoked is no use any more.
    corner.client.auth.token.revoke(token)
    with pytest.raises(hvac.exceptions.Forbidden):
        hvac.Client(openbao.address, token=token).auth.token.lookup_self()
    assert watch.told(known_as) == told


def test_a_secret_in_the_path_of_a_use_is_kept_nowhere(
    openbao: OpenBaoServer, watch: Watch
) -> None:
    corner = VaultCorner(openbao)
    token = corner.token(["default"], display_name="nightly")["client_token"]
    known_as = watch.seek(token)
    with pytest.raises(hvac.exceptions.Forbidden):
        hvac.Client(openbao.address, token=token).adapter.get(f"/v1/kv/data/{token}")
    (use,) = watch.told(known_as).uses
    assert use.what == "read kv/data/(a secret)"


def test_a_login_with_a_leaked_secret_id_is_told_and_looking_it_up_is_none(
    openbao: OpenBaoServer, watch: Watch
) -> None:
    root = hvac.Client(openbao.address, token=openbao.root_token)
    mount, role = f"approle-{secrets.token_hex(3)}", f"app-{secrets.token_hex(3)}"
    root.sys.enable_auth_method("approle", path=mount)
    base = f"/v1/auth/{mount}/role/{role}"
    root.adapter.post(base, json={"token_policies": ["default"]})
    role_id = root.adapter.get(f"{base}/role-id")["data"]["role_id"]
    leaked = root.adapter.post(f"{base}/secret-id")["data"]["secret_id"]
    new = root.adapter.post(f"{base}/secret-id")["data"]["secret_id"]
    known_as = watch.seek(leaked)
    root.adapter.post(f"{base}/secret-id/lookup", json={"secret_id": leaked})
    anybody = hvac.Client(openbao.address)
    anybody.auth.approle.login(role_id, new, use_token=False, mount_point=mount)
    with pytest.raises(hvac.exceptions.InvalidRequest):
        anybody.auth.approle.login("no-such-role", leaked, mount_point=mount, use_token=False)
    assert watch.told(known_as).uses == ()
    anybody.auth.approle.login(role_id, leaked, mount_point=mount, use_token=False)
    (use,) = watch.told(known_as).uses
    assert (use.what, use.address) == (f"update auth/{mount}/login", "127.0.0.1")
    assert f"{mount} ({role}), entity " in use.who
    assert watch.told(("another",)) == Told(known=False)


def test_a_log_that_cannot_be_read_or_that_nobody_writes_is_no_silence(
    openbao: OpenBaoServer, database: Database, tmp_path: Path
) -> None:
    missing = Watch(openbao, database, tmp_path / "none.log")
    known_as = missing.seek(f"some-value-{secrets.token_hex(12)}")
    assert "is not there" in missing.told(known_as).trouble
    (tmp_path / "left.log").write_text("")
    left = Watch(openbao, database, tmp_path / "left.log")
    assert "nobody writes it" in left.told(known_as).trouble
    assert left.told(known_as).known


NUMBERED = {
    "username": "system:serviceaccount:payments:api",
    "extra": {
        "authentication.kubernetes.io/credential-id": ["JTI=7ee52be0-9045-4653-aa5e-0da57b8dccdc"],
        "authentication.kubernetes.io/pod-name": ["api-7d9"],
    },
}


def test_a_request_with_a_numbered_token_is_told_with_its_pod() -> None:
    log = KubernetesAuditLog()
    line = orjson.dumps({**EVENT, "user": NUMBERED, "responseStatus": {"code": 403}})
    (use,) = log.uses(line, "prod")
    assert use.mark.encode() in log.marks.findall(line)
    assert use.who == "system:serviceaccount:payments:api, pod api-7d9"
    assert (use.what, use.address) == ("get payments/secrets/db", "10.0.0.9")
    assert not list(log.uses(orjson.dumps({**EVENT, "user": {"username": "ana"}}), "prod"))
    once = {**EVENT, "user": NUMBERED, "verb": "watch"}
    both = [
        list(log.uses(orjson.dumps({**once, "stage": stage}), "prod"))
        for stage in ("ResponseStarted", "ResponseComplete")
    ]
    assert [len(found) for found in both] == [1, 0]
