"""A namespace of a real cluster for one test, and steps that are run in it one by one."""

import base64
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.sandbox.objects import ClusterObjects, Manifest
from graph.connections import Connections, KubernetesSettings
from responders.step import AnyStep, Receipt, StepSettings, Verdict
from tests.responders.steps.parts import Store, context

TOKEN = "kubernetes.io/service-account-token"


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def decoded(secret: Manifest | None, key: str) -> str:
    assert secret is not None
    return base64.b64decode(secret["data"][key]).decode()


class Home:
    """A namespace of its own on the real cluster, and steps that are run in it one by one."""

    def __init__(self, kubeconfig: Path, store: Store) -> None:
        self.kubeconfig = kubeconfig
        self.objects = ClusterObjects(kubeconfig)
        self.namespace = f"steps-{secrets.token_hex(4)}"
        cluster = KubernetesSettings(
            kubeconfig=str(kubeconfig), mode="fingerprint", namespaces=(self.namespace,)
        )
        self.connections: Connections = store.connections(clusters={"real": cluster})
        self.receipts: dict[str, Receipt] = {}
        self.make("v1", "Namespace", self.namespace)

    def ref(self, kind: str, name: str) -> str:
        return f"k8s://real/{self.namespace}/{kind}/{name}"

    def make(self, version: str, kind: str, name: str, **more: Any) -> Manifest:
        metadata = {"name": name, **more.pop("metadata", {})}
        if kind != "Namespace":
            metadata["namespace"] = self.namespace
        body = {"apiVersion": version, "kind": kind, "metadata": metadata, **more}
        return self.objects.create(body)

    def get(self, kind: str, name: str, version: str = "v1") -> Manifest | None:
        return self.objects.get(version, kind, name, namespace=self.namespace)

    def deployment(self, name: str, **spec: Any) -> None:
        labels = {"app": name}
        pod = {"containers": [{"name": "c", "image": "simulated"}], **spec}
        template = {"metadata": {"labels": labels}, "spec": pod}
        given = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
        self.make("apps/v1", "Deployment", name, spec=given)
        self.until(lambda: len(self.ready(name)) == 2)

    def ready(self, name: str) -> list[Manifest]:
        pods = self.objects.list("v1", "Pod", self.namespace, labels=f"app={name}")
        return [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]

    def reviewed(self, token: str) -> bool:
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "metadata": {},
            "spec": {"token": token},
        }
        return bool(self.objects.create(review)["status"].get("authenticated"))

    def until(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def run(self, step_id: str, step: AnyStep, settings: StepSettings) -> Verdict:
        """Apply twice, as after a crash, and verify."""
        key = f"{self.namespace}:plan:{step_id}"
        given = context(self.connections, key, receipts=dict(self.receipts), seconds=90)
        first = step.apply(settings, given)
        self.receipts[step_id] = first
        if not step.final:
            assert step.apply(settings, given).facts.keys() == first.facts.keys()
        return step.verify(settings, first, given)
