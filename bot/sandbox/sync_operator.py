"""
Stands in for External Secrets Operator in the demo and the tests, because no operator runs there.

It follows the operator's documented rules for what they need, on any cluster that serves the
group external-secrets.io (v1, or v1beta1 where that is all there is): an ExternalSecret is copied
when its generation, labels or annotations have changed since the last copy (so any annotation
forces a sync), when `refreshInterval` has passed, or when the target Secret is gone or was edited;
never again once copied, if the policy is CreatedOnce, or the interval is zero. From the operator's
documentation and `externalsecret_controller.go` (shouldRefresh), read in August 2026.

Supported: `data[].remoteRef.{key,property,version}`, `dataFrom[].extract`, `target.name`,
`target.template.type`, creationPolicy Owner and Orphan, a (Cluster)SecretStore of the provider
`vault` (KV v2) with `auth.tokenSecretRef`. Everything else of the operator is not here.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import httpx
import structlog

from bot.sandbox.cluster import EmbeddedCluster
from bot.sandbox.objects import ClusterObjects, Manifest, is_conflict
from graph.errors import LocksmithError

GROUP = "external-secrets.io"
MANAGED_LABEL = "reconcile.external-secrets.io/managed"
DATA_HASH = "reconcile.external-secrets.io/data-hash"

_PACE = 0.3  # seconds between two looks
_IDLE = 1.0  # seconds between two looks while nothing changes: intervals pass all the same
_RETRY_SECONDS = 0.5
_DEFAULT_INTERVAL = "1h"
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

_log = structlog.get_logger()


class SyncError(Exception):
    """One ExternalSecret could not be copied; says why, without any value."""


@dataclass(frozen=True, slots=True)
class _Store:
    server: str
    mount: str
    token: str


class SyncOperator:
    """
    The loop, in a thread of its own, between `start()` and `stop()`.

    Of an embedded `cluster` it knows when something changed; at another it looks all the time.
    """

    def __init__(self, kubeconfig: Path, cluster: EmbeddedCluster | None = None) -> None:
        self._objects = ClusterObjects(kubeconfig)
        self._cluster = cluster
        self._ended = Event()
        self._retry_at: dict[str, datetime] = {}
        self._http = httpx.Client(trust_env=False, timeout=5)
        self._thread = Thread(target=self._run, name="sync-operator", daemon=True)

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._ended.set()
        if self._cluster is not None:
            self._cluster.wake()
        self._thread.join()
        self._http.close()
        self._objects.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _run(self) -> None:
        version, seen = "", 0
        while not self._ended.wait(_PACE):
            if self._cluster is not None:
                seen = self._cluster.wait_for_change(seen, seconds=_IDLE, ended=self._ended)
            try:
                version = version or preferred_version(self._objects)
                if version:
                    self.look(f"{GROUP}/{version}")
            except LocksmithError as error:
                if not is_conflict(error):  # a conflict is somebody else's change: look again
                    _log.warning("sync.look_failed", reason=error.happened)

    def look(self, api_version: str) -> None:
        """Copy every ExternalSecret that is due, once."""
        for found in self._objects.list(api_version, "ExternalSecret"):
            metadata = found["metadata"]
            now = datetime.now(UTC)
            target = self._objects.get(
                "v1", "Secret", _target_name(found), namespace=metadata["namespace"]
            )
            waits = self._retry_at.get(metadata["uid"], now) > now
            if metadata.get("deletionTimestamp") or not is_due(found, target, now=now) or waits:
                continue
            try:
                self._copy(found, target)
            except SyncError as error:
                self._retry_at[metadata["uid"]] = now.fromtimestamp(
                    now.timestamp() + _RETRY_SECONDS, UTC
                )
                self._note(found, now, ready=False, message=str(error))
            else:
                self._retry_at.pop(metadata["uid"], None)
                self._note(found, now, ready=True, message="secret synced")

    def _copy(self, found: Manifest, target: Manifest | None) -> None:
        spec, metadata = found["spec"], found["metadata"]
        store = self._store(found)
        values: dict[str, str] = {}
        for item in spec.get("dataFrom", []):
            values.update(self._read(store, item["extract"]))
        for item in spec.get("data", []):
            reference = item["remoteRef"]
            fields = self._read(store, reference)
            name = reference.get("property", "")
            if name not in fields:
                raise SyncError(f"{reference['key']} has no field {name}")
            values[item["secretKey"]] = fields[name]
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        wanted: Manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": spec.get("target", {}).get("template", {}).get("type", "Opaque"),
            "metadata": {
                "name": _target_name(found),
                "namespace": metadata["namespace"],
                "labels": {MANAGED_LABEL: "true"},
                "annotations": {DATA_HASH: data_hash(data)},
            },
            "data": data,
        }
        if _creation_policy(found) == "Owner":
            wanted["metadata"]["ownerReferences"] = [_owner_reference(found)]
        if target is None:
            self._objects.create(wanted)
            return
        gone = dict.fromkeys(set(target.get("data") or {}) - set(data))
        change = {"metadata": wanted["metadata"], "data": {**data, **gone}}
        self._objects.patch(wanted, change)

    def _store(self, found: Manifest) -> _Store:
        reference, namespace = found["spec"]["secretStoreRef"], found["metadata"]["namespace"]
        kind = reference.get("kind", "SecretStore")
        store = self._objects.get(found["apiVersion"], kind, reference["name"], namespace=namespace)
        if store is None:
            raise SyncError(f"{kind} {reference['name']} does not exist")
        vault = store["spec"]["provider"].get("vault")
        if vault is None or "tokenSecretRef" not in vault["auth"]:
            raise SyncError(f"{kind} {reference['name']} is not a Vault store with a token")
        holder = vault["auth"]["tokenSecretRef"]
        where = holder.get("namespace", namespace) if kind.startswith("Cluster") else namespace
        secret = self._objects.get("v1", "Secret", holder["name"], namespace=where)
        if secret is None:
            raise SyncError(f"Secret {where}/{holder['name']} does not exist")
        token = base64.b64decode(secret["data"][holder["key"]]).decode()
        return _Store(vault["server"], vault["path"], token)

    def _read(self, store: _Store, reference: Mapping[str, Any]) -> dict[str, str]:
        query = {"version": reference["version"]} if reference.get("version") else {}
        try:
            answer = self._http.get(
                f"{store.server}/v1/{store.mount}/data/{reference['key']}",
                params=query,
                headers={"X-Vault-Token": store.token},
            )
        except httpx.TransportError:
            raise SyncError(f"{store.server} did not answer") from None
        if answer.is_error:
            raise SyncError(f"{reference['key']}: the store answered {answer.status_code}")
        fields: dict[str, str] = answer.json()["data"]["data"]
        return fields

    def _note(self, found: Manifest, now: datetime, *, ready: bool, message: str) -> None:
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "reason": "SecretSynced" if ready else "SecretSyncedError",
            "message": message,
            "lastTransitionTime": stamp,
        }
        status: Manifest = {"conditions": [condition]}
        if ready:
            status["refreshTime"] = stamp
            status["syncedResourceVersion"] = synced_version(found)
            status["binding"] = {"name": _target_name(found)}
        self._objects.patch(found, {"status": status}, subresource="status")


def preferred_version(objects: ClusterObjects) -> str:
    """Give `v1` if the cluster serves it, else what it serves; "" if it serves none."""
    versions = objects.versions(GROUP)
    return "v1" if "v1" in versions else next(iter(versions), "")


def is_due(found: Mapping[str, Any], target: Mapping[str, Any] | None, *, now: datetime) -> bool:
    """Whether to copy now; the order of the tests is the operator's own."""
    status, spec = found.get("status") or {}, found["spec"]
    if "refreshTime" not in status:
        return True
    if _creation_policy(found) == "Owner" and not _is_intact(target):
        return True
    if spec.get("refreshPolicy") == "CreatedOnce":
        return False
    changed = bool(status.get("syncedResourceVersion") != synced_version(found))
    if spec.get("refreshPolicy") == "OnChange":
        return changed
    interval = seconds_of(spec.get("refreshInterval", _DEFAULT_INTERVAL))
    if interval <= 0:
        return False
    age = (now - datetime.fromisoformat(status["refreshTime"])).total_seconds()
    return changed or age >= interval


