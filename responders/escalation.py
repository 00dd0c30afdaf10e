"""
When a page is repeated and when the next tier is called. Pure.

A pager that could not take the page is tried again after growing waits, the last one again and
again while nobody at all was reached. When a tier took the page and nobody works on it within the
time that its severity allows, the next tier is called as well. “Works on it” is an acknowledgement,
or any deed of a person other than who reported it. Only the acknowledgement is handed on to the
pagers: a deed of one team must not silence the phone of another. For the same reason a page that
was answered where it rang quiets the call for its own owner only (`pages.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from responders.incident import Case, Person, Severity, TimelineEntry

ACKNOWLEDGED = "acknowledged"
ANSWERED, LET_GO = "page_answered", "page_let_go"  # where it rang: of one owner's page only
_BEGINNINGS = frozenset({"reported", "reopened"})
_NO_DEEDS = frozenset(
    {"reported", "reopened", "sighted", "removed", "recognised", "claimed", ANSWERED, LET_GO}
)
_OURS = "locksmith"


class PagingSettings(BaseModel):
    """
    How patient paging is. `retry_seconds`: waits between tries of a pager; the last one repeats.

    `escalate_minutes`: by severity, how long a tier has to react; a severity that is left out
    does not escalate by time (a tier that takes no page is passed over at once in any case).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    retry_seconds: tuple[float, ...] = Field(default=(15, 30, 60, 120, 300), min_length=1)
    escalate_minutes: Mapping[Severity, float] = {Severity.CRITICAL: 10, Severity.HIGH: 30}


def retry_at(
    settings: PagingSettings,
    now: datetime,
    *,
    tries: int,
    asked: float | None,
    reached: bool,
) -> datetime | None:
    """
    Say when a pager that failed `tries` times is tried again; None: not any more.

    `asked` is what the other side asked for; `reached`: the owner was reached another way.
    """
    waits = settings.retry_seconds
    if tries > len(waits) and reached:
        return None
    wait = waits[min(tries, len(waits)) - 1]
    return now + timedelta(seconds=max(wait, asked or 0))


def patience(settings: PagingSettings, severity: Severity) -> timedelta | None:
    """Say how long a tier that took the page has, until the next one is called too."""
    minutes = settings.escalate_minutes.get(severity)
    return None if minutes is None else timedelta(minutes=minutes)


def acknowledged(case: Case) -> TimelineEntry | None:
    """Return who took the incident over since it was (last) opened."""
    return next((each for each in _since_opened(case) if each.kind == ACKNOWLEDGED), None)


def worked_on(case: Case) -> TimelineEntry | None:
    """Return the first deed of a person who is not the reporter; any acknowledgement counts."""
    reporter = _shown(case.reporter)
    return next(
        (
            each
            for each in _since_opened(case)
            if each.kind == ACKNOWLEDGED
            or (each.actor not in {_OURS, reporter} and each.kind not in _NO_DEEDS)
        ),
        None,
    )


def _since_opened(case: Case) -> Sequence[TimelineEntry]:
    begun = [n for n, each in enumerate(case.timeline) if each.kind in _BEGINNINGS]
    return case.timeline[begun[-1] :] if begun else case.timeline


def _shown(person: Person) -> str:
    return person.name or person.identity
