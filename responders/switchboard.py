"""
Reaches the owners: tier by tier, until a pager says that it took the page.

All pagers of a tier are tried, so that a chat message does not stand in for a call; the next
tier at once where none of them took it, and later where nobody works on it in time. The last tier
of every owner is whoever is on call for security (`default_owner`). Each page is journaled like a
step: intent, receipt. `page` is one round and safe to repeat; what is left to do stands in the
rows with its moment, and `due` names the incidents whose moment has come.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.parse import quote

from responders.escalation import (
    PagingSettings,
    acknowledged,
    patience,
    retry_at,
    worked_on,
)
from responders.incident import OPEN_STATES, Case, Severity
from responders.pager import Page, PageAnswer, Pager, PageReceipt
from responders.pages import Line, PageBook

_LONGEST_KEY = 255  # characters; PagerDuty's limit is the smallest

_SEVERITIES = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
}


@dataclass(frozen=True, slots=True)
class PagerRoute:
    """
    A configured pager; `tier` 1 is tried first. `owners` empty: it reaches everybody.

    `severities` empty: it takes every incident.
    """

    name: str
    pager: Pager[Any]
    tier: int = 1
    owners: frozenset[str] = frozenset()
    severities: frozenset[Severity] = frozenset()


class Switchboard:
    """Pages owners and calls it off when the incident is over."""

    def __init__(
        self,
        book: PageBook,
        routes: Sequence[PagerRoute],
        *,
        installation: str = "locksmith",
        link: str = "",
        settings: PagingSettings | None = None,
        default_owner: str = "",
    ) -> None:
        self.routes = tuple(sorted(routes, key=lambda route: (route.tier, route.name)))
        self._book = book
        self._installation = installation
        self._link = link  # "https://…/{incident}"; may be empty
        self._settings = settings or PagingSettings()
        self._default_owner = default_owner

    def owners(self, case: Case, default_owner: str) -> tuple[str, ...]:
        """Name whom to page, and everybody who was paged already."""
        before = self._book.owners(case.id)
        return tuple(dict.fromkeys([*owners_to_page(case, default_owner), *before]))

    def due(self) -> tuple[tuple[str, str], ...]:
        """Return (incident, name of the round) of each incident that needs a round now."""
        return self._book.due()

    def page(self, case: Case, owner: str) -> bool:
        """Do what is to be done for one owner now; False where no pager of any tier took it."""
        began, reached = self._book.now, True
        if case.state not in OPEN_STATES:
            self._call_off(case, owner)
        else:
            reached = self._reach(case, owner)
            if entry := acknowledged(case):
                self._acknowledge(case, owner, entry.actor)
        self._book.quiet(case.id, owner, began)
        return reached

    def answered(self, answer: PageAnswer) -> str:
        """Keep what somebody did with a page where it rang; return its incident, or ""."""
        named = answer.key.removeprefix(_key(self._installation, "", "").removesuffix(":"))
        incident_id = named.partition(":")[0]
        for owner in self._book.owners(incident_id) if named != answer.key else ():
            if _key(self._installation, incident_id, owner) == answer.key:
                return incident_id if self._book.answered(incident_id, owner, answer) else ""
        return ""

    def resolve(self, case: Case) -> None:
        """Tell every pager that took a page that it is over."""
        for owner in self._book.owners(case.id):
            self._call_off(case, owner)

    def _reach(self, case: Case, owner: str) -> bool:
        own, lines = self._book.lines(case.id, owner)
        now, page = self._book.now, self._page(case, owner)
        tiers = self._tiers(case, owner)
        before = any(line.confirmed for line in lines.values())
        quiet = own.answered or worked_on(case) is not None
        wait = None if quiet else patience(self._settings, case.severity)
        late = before and wait is not None and own.due_at is not None and own.due_at <= now
        last = min(own.tier + 1, len(tiers) - 1) if late else own.tier
        at, reached = -1, False
        for at, tier in enumerate(tiers):
            taken = [self._try(route, page, lines.get(route.name), before=before) for route in tier]
            reached = reached or any(taken)
            if reached and at >= last:
                break
        if not reached and not before:
            self._book.nobody(case.id, owner)
            return False
        because = ""
        if late and last > own.tier:
            because = f"Nobody took on the page of {owner} in time: the next tier is called."
        due_at = None
        if wait is not None and at + 1 < len(tiers):
            waiting = before and not late and own.tier == at
            due_at = (own.due_at if waiting else None) or now + wait
        self._book.reached(case.id, owner, tier=max(at, 0), due_at=due_at, because=because)
        return True

    def _try(self, route: PagerRoute, page: Page, line: Line | None, *, before: bool) -> bool:
        now = self._book.now
        if line is not None:
            if line.confirmed:
                return True
            early = self._is_early(line)
            if early and not line.answered:
                return True  # another round is calling, and sees to what follows
            if line.final or early or (line.tries and line.due_at is None):
                return False
        if not self._book.begin(page.incident_id, page.owner, route.name):
            return True
        receipt = route.pager.page(page)
        tries = (line.tries if line else 0) + 1
        due_at = None
        if not (receipt.confirmed or receipt.final):
            due_at = retry_at(
                self._settings, now, tries=tries, asked=receipt.retry_after, reached=before
            )
        self._book.received(page.incident_id, page.owner, route.name, receipt, due_at=due_at)
        return receipt.confirmed

    def _acknowledge(self, case: Case, owner: str, who: str) -> None:
        """Hand on, to each pager that rang for it, that somebody works on it."""
        for route, line in self._taken(case, owner):
            if line.acknowledged or self._is_early(line):
                continue
            if not route.pager.acknowledges:
                self._book.acknowledged(case.id, owner, route.name, None)
                continue
            if not self._book.tells(case.id, owner, route.name, f"{who} works on {case.id}"):
                continue
            receipt = route.pager.acknowledge(self._page(case, owner))
            due_at = self._again(receipt, line)
            self._book.acknowledged(case.id, owner, route.name, receipt, due_at=due_at)

    def _call_off(self, case: Case, owner: str) -> None:
        for route, line in self._taken(case, owner):
            if line.resolved or self._is_early(line):
                continue
            if not self._book.tells(case.id, owner, route.name, f"{case.id} is over", over=True):
                continue
            receipt = route.pager.resolve(self._page(case, owner))
            due_at = self._again(receipt, line)
            self._book.resolved(case.id, owner, route.name, receipt, due_at=due_at)

    def _taken(self, case: Case, owner: str) -> list[tuple[PagerRoute, Line]]:
        _, lines = self._book.lines(case.id, owner)
        known = {route.name: route for route in self.routes}
        return [
            (known[name], line)
            for name, line in sorted(lines.items())
            if line.confirmed and name in known
        ]

    def _again(self, receipt: PageReceipt, line: Line) -> datetime | None:
        if receipt.confirmed or receipt.final:
            return None
        return retry_at(
            self._settings,
            self._book.now,
            tries=line.tries + 1,
            asked=receipt.retry_after,
            reached=True,
        )

    def _is_early(self, line: Line) -> bool:
        return line.due_at is not None and self._book.now < line.due_at

    def _tiers(self, case: Case, owner: str) -> list[list[PagerRoute]]:
        def fits(route: PagerRoute, owner: str) -> bool:
            answers = not route.owners or owner in route.owners
            return answers and (not route.severities or case.severity in route.severities)

        own = [route for route in self.routes if fits(route, owner)]
        rest = [
            route
            for route in self.routes
            if fits(route, self._default_owner) and route not in own and self._default_owner
        ]
        return [
            list(tier)
            for routes in (own, rest)
            for _, tier in groupby(routes, key=lambda route: route.tier)
        ]

    def _page(self, case: Case, owner: str) -> Page:
        radius = case.blast_radius
        return Page(
            key=_key(self._installation, case.id, owner),
            incident_id=case.id,
            owner=owner,
            severity=_SEVERITIES[case.severity],
            summary=f"{case.title} ({case.severity})",
            details=(
                ("Incident", case.id),
                ("What", case.detector_name),
                ("Consumers", str(len(radius.consumers))),
                ("Copies", str(len(radius.copies))),
                ("Next", case.next_action),
            ),
            link=self._link.replace("{incident}", case.id),
        )


def _key(installation: str, incident_id: str, owner: str) -> str:
    """Name the alert that repeats fold into: plain ASCII, and short enough for every system."""
    key = quote(f"locksmith:{installation}:{incident_id}:{owner}", safe=":@/")
    if len(key) <= _LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return f"{key[: _LONGEST_KEY - len(digest) - 1]}:{digest}"


def owners_to_page(case: Case, default_owner: str) -> tuple[str, ...]:
    """Name whom to page: the owners of what leaked, or the default where none is known."""
    named = dict.fromkeys(claim.owner for claim in case.blast_radius.owners)
    return tuple(named) or (default_owner,)
