"""
What a machine cannot do or prove here: a person does it, and says with which evidence.

The step changes nothing itself. `verify` answers UNKNOWN until a person has confirmed it in the
incident, so that the run stops and the card shows the instructions; the confirmation and its
evidence are recorded by the engine in that person's name.

Example::

    manual.confirm:
      title: Revoke the key at the provider
      instructions: Revoke the key in the provider's console; paste the link of the audit entry.
      deadline_hours: 4

Source: the three-valued verdicts of docs/architecture.md; nothing outside is called.
"""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from graph.collector import Permission
from responders.step import (
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
)


class ConfirmSettings(StepSettings):
    """`deadline_hours` is when the card starts to call it late; nothing happens by itself."""

    title: str = ""
    instructions: str = Field(min_length=1)
    deadline_hours: float = Field(default=24.0, gt=0)


class Confirm(Step[ConfirmSettings]):
    """Asks a person, and waits for their word."""

    name: ClassVar[str] = "manual.confirm"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission("people", "an owner or a responder", "does what is asked and says how it went"),
    )
    reversible: ClassVar[bool] = False
    changes_world: ClassVar[bool] = False
    Settings = ConfirmSettings

    def preview(self, settings: ConfirmSettings) -> str:
        return f"Asks a person: {settings.instructions}"

    def targets(self, settings: ConfirmSettings) -> tuple[str, ...]:
        return ()

    def apply(self, settings: ConfirmSettings, context: StepContext) -> Receipt:
        due = context.now() + timedelta(hours=settings.deadline_hours)
        return Receipt(
            f"Asked until {due:%Y-%m-%d %H:%M} UTC: {settings.instructions}",
            {"due": due.isoformat(), "instructions": settings.instructions},
        )

    def verify(self, settings: ConfirmSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return Verdict(
            VerdictKind.UNKNOWN,
            f"Waits for a person: {settings.instructions}",
            {"due": receipt.facts.get("due"), "do_now": "Do it, then confirm with the evidence."},
        )
