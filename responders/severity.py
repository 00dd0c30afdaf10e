"""
How bad it is, by declared rules that explain themselves. Pure.

Rules are data in the configuration: each says when it holds, how severe that is, and why in
words. The most severe rule that holds decides; all that hold are given as reasons.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field, model_validator

from graph.model import Match
from graph.queries.blast_radius import BlastRadius
from graph.refs import with_key
from responders.incident import Exposure, Severity

_OF_A_REF = re.compile(r"[a-z0-9]*(?:://|[*?\[])")  # a scheme, or a glob that may be one
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
    `min_people`, `min_guests` and `min_outsiders` count who could see that place, `open_to_all`
    says that everybody in the workspace could. `because` may use {consumers}, {readers}, {copies},
    {opens}, {where}, {people}, {guests}, {outsiders}, {apps}.
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
    min_people: int | None = Field(default=None, ge=0)
    min_guests: int | None = Field(default=None, ge=0)
    min_outsiders: int | None = Field(default=None, ge=0)
    open_to_all: bool | None = None

    @model_validator(mode="after")
    def _because_can_be_filled(self) -> "SeverityRule":
        try:
            _words(self, SeverityFacts(detector="", matches=(), blast_radius=BlastRadius()))
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            raise ValueError("because: uses an unknown {placeholder}") from error
        return self

    @model_validator(mode="after")
    def _can_hold(self) -> "SeverityRule":
        """Refuse what would never hold: nobody would notice a rule that is silent."""
        known = (
            ("current", self.current is not None),
            ("secrets", bool(self.secrets)),
            ("min_consumers", bool(self.min_consumers)),
            ("min_readers", bool(self.min_readers)),
            ("min_opens", bool(self.min_opens)),
        )
        for name, given in known:
            if given and self.matched is False:
                raise ValueError(
                    f"can never hold: `matched: false` is a value that nothing is known of, and "
                    f"`{name}` asks what is known of it"
                )
        for pattern in self.secrets:
            if not _OF_A_REF.match(pattern):
                raise ValueError(
                    f"can never hold: no ref begins like “{pattern}”; "
                    f"write “*/{pattern.lstrip('/')}”, or the whole ref as `uses` prints it"
                )
        return self


@dataclass(frozen=True, slots=True)
class SeverityFacts:
    """What the rules look at."""

    detector: str
    matches: tuple[Match, ...]
    blast_radius: BlastRadius
    where: str = ""
    named: bool = False  # the reporter named the secret instead of giving the value
    exposure: Exposure | None = None  # None: nobody counted who could see that place


def assess(
    rules: Sequence[SeverityRule], *places: SeverityFacts
) -> tuple[Severity, tuple[str, ...]]:
    """Return the severity in the worst of `places` and the reasons, the weightiest first."""
    holding = sorted(
        ((rule, facts) for facts in places for rule in rules if _holds(rule, facts)),
        key=lambda held: _RANK[held[0].severity],
        reverse=True,
    )
    if not holding:
        return Severity.LOW, ("no rule says that it is worse",)
    return holding[0][0].severity, tuple(dict.fromkeys(_words(*held) for held in holding))


def is_worse(one: Severity, other: Severity) -> bool:
    return _RANK[one] > _RANK[other]


def _words(rule: SeverityRule, facts: SeverityFacts) -> str:
    radius, exposure = facts.blast_radius, facts.exposure or Exposure()
    return rule.because.format(
        consumers=len(radius.consumers),
        readers=len(radius.readers),
        copies=len(radius.copies),
        opens=len(radius.opens),
        where=facts.where or "its place",
        people=exposure.people,
        guests=exposure.guests,
        outsiders=exposure.outsiders,
        apps=exposure.apps,
    )


def _holds(rule: SeverityRule, facts: SeverityFacts) -> bool:
    radius = facts.blast_radius
    known = bool(facts.matches) or facts.named or bool(radius.opens)
    in_store = bool(facts.matches) or facts.named
    current = facts.named or any(match.current for match in facts.matches)
    refs = [with_key(secret, key) for secret, key in radius.secrets]
    seen = facts.exposure or Exposure()
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
            rule.min_people is None or seen.people >= rule.min_people,
            rule.min_guests is None or seen.guests >= rule.min_guests,
            rule.min_outsiders is None or seen.outsiders >= rule.min_outsiders,
            rule.open_to_all is None or seen.open_to_all is rule.open_to_all,
        )
    )


def _fits(patterns: Sequence[str], values: Iterable[str]) -> bool:
    return not patterns or any(
        fnmatchcase(value, pattern) for value in values for pattern in patterns
    )


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
        severity=Severity.CRITICAL,
        current=True,
        min_outsiders=1,
        because="{outsiders} people of other organisations could read the current value in {where}",
    ),
    SeverityRule(
        severity=Severity.CRITICAL,
        current=True,
        min_people=100,
        because="{people} people could read the current value in {where}",
    ),
    SeverityRule(
        severity=Severity.HIGH,
        current=True,
        because="the leaked value is the current one in a store",
    ),
    SeverityRule(
        severity=Severity.HIGH,
        matched=False,
        min_outsiders=1,
        because="{outsiders} people of other organisations could read it in {where}",
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
