"""
The tokens that an AppRole gave out for a leaked secret-id, revoked: they outlive it.

A token does not name its secret-id. It carries the metadata of the secret-id, so what
`vault_approle.rotate` made can be told apart by the mark in it. `vault_approle.look` noted the mark
of the leaked one: tokens of the role with this mark are revoked. A leaked secret-id that carries
none was not made by us: then every token of the role without a mark is revoked, those of other
unmarked secret-ids too, and the preview says so. Batch tokens have no accessor: they live until
their end.

The server's "done" is not believed: the list is read again, and each token is looked up.

Example::

    vault_approle_tokens.revoke: {role: "vault://main/auth/approle/role/ci"}

Source: https://openbao.org/api-docs/auth/token/ (list accessors, lookup-accessor, revoke-accessor).
"""

from typing import Any, ClassVar

from pydantic import Field

from graph import refs
from graph.collector import Permission
from graph.connections import vault_errors
from graph.errors import BadInputError, NotFoundError, RefusedError
from graph.words import counted
from responders.app_roles import MARK
from responders.step import (
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)

_LOOKUP = "/v1/auth/token/lookup-accessor"


class RevokeSettings(StepSettings):
    """`noted_by` is the step that looked at the secret-id while it lived."""

    role: str = Field(pattern=r"^vault://[^/#]+/auth/.+/role/[^/#]+$")
    noted_by: str = "look"


class Revoke(Step[RevokeSettings]):
    """Revokes the tokens that were issued for the leaked secret-id."""

    name: ClassVar[str] = "vault_approle_tokens.revoke"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "vault",
            'path "auth/token/accessors" { capabilities = ["list", "sudo"] }',
            "find the tokens of the role",
        ),
        Permission(
            "vault",
            'path "auth/token/lookup-accessor" { capabilities = ["update"] }',
            "tell whose token it is",
        ),
        Permission(
            "vault",
            'path "auth/token/revoke-accessor" { capabilities = ["update"] }',
            "revoke it",
        ),
    )
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = RevokeSettings

    def preview(self, settings: RevokeSettings) -> str:
        return (
            f"Revokes the tokens of {settings.role} that were issued for the leaked secret-id; if"
            " Locksmith did not make that one, every token of the role that it did not mark."
        )

    def targets(self, settings: RevokeSettings) -> tuple[str, ...]:
        return (settings.role,)

    def apply(self, settings: RevokeSettings, context: StepContext) -> Receipt:
        role = _Role(settings, context)
        found = role.tokens()
        for number, accessor in enumerate(found, start=1):
            context.progress(f"{number} of {counted(len(found), 'token')}.")
            role.revoke(accessor)
        return Receipt(
            f"The store took the revocation of {counted(len(found), 'token')} of {settings.role}.",
            {"revoked": list(found)},
        )

    def verify(self, settings: RevokeSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: RevokeSettings, receipt: Receipt, context: StepContext) -> Verdict:
        role = _Role(settings, context)
        revoked = receipt.facts.get("revoked")
        left = set(role.tokens())
        if isinstance(revoked, list):
            left |= {accessor for accessor in revoked if role.token(accessor)}
        if left:
            return Verdict(
                VerdictKind.REFUTED,
                f"{counted(len(left), 'token')} of {settings.role} that had to go: not gone.",
            )
        return Verdict(
            VerdictKind.CONFIRMED,
            f"No token of {settings.role} is left that was issued for the leaked secret-id.",
        )


class _Role:
    """The AppRole that a step is about, and the mark of the leaked secret-id, for one call."""

    def __init__(self, settings: RevokeSettings, context: StepContext) -> None:
        self._store, _, *path = refs.parse(settings.role).path
        self._login, self._name = f"auth/{'/'.join(path[:-2])}/login", path[-1]
        self._connections = context.connections
        self._mark = _noted(settings, context)

    def tokens(self) -> tuple[str, ...]:
        """Name the accessors of the living tokens that were issued for the leaked secret-id."""
        keys = self._ask("list", "auth/token/accessors", "list the accessors").get("keys")
        found = (str(key) for key in keys) if isinstance(keys, list) else ()
        return tuple(accessor for accessor in found if self._fits(self.token(accessor)))

    def token(self, accessor: str) -> dict[str, Any]:
        """
        Look one up; {} where the server says that there is none.

        Raises:
            AccessDeniedError: the bot may not look, which says nothing about the token.
        """
        client = self._connections.vault(self._store)
        body = {"accessor": accessor}
        with vault_errors(f"look up a token of {self._store}"):
            answer = client.adapter.request("post", _LOOKUP, json=body, raise_exception=False)
            if not isinstance(answer, dict):
                if answer.status_code in {400, 403, 404} and "invalid accessor" in answer.text:
                    return {}
                # Any other refusal: asked again in the way that raises, to be told in our words.
                answer = client.adapter.request("post", _LOOKUP, json=body)
        data = answer.get("data") if isinstance(answer, dict) else None
        return data if isinstance(data, dict) else {}

    def revoke(self, accessor: str) -> None:
        body = {"accessor": accessor}
        try:
            self._ask("post", "auth/token/revoke-accessor", "revoke a token", body)
        except (BadInputError, NotFoundError):
            return  # it ended by itself since it was listed; `verify` looks

    def _fits(self, token: dict[str, Any]) -> bool:
        meta = token.get("meta")
        if token.get("path") != self._login or not isinstance(meta, dict):
            return False
        return meta.get("role_name") == self._name and str(meta.get(MARK) or "") == self._mark

    def _ask(
        self, method: str, path: str, doing: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        doing = f"{doing} of {self._store}"
        return self._connections.ask_vault(self._store, method, path, doing=doing, body=body)


def _noted(settings: RevokeSettings, context: StepContext) -> str:
    """
    Give the mark that the look before noted; "" where the leaked secret-id carries none.

    Raises:
        BadInputError: there was no look. RefusedError: it came too late.
    """
    receipt = context.receipts.get(settings.noted_by)
    mark = receipt.facts.get("mark") if receipt else None
    if receipt is not None and "mark" in receipt.facts and mark is None:
        raise RefusedError(
            "The leaked secret-id was gone before anybody looked at it.",
            means="Which tokens were issued for it cannot be told any more.",
            do_now=f"Look at the tokens of {settings.role} yourself, then skip this step.",
        )
    if not isinstance(mark, str):
        raise BadInputError(
            f"No step “{settings.noted_by}” has noted the mark of the leaked secret-id.",
            means="Once it is destroyed, its tokens cannot be told from others.",
            do_now="Put vault_approle.look before this step in the playbook.",
        )
    return mark
