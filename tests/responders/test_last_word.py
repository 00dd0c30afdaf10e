"""Of two people who decide at once the second changes nothing, and is told who was first."""

from collections.abc import Callable

import pytest

from graph.errors import LocksmithError
from responders.approvals import ApprovalPolicy, Member
from responders.incident import IncidentState, Severity
from tests.responders.room import ANA, BO, REPORTER, Room, report

Act = Callable[[], object]
WHY = "Seen by hand."
BOTH = {
    "group:security": [Member(ANA), Member(BO)],
    "group:night": [Member(ANA), Member(BO)],
}


def test_who_comes_second_is_told_by_name(make_room: Callable[..., Room]) -> None:
    policy = ApprovalPolicy(approvers=("group:security",), break_glass=("group:night",))
    room = make_room(policy=policy, members=BOTH)
    desk, incident = room.desk, room.desk.report(report()).incident_id

    def refused(act: Act, *words: str) -> None:
        before = desk.case(incident)
        with pytest.raises(LocksmithError) as told:
            act()
        for each in ("Ana", *words):
            assert each in str(told.value)
        assert "Bo" not in str(told.value).split("The last word")[-1]
        assert desk.case(incident).state is before.state, "nothing was changed"
        assert len(desk.case(incident).timeline) == len(before.timeline)

    request = desk.ask_approval(incident, REPORTER)
    desk.vote(request.id, ANA, approve=True)
    refused(lambda: desk.vote(request.id, BO, approve=False, reason=WHY), "approved")
    refused(lambda: desk.glass.run_alone(incident, BO, "It is public, and nobody is awake."))

    desk.stop(incident, ANA, "wrong window")
    refused(lambda: desk.stop(incident, BO, ""), "nothing runs", "wrong window")
    desk.retry(incident, ANA)
    refused(lambda: desk.retry(incident, BO), "not stopped", "Again: ")
    refused(lambda: desk.skip(incident, BO, "", WHY), "not stopped", "Again: ")

    desk.stop(incident, ANA, "again")
    desk.triage.change_severity(incident, ANA, Severity.LOW, "a sandbox account")
    refused(
        lambda: desk.triage.change_severity(incident, BO, Severity.LOW, WHY),
        "low already",
        "a sandbox account",
    )
    desk.close(incident, ANA, "the provider is gone")
    assert desk.case(incident).state is IncidentState.CLOSED
    for act in (
        lambda: desk.close(incident, BO, WHY),
        lambda: desk.dismiss(incident, BO, WHY),
        lambda: desk.stop(incident, BO, WHY),
        lambda: desk.triage.acknowledge(incident, BO),
        lambda: desk.triage.assign(incident, BO, BO),
    ):
        refused(act, "closed", "the provider is gone")
