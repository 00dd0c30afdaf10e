"""A role of AppRole with one secret-id in a real store: the one that leaked."""

import hvac
import pytest

from responders.step import StepContext
from responders.steps import vault_approle, vault_approle_tokens
from tests.responders.steps.databases import Vault
from tests.responders.steps.parts import context


class AppRole:
    """A role with one secret-id in the store, which leaked as version 1."""

    steps = (
        "vault_approle.rotate",
        "vault_approle.look",
        "vault_approle.destroy",
        "vault_approle_tokens.revoke",
    )

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.mount = vault.enable("approle", "auth")
        self.role = f"auth/{self.mount}/role/ci"
        vault.call("post", self.role, token_policies=["default"])
        self.role_id = vault.call("get", f"{self.role}/role-id")["data"]["role_id"]
        self.leaked = vault.call("post", f"{self.role}/secret-id")["data"]["secret_id"]
        vault.put("ci/approle", secret_id=self.leaked)

    def given(self, address: str = "") -> StepContext:
        return context(self.vault.connections(self.steps, mount=self.mount, address=address))

    def rotate(self) -> vault_approle.RotateSettings:
        return vault_approle.RotateSettings(
            role=f"vault://main/{self.role}",
            secret=self.vault.ref("ci/approle"),
            field="secret_id",
        )

    def asked(self) -> vault_approle.LeakedSettings:
        return vault_approle.LeakedSettings(**self.rotate().model_dump(), version=1)

    def tokens(self) -> vault_approle_tokens.RevokeSettings:
        return vault_approle_tokens.RevokeSettings(role=f"vault://main/{self.role}")

    def log_in(self, secret_id: str) -> str:
        """Give a token, "" where the login is refused."""
        client = hvac.Client(self.vault.address)
        try:
            client.auth.approle.login(self.role_id, secret_id, mount_point=self.mount)
        except hvac.exceptions.InvalidRequest:
            return ""
        return str(client.token)

    def lives(self, token: str) -> bool:
        try:
            hvac.Client(self.vault.address, token=token).auth.token.lookup_self()
        except hvac.exceptions.Forbidden:
            return False
        return True

    def secret_ids(self) -> int:
        return len(self.vault.call("list", f"{self.role}/secret-id")["data"]["keys"])


@pytest.fixture
def approle(vault: Vault) -> AppRole:
    return AppRole(vault)
