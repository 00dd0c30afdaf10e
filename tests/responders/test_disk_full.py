"""The disk is full amid a run: what cannot be noted is not done, and a person goes on after."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import SQLModel

from graph.database import writing
from graph.errors import UnavailableError
from responders.incident import Case, IncidentState
from responders.ledger import Ledger
from tests.responders.room import ANA, REPORTER, Room, report

Until = Callable[..., Case]
Running = Callable[..., Room]


class Disk:
    """SQLite itself says that the disk is full: each new row wants a megabyte, and none is left."""

    def __init__(self, ledger: Ledger) -> None:
        self.full = False
        self._engine = ledger.engine
        self._tables = list(SQLModel.metadata.tables)
        event.listen(ledger.engine, "begin", self._before)
        with writing(self._engine) as connection:
            connection.exec_driver_sql("CREATE TABLE ballast (weight BLOB)")

    def fill(self) -> None:
        with writing(self._engine) as connection:
            for table in self._tables:
                connection.exec_driver_sql(
                    f'CREATE TRIGGER "heavy_{table}" BEFORE INSERT ON "{table}" '  # noqa: S608 - our own names
                    "BEGIN INSERT INTO ballast VALUES (zeroblob(1000000)); END"
                )
        self.full = True

    def free(self) -> None:
        self.full = False
        with writing(self._engine) as connection:
            for table in self._tables:
                connection.exec_driver_sql(f'DROP TRIGGER "heavy_{table}"')

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
        if at == point and disks and not disks[0].full:
            disks[0].fill()

    room = running(passing=passing)
    opened = room.desk.report(report())
    request = room.desk.ask_approval(opened.incident_id, REPORTER)
    disks.append(Disk(room.records.ledger))
    room.desk.vote(request.id, ANA, approve=True)
    until(room, opened.incident_id, IncidentState.RUNNING, where=lambda: disks[0].full)
    with pytest.raises(UnavailableError, match="full") as refused:
        room.desk.stop(opened.incident_id, ANA, "")
    assert "space" in refused.value.do_now
    case = room.desk.case(opened.incident_id)
    assert case.state is IncidentState.RUNNING, "what cannot be noted was done"
    assert "restart 1" not in room.effect_lines()

    disks.pop().free()
    case = until(room, opened.incident_id, IncidentState.STOPPED, IncidentState.VERIFIED)
    if case.state is IncidentState.STOPPED:
        assert "Retry" in case.next_action
        room.desk.retry(case.id, ANA)
    until(room, case.id, IncidentState.VERIFIED)
    effects = room.effect_lines()
    assert len(set(effects)) == len(effects) == 7
    assert room.records.verify_audit().finding == "intact"
