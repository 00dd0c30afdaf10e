"""A token that a real API server issued: known by its claims, its account, and its number."""

import base64
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import orjson
import pytest
import yaml

from bot.sandbox.objects import ClusterObjects
from graph.audit_hash import seek_uses
from graph.connections import Connections, KubernetesSettings
from graph.database import Database
from graph.fingerprints import Fingerprinter, generate_key
from graph.identify import identify
from graph.reads import Reads
from graph.secret_value import SecretValue
from graph.use_event import UseEvent
from graph.uses import UseLogs

pytestmark = pytest.mark.cluster
FINGERPRINTER = Fingerprinter(SecretValue(generate_key()))


@dataclass
class Issued:
    """A token of the account `api` in a namespace of its own."""

    kubeconfig: Path
    namespace: str
    connections: Connections
    token: str

    def ask(self) -> None:
        """Make one request with it, whatever the answer is."""
        server = yaml.safe_load(self.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        asked = f"{server}/api/v1/namespaces/{self.namespace}/secrets"
        bearer = {"Authorization": f"Bearer {self.token}"}
        assert httpx.get(asked, headers=bearer, verify=False).status_code == 403  # noqa: S501

    @property
    def account(self) -> str:
        return f"k8s://prod/{self.namespace}/ServiceAccount/api"


@pytest.fixture
def issued(real_cluster: Path) -> Iterator[Issued]:
    settings = KubernetesSettings(
        kubeconfig=str(real_cluster), audit_log=os.environ.get("AUDIT_LOG", "")
    )
    connections = Connections({}, {"prod": settings}, {})
    objects, namespace = ClusterObjects(real_cluster), f"uses-{secrets.token_hex(3)}"
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    objects.apply(home)
    objects.apply({**account, "metadata": {"name": "api", "namespace": namespace}})
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/api/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = connections.kubernetes("prod").post(path, asked)
    yield Issued(real_cluster, namespace, connections, str(answer["status"]["token"]))
    objects.delete(home)
    objects.close()
    connections.close()


def test_whose_it_is_stands_in_it_and_counts_where_the_cluster_has_that_account(
    issued: Issued,
) -> None:
    found = identify(SecretValue(issued.token), issued.connections)
    assert (found.detector, found.facts["account"]) == ("jwt", issued.account)
    assert found.facts["bound_to"] == issued.account
    assert issued.token not in repr(found)
    # Anybody can write claims: another uid, a name that is none, no claims at all.
    head, claims, signature = issued.token.split(".")
    said = orjson.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    for account in ({"uid": "7ee52be0-9045-4653-aa5e-0da57b8dccdc"}, {"name": "../../secrets"}):
        whole = said["kubernetes.io"]
        forged = said | {
            "kubernetes.io": whole | {"serviceaccount": whole["serviceaccount"] | account}
        }
        text = base64.urlsafe_b64encode(orjson.dumps(forged)).rstrip(b"=").decode()
        value = SecretValue(f"{head}.{text}.{signature}")
        assert identify(value, issued.connections).facts == {}
    assert identify(SecretValue(f"{head}.x.{signature}"), issued.connections).facts == {}


def test_its_requests_are_told_by_its_number(issued: Issued, tmp_path: Path) -> None:
    if not os.environ.get("AUDIT_LOG"):
        pytest.skip("AUDIT_LOG names no audit log of the API server")
    database = Database(f"sqlite:///{tmp_path}/graph.db")
    database.create_all()
    reads, leaked = Reads(database.engine), SecretValue(issued.token)
    prints = tuple(one.digest for one in FINGERPRINTER.of_leaked(leaked) if not one.weak)
    facts = identify(leaked, issued.connections).facts
    if "jti" not in facts:
        pytest.skip("this API server numbers no tokens: it is older than 1.30")
    assert not seek_uses(facts, prints, issued.connections, reads)
    logs = UseLogs(reads, issued.connections)
    began = datetime.now(UTC) - timedelta(seconds=5)
    issued.ask()
    deadline, uses = time.monotonic() + 30, tuple[UseEvent, ...]()
    while not uses and time.monotonic() < deadline:
        told = logs.ask("audit_log/kubernetes/prod", prints, since=began, now=datetime.now(UTC))
        uses = told.uses
        time.sleep(0.1)
    assert [(use.who, use.what) for use in uses] == [
        (f"system:serviceaccount:{issued.namespace}:api", f"list {issued.namespace}/secrets")
    ]
    assert issued.token not in repr(uses)
    database.close()
