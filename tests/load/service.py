"""
A service of process pods in three namespaces, all of which ask one PostgreSQL all the time.

In each namespace an ExternalSecret copies the address of the database (role and password in it)
from OpenBao, one Deployment has it in its environment, the other in a mounted file. The pods are
real processes (`query.py`) with the Secret semantics of a kubelet, so this needs the control plane
whose kubelet runs images `process/…`.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.sandbox.objects import ClusterObjects, Manifest
from bot.sandbox.sync_operator import GROUP, preferred_version
from bot.sandbox.world import ensure_custom_resources

PROGRAM = Path(__file__).with_name("query.py")
READERS = ("by-env", "by-file")
PATH, FIELD = "shop/db", "url"  # in OpenBao
COPY, KEY = "shop-db", "ADDRESS"  # in Kubernetes
MOUNTED = "/etc/db"


@dataclass(frozen=True)
class Asked:
    """One query of one pod; `said` is "ok", or why the server refused it."""

    consumer: str  # namespace/Deployment/name
    pod: str
    at: float
    role: str
    said: str

    @property
    def ok(self) -> bool:
        return self.said == "ok"


@dataclass
class Service:
    """`replicas` of (by-env, by-file) for each namespace; `results` is a folder."""

    kubeconfig: Path
    results: Path
    key: str
    replicas: tuple[tuple[int, int], ...]
    objects: ClusterObjects = field(init=False)

    def __post_init__(self) -> None:
        self.objects = ClusterObjects(self.kubeconfig)
        self.results.mkdir()

    @property
    def namespaces(self) -> list[str]:
        return [f"{self.key}-{number}" for number in range(1, len(self.replicas) + 1)]

    @property
    def pods(self) -> int:
        return sum(map(sum, self.replicas))

    def start(self, openbao: str, token: str, mount: str) -> None:
        """Make everything, and return when each pod has had its first answer."""
        ensure_custom_resources(self.objects)
        group = f"{GROUP}/{preferred_version(self.objects)}"
        for namespace, counts in zip(self.namespaces, self.replicas, strict=True):
            for item in home_of(namespace, group, openbao, token, mount):
                self.objects.create(item)
            for reader, count in zip(READERS, counts, strict=True):
                self.objects.create(self._deployment(namespace, reader, count))
        until(self.is_settled, "not every pod is ready")

    def is_settled(self) -> bool:
        """Each Deployment has all its pods, ready, and no old one."""
        found = [
            self.objects.get("apps/v1", "Deployment", reader, namespace=namespace) or {}
            for namespace in self.namespaces
            for reader in READERS
        ]
        wanted = [count for counts in self.replicas for count in counts]
        return all(
            one.get("status", {}).get("readyReplicas") == count
            and one["status"].get("replicas") == count
            for one, count in zip(found, wanted, strict=True)
        )

    def living(self) -> set[str]:
        """Name the pods that are there now, as namespace.name."""
        return {
            f"{namespace}.{pod['metadata']['name']}"
            for namespace in self.namespaces
            for pod in self.objects.list("v1", "Pod", namespace)
        }

    def asked(self, *, since: float = 0) -> list[Asked]:
        """Read what came of all queries so far, the earliest first."""
        found = [one for file in self.results.iterdir() for one in _read(file)]
        return sorted((one for one in found if one.at >= since), key=lambda one: one.at)

    def until_asked(self, moment: float) -> None:
        """Wait until each pod that lives has asked once more after `moment`."""

        def all_have() -> bool:
            asked = {one.pod for one in self.asked(since=moment)}
            return self.living() <= asked

        until(all_have, "a pod has stopped asking")

    def stop(self) -> None:
        namespaces = [thing("v1", "Namespace", "", name) for name in self.namespaces]
        for namespace, item in zip(self.namespaces, namespaces, strict=True):
            for reader in READERS:
                self.objects.delete(thing("apps/v1", "Deployment", namespace, reader))
            self.objects.delete(item)
        for item in namespaces:
            self.objects.wait_until_gone(item, seconds=120)
        self.objects.close()

    def _deployment(self, namespace: str, reader: str, replicas: int) -> Manifest:
        how = "env" if reader == "by-env" else "volume"
        return deployment(namespace, reader, replicas, pod_spec(self.results, how))


def until(holds: Callable[[], object], otherwise: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)  # between two looks at the condition


def pod_spec(results: Path, how: str, copy: str = COPY, *, pause: float = 0.5) -> Manifest:
    """Give the spec of a pod that asks with the address in `copy`, which it has by env, volume…."""
    names = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    env: list[Manifest] = [
        {"name": "RESULTS", "value": str(results)},
        {"name": "HOME_NAMESPACE", **names},
        {"name": "PAUSE", "value": str(pause)},
    ]
    container: Manifest = {
        "name": "app",
        "image": "process/query",
        "command": [sys.executable, str(PROGRAM)],
        "readinessProbe": {"exec": {"command": ["test", "-e", "ready"]}},
        "env": env,
    }
    spec: Manifest = {"containers": [container]}
    if how == "env":
        env.append({"name": KEY, "valueFrom": {"secretKeyRef": {"name": copy, "key": KEY}}})
    elif how == "envFrom":
        container["envFrom"] = [{"secretRef": {"name": copy}}]
    else:
        env.append({"name": "FILE", "value": f"{MOUNTED}/{KEY}"})
        mount = {"name": "db", "mountPath": MOUNTED}
        if how == "subPath":
            mount = {"name": "db", "mountPath": f"{MOUNTED}/{KEY}", "subPath": KEY}
        container["volumeMounts"] = [mount]
        source: Manifest = {"secret": {"secretName": copy}}
        if how == "projected":
            source = {"projected": {"sources": [{"secret": {"name": copy}}]}}
        spec["volumes"] = [{"name": "db", **source}]
    return spec


def deployment(namespace: str, name: str, replicas: int, pod: Manifest) -> Manifest:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {**thing("apps/v1", "Deployment", namespace, name), "spec": spec}


def home_of(namespace: str, group: str, openbao: str, token: str, mount: str) -> Iterator[Manifest]:
    """Make a namespace with its way to the store, and the copy of the address."""
    yield thing("v1", "Namespace", "", namespace)
    yield {**thing("v1", "Secret", namespace, "openbao-token"), "stringData": {"token": token}}
    auth = {"tokenSecretRef": {"name": "openbao-token", "key": "token"}}
    vault = {"server": openbao, "path": mount, "version": "v2", "auth": auth}
    yield {
        **thing(group, "SecretStore", namespace, "openbao"),
        "spec": {"provider": {"vault": vault}},
    }
    yield sync_of(namespace, group, COPY, "1h")


def sync_of(namespace: str, group: str, copy: str, interval: str) -> Manifest:
    return {
        **thing(group, "ExternalSecret", namespace, copy),
        "spec": {
            "refreshInterval": interval,
            "secretStoreRef": {"name": "openbao", "kind": "SecretStore"},
            "target": {"name": copy},
            "data": [{"secretKey": KEY, "remoteRef": {"key": PATH, "property": FIELD}}],
        },
    }


def thing(version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _read(file: Path) -> Iterator[Asked]:
    namespace, _, pod = file.name.partition(".")
    reader = next(each for each in READERS if pod.startswith(each))
    for line in file.read_text(encoding="utf-8").splitlines():
        at, role, said = json.loads(line)
        yield Asked(f"{namespace}/Deployment/{reader}", file.name, at, role, said)
