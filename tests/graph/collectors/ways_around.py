"""
The ways around reading a Secret as deeds on a real API server, each with the right that it takes.

`WAYS` lead to the value, a token or the pod that mounts it; `HALF` are what looks like a way and is
refused by the server.
"""

import base64
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from graph import refs
from graph.kubernetes.detours import (
    AGGREGATE,
    BIND,
    ESCALATE,
    IMPERSONATE,
    MAKE_POD,
    MINT_TOKEN,
    TOKEN_SECRET,
    WEBHOOK,
)
from graph.kubernetes_api import KubernetesApi
from graph.snapshot import Snapshot
from tests.graph.http_stub import Answer, Asked, HttpStub

GROUP = "rbac.authorization.k8s.io"
RBAC = f"/apis/{GROUP}/v1"
VALUE = base64.b64encode(b"not-a-secret-only-a-test").decode()
Rule = dict[str, Any]


def rule(verbs: str, resources: str, *names: str, group: str = "") -> Rule:
    found = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    return {**found, "resourceNames": list(names)} if names else found


READS = rule("get", "secrets")


class Corner:
    """A namespace with the Secret `db`, which an account, a user and a group may read."""

    graph: Snapshot

    def __init__(self, api: KubernetesApi, folder: Path) -> None:
        self.api, self.folder = api, folder
        self.space = f"ways-{secrets.token_hex(3)}"
        self.core = f"/api/v1/namespaces/{self.space}"
        self.near = f"{RBAC}/namespaces/{self.space}"
        self.user, self.group = f"{self.space}-user", f"{self.space}-group"
        self.account = f"system:serviceaccount:{self.space}:holder"
        self.label = f"{self.space}.example/gathered"
        self.made: list[str] = []
        self.intruders: dict[str, Intruder] = {}
        self.make("/api/v1/namespaces", {"metadata": {"name": self.space}})
        api.post(f"{self.core}/secrets", {"metadata": {"name": "db"}, "data": {"password": VALUE}})
        api.post(f"{self.core}/serviceaccounts", {"metadata": {"name": "holder"}})
        api.post(f"{self.near}/roles", {"metadata": {"name": "reads"}, "rules": [READS]})
        people = [
            {"kind": "User", "name": self.user, "apiGroup": GROUP},
            {"kind": "Group", "name": self.group, "apiGroup": GROUP},
            {"kind": "ServiceAccount", "name": "holder", "namespace": self.space},
        ]
        self.bind("reads", *people)
        idle = {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "idle"}},
            "template": {
                "metadata": {"labels": {"app": "idle"}},
                "spec": {"containers": [{"name": "c", "image": "x"}]},
            },
        }
        body = {"metadata": {"name": "idle"}, "spec": idle}
        api.post(f"/apis/apps/v1/namespaces/{self.space}/deployments", body)

    def make(self, collection: str, body: dict[str, Any]) -> None:
        """Make what lies in no namespace, and so has to be removed by name."""
        self.api.post(collection, body)
        self.made.append(f"{collection}/{body['metadata']['name']}")

    def bind(self, name: str, *subjects: dict[str, str], kind: str = "Role") -> None:
        wide = kind == "ClusterRole"
        body = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": GROUP, "kind": kind, "name": name},
            "subjects": list(subjects),
        }
        if wide:
            self.make(f"{RBAC}/clusterrolebindings", body)
        else:
            self.api.post(f"{self.near}/rolebindings", body)

    def enter(self, name: str, way: "Way") -> None:
        """Make an account with these rights and a token of it."""
        self.api.post(f"{self.core}/serviceaccounts", {"metadata": {"name": name}})
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.space}
        if way.near:
            body = {"metadata": {"name": name}, "rules": list(way.near)}
            self.api.post(f"{self.near}/roles", body)
            self.bind(name, subject)
        if way.wide:
            full = f"{self.space}-{name}"
            wide = json.dumps(way.wide).replace("THE ACCOUNT", self.account)
            body = {"metadata": {"name": full}, "rules": json.loads(wide)}
            self.make(f"{RBAC}/clusterroles", body)
            self.bind(full, subject, kind="ClusterRole")
        answer = self.api.post(f"{self.core}/serviceaccounts/{name}/token", {"spec": {}})
        self.intruders[name] = Intruder(self, name, answer["status"]["token"])

    def hold_a_gathered_role(self, name: str) -> None:
        """Give an intruder a ClusterRole that is gathered by label from others."""
        full = f"{self.space}-gathering"
        selectors = [{"matchLabels": {self.label: "true"}}]
        body = {
            "metadata": {"name": full},
            "rules": [],
            "aggregationRule": {"clusterRoleSelectors": selectors},
        }
        self.make(f"{RBAC}/clusterroles", body)
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.space}
        self.bind(full, subject, kind="ClusterRole")

    def remove(self) -> None:
        # A namespace is emptied some time later: until then others would see dangling bindings.
        self.api.delete(f"{self.near}/rolebindings")
        for path in reversed(self.made):
            self.api.delete(path)


