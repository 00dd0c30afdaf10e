"""
The contract of a step: one kind of change to the world, journaled, verified, with a way back.

A member is one file in `responders/steps/` with one or more subclasses, named
"<module>.<verb>" ("vault_kv.rotate"). What the engine guarantees: an intent row before `apply`, a
result row after, `verify` after that; what a step must guarantee: `apply` is idempotent under
`context.key` (it reads before it writes), and nothing that it returns carries a plaintext, because
receipts are checkpointed and shown.

The module docstring of a member holds an `Example::` in YAML (settings) and a `Source:` line.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from graph.collector import Permission
from graph.connections import Connections
from graph.errors import LocksmithError, RefusedError, UnavailableError
from graph.fingerprints import Fingerprinter

Fact = str | int | float | bool | None | list[str]


class VerdictKind(StrEnum):
    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What `apply` did, in one sentence, and facts that `verify` and `undo` need. No plaintext."""

    sentence: str
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an independent look found. UNKNOWN stops the run and asks a person."""

    kind: VerdictKind
    sentence: str
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepContext:
    """
    What a step is given beside its settings.

    `key` is the idempotency key of this step of this plan; `began` is when this try of it did: a
    crash does not change it, a person who has the step tried again does; `receipts` are those of
    the steps done before, by their id in the plan ("rotate", "refresh:1", …); `progress` shows a
    sentence on the card while the step runs ("3 of 5 pods are on the new version"); `deadline` is
    when to give up waiting (then the verdict is UNKNOWN, never a guess).
    """

    connections: Connections
    fingerprinter: Fingerprinter
    key: str
    began: datetime
    incident_id: str
    receipts: Mapping[str, Receipt]
    progress: Callable[[str], None]
    now: Callable[[], datetime]
    deadline: datetime

    def attempts(self, *, seconds: float, every: float = 1.0) -> Iterator[None]:
        """Yield at once, then every `every` seconds until `seconds` or the deadline are over."""
        end = time.monotonic() + min(seconds, (self.deadline - self.now()).total_seconds())
        yield
        while (rest := end - time.monotonic()) > 0:
            time.sleep(min(every, rest))
            yield


class StepSettings(BaseModel):
    """The settings of one step in one plan: refs and numbers; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


SettingsT = TypeVar("SettingsT", bound=StepSettings)


class Step(ABC, Generic[SettingsT]):
    """One kind of change. Stateless: an instance is made once and used for every run."""

    name: ClassVar[str]
    permissions: ClassVar[tuple[Permission, ...]]
    reversible: ClassVar[bool]
    changes_world: ClassVar[bool] = True  # False: only looks; needs no allow-list entry
    final: ClassVar[bool] = False  # True: what it ends stays ended; approvers are warned of it
    follows: ClassVar[bool] = False  # taken back by doing it again, once what it copies is back
    makes: ClassVar[bool] = False  # it has a credential made, which ends when the run has gone back
    harmless: ClassVar[bool] = False  # what it leaves may stay when the run goes back
    by_hand: ClassVar[bool] = False  # people do it, so nobody here can take it back
    asks_use: ClassVar[bool] = False  # it asks the target itself who still uses the old value
    syncs: ClassVar[frozenset[str]] = frozenset()  # kinds of syncs that it makes copy
    Settings: type[SettingsT]

    @abstractmethod
    def preview(self, settings: SettingsT) -> str:
        """Say in one sentence what `apply` will do. Makes no call."""

    @abstractmethod
    def targets(self, settings: SettingsT) -> tuple[str, ...]:
        """Name what `apply` changes (refs, "issuer:NAME"): held against the allow-list."""

    @abstractmethod
    def apply(self, settings: SettingsT, context: StepContext) -> Receipt:
        """
        Change the world, once per `context.key`.

        Raises:
            UnavailableError: not reachable; the engine tries again.
            LocksmithError: it failed; the engine stops and offers the way back.
        """

    @abstractmethod
    def verify(self, settings: SettingsT, receipt: Receipt, context: StepContext) -> Verdict:
        """Look by another road whether it is so; never trust the receipt alone."""

    def shown_in(self, settings: SettingsT) -> str:
        """Name the audit log that shows each use of what this step ends, "" where none does."""
        return ""

    def undo(self, settings: SettingsT, receipt: Receipt, context: StepContext) -> Receipt:
        """Put it back. Only a step with `reversible = True` overrides this."""
        raise RefusedError(
            f"The step {self.name} cannot be undone.",
            means="What it changed stays changed.",
            do_now="Go forward: rotate to a third value instead.",
        )

    def verify_undo(
        self, settings: SettingsT, receipt: Receipt, undone: Receipt, context: StepContext
    ) -> Verdict:
        """
        Look by another road whether it is back: what `verify` saw must not be there any more.

        `receipt` is that of `apply`, `undone` that of `undo`.
        """
        seen = self.verify(settings, receipt, context)
        turned = {
            VerdictKind.CONFIRMED: VerdictKind.REFUTED,
            VerdictKind.REFUTED: VerdictKind.CONFIRMED,
        }
        return Verdict(turned.get(seen.kind, VerdictKind.UNKNOWN), seen.sentence, seen.facts)

    def clear_up(self, settings: SettingsT, undone: Receipt, context: StepContext) -> Receipt:
        """
        End what `apply` had made; only a step that `makes` something overrides this.

        Called once what was undone, and what follows it, is seen to be back; `undone` is the
        receipt of `undo` with what `verify_undo` found.
        """
        raise RefusedError(f"The step {self.name} makes nothing that could be ended.")

    def verify_cleared(self, settings: SettingsT, undone: Receipt, context: StepContext) -> Verdict:
        """Look by another road whether it is ended, and the former one still in use."""
        return Verdict(VerdictKind.UNKNOWN, f"{self.name} does not say whether it is ended.")


AnyStep = Step[Any]


def judged(look: Callable[[], Verdict], context: StepContext, *, patience: float = 15.0) -> Verdict:
    """
    Take an independent look; what stands in its way makes UNKNOWN, never a guess.

    An endpoint that is not reachable is asked again for `patience` seconds.
    """
    trouble: LocksmithError | None = None
    for _ in context.attempts(seconds=patience, every=1.0):
        try:
            return look()
        except UnavailableError as error:
            trouble = error
        except LocksmithError as error:
            trouble = error
            break
    sentence = trouble.happened if trouble else "There was no time left to look."
    facts: dict[str, Fact] = {"do_now": trouble.do_now} if trouble and trouble.do_now else {}
    return Verdict(VerdictKind.UNKNOWN, f"Could not be looked at: {sentence}", facts)
