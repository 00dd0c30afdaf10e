"""
What the demo's OpenBao holds, written from `store.yaml`: policies, AppRoles, secrets, tokens.

Idempotent: policies and roles are put as they should be; a secret that exists is left alone,
unless it is the payments token and its issuer no longer accepts it.
"""

import base64
import json
import secrets
import string
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import hvac
import hvac.exceptions

from bot.sandbox.issuer import Paygate
from graph import yaml_text

BOT_ROLE = "locksmith"

_TOKEN_LIFETIME = {"token_ttl": "1h", "token_max_ttl": "24h"}
_BASE62 = string.ascii_letters + string.digits


class StoreContents:
    """Fills one OpenBao server, as its root; `mount` is the KV v2 mount."""

    def __init__(self, address: str, root_token: str) -> None:
        self._client = hvac.Client(url=address, token=root_token)
        self._contents: dict[str, Any] = yaml_text.load(
            files("bot.sandbox").joinpath("store.yaml").read_text(encoding="utf-8")
        )
        self.mount: str = self._contents["mount"]

    def fill(self, issuer: Paygate) -> None:
        """Make the mount, the policies, the AppRoles and the secrets exist."""
        client = self._client
        if f"{self.mount}/" not in client.sys.list_mounted_secrets_engines()["data"]:
            client.sys.enable_secrets_engine("kv", path=self.mount, options={"version": "2"})
        for name, rules in self._contents["policies"].items():
            client.sys.create_or_update_acl_policy(name, rules, pretty_print=False)
        if "approle/" not in client.sys.list_auth_methods()["data"]:
            client.sys.enable_auth_method("approle")
        for name, policies in self._contents["approles"].items():
            client.auth.approle.create_or_update_approle(
                name, token_policies=policies, **_TOKEN_LIFETIME
            )
        for path, secret in self._contents["secrets"].items():
            self._put_secret(path, secret, issuer)

    def _put_secret(self, path: str, secret: Mapping[str, Any], issuer: Paygate) -> None:
        kv = self._client.secrets.kv.v2
        issued = [name for name, shape in secret["fields"].items() if _is_issued(shape)]
        current = self.read(path)
        if current is None or not all(issuer.accepts(current[name]) for name in issued):
            fields: dict[str, str] = {}
            for name, shape in secret["fields"].items():
                fields[name] = _value(shape, fields, issuer)
            kv.create_or_update_secret(path, fields, mount_point=self.mount)
        kv.update_metadata(path, mount_point=self.mount, custom_metadata=secret["metadata"])

    def read(self, path: str) -> dict[str, str] | None:
        """Give the fields of a secret's current version; None if there is none."""
        try:
            found = self._client.secrets.kv.v2.read_secret_version(
                path, mount_point=self.mount, raise_on_deleted_version=True
            )
        except hvac.exceptions.InvalidPath:
            return None
        fields: dict[str, str] = found["data"]["data"]
        return fields

    def bot_login(self) -> tuple[str, str]:
        """Give the bot's AppRole: role id, and a new secret id."""
        approle = self._client.auth.approle
        role_id: str = approle.read_role_id(BOT_ROLE)["data"]["role_id"]
        secret_id: str = approle.generate_secret_id(BOT_ROLE)["data"]["secret_id"]
        return role_id, secret_id

    def issue_token(
        self, policy: str, *, display_name: str, ttl: str = "24h", periodic: bool = False
    ) -> tuple[str, str]:
        """Issue a service token: the token, and its accessor."""
        lifetime = {"period": ttl} if periodic else {"ttl": ttl}
        auth = self._client.auth.token.create(
            policies=[policy], display_name=display_name, no_parent=True, **lifetime
        )["auth"]
        return str(auth["client_token"]), str(auth["accessor"])


def _is_issued(shape: object) -> bool:
    return isinstance(shape, dict) and "issued" in shape


def _value(shape: Any, fields: Mapping[str, str], issuer: Paygate) -> str:
    match shape:
        case {"issued": "paygate"}:
            return issuer.issue()[1]
        case {"random": length}:
            return str(shape.get("prefix", "")) + "".join(
                secrets.choice(_BASE62) for _ in range(length)
            )
        case {"docker_login": [user, password], "server": server}:
            login = {"username": fields[user], "password": fields[password]}
            pair = base64.b64encode(":".join(login.values()).encode()).decode()
            return json.dumps({"auths": {server: {**login, "auth": pair}}})
        case _:
            return str(shape)
