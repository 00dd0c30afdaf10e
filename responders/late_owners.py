"""
Owners whose name appears only after an incident was opened: they are called then, not later.

A label, a catalogue or a Vault that was sealed at 3 a.m. may name an owner minutes after the
report. Whenever the graph has changed, the open incidents are compared with it; looks are some
seconds apart, because a live graph changes all the time. Two replicas may look: it is kept once.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from graph.queries.blast_radius import owners_at
from graph.queries.copies import origins
from graph.repository import GraphRepository
from responders.records import IncidentRecords

PAUSE = timedelta(seconds=5)


class LateOwners:
    """Part of the desk; housekeeping calls `look`. `page` starts a round of paging."""

    def __init__(
        self,
        records: IncidentRecords,
        graph: GraphRepository,
        page: Callable[[str, datetime], None],
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._graph = graph
        self._page = page
        self._now = now
        self._seen = -1  # the graph's revision
        self._next: datetime | None = None

    def look(self) -> None:
        """Call the owners that the graph names by now, of every incident that is open."""
        now = self._now()
        if self._next is not None and now < self._next:
            return
        self._next = now + PAUSE
        snapshot = self._graph.snapshot()
        if snapshot.revision == self._seen:
            return
        for incident_id, _, _ in self._records.still_open():
            secrets = self._records.case(incident_id).blast_radius.secrets
            named = owners_at(snapshot, origins(snapshot, secrets))
            if self._records.learn_owners(incident_id, named):
                self._page(incident_id, now)
        self._seen = snapshot.revision