def synced_version(found: Mapping[str, Any]) -> str:
    """Name the state of an ExternalSecret: its generation and a hash of labels and annotations."""
    metadata = found["metadata"]
    marks = [metadata.get("labels") or {}, metadata.get("annotations") or {}]
    digest = hashlib.sha256(json.dumps(marks, sort_keys=True).encode()).hexdigest()
    return f"{metadata.get('generation', 0)}-{digest[:32]}"


def data_hash(data: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]


def seconds_of(duration: str) -> float:
    """Read a Go duration such as 1h0m0s or 30s."""
    parts = re.findall(r"([\d.]+)(ms|h|m|s)", duration)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _is_intact(target: Mapping[str, Any] | None) -> bool:
    if target is None:
        return False
    expected = (target["metadata"].get("annotations") or {}).get(DATA_HASH)
    return bool(expected == data_hash(target.get("data") or {}))


def _creation_policy(found: Mapping[str, Any]) -> str:
    return str(found["spec"].get("target", {}).get("creationPolicy", "Owner"))


def _target_name(found: Mapping[str, Any]) -> str:
    return str(found["spec"].get("target", {}).get("name") or found["metadata"]["name"])


def _owner_reference(found: Mapping[str, Any]) -> Manifest:
    return {
        "apiVersion": found["apiVersion"],
        "kind": "ExternalSecret",
        "name": found["metadata"]["name"],
        "uid": found["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
