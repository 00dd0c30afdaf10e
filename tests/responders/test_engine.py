"""Durable runs: the whole way, failures, retries, people, undo, paging."""

from collections.abc import Callable

import pytest

from graph.errors import BadInputError, RefusedError, UnavailableError
from responders.incident import Case, IncidentState, StepState
from responders.limits import EngineSettings, Mode
from responders.step import VerdictKind
from responders.switchboard import PagerRoute
from responders.way_back import Rollback
from tests.responders.room import ANA, BO, REPORTER, NotePager, Room, report

Until = Callable[..., Case]
Running = Callable[..., Room]

BARE = "k8s://prod/payments/Pod/bare"


def approve(room: Room) -> str:
    opened = room.desk.report(report())
    request = room.desk.ask_approval(opened.incident_id, REPORTER)
    room.desk.vote(request.id, ANA, approve=True)
    return opened.incident_id


def test_an_approved_plan_runs_to_its_end_and_says_what_is_not_proven(
    running: Running, until: Until
) -> None:
    room = running()
    case = until(room, approve(room), IncidentState.VERIFIED, IncidentState.STOPPED)
    assert [each.state for each in case.progress] == [StepState.CONFIRMED] * len(case.progress)
    assert room.effect_lines() == [
        "rotate",
        "refresh k8s://prod/legacy/Secret/gateway",
        "refresh k8s://prod/payments/Secret/gateway",
        "restart 1",
        "restart 2",
        "restart 3",
        "revoke",
    ]
    clocks = case.clocks
    assert clocks.rotated is not None
    assert clocks.contained is not None
    assert clocks.proven_dead is not None
    gate = room.desk.gate(case.id)
    assert [missing for missing in gate.missing if BARE not in missing] == []
    assert not gate.open
    with pytest.raises(RefusedError, match="Not everything is proven"):
        room.desk.close(case.id, ANA)
    room.desk.close(case.id, ANA, waiver="The bare pod was deleted by hand.")
    assert room.desk.case(case.id).state is IncidentState.CLOSED
    assert room.records.verify_audit().finding == "intact"


def test_every_change_has_an_intent_before_and_a_verdict_after(
    running: Running, until: Until
) -> None:
    room = running()
    case = until(room, approve(room), IncidentState.VERIFIED)
    kinds = [each.kind for each in case.timeline if each.kind in {"intent", "receipt", "verdict"}]
    pages = [each for each in case.timeline if each.sentence.startswith("Pages ")]
    assert len([kind for kind in kinds if kind == "intent"]) == len(case.progress) + len(pages)
    assert kinds.count("receipt") == kinds.count("verdict") == len(case.progress)


def test_what_is_not_reachable_is_tried_again(running: Running, until: Until) -> None:
    room = running(script={"apply rotate": [UnavailableError("Down."), UnavailableError("Down.")]})
    case = until(room, approve(room), IncidentState.VERIFIED, IncidentState.STOPPED)
    assert case.state is IncidentState.VERIFIED
    assert room.effect_lines().count("rotate") == 1


@pytest.mark.parametrize(
    ("played", "state"),
    [
        ({"apply restart 1": [BadInputError("It said no.")]}, StepState.FAILED),
        ({"verify restart 1": [VerdictKind.REFUTED]}, StepState.REFUTED),
        ({"verify restart 1": [VerdictKind.UNKNOWN]}, StepState.UNKNOWN),
        ({"apply restart 1": [ValueError("s3cr3t in a bug's text")]}, StepState.FAILED),
        ({"apply restart 1": [UnavailableError("Down.")] * 9}, StepState.FAILED),
    ],
)
def test_a_step_that_is_not_good_stops_the_run_and_a_person_goes_on(
    running: Running, until: Until, played: dict[str, list[object]], state: StepState
) -> None:
    room = running(script=played, rollback=Rollback.ASK)
    case = until(room, approve(room), IncidentState.STOPPED, IncidentState.VERIFIED)
    stopped = {each.step.id: each.state for each in case.progress}
    assert stopped["restart:1"] is state
    assert stopped["revoke"] is StepState.WAITING
    assert "skip it with a reason" in case.next_action
    assert not any("s3cr3t" in each.sentence for each in case.timeline)
    played.clear()
    room.desk.retry(case.id, ANA)
    done = until(room, case.id, IncidentState.VERIFIED, IncidentState.STOPPED)
    assert done.state is IncidentState.VERIFIED
    assert room.effect_lines().count("restart 1") == 1


def test_a_skipped_step_keeps_the_gate_shut(running: Running, until: Until) -> None:
    room = running(script={"verify restart 1": [VerdictKind.REFUTED]}, rollback=Rollback.ASK)
    case = until(room, approve(room), IncidentState.STOPPED)
    with pytest.raises(RefusedError, match="may not skip"):
        room.desk.skip(case.id, REPORTER, "restart:1", "I am in a hurry")
    with pytest.raises(RefusedError, match="reason is needed"):
        room.desk.skip(case.id, ANA, "restart:1", " ")
    room.desk.skip(case.id, ANA, "restart:1", "web is being deleted")
    done = until(room, case.id, IncidentState.VERIFIED)
    assert any("skipped" in missing for missing in room.desk.gate(done.id).missing)


