"""
One run of one playbook by the parts that `locksmith serve` wires, with its people played.

`play` brings the incident to its end from wherever it stands, as the people of a company would:
they report, ask, approve, do by hand what they are asked for, and retry what stopped. `Played`
tells what that took.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from bot.graph_parts import graph_parts
from bot.intake.intake import Intake, Seen
from bot.settings import Config
from bot.wiring import ResponseParts, response_parts
from graph.collect import collect
from graph.identify import identify
from responders.incident import Case, IncidentState, Person, StepState
from tests.crashes.place import Place
from tests.crashes.points import Points

RITA = Person("rita@example.com", "Rita")
BO = Person("bo@example.com", "Bo")
ANA = Person("ana@example.com", "Ana")
ENDED = {IncidentState.VERIFIED, IncidentState.CLOSED}
BY_HAND = "manual.confirm"

_SECONDS = 90


@dataclass
class Played:
    """How it ended, and what it took; `asked` are steps that stopped for a person."""

    state: str = ""
    asked: list[str] = field(default_factory=list)
    resumed: int = 0
    audit: str = ""
    steps: list[str] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)


def config_of(place: Place, folder: Path) -> Config:
    vault = {"address": place.town.openbao, "token": place.town.root_token, "mounts": [place.key]}
    team = {"members": [BO.identity, ANA.identity]}
    settings = {
        "data_folder": str(folder),
        "fingerprint": {"key": "6b" * 32},
        "vault": {"main": vault},
        "teams": {"security": team},
        "response": {"allow": ["*"], "retry_seconds": [0.2, 0.5]},
    }
    return Config.model_validate(settings | place.config())


def play(place: Place, folder: Path, *, points: Points | None = None) -> Played:
    """Play to the end; nothing is stopped or closed, because the process ends with it."""
    graph = graph_parts(config_of(place, folder))
    parts = response_parts(graph)
    parts.engine.launch()
    return _Company(place, parts, points).to_the_end()


class _Company:
    def __init__(self, place: Place, parts: ResponseParts, points: Points | None) -> None:
        self._place = place
        self._parts = parts
        self._desk = parts.desk
        self._points = points
        self._played = Played()

    def to_the_end(self) -> Played:
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            if self._is_running():
                time.sleep(0.05)  # between two looks at the rows
                continue
            cases = self._desk.cases()
            if cases and cases[0].state in ENDED:
                return self._tell(cases[0])
            if not cases:
                self._report()
            elif cases[0].state is not IncidentState.RUNNING:
                self._act(cases[0])
        return self._tell(self._desk.cases()[0])

    def _is_running(self) -> bool:
        """Ask for the state alone: a whole case is many queries."""
        found = self._parts.records.still_open()
        return any(state is IncidentState.RUNNING for _, state, _ in found)

    def _report(self) -> None:
        graph = self._parts.graph
        for _ in collect(graph.repository, graph.collect_context, now=graph.now()):
            pass
        if (seen := self._place.seen()) is not None:
            graph.repository.merge(seen, now=graph.now())
        intake, now = self._intake(), datetime.now(UTC)
        circumstances = Seen(reporter=RITA, where="https://chat/1", reported_at=now)
        if self._place.named:
            reports = (intake.from_name(self._place.named, circumstances),)
        else:
            reports = intake.from_value(self._place.value, circumstances).reports
        if kind := self._place.detector:
            reports = tuple(replace(one, detector=kind, detector_name=kind) for one in reports)
        self._desk.report(reports[0], reports[1:])

    def _intake(self) -> Intake:
        """Make one without detectors: that of a fork would load all its rules first."""
        graph = self._parts.graph
        return Intake(
            fingerprinter=graph.fingerprinter,
            index=graph.repository,
            detect=lambda text: (),
            identify=lambda value: identify(value, graph.connections),
            clock=graph.now,
        )

    def _act(self, case: Case) -> None:
        if case.state is IncidentState.PLANNED:
            assert case.plan is not None
            assert case.plan.playbook == self._place.playbook, case.plan.playbook
            if case.plan.order != self._place.order:
                self._as_person(lambda: self._desk.plan(case.id, self._place.order))
            self._as_person(lambda: self._desk.ask_approval(case.id, BO))
        elif case.state is IncidentState.WAITING and case.approval is not None:
            request_id = case.approval.id
            self._as_person(lambda: self._desk.vote(request_id, ANA, approve=True))
        elif case.state is IncidentState.STOPPED:
            self._go_on(case)
        else:
            raise AssertionError(f"{case.state}: {case.next_action}")

    def _go_on(self, case: Case) -> None:
        step = next(
            each
            for each in case.progress
            if each.state not in {StepState.CONFIRMED, StepState.SKIPPED}
        )
        step_id = step.step.id
        if step.step.use == BY_HAND and step.state is StepState.UNKNOWN:
            self._place.by_hand(step_id)
            self._as_person(lambda: self._desk.confirm(case.id, ANA, step_id, "done, see ticket 7"))
            return
        self._played.asked.append(f"{step_id}: {step.sentence}")
        if len(self._played.asked) > 5:
            raise AssertionError(f"it does not get on: {self._played.asked[-1]}")
        if evidence := self._place.answer(step.sentence):
            self._as_person(lambda: self._desk.confirm(case.id, ANA, step_id, evidence))
        else:
            self._as_person(lambda: self._desk.retry(case.id, ANA, step_id))

    def _as_person(self, act: Callable[[], object]) -> None:
        if self._points is None:
            act()
            return
        self._points.person_acts = True
        act()
        self._points.person_acts = False

    def _tell(self, case: Case) -> Played:
        played = self._played
        played.state = str(case.state)
        played.audit = str(self._parts.records.verify_audit().finding)
        played.steps = [str(each.state) for each in case.progress]
        played.resumed = sum(
            each.kind == "intent" and each.sentence.startswith("Takes up again")
            for each in case.timeline
        )
        return played
