"""
The bot beside the service: what `locksmith serve` wires, without Slack, and the people who act.

They leak, choose an order, ask and approve. Nothing is confirmed by hand and nothing is retried:
a run that stops fails the test, with what it said.
"""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

from bot.graph_parts import graph_parts, intake_of
from bot.intake.intake import Seen
from bot.settings import Config
from bot.wiring import response_parts
from graph.collect import collect
from responders.incident import Case, IncidentState, Person

RITA = Person("rita@example.com", "Rita")
BO = Person("bo@example.com", "Bo")
ANA = Person("ana@example.com", "Ana")
_BEGUN = {IncidentState.RUNNING, IncidentState.WAITING}


class Company(AbstractContextManager["Company"]):
    """One running bot; its files are in `folder`."""

    def __init__(self, folder: Path, sections: Mapping[str, Any]) -> None:
        settings: dict[str, Any] = {
            "data_folder": str(folder),
            "fingerprint": {"key": "6b" * 32},
            "teams": {"security": {"members": [BO.identity, ANA.identity]}},
            "response": {"allow": ["*"], "retry_seconds": [0.2, 0.5]},
        }
        self._graph = graph_parts(Config.model_validate(settings | dict(sections)))
        self._parts = response_parts(self._graph)

    def __enter__(self) -> Self:
        self._parts.engine.launch()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._parts.engine.stop(seconds=0)
        self._graph.close()

    def planned(self, value: str, order: str) -> Case:
        """Look at everything anew, report the value, choose the order."""
        graph, desk = self._graph, self._parts.desk
        for _ in collect(graph.repository, graph.collect_context, now=graph.now()):
            pass
        seen = Seen(reporter=RITA, where="https://chat/1", reported_at=graph.now())
        (report, *also) = intake_of(graph).from_value(value, seen).reports
        incident_id = desk.report(report, also).incident_id
        desk.plan(incident_id, order=order)
        return desk.case(incident_id)

    def carried_out(self, incident_id: str, *, seconds: float = 400) -> Case:
        """Ask, approve, and wait for the end."""
        desk = self._parts.desk
        asked = desk.ask_approval(incident_id, BO)
        desk.vote(asked.id, ANA, approve=True)
        deadline = time.monotonic() + seconds
        while (case := desk.case(incident_id)).state in _BEGUN:
            assert time.monotonic() < deadline, [(s.step.id, s.sentence) for s in case.progress]
            time.sleep(0.1)  # between two looks at the rows
        assert case.state in {IncidentState.VERIFIED, IncidentState.CLOSED}, case.next_action
        return case
