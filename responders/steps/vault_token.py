"""
A Vault or OpenBao token, revoked by its accessor: the token itself is not needed.

Its children and leases go with it. The server's "done" is not believed: known upstream bugs print
success while the thing lives on (hashicorp/vault#29392), so the accessor is looked up afterwards,
and held against the list of accessors where the bot may read it. "Not there" and "not allowed to
look" are told apart: the server answers 400 "invalid accessor" (Vault: also 403 or 404) to the one
and 403 "permission denied" to the other.

Example::

    vault_token.revoke: {store: main, accessor: "V7UkwDGEqy1P8zDUQk6xAQ7k"}

Source: https://openbao.org/api-docs/auth/token/ (revoke-accessor, lookup-accessor, list accessors).
"""

from typing import Any, ClassVar

from pydantic import Field, field_validator

from graph import refs
from graph.audit_log import log_source
from graph.collector import Permission
from graph.connections import vault_errors
from graph.errors import AccessDeniedError, RefusedError
from responders.step import (
    Fact,
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)

_LOOKUP = "/v1/auth/token/lookup-accessor"
_REVOKE = "/v1/auth/token/revoke-accessor"
_LIST = "/v1/auth/token/accessors"


class RevokeSettings(StepSettings):
    """`store` is the configured name; "vault://main" is understood as well."""

    store: str
    accessor: str = Field(min_length=1, max_length=200)

    @field_validator("store")
    @classmethod
    def _bare_name(cls, store: str) -> str:
        return store.removeprefix("vault://").strip("/")


class Revoke(Step[RevokeSettings]):
    """Revokes the token with this accessor, its children and its leases."""

    name: ClassVar[str] = "vault_token.revoke"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "vault",
            'path "auth/token/lookup-accessor" { capabilities = ["update"] }',
            "see whether the token lives",
        ),
        Permission(
            "vault",
            'path "auth/token/revoke-accessor" { capabilities = ["update"] }',
            "revoke the leaked token",
        ),
        Permission(
            "vault",
            'path "auth/token/accessors" { capabilities = ["list", "sudo"] }',
            "optional: prove by a second road that it is gone",
        ),
    )
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = RevokeSettings

    def preview(self, settings: RevokeSettings) -> str:
        return (
            f"Revokes the token with accessor {settings.accessor} in {settings.store}, with its"
            " children and leases; whoever uses it is refused from that moment."
        )

    def targets(self, settings: RevokeSettings) -> tuple[str, ...]:
        return (refs.vault(settings.store, "auth", f"token/{settings.accessor}"),)

    def shown_in(self, settings: RevokeSettings) -> str:
        return log_source("vault", settings.store)

    def apply(self, settings: RevokeSettings, context: StepContext) -> Receipt:
        facts: dict[str, Fact] = {"store": settings.store, "accessor": settings.accessor}
        found = _lookup(settings, context)
        if found is None:
            return Receipt(
                f"No token with accessor {settings.accessor} lives in {settings.store}: it was"
                " revoked or has expired before.",
                facts | {"already_gone": True},
            )
        client = context.connections.vault(settings.store)
        with vault_errors(f"look up the bot's own token of {settings.store}"):
            own = client.auth.token.lookup_self()["data"].get("accessor")
        if own == settings.accessor:
            raise RefusedError(
                "The leaked token is the one that Locksmith itself uses.",
                means="Revoked by itself, nobody here could see whether it is dead.",
                do_now=f"Give Locksmith a new token for {settings.store}, then run this again.",
            )
        with vault_errors(f"revoke a token of {settings.store} by its accessor"):
            client.adapter.request("post", _REVOKE, json={"accessor": settings.accessor})
        policies = ", ".join(str(policy) for policy in found.get("policies") or ())
        return Receipt(
            f"{settings.store} took the revocation of the token with accessor"
            f" {settings.accessor} (policies: {policies or 'none'}).",
            facts | {"already_gone": False},
        )

    def verify(self, settings: RevokeSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: RevokeSettings, context: StepContext) -> Verdict:
        if _lookup(settings, context) is not None:
            return Verdict(
                VerdictKind.REFUTED,
                f"The accessor {settings.accessor} can still be looked up in {settings.store}: the"
                " token lives.",
                {"old_value_refused": False},
            )
        listed = _list(settings, context)
        if listed is not None and settings.accessor in listed:
            return Verdict(
                VerdictKind.REFUTED,
                f"{settings.store} still lists the accessor {settings.accessor}.",
                {"old_value_refused": False},
            )
        second = (
            "the list of accessors does not hold it"
            if listed is not None
            else "the list of accessors may not be read with the bot's policy"
        )
        return Verdict(
            VerdictKind.CONFIRMED,
            f"{settings.store} knows no token with accessor {settings.accessor}; {second}.",
            {"old_value_refused": True, "list_read": listed is not None},
        )


def _lookup(settings: RevokeSettings, context: StepContext) -> dict[str, Any] | None:
    """
    Return what is known of the token; None: the server says that there is none.

    Raises:
        AccessDeniedError: the bot may not look, which says nothing about the token.
    """
    client = context.connections.vault(settings.store)
    doing = f"look up an accessor in {settings.store}"
    body = {"accessor": settings.accessor}
    with vault_errors(doing):
        answer = client.adapter.request("post", _LOOKUP, json=body, raise_exception=False)
        if isinstance(answer, dict):
            return dict(answer.get("data") or {})
        if answer.status_code in {400, 403, 404} and "invalid accessor" in answer.text:
            return None
        # Any other refusal: asked again in the way that raises, to be told in our words.
        client.adapter.request("post", _LOOKUP, json=body)
    raise AccessDeniedError(f"Could not {doing}: the server changed its answer.")


def _list(settings: RevokeSettings, context: StepContext) -> frozenset[str] | None:
    """Return all accessors, None where the bot may not list them (it needs sudo)."""
    client = context.connections.vault(settings.store)
    try:
        with vault_errors(f"list the accessors of {settings.store}"):
            answer = client.adapter.request("list", _LIST)
    except AccessDeniedError:
        return None
    return frozenset((answer.get("data") or {}).get("keys") or ())
