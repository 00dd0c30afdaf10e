"""
What may be done at all, whoever approves: the mode and the allow-list. Pure.

No approval reaches beyond them. `observe` changes nothing; `suggest` changes what was approved;
`act` starts a plan without asking, inside the same allow-list.
"""

from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field

from graph.errors import RefusedError


class Mode(StrEnum):
    OBSERVE = "observe"
    SUGGEST = "suggest"
    ACT = "act"


class EngineSettings(BaseModel):
    """
    Mode, allow-list and patience of the engine.

    `allow` holds globs over refs ("k8s://prod/payments/*", "vault://main/kv/*"); `*` also fits
    slashes. `retry_seconds` are the waits between tries while something is not reachable.
    `silent_seconds`: for so long an audit log must have told of no use of the old value, where one
    shows it, before that is revoked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode = Mode.SUGGEST
    allow: tuple[str, ...] = ()
    apply_seconds: float = Field(default=600, gt=0)
    verify_seconds: float = Field(default=600, gt=0)
    retry_seconds: tuple[float, ...] = (1, 2, 5, 10, 30)
    lease_seconds: float = Field(default=30, gt=0)
    silent_seconds: float = Field(default=60, ge=0, le=300)

    def forbidden(self, targets: Iterable[str]) -> tuple[str, ...]:
        """Return the targets that no glob of the allow-list fits."""
        return tuple(
            target
            for target in targets
            if not any(fnmatchcase(target, pattern) for pattern in self.allow)
        )

    def require(self, targets: Iterable[str]) -> None:
        """
        Refuse what may not be changed.

        Raises:
            RefusedError: in mode observe, or a target outside the allow-list.
        """
        if self.mode is Mode.OBSERVE:
            raise RefusedError(
                "Locksmith runs in mode “observe”: it changes nothing.",
                means="The plan can be read and carried out by hand.",
                do_now="Set engine.mode to “suggest” to let approved plans run.",
            )
        outside = self.forbidden(targets)
        if outside:
            raise RefusedError(
                f"Not on the allow-list: {', '.join(outside[:5])}"
                + (f" and {len(outside) - 5} more." if len(outside) > 5 else "."),  # noqa: PLR2004 - as many as fit a line
                means="No approval can exceed the allow-list.",
                do_now="Who runs Locksmith adds a pattern to engine.allow, or does it by hand.",
            )
