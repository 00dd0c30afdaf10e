"""
An entity of Vault or OpenBao, disabled: all its tokens are refused at once, whoever logged in how.

Broader than the revocation of one token, for when the person or machine behind it is in doubt. The
tokens are not revoked: to enable the entity makes those that have not expired work again. That is
the way back, and why it is no substitute for revoking a leaked token.

The step marks the entity in its metadata, so that a repeat after a crash and the way back know who
disabled it: what somebody else had disabled before is not enabled again.

The server's "done" is not believed (see hashicorp/vault#29392 for its shape): the entity is read
again, by its id and by its name.

Example::

    vault_identity.disable_entity: {store: main, entity: "7d2e3179-f69b-450c-7179-ac8ee8bd8ca9"}

Source: https://openbao.org/api-docs/secret/identity/entity/ (disabled) and
https://openbao.org/docs/concepts/identity/
"""

from typing import Any, ClassVar

from pydantic import Field, field_validator

from graph import refs
from graph.collector import Permission
from graph.errors import ConflictError
from responders.step import (
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)

_MARK = "locksmith_step"


class DisableEntitySettings(StepSettings):
    """`store` is the configured name ("vault://main" is understood); `entity` is an id."""

    store: str
    entity: str = Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9-]+$")

    @field_validator("store")
    @classmethod
    def _bare_name(cls, store: str) -> str:
        return store.removeprefix("vault://").strip("/")


class DisableEntity(Step[DisableEntitySettings]):
    """Disables one entity; undo enables it, unless somebody else had disabled it."""

    name: ClassVar[str] = "vault_identity.disable_entity"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "vault",
            'path "identity/entity/id/ID" { capabilities = ["read", "update"] }',
            "disable the entity, read it again",
        ),
        Permission(
            "vault",
            'path "identity/entity/name/NAME" { capabilities = ["read"] }',
            "read it again by another road",
        ),
    )
    reversible: ClassVar[bool] = True
    Settings = DisableEntitySettings

    def preview(self, settings: DisableEntitySettings) -> str:
        return (
            f"Disables the entity {settings.entity} in {settings.store}: every token of it is"
            " refused from that moment, until it is enabled again."
        )

    def targets(self, settings: DisableEntitySettings) -> tuple[str, ...]:
        return (refs.vault(settings.store, "identity", f"entity/id/{settings.entity}"),)

    def apply(self, settings: DisableEntitySettings, context: StepContext) -> Receipt:
        found = _read(settings, context, f"id/{settings.entity}")
        name, metadata = str(found.get("name") or ""), _metadata(found)
        if found.get("disabled") is True:
            ours = metadata.get(_MARK) == context.key
            said = "is disabled" if ours else "was disabled before, by somebody else"
            return Receipt(f"The entity {name} {said}.", {"name": name, "ours": ours})
        _write(settings, context, {"disabled": True, "metadata": metadata | {_MARK: context.key}})
        return Receipt(
            f"The store took the order to disable the entity {name}.", {"name": name, "ours": True}
        )

    def verify(
        self, settings: DisableEntitySettings, receipt: Receipt, context: StepContext
    ) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(
        self, settings: DisableEntitySettings, receipt: Receipt, context: StepContext
    ) -> Verdict:
        name = str(receipt.facts.get("name") or "")
        looks = [_read(settings, context, f"id/{settings.entity}")]
        looks += [_read(settings, context, f"name/{name}")] if name else []
        if any(look.get("disabled") is not True for look in looks):
            return Verdict(
                VerdictKind.REFUTED, f"The entity {name or settings.entity} is not disabled."
            )
        return Verdict(
            VerdictKind.CONFIRMED,
            f"Read back: the entity {name or settings.entity} is disabled; the store refuses every"
            " token of it.",
        )

    def undo(
        self, settings: DisableEntitySettings, receipt: Receipt, context: StepContext
    ) -> Receipt:
        """
        Enable it again.

        Raises:
            ConflictError: the store does not show it as enabled afterwards.
        """
        found = _read(settings, context, f"id/{settings.entity}")
        name, metadata = str(found.get("name") or ""), _metadata(found)
        if receipt.facts.get("ours") is not True:
            return Receipt(f"The entity {name} stays disabled: somebody else had done it before.")
        kept = {key: value for key, value in metadata.items() if key != _MARK}
        _write(settings, context, {"disabled": False, "metadata": kept})
        if _read(settings, context, f"id/{settings.entity}").get("disabled") is True:
            raise ConflictError(
                f"The entity {name} is still disabled, though the store took the order.",
                do_now="Enable it by hand: bao write identity/entity/id/ID disabled=false.",
            )
        return Receipt(f"The entity {name} is enabled again.")


def _metadata(found: dict[str, Any]) -> dict[str, str]:
    metadata = found.get("metadata")
    return dict(metadata) if isinstance(metadata, dict) else {}


def _read(settings: DisableEntitySettings, context: StepContext, what: str) -> dict[str, Any]:
    return context.connections.ask_vault(
        settings.store,
        "get",
        f"identity/entity/{what}",
        doing=f"read an entity of {settings.store}",
    )


def _write(settings: DisableEntitySettings, context: StepContext, body: dict[str, Any]) -> None:
    context.connections.ask_vault(
        settings.store,
        "post",
        f"identity/entity/id/{settings.entity}",
        doing=f"change an entity of {settings.store}",
        body=body,
    )
