"""Every deed by every kind of person: who may, and who is told why not and who can."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from graph.errors import LocksmithError, RefusedError
from responders.approvals import ApprovalPolicy, Member
from responders.incident import IncidentState, Person, Severity
from tests.responders.room import ANA, AUTHOR, BO, CY, REPORTER, Room, report

GUEST = Person("gus@example.com", "Gus")
ROBOT = Person("bot@example.com", "Robot")
STRANGER = Person("eve@elsewhere.example", "Eve")
DEE = Person("dee@example.com", "Dee")
NIGHT = Person("nina@example.com", "Nina")
BYSTANDER = Person("ben@example.com", "Ben")

# All of the first seven stand on the list of approvers; Bo asked for the approval.
PEOPLE: Mapping[str, Person] = {
    "approver": ANA,
    "requester": BO,
    "reporter": REPORTER,
    "author": AUTHOR,
    "guest": GUEST,
    "bot": ROBOT,
    "stranger": STRANGER,
    "owner": CY,
    "night watch": NIGHT,
    "bystander": BYSTANDER,
}
ON_THE_LIST = {"approver", "requester", "reporter", "author"}
POLICY = ApprovalPolicy(approvers=("group:security",), quorum=2, break_glass=("group:night",))
MEMBERS = {
    "group:security": [
        *(Member(one) for one in (ANA, DEE, BO, REPORTER, AUTHOR)),
        Member(GUEST, guest=True),
        Member(ROBOT, bot=True),
        Member(STRANGER, external=True),
    ],
    "group:night": [Member(NIGHT), Member(AUTHOR), Member(GUEST, guest=True)],
    "team:payments": [Member(CY)],
}
WHY = {
    "reporter": "reported the leak",
    "author": "leaked the value",
    "requester": "asked for this approval",
    "guest": "is a guest",
    "bot": "is a bot",
    "stranger": "belongs to another organisation",
}

Deed = Callable[[Room, str, Person], object]


def voting(*, approve: bool) -> Deed:
    def vote(room: Room, incident_id: str, person: Person) -> object:
        request = room.desk.case(incident_id).approval
        assert request is not None
        return room.desk.vote(request.id, person, approve=approve, reason="so it is")

    return vote


def severity(level: Severity) -> Deed:
    return lambda room, incident, who: room.desk.triage.change_severity(incident, who, level, "why")


DEEDS: Mapping[str, tuple[Deed, set[str]]] = {
    "approve": (voting(approve=True), {"approver"}),
    "deny": (voting(approve=False), {"approver"}),
    "break-glass": (
        lambda room, incident, who: room.desk.glass.run_alone(incident, who, "it burns"),
        {"night watch"},
    ),
    "review": (
        lambda room, incident, who: room.desk.glass.review(incident, who, "looked at it"),
        ON_THE_LIST,
    ),
    "stop": (lambda room, incident, who: room.desk.stop(incident, who, "wait"), set(PEOPLE)),
    "retry": (lambda room, incident, who: room.desk.retry(incident, who), ON_THE_LIST),
    "skip": (
        lambda room, incident, who: room.desk.skip(incident, who, "", "by hand"),
        {"approver", "requester"},
    ),
    "confirm": (
        lambda room, incident, who: room.desk.confirm(incident, who, "", "seen"),
        {*ON_THE_LIST, "owner"},
    ),
    "revoke although": (
        lambda room, incident, who: room.desk.waivers.waive(incident, who, "", "known"),
        {"approver", "requester"},
    ),
    "undo": (lambda room, incident, who: room.desk.undo(incident, who), ON_THE_LIST),
    "assign": (
        lambda room, incident, who: room.desk.triage.assign(incident, who, CY),
        {*ON_THE_LIST, "owner"},
    ),
    "raise": (severity(Severity.CRITICAL), set(PEOPLE)),
    "lower": (severity(Severity.LOW), {"approver", "requester"}),
    "acknowledge": (
        lambda room, incident, who: room.desk.triage.acknowledge(incident, who),
        set(PEOPLE),
    ),
    "close with a waiver": (
        lambda room, incident, who: room.desk.close(incident, who, "good enough"),
        {"approver", "requester"},
    ),
    "false alarm": (
        lambda room, incident, who: room.desk.dismiss(incident, who, "a test value"),
        {"approver", "requester"},
    ),
}


def waiting(room: Room, number: int) -> str:
    """Open an incident in which Bo asked for approval."""
    incident_id = room.desk.report(report(f"{number:064x}")).incident_id
    room.desk.ask_approval(incident_id, BO)
    assert room.desk.case(incident_id).state is IncidentState.WAITING
    return incident_id


@pytest.fixture
def company(running: Callable[..., Room]) -> Room:
    return running(policy=POLICY, members=MEMBERS)


def refusal(deed: Deed, *asked: Any) -> str:
    """The words with which a person is told that it is not theirs to do; "" if it is."""
    try:
        deed(*asked)
    except RefusedError as error:
        return str(error) if " may not " in error.happened else ""
    except LocksmithError:
        return ""  # theirs, but not at this point of the incident
    return ""


def test_each_deed_is_theirs_who_may_and_the_others_are_told_why_and_who_can(
    company: Room,
) -> None:
    incident_id = waiting(company, 1)
    told: dict[tuple[str, str], str] = {}
    for deed, (act, may) in DEEDS.items():
        for kind in set(PEOPLE) - may:
            words = refusal(act, company, incident_id, PEOPLE[kind])
            assert words, f"{kind} may {deed}"
            assert "Nothing was changed." in words
            assert "Ask " in words, f"{kind} is not told who can {deed}"
            assert "Ask nobody" not in words
            told[deed, kind] = words
    assert company.desk.case(incident_id).state is IncidentState.WAITING
    for kind, why in WHY.items():
        assert why in told["approve", kind]
    assert told["approve", "bystander"].endswith("Ask Ana or Dee.")
    assert told["break-glass", "approver"].endswith("Ask Nina.")
    assert told["confirm", "bystander"].endswith("Ask Ana or Bo or Cy or Dee or Lee or Rita.")


def test_who_may_is_not_refused(company: Room) -> None:
    for number, (deed, (act, may)) in enumerate(DEEDS.items()):
        for kind in sorted(may):
            digest = 100 * number + list(PEOPLE).index(kind) + 1
            words = refusal(act, company, waiting(company, digest), PEOPLE[kind])
            assert not words, f"{deed}: {words}"
