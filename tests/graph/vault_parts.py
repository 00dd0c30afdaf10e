"""What the tests of Vault share: a mount of its own, secrets in it, tokens with few rights."""

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

import hvac

from bot.sandbox.openbao import OpenBaoServer
from graph.connections import Connections, VaultSettings


class VaultCorner:
    """A KV version 2 mount with a random name on a shared server, and root's client for it."""

    def __init__(self, server: OpenBaoServer) -> None:
        self.server = server
        self.client = hvac.Client(url=server.address, token=server.root_token)
        self.mount = f"kv-{secrets.token_hex(4)}"
        self.client.sys.enable_secrets_engine("kv", path=self.mount, options={"version": "2"})
        deadline = time.monotonic() + 10
        while True:  # a new KV 2 mount refuses for a moment, while it upgrades itself
            try:
                self.client.adapter.get(f"/v1/{self.mount}/config")
                break
            except hvac.exceptions.VaultError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def put(
        self, path: str, data: Mapping[str, Any], metadata: Mapping[str, str] | None = None
    ) -> None:
        self.client.adapter.post(f"/v1/{self.mount}/data/{path}", json={"data": dict(data)})
        if metadata:
            self.client.adapter.post(
                f"/v1/{self.mount}/metadata/{path}", json={"custom_metadata": dict(metadata)}
            )

    def policy(self, name: str, rules: str) -> str:
        self.client.adapter.put(f"/v1/sys/policies/acl/{name}", json={"policy": rules})
        return name

    def rules(self, *rules: str) -> str:
        """Make a policy of `path capability,capability` lines; MOUNT stands for the mount."""
        text = ""
        for rule in rules:
            path, _, capabilities = rule.replace("MOUNT", self.mount).partition(" ")
            listed = ", ".join(f'"{each}"' for each in capabilities.split(","))
            text += f'path "{path}" {{ capabilities = [{listed}] }}\n'
        return self.policy(f"p-{secrets.token_hex(4)}", text)

    def token(self, policies: Sequence[str], **given: Any) -> dict[str, Any]:
        created = self.client.adapter.post(
            "/v1/auth/token/create", json={"policies": list(policies), **given}
        )
        auth: dict[str, Any] = created["auth"]
        return auth

    def connections(self, token: str = "", **settings: Any) -> Connections:
        chosen = {"mounts": (self.mount,), **settings}
        vault = VaultSettings(
            address=self.server.address, token=token or self.server.root_token, **chosen
        )
        return Connections({"main": vault}, {}, {})