@dataclass
class Intruder:
    """An account that tries; `saw` is what the API server answered last."""

    corner: Corner
    name: str
    token: str
    saw: str = ""

    @property
    def ref(self) -> str:
        return refs.k8s("c", self.corner.space, "ServiceAccount", self.name)

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        token: str = "",
        **headers: str,
    ) -> int:
        said = {"Authorization": f"Bearer {token or self.token}"}
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        sort = "merge-patch+json" if method == "PATCH" else "json"
        said["Content-Type"] = f"application/{sort}"
        answer = self.corner.api._pool.request(
            method,
            f"{self.corner.api.address}{path}",
            body=None if body is None else json.dumps(body).encode(),
            headers=said,
            timeout=urllib3.Timeout(10),
        )
        self.saw = answer.data.decode()
        return int(answer.status)

    def does(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Ask until the API server, whose authorizer lags behind the objects, allows it."""
        wait(lambda: self.ask(method, path, body) in {200, 201}, lambda: self.saw)

    def reads(self, *, token: str = "", **headers: str) -> bool:
        self.ask("GET", f"{self.corner.core}/secrets/db", token=token, **headers)
        return VALUE in self.saw


def wait(condition: Callable[[], bool], why: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.03)


def minting(one: Intruder) -> None:
    one.does("POST", f"{one.corner.core}/serviceaccounts/holder/token", {"spec": {}})
    token = json.loads(one.saw)["status"]["token"]
    wait(lambda: one.reads(token=token), lambda: one.saw)


def filling(one: Intruder) -> None:
    kept = {
        "metadata": {
            "name": "kept",
            "annotations": {"kubernetes.io/service-account.name": "holder"},
        },
        "type": "kubernetes.io/service-account-token",
    }
    path = f"{one.corner.core}/secrets"
    one.does("POST", path, kept)

    def filled() -> bool:
        return one.ask("GET", f"{path}/kept") == 200 and "token" in json.loads(one.saw).get(
            "data", {}
        )

    wait(filled, lambda: one.saw)
    token = base64.b64decode(json.loads(one.saw)["data"]["token"]).decode()
    wait(lambda: one.reads(token=token), lambda: one.saw)


def acting(**headers: str) -> Callable[[Intruder], None]:
    def act(one: Intruder) -> None:
        said = {name: value.format(c=one.corner) for name, value in headers.items()}
        wait(lambda: one.reads(**said), lambda: one.saw)

    return act


def binding(one: Intruder) -> None:
    subject = {"kind": "ServiceAccount", "name": one.name, "namespace": one.corner.space}
    body = {
        "metadata": {"name": "taken"},
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": "reads"},
        "subjects": [subject],
    }
    one.does("POST", f"{one.corner.near}/rolebindings", body)
    wait(one.reads, lambda: one.saw)


def escalating(one: Intruder) -> None:
    one.does("PATCH", f"{one.corner.near}/roles/{one.name}", {"rules": [READS]})
    wait(one.reads, lambda: one.saw)


def labelling(one: Intruder) -> None:
    name = f"{one.corner.space}-gathered"
    body = {"metadata": {"name": name, "labels": {one.corner.label: "true"}}, "rules": [READS]}
    one.does("POST", f"{RBAC}/clusterroles", body)
    one.corner.made.append(f"{RBAC}/clusterroles/{name}")
    wait(one.reads, lambda: one.saw)


POD = {
    "serviceAccountName": "holder",
    "containers": [{"name": "c", "image": "x", "envFrom": [{"secretRef": {"name": "db"}}]}],
}


def making(one: Intruder) -> None:
    body = {"metadata": {"name": "made"}, "spec": POD}
    one.does("POST", f"{one.corner.core}/pods", body)


def changing_a_workload(one: Intruder) -> None:
    body = {"spec": {"template": {"spec": POD}}}
    one.does("PATCH", f"/apis/apps/v1/namespaces/{one.corner.space}/deployments/idle", body)


def seeing(one: Intruder) -> None:
    """Have a webhook shown what is made, as a dry run: only its own Secret, of all the cluster."""
    shown: list[str] = []

    def admit(asked: Asked) -> Answer:
        review = json.loads(asked.body)
        shown.append(asked.body.decode())
        verdict = {"uid": review["request"]["uid"], "allowed": True}
        answer = {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": verdict}
        return Answer(body=answer)

    with HttpStub(admit, one.corner.folder) as stub:
        authority = base64.b64encode(Path(stub.certificate).read_bytes().split(b"-----BEGIN EC")[0])
        body = {
            "metadata": {"name": one.corner.space},
            "webhooks": [
                {
                    "name": "sees.everything.example",
                    "clientConfig": {"url": stub.address, "caBundle": authority.decode()},
                    "rules": [
                        {
                            "apiGroups": [""],
                            "apiVersions": ["v1"],
                            "operations": ["CREATE"],
                            "resources": ["secrets"],
                        }
                    ],
                    "objectSelector": {"matchLabels": {one.corner.label: "shown"}},
                    "sideEffects": "None",
                    "failurePolicy": "Ignore",
                    "admissionReviewVersions": ["v1"],
                }
            ],
        }
        path = f"/apis/admissionregistration.k8s.io/v1/{VALIDATING}"
        one.does("POST", path, body)
        one.corner.made.append(f"{path}/{one.corner.space}")
        metadata = {"name": "new", "labels": {one.corner.label: "shown"}}
        secret = {"metadata": metadata, "data": {"password": VALUE}}

        def told() -> bool:
            one.corner.api.post(f"{one.corner.core}/secrets?dryRun=All", secret)
            return any(VALUE in one for one in shown)

        wait(told, lambda: shown)


def refused(method: str, where: str, body: dict[str, Any]) -> Callable[[Intruder], None]:
    def go(one: Intruder) -> None:
        assert one.ask(method, where.format(c=one.corner, one=one), body) == 403, one.saw

    return go


def unheard(**headers: str) -> Callable[[Intruder], None]:
    def go(one: Intruder) -> None:
        said = {name: value.format(c=one.corner) for name, value in headers.items()}
        assert not one.reads(**said)

    return go


@dataclass(frozen=True)
class Way:
    """What an intruder may in the namespace (`near`) and everywhere (`wide`), and does with it."""

    near: tuple[Rule, ...]
    wide: tuple[Rule, ...]
    go: Callable[[Intruder], None]
    kind: str = ""  # of the reader that it is in the graph


VALIDATING = "validatingwebhookconfigurations"
BINDINGS = rule("create", "rolebindings", group=GROUP)
HOOKS = rule("create", VALIDATING, group="admissionregistration.k8s.io")
ACTS_AS_SOMEBODY = rule("impersonate", "serviceaccounts", "default")
TO_READS = {
    "metadata": {"name": "taken"},
    "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": "reads"},
    "subjects": [{"kind": "Group", "name": "system:authenticated", "apiGroup": GROUP}],
}
SOMEBODY = "system:serviceaccount:{c.space}:default"
MASTERS = "system:masters"
WAYS = {
    "mint": Way((rule("create", "serviceaccounts/token", "holder"),), (), minting, MINT_TOKEN),
    "fill": Way(
        (rule("create", "secrets"), rule("get", "secrets", "kept")), (), filling, TOKEN_SECRET
    ),
    "bind": Way((BINDINGS, rule("bind", "roles", "reads", group=GROUP)), (), binding, BIND),
    "escalate": Way((rule("escalate patch", "roles", group=GROUP),), (), escalating, ESCALATE),
    "label": Way((), (rule("create escalate", "clusterroles", group=GROUP),), labelling, AGGREGATE),
    "pod": Way((rule("create", "pods"),), (), making, MAKE_POD),
    "workload": Way(
        (rule("patch", "deployments", group="apps"),), (), changing_a_workload, MAKE_POD
    ),
    "webhook": Way((), (HOOKS,), seeing, WEBHOOK),
    "as-account": Way(
        (rule("impersonate", "serviceaccounts", "holder"),),
        (),
        acting(Impersonate_User="{c.account}"),
        IMPERSONATE,
    ),
    "as-user": Way(
        (), (rule("impersonate", "users"),), acting(Impersonate_User="{c.user}"), IMPERSONATE
    ),
    "as-member": Way(
        (ACTS_AS_SOMEBODY,),
        (rule("impersonate", "groups", MASTERS),),
        acting(Impersonate_User=SOMEBODY, Impersonate_Group=MASTERS),
        IMPERSONATE,
    ),
}
# Half a way leads nowhere: the API server refuses it.
HALF = {
    "half-bind": Way((BINDINGS,), (), refused("POST", "{c.near}/rolebindings", TO_READS)),
    "half-write": Way(
        (rule("bind", "roles", group=GROUP),),
        (),
        refused("POST", "{c.near}/rolebindings", TO_READS),
    ),
    "half-escalate": Way(
        (rule("patch", "roles", group=GROUP),),
        (),
        refused("PATCH", "{c.near}/roles/{one.name}", {"rules": [READS]}),
    ),
    "half-fill": Way((rule("create", "secrets"),), (), unheard()),
    "no-account": Way(
        (), (rule("impersonate", "users", "THE ACCOUNT"),), unheard(Impersonate_User="{c.account}")
    ),
    "no-member": Way(
        (),
        (rule("impersonate", "groups"),),
        unheard(Impersonate_Group=MASTERS),
    ),
}
