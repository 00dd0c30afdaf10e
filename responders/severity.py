"""
How bad it is, by declared rules that explain themselves. Pure.

Rules are data in the configuration: each says when it holds, how severe that is, and why in
words. The most severe rule that holds decides; all that hold are given as reasons.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field, model_validator

from graph.model import Match
from graph.queries.blast_radius import BlastRadius
from graph.refs import with_key
from responders.incident import Severity

_RANK = {
    Severity.CRITICAL: 3,
    Severity.HIGH: 2,
    Severity.MEDIUM: 1,
    Severity.LOW: 0,
}


class SeverityRule(BaseModel):
    """
    One rule: every condition that is given must hold.

    `secrets` are globs over the refs that hold the value, `seen_in` over the place of the leak;
    `because` may use {consumers}, {readers}, {copies}, {opens}, {where}.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Severity
    because: str = Field(min_length=1)
    matched: bool | None = None
    current: bool | None = None
    detectors: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    seen_in: tuple[str, ...] = ()
    min_consumers: int | None = Field(default=None, ge=0)
    min_readers: int | None = Field(default=None, ge=0)
    min_opens: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _because_can_be_filled(self) -> "SeverityRule":
        try:
            self.because.format(consumers=0, readers=0, copies=0, opens=0, where="")
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError("because: uses an unknown {placeholder}") from error
        return self


DEFAULT_RULES = (
    SeverityRule(
        severity=Severity.CRITICAL,
        min_opens=1,
        because="it opens {opens} other things by itself",
    ),
    SeverityRule(
        severity=Severity.CRITICAL,
        current=True,
        min_consumers=5,
        because="{consumers} workloads run on it, and the leaked value is the current one",
    ),
    SeverityRule(
        severity=Severity.HIGH,
        current=True,
        because="the leaked value is the current one in a store",
    ),
    SeverityRule(
        severity=Severity.MEDIUM,
        matched=True,
        current=False,
        because="the leaked value was replaced in its store already; it may still be valid",
    ),
    SeverityRule(
        severity=Severity.MEDIUM,
        matched=False,
        because="it is in no store that Locksmith can see, so nobody knows what it opens",
    ),
)


@dataclass(frozen=True, slots=True)
class SeverityFacts:
    """What the rules look at."""

    detector: str
    matches: tuple[Match, ...]
    blast_radius: BlastRadius
    where: str = ""
    named: bool = False  # the reporter named the secret instead of giving the value


def is_worse(one: Severity, other: Severity) -> bool:
    return _RANK[one] > _RANK[other]


def assess(rules: Sequence[SeverityRule], facts: SeverityFacts) -> tuple[Severity, tuple[str, ...]]:
    """Return the severity and the reasons for it, the weightiest first."""
    holding = sorted(
        (rule for rule in rules if _holds(rule, facts)),
        key=lambda rule: _RANK[rule.severity],
        reverse=True,
    )
    if not holding:
        return Severity.LOW, ("no rule says that it is worse",)
    radius = facts.blast_radius
    reasons = (
        rule.because.format(
            consumers=len(radius.consumers),
            readers=len(radius.readers),
            copies=len(radius.copies),
            opens=len(radius.opens),
            where=facts.where,
        )
        for rule in holding
    )
    return holding[0].severity, tuple(dict.fromkeys(reasons))


def _holds(rule: SeverityRule, facts: SeverityFacts) -> bool:
    radius = facts.blast_radius
    known = bool(facts.matches) or facts.named or bool(radius.opens)
    in_store = bool(facts.matches) or facts.named
    current = facts.named or any(match.current for match in facts.matches)
    refs = [with_key(secret, key) for secret, key in radius.secrets]
    return all(
        (
            rule.matched is None or rule.matched is known,
            rule.current is None or (in_store and rule.current is current),
            _fits(rule.detectors, [facts.detector]),
            _fits(rule.secrets, refs),
            _fits(rule.seen_in, [facts.where]),
            rule.min_consumers is None or len(radius.consumers) >= rule.min_consumers,
            rule.min_readers is None or len(radius.readers) >= rule.min_readers,
            rule.min_opens is None or len(radius.opens) >= rule.min_opens,
        )
    )


def _fits(patterns: Sequence[str], values: Iterable[str]) -> bool:
    return not patterns or any(
        fnmatchcase(value, pattern) for value in values for pattern in patterns
    )
