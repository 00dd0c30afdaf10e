"""
Reaches the owners: tier by tier, until a pager says that it took the page.

All pagers of a tier are tried, so that a chat message does not stand in for a call; the next
tier only where none of them was confirmed. Each page is journaled like a step: intent, receipt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from responders.incident import Case, Severity
from responders.pager import Page, Pager
from responders.pages import PageBook

_SEVERITIES = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
}


@dataclass(frozen=True, slots=True)
class PagerRoute:
    """A configured pager; `tier` 1 is tried first. `owners` empty: it reaches everybody."""

    name: str
    pager: Pager[Any]
    tier: int = 1
    owners: frozenset[str] = frozenset()


class Switchboard:
    """Pages owners and calls it off when the incident is over."""

    def __init__(
        self,
        book: PageBook,
        routes: Sequence[PagerRoute],
        *,
        installation: str = "locksmith",
        link: str = "",
    ) -> None:
        self._book = book
        self._routes = sorted(routes, key=lambda route: (route.tier, route.name))
        self._installation = installation
        self._link = link  # "https://…/{incident}"; may be empty

    def page(self, case: Case, owner: str) -> bool:
        """Reach one owner; False where no pager of any tier took it."""
        page = self._page(case, owner)
        routes = [route for route in self._routes if not route.owners or owner in route.owners]
        for _, tier in groupby(routes, key=lambda route: route.tier):
            taken = [self._try(route, page) for route in tier]
            if any(taken):
                return True
        self._book.nobody(case.id, owner)
        return False

    def resolve(self, case: Case) -> None:
        """Tell every pager that took a page that it is over."""
        routes = {route.name: route for route in self._routes}
        for owner, name in self._book.to_resolve(case.id):
            if name in routes:
                receipt = routes[name].pager.resolve(self._page(case, owner))
                self._book.resolved(case.id, owner, name, receipt)

    def _try(self, route: PagerRoute, page: Page) -> bool:
        before = self._book.begin(page.incident_id, page.owner, route.name)
        if before is not None:
            return True
        receipt = route.pager.page(page)
        self._book.received(page.incident_id, page.owner, route.name, receipt)
        return receipt.confirmed

    def _page(self, case: Case, owner: str) -> Page:
        radius = case.blast_radius
        return Page(
            key=f"{self._installation}:{case.id}:{owner}",
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


def owners_to_page(case: Case, default_owner: str) -> tuple[str, ...]:
    """Name whom to page: the owners of what leaked, or the default where none is known."""
    named = dict.fromkeys(claim.owner for claim in case.blast_radius.owners)
    return tuple(named) or (default_owner,)
