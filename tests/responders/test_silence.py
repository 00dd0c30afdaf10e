"""Replay of a known disaster: the new key went to staging, production still reads the old one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from graph.errors import ConflictError, RefusedError
from graph.model import Edge, EdgeKind, Node, NodeKind, Observation
from graph.refs import Ref
from responders.incident import Case, IncidentState, StepState
from responders.silence import mark_of, still_loud
from tests.responders.room import ANA, REPORTER, SECRET, START, Room, report, workload

PROD = Ref("k8s://prod/shop/Secret/gateway")
SHOP = "k8s://prod/shop/Deployment/shop"
SETTLED = (IncidentState.STOPPED, IncidentState.VERIFIED)


def by_hand() -> Observation:
    """A copy of the same value that no sync makes: somebody pasted it once."""
    node, uses = workload("shop", "Deployment", "shop", replicas=3)
    copied = Edge(SECRET, PROD, EdgeKind.COPIES, {"from_key": "token", "key": "token"})
    secret = Node(PROD, NodeKind.SECRET, {"keys": ("token",)})
    return Observation("hand", (secret, node), (copied, uses(PROD, "env", "restart")))


@pytest.fixture
def held(running: Callable[..., Room], until: Callable[..., Case]) -> tuple[Room, Case]:
    room = running()
    room.graph.merge(by_hand(), now=START)
    opened = room.desk.report(report())
    request = room.desk.ask_approval(opened.incident_id, REPORTER)
    room.desk.vote(request.id, ANA, approve=True)
    return room, until(room, opened.incident_id, *SETTLED)


def test_the_gate_holds_and_says_who_still_uses_the_old_key(
    held: tuple[Room, Case], until: Callable[..., Case]
) -> None:
    room, case = held
    assert case.state is IncidentState.STOPPED
    assert "revoke" not in room.effect_lines()
    assert {each.step.id: each.state for each in case.progress}["revoke"] is StepState.FAILED
    assert f"{PROD}#token may hold it: no step has seen the new value in it" in case.next_action
    assert f"read by {SHOP}" in case.next_action
    assert "gateway#token" in case.next_action
    assert case.plan is not None
    (revoke,) = (step for step in case.plan.steps if step.id == "revoke")
    assert still_loud(case, revoke)
    contain = replace(case, plan=replace(case.plan, order="revoke-first"))
    assert still_loud(contain, revoke) == ()  # that order is to cut them off: it was approved
    held_back = case.next_action.partition("An approver")[0]
    assert "payments/Secret" not in held_back  # that copy was seen to be new
    # Looked at again it still holds; nothing is taken back, because everybody else is well.
    room.desk.retry(case.id, ANA)
    assert "revoke" not in room.effect_lines()
    assert "rotate" in room.effect_lines()
    until(room, case.id, IncidentState.STOPPED)


def test_a_named_person_waives_it_with_a_reason(
    held: tuple[Room, Case], until: Callable[..., Case]
) -> None:
    room, case = held
    waivers = room.desk.waivers
    with pytest.raises(RefusedError, match="may not waive"):
        waivers.waive(case.id, REPORTER, "revoke", "I am in a hurry")
    with pytest.raises(ConflictError, match="has changed since you opened the form"):
        waivers.waive(case.id, ANA, "revoke", "shop is off", seen="another list")
    seen = mark_of(waivers.held(case.id, "revoke"))
    waivers.waive(case.id, ANA, "revoke", "shop is switched off since May", seen=seen)
    with pytest.raises(RefusedError, match="is not held back"):
        waivers.waive(case.id, ANA, "revoke", "once more")
    room.desk.retry(case.id, ANA)
    done = until(room, case.id, IncidentState.VERIFIED)
    assert room.effect_lines().count("revoke") == 1
    (waived,) = [each for each in done.timeline if each.kind == "silence_waived"]
    assert waived.actor == "Ana"
    assert f"although {PROD}#token may hold it: shop is switched off since May" in waived.sentence
    # The exit gate is another matter: nobody has seen that copy replaced.
    assert any(str(PROD) in missing for missing in room.desk.gate(case.id).missing)


def test_contain_first_is_not_held(
    running: Callable[..., Room], until: Callable[..., Case]
) -> None:
    room = running()
    room.graph.merge(by_hand(), now=START)
    opened = room.desk.report(report())
    room.desk.plan(opened.incident_id, "revoke-first")
    request = room.desk.ask_approval(opened.incident_id, REPORTER)
    room.desk.vote(request.id, ANA, approve=True)
    assert until(room, opened.incident_id, *SETTLED).state is IncidentState.VERIFIED


def test_a_waiver_is_for_the_copies_and_readers_that_it_named(held: tuple[Room, Case]) -> None:
    room, case = held
    assert case.plan is not None
    (revoke,) = (step for step in case.plan.steps if step.id == "revoke")
    (loud,) = room.desk.waivers.waive(case.id, ANA, "revoke", "shop is switched off since May")
    assert (loud.copy, loud.readers) == (f"{PROD}#token", (SHOP,))
    waived = room.desk.case(case.id)
    assert still_loud(waived, revoke) == ()
    # Somebody else turns out to read that copy, or another copy turns up: it holds again.
    read_by_more = replace(waived, silence_waived={loud.copy: ()})
    assert [each.copy for each in still_loud(read_by_more, revoke)] == [loud.copy]
    another = replace(waived, silence_waived={"k8s://prod/other/Secret/x#token": (SHOP,)})
    assert [each.copy for each in still_loud(another, revoke)] == [loud.copy]
    # A new plan begins without it.
    room.desk.plan(case.id, anew=True)
    room.desk.plan(case.id, "revoke-first")
    assert room.desk.case(case.id).silence_waived == {}
