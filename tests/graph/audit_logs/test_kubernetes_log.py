"""The audit log of an API server: reads by whom, from where, and lists that may have shown it."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from bot.sandbox.objects import ClusterObjects
from graph.audit_log import NotUnderstoodError
from graph.audit_logs.kubernetes import KubernetesAuditLog
from graph.connections import Connections, KubernetesSettings
from graph.database import Database
from graph.ingest import ingest
from graph.queries.access import accesses, places_of
from graph.read_event import ReadEvent
from graph.reads import Reads
from graph.refs import Ref
from graph.snapshot import Snapshot

SECRET = Ref("k8s://prod/payments/Secret/db")
EVENT = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "a-1",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/payments/secrets/db",
    "verb": "get",
    "user": {"username": "system:serviceaccount:payments:api"},
    "sourceIPs": ["203.0.113.7", "10.0.0.9"],
    "userAgent": "api/1.0",
    "objectRef": {"resource": "secrets", "namespace": "payments", "name": "db", "apiVersion": "v1"},
    "responseStatus": {"code": 200},
    "requestReceivedTimestamp": "2026-11-28T10:00:00.123456Z",
}


def events(**changed: object) -> list[ReadEvent]:
    return list(KubernetesAuditLog().events(orjson.dumps({**EVENT, **changed}), "prod"))


def test_a_get_is_a_sure_read_by_the_account():
    (event,) = events()
    assert event.secret == SECRET
    assert event.subject == "k8s://prod/payments/ServiceAccount/api"
    assert (event.address, event.agent, event.sure) == ("10.0.0.9", "api/1.0", True)
    assert event.at == datetime(2026, 11, 28, 10, 0, 0, 123456, tzinfo=UTC)


def test_a_list_may_have_shown_the_secret():
    about = {"resource": "secrets", "namespace": "payments", "apiVersion": "v1"}
    (event,) = events(verb="list", objectRef=about)
    assert (event.secret, event.sure) == ("k8s://prod/-/Namespace/payments", False)
    (event,) = events(verb="list", objectRef={"resource": "secrets", "apiVersion": "v1"})
    assert event.secret == "k8s://prod/-/Cluster/prod"
    (event,) = events(verb="watch", stage="ResponseStarted", objectRef=about)
    assert event.verb == "watch"
    assert not events(verb="watch", objectRef=about), "its end is no second one"


def test_somebody_who_acts_as_another_is_named_with_both():
    (event,) = events(user={"username": "ana@example.com"}, impersonatedUser={"username": "admin"})
    assert event.who == "admin (by ana@example.com)"
    assert event.subject == "k8s://prod/-/User/admin"


@pytest.mark.parametrize(
    "changed",
    [
        {"responseStatus": {"code": 403}},
        {"stage": "RequestReceived"},
        {"verb": "delete"},
        {"objectRef": {**EVENT["objectRef"], "resource": "configmaps"}},
        {"objectRef": {**EVENT["objectRef"], "apiGroup": "example.com"}},
    ],
)
def test_what_gave_no_secret_is_no_read(changed: dict[str, object]):
    assert not events(**changed)


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b"I1128 10:00:00 started", b'{"kind":"Pod"}'])
def test_other_lines_are_not_understood(line: bytes):
    with pytest.raises(NotUnderstoodError):
        list(KubernetesAuditLog().events(line, "prod"))


def test_a_policy_that_logs_bodies_is_told():
    line = orjson.dumps(
        {**EVENT, "level": "RequestResponse", "responseObject": {"data": {"a": "b"}}}
    )
    assert "leaks" in KubernetesAuditLog().warning(line)
    assert not KubernetesAuditLog().warning(orjson.dumps(EVENT))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/graph.db")
    database.create_all()
    yield database
    database.close()


def test_a_secret_in_the_name_of_a_program_is_kept_nowhere(database: Database, tmp_path: Path):
    # Whoever calls the API server chooses its user agent.
    pasted = "ghp_" + "".join(f"{number:02}aZ" for number in range(9))
    lines = [{**EVENT, "auditID": name, "userAgent": f"curl {pasted}"} for name in ("a-1", "a-2")]
    log = tmp_path / "audit.log"
    log.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    settings = KubernetesSettings(audit_log=str(log))
    reads = Reads(database.engine)
    (taken,) = ingest(reads, Connections({}, {"prod": settings}, {}), now=datetime.now(UTC))
    assert taken.reads == 2
    assert {event.agent for event in reads.of([SECRET], since=None)} == {"curl (a secret)"}
    assert not [file for file in tmp_path.glob("graph.db*") if pasted.encode() in file.read_bytes()]


@pytest.mark.cluster
def test_reads_of_a_real_cluster_are_found(real_cluster: Path, database: Database):
    log = os.environ.get("AUDIT_LOG", "")
    if not log:
        pytest.skip("AUDIT_LOG names no audit log of the API server")
    settings = KubernetesSettings(kubeconfig=str(real_cluster), audit_log=log)
    connections = Connections({}, {"prod": settings}, {})
    objects = ClusterObjects(real_cluster)
    namespace = f"access-{time.monotonic_ns()}"
    objects.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    objects.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "db", "namespace": namespace},
            "stringData": {"password": "fQ2xLbV7rTzreal"},
        }
    )
    api = connections.kubernetes("prod")
    try:
        api.get(f"/api/v1/namespaces/{namespace}/secrets/db")
        api.get(f"/api/v1/namespaces/{namespace}/secrets")
        reads = Reads(database.engine)
        deadline = time.monotonic() + 20
        found: tuple[object, ...] = ()
        secret = Ref(f"k8s://prod/{namespace}/Secret/db")
        places = places_of(Snapshot.of([], []), [(secret, "")])
        while time.monotonic() < deadline:
            for _ in ingest(reads, connections, now=datetime.now(UTC)):
                pass
            found = accesses(reads.of(places, since=None))
            if {one.sure for one in found} == {True, False}:  # type: ignore[attr-defined]
                break
            time.sleep(0.1)
        sure = [one for one in found if one.sure]  # type: ignore[attr-defined]
        assert {one.secret for one in sure} == {secret}
        assert sure[0].agents
        assert sure[0].addresses
    finally:
        objects.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        objects.close()
