"""What OpenBao itself issues: secret-ids, tokens, keys, entities, certificates."""

from collections.abc import Iterator

import httpx

from tests.crashes.place import SECRET, Place


class AppRole(Place):
    playbook, order = "vault-approle-secret-id", "rotate-first"

    def prepare(self) -> None:
        self.mount = self.vault.enable("approle", "auth")
        self.role = f"auth/{self.mount}/role/ci"
        self.vault.call("post", self.role, token_policies=["default"])
        self.value = self.vault.call("post", f"{self.role}/secret-id")["data"]["secret_id"]
        self.role_id = self.vault.call("get", f"{self.role}/role-id")["data"]["role_id"]
        self.keep(
            {"secret_id": self.value},
            playbook=self.playbook,
            playbook_role=f"vault://main/{self.role}",
        )

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()
        left = len(self.vault.call("list", f"{self.role}/secret-id")["data"]["keys"])
        if left != 1:
            yield f"doubled: {left} secret-ids"
        if not self._logs_in(self.vault.read(SECRET)["secret_id"]):
            yield "lost: the secret-id in the store is refused"
        if self._logs_in(self.value):
            yield "lost: the leaked secret-id still logs in"

    def _logs_in(self, secret_id: str) -> bool:
        body = {"role_id": self.role_id, "secret_id": secret_id}
        where = f"{self.town.openbao}/v1/auth/{self.mount}/login"
        return httpx.post(where, json=body, trust_env=False).is_success


class Token(Place):
    playbook, order = "vault-token", "revoke-first"

    def prepare(self) -> None:
        made = self.vault.root.auth.token.create(policies=["default"], no_parent=True)
        self.value = made["auth"]["client_token"]

    def wrongs(self) -> Iterator[str]:
        where = f"{self.town.openbao}/v1/auth/token/lookup-self"
        if httpx.get(where, headers={"X-Vault-Token": self.value}, trust_env=False).is_success:
            yield "lost: the leaked token still works"


class Transit(Place):
    playbook, order = "vault-transit-key", "rotate-first"

    def prepare(self) -> None:
        self.mount = self.vault.enable("transit")
        self.vault.call("post", f"{self.mount}/keys/pay")
        key = f"vault://main/{self.mount}/keys/pay"
        self.keep({"copy": self.value}, playbook=self.playbook, playbook_key=key)

    def wrongs(self) -> Iterator[str]:
        found = self.vault.call("get", f"{self.mount}/keys/pay")["data"]
        if found["latest_version"] > 2:
            yield f"doubled: rotated {found['latest_version'] - 1} times"
        if found["latest_version"] < 2 or found["min_decryption_version"] != 2:
            yield "lost: the leaked version still decrypts"


class Entity(Place):
    playbook, order = "vault-entity", "revoke-first"

    def prepare(self) -> None:
        made = self.vault.call("post", "identity/entity", name=f"cy-{self.key}")
        self.entity = made["data"]["id"]
        self.keep({"login": self.value}, playbook=self.playbook, playbook_entity=self.entity)

    def wrongs(self) -> Iterator[str]:
        if not self.vault.call("get", f"identity/entity/id/{self.entity}")["data"]["disabled"]:
            yield "lost: the entity is not disabled"


class Pki(Place):
    playbook, order = "vault-pki-certificate", "rotate-first"

    def prepare(self) -> None:
        self.mount = self.vault.enable("pki")
        self.vault.call(
            "post", f"{self.mount}/issuers/generate/root/internal", common_name="root", ttl="700h"
        )
        self.vault.call("post", f"{self.mount}/roles/web", allow_any_name=True, max_ttl="24h")
        self.serial, fields = self._issued()
        self.value = fields["private_key"]
        issuer = f"vault://main/{self.mount}/issuer/default"
        self.keep(fields, playbook=self.playbook, playbook_issuer=issuer)

    def by_hand(self, step_id: str) -> None:
        if step_id.startswith("replace") and len(self.versions()) == 1:
            self.vault.put(SECRET, **self._issued()[1])

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()
        if not self.vault.call("get", f"{self.mount}/cert/{self.serial}")["data"][
            "revocation_time"
        ]:
            yield "lost: the leaked certificate is not revoked"

    def _issued(self) -> tuple[str, dict[str, str]]:
        found = self.vault.call("post", f"{self.mount}/issue/web", common_name="shop.example")
        data = found["data"]
        return data["serial_number"], {k: data[k] for k in ("certificate", "private_key")}
