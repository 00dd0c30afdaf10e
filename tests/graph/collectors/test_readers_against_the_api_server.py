"""Generated roles and bindings: our readers and the API server's own verdicts must not differ."""

import random
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graph.collector import CollectContext
from graph.collectors.rbac import RbacCollector
from graph.connections import Connections, KubernetesSettings
from graph.kubernetes.rbac import READ_VERBS
from graph.kubernetes_api import KubernetesApi
from graph.model import Edge, EdgeKind

pytestmark = pytest.mark.cluster
RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
NAMES = ("db", "api")
VERBS = ["get", "list", "watch", "patch", "deletecollection", "create", "update", "delete", "*"]
RESOURCES = ["secrets", "*", "secret", "pods", "pods/*", "*/exec", "secrets/status", "configmaps"]


class Rights:
    """Generated RBAC in two namespaces of a real cluster."""

    def __init__(self, api: KubernetesApi, prefix: str) -> None:
        self.api = api
        self.prefix = prefix
        self.namespaces = (f"{prefix}-a", f"{prefix}-b")
        self.random = random.Random(7)  # noqa: S311 - the same rights in every run
        accounts = [
            {"kind": "ServiceAccount", "name": "bot", "namespace": space}
            for space in self.namespaces
        ]
        named = [(kind, f"{prefix}-{n}") for kind in ("User", "Group") for n in range(3)]
        self.subjects: list[dict[str, str]] = [
            *({"kind": kind, "name": name, "apiGroup": GROUP} for kind, name in named),
            *accounts,
            {
                "kind": "User",
                "name": f"system:serviceaccount:{prefix}-a:bot",
                "apiGroup": GROUP,
            },
        ]
        self._cluster_scoped: list[str] = []

    def create(self) -> None:
        for space in self.namespaces:
            self.api.post("/api/v1/namespaces", {"metadata": {"name": space}})
        for number in range(40):
            name = f"{self.prefix}-{number}"
            space = self.random.choice(self.namespaces)
            near = f"{RBAC}/namespaces/{space}"
            self._make(f"{RBAC}/clusterroles", name, {"rules": self._rules()})
            self.api.post(f"{near}/roles", {"metadata": {"name": name}, "rules": self._rules()})
            kind = self.random.choice(["Role", "ClusterRole"])
            self.api.post(
                f"{near}/rolebindings", {"metadata": {"name": name}, **self._binding(kind)}
            )
            if number % 8 == 0:
                self._make(
                    f"{RBAC}/clusterrolebindings", name, self._binding("ClusterRole", most=1)
                )

    def wait_until_known(self) -> None:
        """Make one last right and poll until the authorizer's cache has it, and so the others."""
        rules = [{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]
        last = f"{self.prefix}-last"
        self._make(f"{RBAC}/clusterroles", last, {"rules": rules})
        subject = {"kind": "User", "name": last, "apiGroup": GROUP}
        role = {"apiGroup": GROUP, "kind": "ClusterRole", "name": last}
        near = f"{RBAC}/namespaces/{self.namespaces[1]}/rolebindings"
        body = {"metadata": {"name": last}, "subjects": [subject], "roleRef": role}
        self.api.post(near, body)
        self._make(f"{RBAC}/clusterrolebindings", last, {"subjects": [subject], "roleRef": role})
        deadline = time.monotonic() + 30
        attributes = {"namespace": "elsewhere", "verb": "get", "resource": "secrets"}
        while not asked(self.api, last, [], attributes):
            assert time.monotonic() < deadline, "the API server does not see the new rights"
            time.sleep(0.05)

    def remove(self) -> None:
        for path in self._cluster_scoped:
            self.api.delete(path)
        for space in self.namespaces:
            self.api.delete(f"/api/v1/namespaces/{space}")

    def _make(self, collection: str, name: str, body: dict[str, Any]) -> None:
        self.api.post(collection, {"metadata": {"name": name}, **body})
        self._cluster_scoped.append(f"{collection}/{name}")

    def _rules(self) -> list[dict[str, Any]]:
        pick = self.random
        return [
            {
                "verbs": pick.sample(VERBS[:-1], pick.randint(1, 3))
                if pick.random() < 0.9
                else ["*"],
                "apiGroups": pick.choice([[""], [""], ["*"], ["apps"], ["", "apps"]]),
                "resources": pick.sample(RESOURCES, pick.randint(1, 3)),
                **({"resourceNames": [pick.choice(NAMES)]} if pick.random() < 0.4 else {}),
            }
            for _ in range(pick.randint(1, 2))
        ]

    def _binding(self, kind: str, *, most: int = 3) -> dict[str, Any]:
        pick = self.random
        role = f"{self.prefix}-{pick.randint(0, 42)}"  # some roles are elsewhere or missing
        return {
            "subjects": pick.sample(self.subjects, pick.randint(1, most)),
            "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role},
        }


@pytest.fixture
def rights(real_cluster: Path) -> Iterator[Rights]:
    settings = KubernetesSettings(kubeconfig=str(real_cluster))
    facade = Connections(vaults={}, clusters={"c": settings}, issuers={})
    made = Rights(facade.kubernetes("c"), f"rights-{secrets.token_hex(3)}")
    made.create()
    made.wait_until_known()
    yield made
    made.remove()
    facade.close()


def identity(subject: dict[str, str]) -> tuple[str, list[str], list[str]]:
    """Give user name and groups of a subject, and the refs that the graph knows these by."""
    kind, name, space = subject["kind"], subject["name"], subject.get("namespace", "")
    if name.startswith("system:serviceaccount:"):
        _, _, space, name = name.split(":")
        kind = "ServiceAccount"
    groups = ["system:authenticated"]
    if kind == "ServiceAccount":
        groups += ["system:serviceaccounts", f"system:serviceaccounts:{space}"]
        user, own = (
            f"system:serviceaccount:{space}:{name}",
            f"k8s://c/{space}/ServiceAccount/{name}",
        )
    elif kind == "Group":
        groups.append(name)
        user, own = "nobody", f"k8s://c/-/Group/{name}"
    else:
        user, own = name, f"k8s://c/-/User/{name}"
    return user, groups, [own, *(f"k8s://c/-/Group/{group}" for group in groups)]


def answered(edges: list[Edge], who: list[str], verb: str, space: str, name: str) -> bool:
    heads = {
        "k8s://c/-/Cluster/c",
        f"k8s://c/-/Namespace/{space}",
        f"k8s://c/{space}/Secret/{name}",
    }
    for edge in edges:
        said = edge.attributes
        names = said.get("names")
        applies = not names or (isinstance(names, tuple) and name in names)
        matches = said["direct"] and said["verb"] == verb
        if edge.tail in who and edge.head in heads and applies and matches:
            return True
    return False


def asked(api: KubernetesApi, user: str, groups: list[str], attributes: dict[str, str]) -> bool:
    spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
    review = api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
    return bool(review["status"]["allowed"])


def test_our_readers_are_the_api_servers_readers(rights: Rights, real_cluster: Path) -> None:
    settings = KubernetesSettings(kubeconfig=str(real_cluster))
    context = CollectContext(Connections(vaults={}, clusters={"c": settings}, issuers={}), None)
    (found,) = RbacCollector().collect("rbac/c", context)
    edges = [edge for edge in found.edges if edge.kind is EdgeKind.CAN_READ]
    questions = differences = allowed = 0
    for subject in rights.subjects:
        user, groups, who = identity(subject)
        for space in rights.namespaces:
            for verb in READ_VERBS:
                for name in (*NAMES, "other"):
                    attributes = {
                        "namespace": space,
                        "verb": verb,
                        "resource": "secrets",
                        # a deletecollection never carries a name
                        "name": "" if verb == "deletecollection" else name,
                    }
                    theirs = asked(rights.api, user, groups, attributes)
                    ours = answered(edges, who, verb, space, name)
                    questions += 1
                    allowed += theirs
                    differences += theirs is not ours
    assert differences == 0
    assert questions == 270
    assert 40 < allowed < 230  # neither all doors open nor all shut: the questions tell apart
