"""Values in KV: generated, replaced by hand, issued over HTTP, and one that lies nowhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from bot.sandbox.objects import ClusterObjects
from tests.crashes.place import SECRET, Place, wait_for
from tests.crashes.town import Town


class Generated(Place):
    playbook, order = "vault-kv-generated", "rotate-first"

    def prepare(self) -> None:
        self.keep({"key": self.value, "other": "stays"}, issuer="generated")

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()
        if self.vault.read(SECRET).get("other") != "stays":
            yield "lost: another field"


class ByHand(Place):
    playbook, order = "vault-kv-manual", "rotate-first"

    def prepare(self) -> None:
        self.keep({"key": self.value})

    def by_hand(self, step_id: str) -> None:
        if step_id.startswith("replace") and len(self.versions()) == 1:
            self.vault.put(SECRET, key="what its issuer gave")

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()


class Unknown(Place):
    playbook, order = "unknown-credential", "revoke-first"


class HttpToken(Place):
    """An issuer that takes no Idempotency-Key, and lists its tokens by name."""

    playbook, order = "http-api-token", "rotate-first"
    takes_keys, lists = False, True

    def prepare(self) -> None:
        self.value = self._call("POST", "/v1/tokens").json()["token"]
        self.before = self._active()
        self.keep({"token": self.value}, issuer="paygate")

    def config(self) -> dict[str, Any]:
        address, admin = self.issuer
        paygate = {
            "base_url": address,
            "admin_token": admin,
            "create": {
                "path": "/v1/tokens",
                "body": {"name": "shop {mark}"},
                "headers": {} if self.takes_keys else {"Idempotency-Key": ""},
                "ok": [201],
            },
            "revoke": {"path": "/v1/tokens/revoke", "body": {"token": "{token}"}, "ok": [200]},
            "revoke_by_id": {"method": "DELETE", "path": "/v1/tokens/{id}", "ok": [204]},
            "probe": {"method": "GET", "path": "/v1/account", "ok": [200], "dead": [401]},
        }
        if self.lists:
            paygate["find"] = {"path": "/v1/tokens", "items": "tokens"}
        return {"issuers": {"paygate": paygate | {"idempotent": self.takes_keys}}}

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()
        if not self._accepted(self.vault.read(SECRET)["token"]):
            yield "lost: the issuer refuses the value in the store"
        if self._accepted(self.value):
            yield "lost: the issuer takes the leaked value"
        # Of the tokens that were made in this run one is in use; more would be orphans.
        if (orphans := len(self._active()) - len(self.before)) > 0:
            yield f"doubled: {orphans} tokens that nobody has"

    def _call(self, method: str, path: str, token: str = "") -> httpx.Response:
        address, admin = self.issuer
        headers = {"Authorization": f"Bearer {token or admin}"}
        return httpx.request(method, address + path, headers=headers, trust_env=False)

    def _active(self) -> set[str]:
        found = self._call("GET", "/v1/tokens").json()["tokens"]
        return {each["id"] for each in found if each["state"] == "active"}

    def _accepted(self, token: str) -> bool:
        return self._call("GET", "/v1/account", token).is_success


class HttpTokenKeyed(HttpToken):
    """One that answers a repeated Idempotency-Key with the same token."""

    takes_keys, lists = True, False


class HttpTokenAsked(HttpToken):
    """One that does neither: a person looks for what may have been made, and removes it."""

    takes_keys, lists = False, False

    def answer(self, sentence: str) -> str:
        assert "may have been made at paygate" in sentence, sentence
        found = self._call("GET", "/v1/tokens").json()["tokens"]
        for each in found:
            if each["name"] and each["id"] not in self.before and each["state"] == "active":
                self._call("DELETE", f"/v1/tokens/{each['id']}")
        return ""


class HttpTokenInCluster(HttpToken):
    """The same with a sync, a copy and a Deployment that has the value in its environment."""

    def prepare(self) -> None:
        super().prepare()
        self.objects = ClusterObjects(Path(self.town.kubeconfig))
        self.workload = _workload(self.key, self.town, self.key)
        for item in self.workload:
            self.objects.apply(item)
        wait_for(lambda: self._ready() == 2, "the Deployment has no pods")
        self.began = {pod["metadata"]["uid"] for pod in self._pods()}

    def config(self) -> dict[str, Any]:
        cluster = {
            "kubeconfig": self.town.kubeconfig,
            "mode": "fingerprint",
            "namespaces": [self.key],
        }
        return super().config() | {"kubernetes": {"prod": cluster}}

    def wrongs(self) -> Iterator[str]:
        yield from super().wrongs()
        sets = self.objects.list("apps/v1", "ReplicaSet", namespace=self.key)
        if len(sets) > 2:
            yield f"doubled: restarted {len(sets) - 1} times"
        if self.began & {pod["metadata"]["uid"] for pod in self._pods()}:
            yield "lost: a pod still runs on the leaked value"
        for item in reversed(self.workload):  # what is left would slow down what follows
            self.objects.delete(item)
        self.objects.close()

    def _ready(self) -> int:
        found = self.objects.get("apps/v1", "Deployment", "api", namespace=self.key) or {}
        return int(found.get("status", {}).get("readyReplicas") or 0)

    def _pods(self) -> list[dict[str, Any]]:
        return self.objects.list("v1", "Pod", namespace=self.key)


def _workload(namespace: str, town: Town, mount: str) -> list[dict[str, Any]]:
    metadata = {"namespace": namespace}
    store = {
        "vault": {
            "server": town.openbao,
            "path": mount,
            "version": "v2",
            "auth": {"tokenSecretRef": {"name": "openbao-token", "key": "token"}},
        }
    }
    value = {"secretKeyRef": {"name": "leaked", "key": "token"}}
    container = {"name": "api", "image": "shop/api:1", "env": [{"name": "T", "valueFrom": value}]}
    labels = {"app": "api"}
    group = "external-secrets.io/v1"
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata | {"name": "openbao-token"},
            "stringData": {"token": town.root_token},
        },
        {
            "apiVersion": group,
            "kind": "SecretStore",
            "metadata": metadata | {"name": "openbao"},
            "spec": {"provider": store},
        },
        {
            "apiVersion": group,
            "kind": "ExternalSecret",
            "metadata": metadata | {"name": "leaked"},
            "spec": {
                "refreshInterval": "1h",
                "secretStoreRef": {"name": "openbao", "kind": "SecretStore"},
                "target": {"name": "leaked"},
                "data": [{"secretKey": "token", "remoteRef": {"key": SECRET, "property": "token"}}],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata | {"name": "api"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
    ]
