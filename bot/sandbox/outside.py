"""
Looks at the demo's world from the outside: OpenBao, the cluster and the issuer are asked directly.

The check of the story believes neither Locksmith's database nor its cards.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx

from bot.sandbox.objects import ClusterObjects
from bot.sandbox.world import LEAKED_FIELD, LEAKED_PATH, MOUNT, World

SECRET = "payments-gateway"  # noqa: S105 - the name of the Kubernetes Secret
COPIES = ("payments", "shop", "reporting")


class Outside:
    """Asks with root rights; a context manager."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._objects = ClusterObjects(world.kubeconfig)
        self._http = httpx.Client(base_url=world.openbao.address, trust_env=False, timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._objects.close()
        self._http.close()

    def token_in_store(self) -> str:
        """Read the current value of the payments token."""
        return self._world.read_secret(LEAKED_PATH)[LEAKED_FIELD]

    def versions(self) -> dict[int, dict[str, Any]]:
        """Read the versions of the payments secret, with `destroyed`."""
        answer = self._http.get(
            f"/v1/{MOUNT}/metadata/{LEAKED_PATH}",
            headers={"X-Vault-Token": self._world.openbao.root_token},
        )
        answer.raise_for_status()
        return {int(n): facts for n, facts in answer.json()["data"]["versions"].items()}

    def token_works(self, token: str) -> bool:
        """Ask OpenBao with the token itself."""
        answer = self._http.get("/v1/auth/token/lookup-self", headers={"X-Vault-Token": token})
        return answer.status_code == httpx.codes.OK

    def issuer_accepts(self, value: str) -> bool:
        """Ask the payment provider with the value itself."""
        answer = httpx.get(
            f"{self._world.issuer.address}/v1/account",
            headers={"Authorization": f"Bearer {value}"},
            trust_env=False,
        )
        return answer.status_code == httpx.codes.OK

    def copy(self, namespace: str) -> str:
        """Read the payments token out of one copy in the cluster."""
        found = self._objects.get("v1", "Secret", SECRET, namespace=namespace)
        if found is None:
            return ""
        return base64.b64decode(found["data"]["token"]).decode()

    def pods(self, namespace: str) -> Iterator[tuple[str, str, bool]]:
        """Yield (name, start time, is ready) of every pod."""
        for pod in self._objects.list("v1", "Pod", namespace=namespace):
            conditions = pod.get("status", {}).get("conditions", ())
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
            yield pod["metadata"]["name"], pod["status"].get("startTime", ""), ready


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every file that the demo wrote."""
    yield from (path for path in folder.rglob("*") if path.is_file())
