"""
What discloses a Secret, proven on a real API server: five verbs, two of which pretend to write.

Each asker has exactly one verb on Secrets and shows what he gets to see.
"""

import base64
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from graph.connections import Connections, KubernetesSettings
from graph.kubernetes_api import KubernetesApi

pytestmark = pytest.mark.cluster
RBAC = "/apis/rbac.authorization.k8s.io/v1"
VALUE = base64.b64encode(b"not-a-secret-only-a-test").decode()


class Corner:
    """A namespace with the Secrets `db` and `api`, and users with one right each."""

    def __init__(self, api: KubernetesApi) -> None:
        self.api = api
        self.space = f"verbs-{secrets.token_hex(3)}"
        self.path = f"/api/v1/namespaces/{self.space}/secrets"
        api.post("/api/v1/namespaces", {"metadata": {"name": self.space}})
        for name in ("db", "api"):
            api.post(self.path, {"metadata": {"name": name}, "data": {"password": VALUE}})

    def user(self, verb: str, *names: str) -> str:
        """Make a user who has one verb on Secrets, maybe only on those of some names."""
        user = f"{self.space}-{verb}-{'-'.join(names) or 'all'}"
        near = f"{RBAC}/namespaces/{self.space}"
        rule: dict[str, Any] = {"verbs": [verb], "apiGroups": [""], "resources": ["secrets"]}
        rule |= {"resourceNames": list(names)} if names else {}
        self.api.post(f"{near}/roles", {"metadata": {"name": user}, "rules": [rule]})
        group = "rbac.authorization.k8s.io"
        self.api.post(
            f"{near}/rolebindings",
            {
                "metadata": {"name": user},
                "roleRef": {"apiGroup": group, "kind": "Role", "name": user},
                "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
            },
        )
        attributes = {"namespace": self.space, "verb": verb, "resource": "secrets"}
        attributes |= {"name": names[0]} if names else {}
        deadline = time.monotonic() + 20
        while not self._allowed(user, attributes):
            assert time.monotonic() < deadline, "the API server does not see the new right"
            time.sleep(0.02)
        return user

    def ask(
        self, user: str, method: str, where: str = "", body: bytes | None = None
    ) -> tuple[int, str]:
        """Send one request as `user`; answer status and text."""
        headers = {**self.api._headers(), "Impersonate-User": user}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        answer = self.api._pool.request(
            method,
            f"{self.api.address}{self.path}{where}",
            body=body,
            headers=headers,
            timeout=urllib3.Timeout(10),
        )
        return answer.status, answer.data.decode()

    def _allowed(self, user: str, attributes: dict[str, str]) -> bool:
        spec = {"user": user, "resourceAttributes": attributes}
        reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(self.api.post(reviews, {"spec": spec})["status"]["allowed"])


@pytest.fixture
def corner(real_cluster: Path) -> Iterator[Corner]:
    settings = KubernetesSettings(kubeconfig=str(real_cluster))
    facade = Connections(vaults={}, clusters={"c": settings}, issuers={})
    made = Corner(facade.kubernetes("c"))
    yield made
    # A namespace is emptied some time later: until then others would see dangling bindings.
    made.api.delete(f"{RBAC}/namespaces/{made.space}/rolebindings")
    made.api.delete(f"/api/v1/namespaces/{made.space}")
    facade.close()


def test_an_empty_patch_as_a_dry_run_answers_the_whole_secret(corner: Corner) -> None:
    user = corner.user("patch")
    assert corner.ask(user, "GET", "/db")[0] == 403
    status, answer = corner.ask(user, "PATCH", "/db?dryRun=All", b"{}")
    assert (status, VALUE in answer) == (200, True)
    limited = corner.user("patch", "db")
    assert VALUE in corner.ask(limited, "PATCH", "/db?dryRun=All", b"{}")[1]
    assert corner.ask(limited, "PATCH", "/api?dryRun=All", b"{}")[0] == 403


def test_a_deletecollection_as_a_dry_run_answers_the_list_and_deletes_nothing(
    corner: Corner,
) -> None:
    user = corner.user("deletecollection")
    assert corner.ask(user, "GET")[0] == 403
    status, answer = corner.ask(user, "DELETE", "?dryRun=All")
    assert status == 200
    assert answer.count(VALUE) >= 2
    assert corner.api.get(f"{corner.path}/db")["data"] == {"password": VALUE}
    # A name in the rule never fits: the request has none, even with a field selector.
    limited = corner.user("deletecollection", "db")
    for where in ("?dryRun=All", "?dryRun=All&fieldSelector=metadata.name%3Ddb"):
        assert corner.ask(limited, "DELETE", where)[0] == 403


def test_list_and_watch_with_a_name_reveal_it_by_a_field_selector_only(corner: Corner) -> None:
    user = corner.user("list", "db")
    assert corner.ask(user, "GET")[0] == 403
    assert VALUE in corner.ask(user, "GET", "?fieldSelector=metadata.name%3Ddb")[1]
    assert corner.ask(user, "GET", "?fieldSelector=metadata.name%3Dapi")[0] == 403
    assert corner.ask(user, "GET", "?labelSelector=a%3Db")[0] == 403
    watcher = corner.user("watch", "db")
    where = "?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Ddb"
    assert VALUE in corner.ask(watcher, "GET", where)[1]
    assert corner.ask(watcher, "GET", "?watch=1&timeoutSeconds=1")[0] == 403


@pytest.mark.parametrize("verb", ["update", "delete", "create"])
def test_the_other_verbs_disclose_nothing(corner: Corner, verb: str) -> None:
    user = corner.user(verb)
    body = b'{"metadata": {"name": "db"}}'
    method, where = {
        "update": ("PUT", "/db?dryRun=All"),
        "delete": ("DELETE", "/db?dryRun=All"),
        "create": ("POST", "?dryRun=All"),
    }[verb]
    _, answer = corner.ask(user, method, where, body if verb != "delete" else None)
    assert VALUE not in answer
    assert corner.ask(user, "GET", "/db")[0] == 403
