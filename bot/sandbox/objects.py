"""
Kubernetes objects as plain dictionaries: the little that the sandbox needs of an API client.

The world, the rollouts and the sync operator work on many kinds, custom ones included, whose
versions differ between clusters. This walks the API by path on the official client's connection,
so that it works on the embedded and on any real cluster. The bot's own access to clusters is in
`graph/`, and knows nothing of this.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes.client
import kubernetes.config
import urllib3.exceptions

from graph.errors import LocksmithError, UnavailableError

Manifest = dict[str, Any]

MERGE_PATCH = "application/merge-patch+json"
_TIMEOUT = (5.0, 30.0)  # seconds to connect, to read
_NOT_FOUND, _CONFLICT = 404, 409

# Kinds that this sandbox makes or reads: the plural in the path, and whether a namespace is in it.
_PLURALS = {
    "NetworkPolicy": "networkpolicies",
    "Ingress": "ingresses",
    "StorageClass": "storageclasses",
}
_CLUSTER_SCOPED = frozenset(
    {
        "ClusterExternalSecret",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterSecretStore",
        "CustomResourceDefinition",
        "Namespace",
        "Node",
        "PersistentVolume",
        "StorageClass",
    }
)


class ClusterError(LocksmithError):
    """The cluster refused; `status` is the HTTP status. Its text is left out: it may echo data."""

    def __init__(self, method: str, path: str, status: int) -> None:
        super().__init__(
            f"The cluster answered {status} to {method} {path}.",
            do_now="The demo needs the rights of a cluster administrator on a test cluster.",
        )
        self.status = status


class ClusterObjects:
    """Reads and writes objects of one cluster, named by a kubeconfig file."""

    def __init__(self, kubeconfig: Path, *, context: str | None = None) -> None:
        self._client = kubernetes.config.new_client_from_config(  # type: ignore[no-untyped-call]
            config_file=str(kubeconfig), context=context
        )

    def close(self) -> None:
        self._client.rest_client.pool_manager.clear()

    def versions(self, group: str) -> tuple[str, ...]:
        """Give the served versions of an API group, the preferred one first; () if not served."""
        found = self._call("GET", f"/apis/{group}", missing_ok=True)
        if found is None:
            return ()
        preferred = found["preferredVersion"]["version"]
        others = [item["version"] for item in found["versions"] if item["version"] != preferred]
        return (preferred, *others)

    def serves(self, api_version: str, kind: str) -> bool:
        prefix = "/api" if "/" not in api_version else "/apis"
        found = self._call("GET", f"{prefix}/{api_version}", missing_ok=True)
        return found is not None and any(item["kind"] == kind for item in found["resources"])

    def list(
        self, api_version: str, kind: str, namespace: str = "", *, labels: str = ""
    ) -> list[Manifest]:
        """List the objects of a kind, in one namespace or in all; () if the kind is not served."""
        query = {"labelSelector": labels} if labels else {}
        found = self._call("GET", _path(api_version, kind, namespace), query=query, missing_ok=True)
        items = found["items"] if found else []
        return [{"apiVersion": api_version, "kind": kind, **item} for item in items]

    def get(
        self, api_version: str, kind: str, name: str, *, namespace: str = ""
    ) -> Manifest | None:
        return self._call("GET", _path(api_version, kind, namespace, name), missing_ok=True)

    def create(self, manifest: Mapping[str, Any]) -> Manifest:
        metadata = manifest["metadata"]
        path = _path(manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""))
        created = self._call("POST", path, body=manifest)
        return created or {}

    def patch(
        self,
        target: Mapping[str, Any],
        change: Mapping[str, Any],
        *,
        subresource: str = "",
    ) -> Manifest | None:
        """Merge `change` into the object that `target` names; None if it is gone."""
        path = _path_of(target) + (f"/{subresource}" if subresource else "")
        return self._call("PATCH", path, body=change, content=MERGE_PATCH, missing_ok=True)

    def delete(self, target: Mapping[str, Any]) -> bool:
        """Delete at once, dependents in the background; False if it was gone already."""
        options = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
        answer = self._call("DELETE", _path_of(target), body=options, missing_ok=True)
        return answer is not None

    def apply(self, manifest: Mapping[str, Any], *, seconds: float = 30.0) -> bool:
        """
        Make the cluster hold `manifest`: create what is missing, re-create what differs.

        What the server adds (defaults, status, other annotations) is no difference. A namespace
        is never re-created: its metadata is merged.

        Returns:
            Whether anything had to be done.

        Raises:
            UnavailableError: the old object was still there after `seconds`.
        """
        found = self._call("GET", _path_of(manifest), missing_ok=True)
        if found is not None and _holds(found, manifest):
            return False
        if found is not None and manifest["kind"] == "Namespace":
            self.patch(manifest, {"metadata": manifest["metadata"]})
            return True
        if found is not None:
            self.delete(manifest)
            self.wait_until_gone(manifest, seconds=seconds)
        self.create(manifest)
        return True

    def wait_until_gone(self, target: Mapping[str, Any], *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._call("GET", _path_of(target), missing_ok=True) is not None:
            if time.monotonic() > deadline:
                raise UnavailableError(f"{_path_of(target)} is still there after {seconds} s.")
            time.sleep(0.1)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content: str = "application/json",
        missing_ok: bool = False,
    ) -> Manifest | None:
        headers = {"Accept": "application/json", "Content-Type": content}
        request = self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._client.call_api(*request, _request_timeout=_TIMEOUT)
            text = answer.read()
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(f"The cluster did not answer: {type(error).__name__}.") from None
        if answer.status == _NOT_FOUND and missing_ok:
            return None
        if answer.status >= 400:  # noqa: PLR2004 - HTTP
            raise ClusterError(method, path, answer.status)
        parsed: Manifest = json.loads(text)
        return parsed


def is_conflict(error: LocksmithError) -> bool:
    """Whether somebody else was faster: the object exists, or has changed since it was read."""
    return isinstance(error, ClusterError) and error.status == _CONFLICT


def _path(api_version: str, kind: str, namespace: str = "", name: str = "") -> str:
    parts = ["/api" if "/" not in api_version else "/apis", api_version]
    if namespace and kind not in _CLUSTER_SCOPED:
        parts += ["namespaces", namespace]
    parts.append(_PLURALS.get(kind, f"{kind.lower()}s"))
    if name:
        parts.append(name)
    return "/".join(parts)


def _path_of(target: Mapping[str, Any]) -> str:
    metadata = target["metadata"]
    return _path(
        target["apiVersion"], target["kind"], metadata.get("namespace", ""), metadata["name"]
    )


def _holds(found: object, wanted: object) -> bool:
    """Whether `found` says all that `wanted` says; a list must have the same length."""
    match found, wanted:
        case Mapping(), Mapping():
            return all(
                _holds(found.get(key), value)
                for key, value in wanted.items()
                if key not in {"apiVersion", "stringData"}
            )
        case list(), list():
            return len(found) == len(wanted) and all(map(_holds, found, wanted))
        case _:
            return found == wanted
