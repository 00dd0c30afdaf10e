"""
How fast incidents were dealt with: medians of the clocks, over all, per team and per credential.

Each clock is measured from the report; `exposed` is how long the value lay open before it. Drills
and false alarms do not count. A clock that an incident has not reached is left out of its median,
and `of` says how many have. Pure.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

CLOCKS = ("exposed", "acknowledged", "contained", "rotated", "proven_dead", "closed")


@dataclass(frozen=True, slots=True)
class Lived:
    """One incident, reduced to what is counted."""

    id: str
    severity: str
    state: str
    credential_type: str
    teams: tuple[str, ...]
    reported: datetime
    clocks: Mapping[str, datetime | None]


@dataclass(frozen=True, slots=True)
class Median:
    """Seconds; `of` incidents reached this clock."""

    seconds: float
    of: int


@dataclass(frozen=True, slots=True)
class Medians:
    """Of `incidents`; a clock that none reached is missing."""

    incidents: int
    clocks: Mapping[str, Median]


@dataclass(frozen=True, slots=True)
class Stats:
    all: Medians
    per_team: Mapping[str, Medians]
    per_credential_type: Mapping[str, Medians]


def stats(lived: Iterable[Lived], *, since: datetime | None = None) -> Stats:
    """Count what was reported at `since` or later."""
    counted = [one for one in lived if since is None or one.reported >= since]
    return Stats(
        _medians(counted),
        _grouped(counted, lambda one: one.teams or ("nobody",)),
        _grouped(counted, lambda one: (one.credential_type,)),
    )


def _grouped(
    lived: Sequence[Lived], names: Callable[[Lived], Iterable[str]]
) -> Mapping[str, Medians]:
    groups: dict[str, list[Lived]] = {}
    for one in lived:
        for name in names(one):
            groups.setdefault(name, []).append(one)
    return {name: _medians(groups[name]) for name in sorted(groups)}


def _medians(lived: Sequence[Lived]) -> Medians:
    found = {}
    for clock in CLOCKS:
        spans = [
            abs((moment - one.reported).total_seconds())
            for one in lived
            if (moment := one.clocks.get(clock)) is not None
        ]
        if spans:
            found[clock] = Median(median(spans), len(spans))
    return Medians(len(lived), found)
