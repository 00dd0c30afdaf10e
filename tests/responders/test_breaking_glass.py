"""Break-glass and calls for those who decide: one person alone, a reason, a page, a review."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from graph.errors import ConflictError, RefusedError
from responders.approvals import ApprovalPolicy, Member
from responders.incident import ApprovalState, Case, IncidentState
from responders.limits import EngineSettings, Mode
from responders.switchboard import PagerRoute
from tests.responders.room import ANA, AUTHOR, BO, REPORTER, Clock, NotePager, Room, report

Until = Callable[..., Case]
Running = Callable[..., Room]

REASON = "The quorum sleeps and the token is on a public page."
GLASS = ApprovalPolicy(
    approvers=("group:security",), quorum=2, break_glass=("group:night",), escalate_minutes=30
)
MEMBERS = {
    "group:security": [Member(ANA), Member(BO)],
    "group:night": [Member(ANA), Member(REPORTER), Member(AUTHOR)],
}


def opened(room: Room) -> str:
    return room.desk.report(report()).incident_id


def test_one_person_runs_it_alone_and_it_stays_open_until_it_is_reviewed(
    running: Running, until: Until
) -> None:
    pager = NotePager()
    room = running(policy=GLASS, members=MEMBERS, pagers=[PagerRoute("note", pager)])
    incident_id = opened(room)
    request = room.desk.ask_approval(incident_id, REPORTER)
    room.desk.glass.run_alone(incident_id, ANA, REASON)
    case = until(room, incident_id, IncidentState.VERIFIED, IncidentState.STOPPED)
    assert case.state is IncidentState.VERIFIED
    assert room.records.ballot.find(request.id).request.state is ApprovalState.VOID
    assert case.next_action.startswith("BREAK-GLASS: Ana ran plan")
    assert REASON in case.next_action
    assert "Another approver reviews that; no reason stands in for it." in case.next_action
    assert case.emergency is not None
    assert case.emergency.plan_hash == case.plan.hash  # type: ignore[union-attr]
    told = [each for each in case.timeline if each.kind == "broke_glass"]
    assert [each.actor for each in told] == ["Ana"]

    # Whoever is on call for security hears of it, beside the owners.
    until(room, incident_id, IncidentState.VERIFIED, where=lambda: len(pager.pages) == 2)
    assert any("Ana ran" in page.owner for page in pager.pages)

    with pytest.raises(RefusedError, match="nobody else has reviewed it"):
        room.desk.close(incident_id, BO, waiver="all good")
    with pytest.raises(RefusedError, match="cannot be closed yet"):
        room.desk.dismiss(incident_id, BO, "it was nothing")
    with pytest.raises(RefusedError, match="run of their own"):
        room.desk.glass.review(incident_id, ANA, "I was right")
    with pytest.raises(RefusedError, match="may not review"):
        room.desk.glass.review(incident_id, REPORTER, "Ana was right")
    with pytest.raises(RefusedError, match="needs words"):
        room.desk.glass.review(incident_id, BO, " ")
    room.desk.glass.review(incident_id, BO, "Right; we need a second person on call.")
    assert "BREAK-GLASS" not in room.desk.case(incident_id).next_action
    room.desk.close(incident_id, BO, waiver="The bare pod was deleted by hand.")
    with pytest.raises(RefusedError, match="waits for a review"):
        room.desk.glass.review(incident_id, BO, "again")


def test_who_may_not_run_a_plan_alone(make_room: Callable[..., Room]) -> None:
    room = make_room(policy=GLASS, members=MEMBERS)
    incident_id = opened(room)
    with pytest.raises(RefusedError, match="leaked the value"):
        room.desk.glass.run_alone(incident_id, AUTHOR, REASON)
    with pytest.raises(RefusedError, match="not on the approver list"):
        room.desk.glass.run_alone(incident_id, BO, REASON)
    with pytest.raises(RefusedError, match="a reason is needed"):
        room.desk.glass.run_alone(incident_id, ANA, "urgent")
    assert room.desk.case(incident_id).state is IncidentState.PLANNED


def test_where_it_is_not_set_up_nobody_may(room: Room) -> None:
    incident_id = opened(room)
    with pytest.raises(RefusedError, match="Nobody may run a plan alone") as refused:
        room.desk.glass.run_alone(incident_id, ANA, REASON)
    assert "approvals.break_glass" in refused.value.do_now


def test_it_reaches_no_further_than_the_allow_list_and_the_mode(
    make_room: Callable[..., Room],
) -> None:
    for settings in (EngineSettings(), EngineSettings(mode=Mode.OBSERVE, allow=("*",))):
        room = make_room(policy=GLASS, members=MEMBERS, settings=settings)
        with pytest.raises(RefusedError, match=r"allow-list|observe"):
            room.desk.glass.run_alone(opened(room), ANA, REASON)


def test_only_the_plan_that_was_seen_is_run(make_room: Callable[..., Room]) -> None:
    room = make_room(policy=GLASS, members=MEMBERS)
    incident_id = opened(room)
    seen = room.desk.case(incident_id).plan
    assert seen is not None
    room.desk.plan(incident_id, "revoke-first", person=BO)
    with pytest.raises(ConflictError, match="plan has changed"):
        room.desk.glass.run_alone(incident_id, ANA, REASON, plan_hash=seen.hash)
    assert room.desk.case(incident_id).state is IncidentState.PLANNED
    now = room.desk.case(incident_id).plan
    assert now is not None
    room.desk.glass.run_alone(incident_id, ANA, REASON, plan_hash=now.hash)
    assert room.desk.case(incident_id).state is IncidentState.RUNNING


def test_a_plan_is_started_once(make_room: Callable[..., Room]) -> None:
    room = make_room(policy=GLASS, members=MEMBERS)
    incident_id = opened(room)
    room.desk.glass.run_alone(incident_id, ANA, REASON)
    with pytest.raises((ConflictError, RefusedError)):
        room.desk.glass.run_alone(incident_id, REPORTER, REASON)
    assert room.records.journal.running()[0].number == 1


def test_a_request_that_nobody_decides_calls_somebody_and_so_does_its_end(
    make_room: Callable[..., Room],
) -> None:
    clock = Clock()
    room = make_room(now=clock)
    incident_id = opened(room)
    request = room.desk.ask_approval(incident_id, REPORTER)
    assert room.records.summons.due() == ()
    clock.at += timedelta(minutes=61)
    ((found, topic),) = room.records.summons.due()
    assert (found, topic) == (incident_id, f"the approval of {request.plan_hash[:8]} waits")
    room.records.summons.made(incident_id, topic)
    assert room.records.summons.due() == ()
    clock.at += timedelta(hours=8)
    room.records.ballot.expire_due()
    ((_, topic),) = room.records.summons.due()
    assert topic == f"nobody approved {request.plan_hash[:8]} in time"


@pytest.mark.parametrize("decision", ["approve", "deny", "void"])
def test_a_request_that_is_decided_calls_nobody(
    make_room: Callable[..., Room], decision: str
) -> None:
    clock = Clock()
    room = make_room(now=clock)
    incident_id = opened(room)
    request = room.desk.ask_approval(incident_id, REPORTER)
    if decision == "void":
        room.desk.plan(incident_id, "revoke-first", person=ANA)
    else:
        room.desk.vote(request.id, ANA, approve=decision == "approve", reason="because")
    clock.at += timedelta(hours=7)
    assert room.records.summons.due() == ()


def test_the_call_goes_out_by_itself(running: Running, until: Until) -> None:
    pager = NotePager()
    policy = ApprovalPolicy(approvers=("group:security",), escalate_minutes=1)
    room = running(policy=policy, pagers=[PagerRoute("note", pager)])
    incident_id = opened(room)
    room.desk.ask_approval(incident_id, REPORTER)
    late = room.now
    room.records.ledger.now = lambda: late() + timedelta(minutes=2)
    until(room, incident_id, IncidentState.WAITING, where=lambda: len(pager.pages) == 2)
    assert "waits" in pager.pages[-1].owner
