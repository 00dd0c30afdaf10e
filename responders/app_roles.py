"""
An AppRole of Vault or OpenBao: its secret-ids made, looked up, destroyed, tried.

A secret-id that Locksmith makes carries a mark of its own in its metadata; the server puts that
into each token that is issued for it, and the audit log shows it.

Source: https://openbao.org/api-docs/auth/approle/ (secret-id with metadata, secret-id-accessor).
"""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

from graph import refs
from graph.connections import vault_errors
from graph.errors import AccessDeniedError, BadInputError, NotFoundError
from graph.secret_value import SecretValue
from responders.step import StepContext

MARK = "locksmith"  # in the metadata of a secret-id, and so of its tokens


class AppRole:
    """One role, by its ref."""

    def __init__(self, ref: str, context: StepContext) -> None:
        self._store, _, *path = refs.parse(ref).path
        self._connections = context.connections
        self._mount, self._name = "/".join(path[:-2]), path[-1]
        self._path = f"auth/{self._mount}/role/{self._name}"
        self._said = f"AppRole {self._name} of {self._store}"

    def ask(
        self, method: str, path: str, doing: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        return self._connections.ask_vault(self._store, method, path, doing=doing, body=body)

    def make(self, context: StepContext) -> tuple[SecretValue, str]:
        """
        Make a secret-id whose tokens can be told from others'; return it and its accessor.

        Raises:
            NotFoundError: the answer holds none.
        """
        body = {"metadata": orjson.dumps({MARK: mark_of(context)}).decode()}
        made = self.ask(
            "post", f"{self._path}/secret-id", f"make a secret-id of {self._said}", body
        )
        value, accessor = made.get("secret_id"), made.get("secret_id_accessor")
        if not isinstance(value, str) or not isinstance(accessor, str):
            raise NotFoundError(f"The store made no secret-id for {self._said}.")
        return SecretValue(value), accessor

    def find(self, secret_id: SecretValue) -> dict[str, Any]:
        """Look a secret-id up by its value; {} where the role knows none such."""
        body = {"secret_id": secret_id.reveal()}
        doing = f"look up a secret-id of {self._said}"
        return self.ask("post", f"{self._path}/secret-id/lookup", doing, body)

    def lives(self, accessor: str) -> bool:
        return bool(self._looked_up(accessor))

    def _looked_up(self, accessor: str) -> dict[str, Any]:
        body = {"secret_id_accessor": accessor}
        doing = f"look up a secret-id of {self._said} by its accessor"
        try:
            return self.ask("post", f"{self._path}/secret-id-accessor/lookup", doing, body)
        except NotFoundError:
            return {}

    def destroy(self, accessor: str) -> None:
        """Destroy one; the server fails on one that is gone, so it is looked up before."""
        if self.lives(accessor):
            body = {"secret_id_accessor": accessor}
            doing = f"destroy a secret-id of {self._said}"
            self.ask("post", f"{self._path}/secret-id-accessor/destroy", doing, body)

    def destroy_made(self, context: StepContext) -> bool:
        """Destroy what an earlier try of this step made; False where the bot may not list them."""
        accessors = self.accessors()
        for accessor in accessors or ():
            metadata = self._looked_up(accessor).get("metadata")
            if isinstance(metadata, dict) and metadata.get(MARK) == mark_of(context):
                self.destroy(accessor)
        return accessors is not None

    def accessors(self) -> tuple[str, ...] | None:
        """List all of the role's; None where the bot may not."""
        try:
            found = self.ask("list", f"{self._path}/secret-id", f"list those of {self._said}")
        except NotFoundError:  # how an empty list answers
            return ()
        except AccessDeniedError:
            return None
        return tuple(str(key) for key in found.get("keys") or ())

    def logs_in(self, secret_id: SecretValue) -> bool | None:
        """Try a login; a token that it gives is revoked. None: it may not be tried."""
        try:
            found = self.ask("get", f"{self._path}/role-id", f"read the role-id of {self._said}")
        except AccessDeniedError:
            return None
        body = {"role_id": found.get("role_id"), "secret_id": secret_id.reveal()}
        client = self._connections.vault(self._store)
        try:
            with vault_errors(f"log in to {self._said}"):
                answer = client.adapter.request("post", f"/v1/auth/{self._mount}/login", json=body)
        except BadInputError:
            return False
        given = answer.get("auth") if isinstance(answer, dict) else None
        if isinstance(given, dict) and given.get("accessor"):
            body = {"accessor": given["accessor"]}
            self.ask("post", "auth/token/revoke-accessor", "revoke the token of the trial", body)
        return True


def mark_of(context: StepContext) -> str:
    return str(uuid5(NAMESPACE_URL, context.key))
