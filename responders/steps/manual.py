"""
What a machine cannot do or prove here: a person does it, and says with which evidence.

The step changes nothing itself. `verify` answers UNKNOWN until a person has confirmed it in the
incident, so that the run stops and the card shows the instructions; the confirmation and its
evidence, without which it is not taken, are recorded by the engine in that person's name. `who`
says whom it is meant for (who may confirm is the approval policy's business), `evidence` what to
bring.

Example::

    manual.confirm:
      title: Revoke the key at the provider
      instructions: Revoke the key in the provider's console; paste the link of the audit entry.
      deadline_hours: 4
      who: an administrator of the provider
      evidence: the link of the provider's audit entry

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
    who: str = Field(default="an owner or a responder", min_length=1)
    evidence: str = Field(default="how you know: a link, a ticket", min_length=1)


class Confirm(Step[ConfirmSettings]):
    """Asks a person, and waits for their word."""

    name: ClassVar[str] = "manual.confirm"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission("people", "an owner or a responder", "does what is asked and says how it went"),
    )
    reversible: ClassVar[bool] = False
    changes_world: ClassVar[bool] = False
    by_hand: ClassVar[bool] = True
    Settings = ConfirmSettings

    def preview(self, settings: ConfirmSettings) -> str:
        return (
            f"Asks {settings.who} to do it within {settings.deadline_hours:g} hours, with evidence"
            f" ({settings.evidence}): {settings.instructions}"
        )

    def targets(self, settings: ConfirmSettings) -> tuple[str, ...]:
        return ()

    def apply(self, settings: ConfirmSettings, context: StepContext) -> Receipt:
        due = context.now() + timedelta(hours=settings.deadline_hours)
        return Receipt(
            f"Asked {settings.who} until {due:%Y-%m-%d %H:%M} UTC: {settings.instructions}",
            {
                "due": due.isoformat(),
                "instructions": settings.instructions,
                "who": settings.who,
                "evidence": settings.evidence,
            },
        )

    def verify(self, settings: ConfirmSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return Verdict(
            VerdictKind.UNKNOWN,
            f"Waits for {settings.who}: {settings.instructions}",
            {
                "due": receipt.facts.get("due"),
                "do_now": f"Do it, then confirm with the evidence ({settings.evidence}).",
            },
        )
