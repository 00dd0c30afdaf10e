"""
The frame of a step that has a credential made elsewhere and keeps it in KV version 2.

What such steps share: the written version is read back and tried where it is used, and the way
back writes the former value as the newest version (`kv_way_back`). What makes the credential, and
how one is tried, is the step's own.
"""

from abc import abstractmethod
from typing import ClassVar, TypeVar

from pydantic import Field

from responders.kv_versions import KvSecret
from responders.kv_way_back import judged_back, put_back, written_back
from responders.step import (
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)


class KvFieldSettings(StepSettings):
    """`field` of `secret`, a secret in KV version 2, gets the new value."""

    secret: str
    field: str = Field(min_length=1)


KvFieldSettingsT = TypeVar("KvFieldSettingsT", bound=KvFieldSettings)


class KvRotation(Step[KvFieldSettingsT]):
    """
    Writes a new value as the secret's next version; its receipt has the fact `version`.

    `made_fact` names the fact with the issuer's name for what was made.
    """

    reversible: ClassVar[bool] = True
    made_fact: ClassVar[str] = ""

    @abstractmethod
    def tried(
        self, settings: KvFieldSettingsT, secret: KvSecret, current: int, context: StepContext
    ) -> Verdict:
        """Try what the `current` version of `secret` holds where it is used."""

    def fields_with_it(
        self, settings: KvFieldSettingsT, receipt: Receipt, context: StepContext
    ) -> tuple[str, ...]:
        """Name the fields that change together with `field`."""
        return ()

    def verify(self, settings: KvFieldSettingsT, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self.look(settings, receipt, context), context)

    def look(self, settings: KvFieldSettingsT, receipt: Receipt, context: StepContext) -> Verdict:
        """See whether the receipt's version, or a later one, is current; then try that."""
        version = int(str(receipt.facts["version"]))
        secret = KvSecret(settings.secret, context.connections)
        current = secret.look().current
        if current < version:
            return Verdict(
                VerdictKind.REFUTED,
                f"The current version of {settings.secret} is {current}, not {version}.",
            )
        return self.tried(settings, secret, current, context)

    def undo(self, settings: KvFieldSettingsT, receipt: Receipt, context: StepContext) -> Receipt:
        return put_back(
            settings.secret,
            settings.field,
            receipt,
            context,
            also=self.fields_with_it(settings, receipt, context),
            made=str(receipt.facts.get(self.made_fact) or ""),
        )

    def verify_undo(
        self, settings: KvFieldSettingsT, receipt: Receipt, undone: Receipt, context: StepContext
    ) -> Verdict:
        return judged_back(
            settings.secret,
            settings.field,
            receipt,
            undone,
            context,
            also=lambda: self.fields_with_it(settings, receipt, context),
            works=lambda: self.look(settings, written_back(undone), context),
        )
