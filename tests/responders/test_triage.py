"""Taking an incident on, and saying how bad it is: who may, with which words, and what it does."""

from collections.abc import Callable

import pytest

from graph.errors import ConflictError, RefusedError
from responders.approvals import Member
from responders.incident import IncidentState, Severity
from responders.switchboard import PagerRoute
from tests.responders.room import ANA, AUTHOR, BO, CY, DIGEST, REPORTER, NotePager, Room, report


@pytest.fixture
def opened(room: Room) -> str:
    return room.desk.report(report()).incident_id


def test_anybody_raises_it_and_only_who_decides_lowers_it(room: Room, opened: str) -> None:
    triage = room.desk.triage
    case = room.desk.case(opened)
    assert case.severity is Severity.CRITICAL
    with pytest.raises(RefusedError, match="may not lower the severity"):
        triage.change_severity(opened, REPORTER, Severity.LOW, "it is nothing")
    with pytest.raises(RefusedError, match="reason is needed"):
        triage.change_severity(opened, ANA, Severity.LOW, " ")
    lowered = triage.change_severity(opened, ANA, Severity.LOW, "a sandbox account")
    assert lowered.severity is Severity.LOW
    assert lowered.severity_reasons[0] == "lowered from critical by Ana: a sandbox account"
    assert lowered.severity_reasons[1:] == case.severity_reasons
    raised = triage.change_severity(opened, CY, Severity.HIGH, "it opens billing after all")
    assert raised.severity_reasons[0].startswith("raised from low by Cy")
    with pytest.raises(RefusedError, match="high already"):
        triage.change_severity(opened, CY, Severity.HIGH, "again")
    said = [each for each in raised.timeline if each.kind == "severity"]
    assert [each.actor for each in said] == ["Ana", "Cy"]
    assert room.records.verify_audit().finding == "intact"


def test_a_later_report_does_not_overrule_a_person(room: Room) -> None:
    unknown = room.desk.report(report("99" * 32, matched=False)).incident_id
    room.desk.triage.change_severity(unknown, CY, Severity.HIGH, "I know what it opens")
    room.desk.report(report("99" * 32, where="https://chat/2"))
    case = room.desk.case(unknown)
    assert case.matches  # now it is known which secret it is, and rules would say critical
    assert case.severity is Severity.HIGH


def test_what_is_over_is_left_alone(room: Room, opened: str) -> None:
    room.desk.dismiss(opened, ANA, "a test value")
    for act in (
        lambda: room.desk.triage.acknowledge(opened, ANA),
        lambda: room.desk.triage.change_severity(opened, ANA, Severity.LOW, "why not"),
        lambda: room.desk.triage.assign(opened, ANA, BO),
    ):
        with pytest.raises(RefusedError, match="false_alarm"):
            act()


def test_an_acknowledgement_is_written_once_and_whoever_takes_over_is_named(
    room: Room, opened: str
) -> None:
    for person in (AUTHOR, AUTHOR, ANA):
        room.desk.triage.acknowledge(opened, person)
    case = room.desk.case(opened)
    said = [each for each in case.timeline if each.kind == "acknowledged"]
    assert [each.sentence for each in said] == ["Lee works on it.", "Ana works on it."]


def test_a_raised_severity_calls_those_who_answer_for_it(
    running: Callable[..., Room], until: Callable[..., object]
) -> None:
    everyday, alarm = NotePager(), NotePager()
    room = running(
        pagers=[
            PagerRoute("everyday", everyday),
            PagerRoute("alarm", alarm, severities=frozenset({Severity.CRITICAL})),
        ]
    )
    incident = room.desk.report(report(DIGEST[:-2] + "11", matched=False)).incident_id
    until(room, incident, IncidentState.PLANNED)
    room.desk.triage.change_severity(incident, CY, Severity.CRITICAL, "it is the root key")
    for _ in range(200):
        if alarm.pages:
            break
        until(room, incident, IncidentState.PLANNED)
    assert [page.severity for page in alarm.pages] == ["critical"]


def test_only_who_can_move_it_leads_it_and_a_hand_over_is_kept(room: Room, opened: str) -> None:
    assign = room.desk.triage.assign
    with pytest.raises(RefusedError, match="Cy may not say who leads") as refused:
        assign(opened, CY, CY)
    assert refused.value.do_now == "Ask Ana or Bo or Rita."
    with pytest.raises(RefusedError, match="Cy may not lead") as refused:
        assign(opened, ANA, CY)
    assert refused.value.do_now == "It can be led by Ana or Bo or Rita."
    case = assign(opened, ANA, ANA, seen="")
    assert case.lead is not None
    assert (case.lead.person, case.lead.note) == (ANA, "")
    with pytest.raises(ConflictError, match=r"Ana leads .* by now"):
        assign(opened, BO, BO, seen="")
    with pytest.raises(RefusedError, match=r"leads .* already"):
        assign(opened, BO, ANA)
    handed = assign(opened, ANA, BO, " the copy in legacy is open ", seen=case.lead.mark)
    assert handed.lead is not None
    assert (handed.lead.person, handed.lead.by) == (BO, ANA)
    said = [each.sentence for each in handed.timeline if each.kind == "assigned"]
    assert said == ["Ana leads it.", "Ana made Bo the lead: the copy in legacy is open"]
    assert handed.revision == case.revision + 1
    assert room.records.verify_audit().finding == "intact"


def test_who_left_the_approvers_still_hands_over(room: Room, opened: str) -> None:
    room.desk.triage.assign(opened, ANA, ANA)
    room.members = {"group:security": [Member(BO)]}
    with pytest.raises(RefusedError, match="Ana may not lead"):
        room.desk.triage.assign(opened, BO, ANA)
    handed = room.desk.triage.assign(opened, ANA, BO)
    assert handed.lead is not None
    assert handed.lead.person == BO
