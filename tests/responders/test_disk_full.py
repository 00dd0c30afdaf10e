"""The disk is full amid a run: what cannot be noted is not done, and a person goes on after."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from graph.errors import UnavailableError
from responders.incident import Case, IncidentState
from responders.ledger import Ledger
from tests.responders.room import ANA, REPORTER, Room, report

Until = Callable[..., Case]
Running = Callable[..., Room]


class Disk:
    """SQLite itself says that the disk is full while `full`: it may take no further page."""

    def __init__(self, ledger: Ledger) -> None:
        self.full = False
        event.listen(ledger.engine, "begin", self._before)

    def _before(self, connection: Any) -> None:
        raw = connection.connection.driver_connection
        pages = raw.execute("PRAGMA page_count").fetchone()[0] if self.full else 1_000_000
        raw.execute(f"PRAGMA max_page_count = {pages}")


@pytest.mark.parametrize("point", ["refresh:1:intent", "refresh:1:receipt", "refresh:1:verdict"])
def test_nothing_is_done_that_cannot_be_noted_and_a_person_goes_on(
    running: Running, until: Until, point: str
) -> None:
    disks: list[Disk] = []

    def passing(at: str) -> None:
        if at == point and disks:
            disks[0].full = True

    room = running(passing=passing)
    opened = room.desk.report(report())
    request = room.desk.ask_approval(opened.incident_id, REPORTER)
    disks.append(Disk(room.records.ledger))
    filler = "x" * 3000  # so that every entry needs a page of its own
    room.desk.vote(request.id, ANA, approve=True, reason=filler)
    until(room, opened.incident_id, IncidentState.RUNNING, where=lambda: disks[0].full)
    with pytest.raises(UnavailableError, match="full") as refused:
        room.desk.stop(opened.incident_id, ANA, filler * 40)
    assert "space" in refused.value.do_now
    case = room.desk.case(opened.incident_id)
    assert case.state is IncidentState.RUNNING, "what cannot be noted was done"
    assert "restart 1" not in room.effect_lines()

    disks.pop().full = False
    case = until(room, opened.incident_id, IncidentState.STOPPED, IncidentState.VERIFIED)
    if case.state is IncidentState.STOPPED:
        assert "Retry" in case.next_action
        room.desk.retry(case.id, ANA)
    until(room, case.id, IncidentState.VERIFIED)
    effects = room.effect_lines()
    assert len(set(effects)) == len(effects) == 7
    assert room.records.verify_audit().finding == "intact"