def test_undo_goes_backwards_and_not_past_a_revocation(running: Running, until: Until) -> None:
    room = running(script={"verify restart 1": [VerdictKind.REFUTED]}, rollback=Rollback.ASK)
    case = until(room, approve(room), IncidentState.STOPPED)
    room.desk.undo(case.id, ANA)

    end = until(room, case.id, IncidentState.STOPPED)
    assert "Taken back and seen to be back" in end.next_action
    with pytest.raises(RefusedError, match="taken back"):
        room.desk.retry(case.id, ANA)
    assert room.effect_lines() == []
    assert end.clocks.rotated is None
    assert {each.state for each in end.progress} <= {StepState.UNDONE, StepState.WAITING}


def test_after_the_revocation_there_is_no_way_back(running: Running, until: Until) -> None:
    room = running(script={"verify revoke": [VerdictKind.UNKNOWN]})
    case = until(room, approve(room), IncidentState.STOPPED)
    with pytest.raises(RefusedError, match="dead value"):
        room.desk.undo(case.id, ANA)


def test_a_person_vouches_for_what_no_machine_can_see(running: Running, until: Until) -> None:
    room = running()
    opened = room.desk.report(report("77" * 32, matched=False))
    request = room.desk.ask_approval(opened.incident_id, BO)
    room.desk.vote(request.id, ANA, approve=True)
    for step_id in ("revoke", "prove"):
        case = until(room, opened.incident_id, IncidentState.STOPPED)
        with pytest.raises(RefusedError, match="reason is needed"):
            room.desk.confirm(case.id, ANA, step_id, "")
        room.desk.confirm(case.id, ANA, step_id, "https://issuer/log/7")
    case = until(room, opened.incident_id, IncidentState.CLOSED)
    assert case.clocks.proven_dead is not None
    assert "On the word of Ana" in case.progress[1].sentence


def test_a_stop_lets_the_step_in_flight_end(running: Running, until: Until) -> None:
    stopped: list[Room] = []

    def passing(point: str) -> None:
        if point == "rotate:verify" and stopped:
            room = stopped.pop()
            room.desk.stop(room.desk.open_cases()[0].id, REPORTER, "wait")

    room = running(passing=passing)
    stopped.append(room)
    case = until(room, approve(room), IncidentState.STOPPED)
    settled = until(room, case.id, IncidentState.STOPPED)
    assert "Rita stopped the run: wait" in settled.next_action
    assert "revoke" not in room.effect_lines()
    with pytest.raises(RefusedError, match="nothing runs"):
        room.desk.stop(case.id, REPORTER, "again")


def test_a_run_retried_while_its_step_is_in_flight_waits_for_it(
    running: Running, until: Until
) -> None:
    once: list[Room] = []

    def passing(point: str) -> None:
        if point == "rotate:apply" and once:
            room = once.pop()
            incident_id = room.desk.open_cases()[0].id
            room.desk.stop(incident_id, REPORTER, "wait")
            room.desk.retry(incident_id, ANA)

    room = running(passing=passing)
    once.append(room)
    case = until(room, approve(room), IncidentState.VERIFIED)
    assert room.effect_lines().count("rotate") == 1
    assert len([each for each in case.timeline if each.kind == "verdict"]) == len(case.progress)


def test_in_mode_observe_nothing_is_even_asked(running: Running) -> None:
    room = running(settings=EngineSettings(mode=Mode.OBSERVE, allow=("*",)))
    opened = room.desk.report(report())
    with pytest.raises(RefusedError, match="observe"):
        room.desk.ask_approval(opened.incident_id, REPORTER)


def test_in_mode_act_the_plan_starts_by_itself(running: Running, until: Until) -> None:
    room = running(settings=EngineSettings(mode=Mode.ACT, allow=("*",)))
    opened = room.desk.report(report())
    case = until(room, opened.incident_id, IncidentState.VERIFIED)
    assert any("without being asked" in each.sentence for each in case.timeline)


def test_the_allow_list_cannot_be_exceeded(running: Running) -> None:
    room = running(settings=EngineSettings(allow=("vault://main/*",)))
    opened = room.desk.report(report())
    with pytest.raises(RefusedError, match="allow-list: k8s://prod"):
        room.desk.ask_approval(opened.incident_id, REPORTER)


def test_the_next_tier_is_paged_when_nobody_takes_it(running: Running, until: Until) -> None:
    first, second = NotePager(takes=False), NotePager()
    room = running(pagers=[PagerRoute("first", first), PagerRoute("second", second, tier=2)])
    opened = room.desk.report(report())
    room.desk.report(report())

    def pages() -> dict[str, bool]:
        return {page.pager: page.confirmed for page in room.desk.case(opened.incident_id).pages}

    case = until(room, opened.incident_id, IncidentState.PLANNED)
    for _ in range(200):
        if pages().get("second"):
            break
        until(room, case.id, IncidentState.PLANNED)
    assert pages() == {"first": False, "second": True}
    assert [page.owner for page in second.pages] == ["team:payments"]
    room.desk.dismiss(opened.incident_id, ANA, "a test value")
    until(room, opened.incident_id, IncidentState.FALSE_ALARM)


def test_a_run_that_another_process_approved_is_found(running: Running, until: Until) -> None:
    room = running()
    opened = room.desk.report(report())
    request = room.desk.ask_approval(opened.incident_id, REPORTER)
    # What the command line does next to a serving bot: the vote is committed, no engine launched.
    asked = room.records.ballot.find(request.id)
    elsewhere = Room(room.folder, now=room.now)
    elsewhere.desk.vote(asked.request.id, ANA, approve=True)
    elsewhere.database.close()
    until(room, opened.incident_id, IncidentState.VERIFIED)
