"""What lies in Kubernetes, alone or by hand. Each has a Deployment of two pods that uses it."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from bot.sandbox.objects import ClusterObjects, Manifest
from tests.crashes.place import SECRET, Place, wait_for
from tests.servers.operators import CertManager

NAME = "session"
ACCOUNT = "deployer"
REGISTRY = "registry.example.com"


class InCluster(Place):
    """A namespace, a Secret that asks for the playbook, and who uses it."""

    field: ClassVar[str] = "key"
    type: ClassVar[str] = "Opaque"
    immutable: ClassVar[bool] = False
    asks: ClassVar[bool] = True
    restarts: ClassVar[bool] = True

    def prepare(self) -> None:
        self.objects = ClusterObjects(Path(self.town.kubeconfig))
        self.objects.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": self._named()})
        self.fill()
        self.objects.apply(self._deployment())
        wait_for(lambda: len(self._pods()) == 2, "the Deployment has no pods")
        self.began = {pod["metadata"]["uid"] for pod in self._pods()}

    def fill(self) -> None:
        """Make the Secret that leaks."""
        self.make_secret({self.field: self.value})

    def make_secret(self, data: dict[str, str], **annotations: str) -> None:
        if self.asks:
            annotations["locksmith/playbook"] = self.playbook
        metadata = {"namespace": self.key, "name": NAME, "annotations": annotations}
        body: Manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        body |= {"type": self.type, "stringData": data}
        self.objects.apply(body | ({"immutable": True} if self.immutable else {}))

    def config(self) -> dict[str, Any]:
        cluster = {
            "kubeconfig": self.town.kubeconfig,
            "mode": "fingerprint",
            "namespaces": [self.key],
        }
        return {"kubernetes": {"prod": cluster}}

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced()
        sets = self.objects.list("apps/v1", "ReplicaSet", namespace=self.key)
        if len(sets) > 1 + self.restarts:
            yield f"doubled: restarted {len(sets) - 1} times"
        if self.restarts and self.began & {pod["metadata"]["uid"] for pod in self._pods()}:
            yield "lost: a pod still runs on the leaked value"
        self.objects.delete(self._deployment())
        self.objects.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": self._named()})
        self.objects.close()

    def replaced(self) -> Iterator[str]:
        """Look at the Secrets themselves."""
        if self.held(NAME) in {"", self.value}:
            yield "lost: the Secret does not hold a new value"

    def held(self, name: str) -> str:
        found = self.objects.get("v1", "Secret", name, namespace=self.key) or {}
        return base64.b64decode((found.get("data") or {}).get(self.field, "")).decode()

    def successors(self) -> list[str]:
        """Name the Secrets that were made in place of the leaked one."""
        secrets = self.objects.list("v1", "Secret", namespace=self.key)
        names = [each["metadata"]["name"] for each in secrets]
        return [name for name in names if name.startswith(f"{NAME}-")]

    def replaced_by_one(self) -> Iterator[str]:
        """The leaked Secret is gone, one other is there, and the pods are told of that one."""
        if self.held(NAME):
            yield "lost: the leaked Secret is still there"
        found = self.successors()
        if len(found) > 1:
            yield f"doubled: {len(found)} successors"
        if not found or self.held(found[0]) in {"", self.value}:
            yield "lost: no successor holds a new value"
        now = self.objects.get("apps/v1", "Deployment", "api", namespace=self.key) or {}
        (env,) = now["spec"]["template"]["spec"]["containers"][0]["env"]
        if env["valueFrom"]["secretKeyRef"]["name"] not in found:
            yield "lost: the Deployment names another Secret"

    def pod(self) -> Manifest:
        source = {"secretKeyRef": {"name": NAME, "key": self.field}}
        env = [{"name": "K", "valueFrom": source}]
        return {"containers": [{"name": "api", "image": "shop/api:1", "env": env}]}

    def _named(self) -> dict[str, str]:
        return {"name": self.key}

    def _pods(self) -> list[Manifest]:
        return self.objects.list("v1", "Pod", namespace=self.key)

    def _deployment(self) -> Manifest:
        labels = {"app": "api"}
        template = {"metadata": {"labels": labels}, "spec": self.pod()}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"namespace": self.key, "name": "api"},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
        }


class KubernetesGenerated(InCluster):
    playbook, order = "kubernetes-generated", "rotate-first"


class KubernetesSecret(InCluster):
    """One that names no playbook: a person replaces the value."""

    playbook, order, asks = "kubernetes-secret", "rotate-first", False

    def by_hand(self, step_id: str) -> None:
        if step_id.startswith("replace"):
            metadata = {"namespace": self.key, "name": NAME}
            target = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
            self.objects.patch(target, {"stringData": {self.field: "what its issuer gave"}})


class KubernetesImmutable(InCluster):
    playbook, order, immutable = "kubernetes-immutable", "rotate-first", True

    def replaced(self) -> Iterator[str]:
        yield from self.replaced_by_one()


class AccountToken(InCluster):
    """The token controller fills the Secret, the API server says whose token is good."""

    playbook, order, needs_cluster = "kubernetes-account-token", "rotate-first", True
    field, type = "token", "kubernetes.io/service-account-token"

    def fill(self) -> None:
        metadata = {"namespace": self.key, "name": ACCOUNT}
        self.objects.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        self.make_secret({}, **{"kubernetes.io/service-account.name": ACCOUNT})
        wait_for(lambda: bool(self.held(NAME)), "the token controller writes no token")
        self.value = self.held(NAME)

    def answer(self, sentence: str) -> str:
        assert "gone, and with it the token that could be tried" in sentence, sentence
        wait_for(lambda: not self._is_taken(self.value), "the API server takes the leaked token")
        return "kubectl --token says Unauthorized"

    def replaced(self) -> Iterator[str]:
        yield from self.replaced_by_one()
        if self._is_taken(self.value):
            yield "lost: the API server takes the leaked token"
        if not all(self._is_taken(self.held(name)) for name in self.successors()):
            yield "lost: the API server refuses the new token"

    def _is_taken(self, token: str) -> bool:
        review: Manifest = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
        review |= {"metadata": {}, "spec": {"token": token}}
        return bool(self.objects.create(review)["status"].get("authenticated"))


class Tls(InCluster):
    """A key of cert-manager, which is stood in for."""

    playbook, order, needs_cluster = "kubernetes-tls", "rotate-first", True
    field = "tls.key"

    def fill(self) -> None:
        CertManager(self.objects).issued(self.key, "shop", NAME)
        metadata = {"namespace": self.key, "name": NAME}
        asks = {"annotations": {"locksmith/playbook": self.playbook}}
        self.objects.patch(
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}, {"metadata": asks}
        )
        self.value = self.held(NAME)

    def replaced(self) -> Iterator[str]:
        yield from super().replaced()
        found = self.objects.list("cert-manager.io/v1", "Certificate", namespace=self.key)
        (revision,) = (each["status"]["revision"] for each in found)
        if revision != 2:
            yield f"doubled: issued {revision - 1} times" if revision > 2 else "lost: not issued"


class PullSecret(InCluster):
    """A login that lies in KV and, by hand, in a pull Secret; nothing needs a restart."""

    playbook, order = "image-pull-secret", "rotate-first"
    field, type = ".dockerconfigjson", "kubernetes.io/dockerconfigjson"
    asks = restarts = False

    def pod(self) -> Manifest:
        containers = [{"name": "api", "image": "shop/api:1"}]
        return {"containers": containers, "imagePullSecrets": [{"name": NAME}]}

    def fill(self) -> None:
        auths = {REGISTRY: {"auth": _login(self.value)}, "other.example.com": {"auth": "c3RheXM="}}
        self.make_secret({self.field: json.dumps({"auths": auths})})
        target = f"k8s://prod/{self.key}/Secret/{NAME}"
        said = {"playbook_target": target, "playbook_registry": REGISTRY}
        fields = {"username": "ci", "password": self.value}
        self.keep(fields, playbook=self.playbook, **said)

    def by_hand(self, step_id: str) -> None:
        if step_id.startswith("replace") and len(self.versions()) == 1:
            self.vault.put(SECRET, username="ci", password="what its issuer gave")

    def replaced(self) -> Iterator[str]:
        yield from self.replaced_once()
        auths = json.loads(self.held(NAME))["auths"]
        if auths[REGISTRY]["auth"] != _login("what its issuer gave"):
            yield "lost: the pull Secret does not hold the new login"
        if auths["other.example.com"] != {"auth": "c3RheXM="}:
            yield "lost: the login of another registry"


def _login(password: str) -> str:
    return base64.b64encode(f"ci:{password}".encode()).decode()
