"""What a plan is expected to take: by earlier runs of its steps; without any, it says so."""

from collections.abc import Callable
from dataclasses import replace

from responders.history import Took, expected, expected_of, spoken
from responders.incident import Case, IncidentState, Plan, PlannedStep
from tests.responders.room import ANA, BO, REPORTER, Room, report

OTHER = "6b" * 32


def step(use: str, target: str = "k8s://prod/shop/Secret/db") -> PlannedStep:
    return PlannedStep(
        id=f"{use}:{target}",
        use=use,
        title="",
        sentence="",
        settings={},
        reversible=False,
        targets=(target,),
        phase="rotate",
    )


def plan(*steps: PlannedStep) -> Plan:
    return Plan("test", "rotate-first", steps, (), "f00d", ())


def test_the_same_step_on_the_same_target_outweighs_its_kind_and_one_bad_night_does_not() -> None:
    here, elsewhere = step("copy"), step("copy", "k8s://prod/shop/Secret/other")
    history = [
        Took("copy", here.targets, 4),
        Took("copy", here.targets, 5),
        Took("copy", here.targets, 3600),
        Took("copy", ("k8s://prod/shop/Secret/third",), 60),
    ]
    found = expected(plan(here, elsewhere), history)
    assert [(each.expected_seconds, each.measured) for each in found.steps] == [(5, 3), (32.5, 4)]
    assert found.expected_seconds == 37.5
    assert found.expected == "Expected to take about 38 s, by what the same steps took before."


def test_without_history_it_says_so_and_counts_what_it_does_not_know() -> None:
    nothing = expected(plan(step("copy")), [])
    assert nothing.expected_seconds is None
    assert nothing.expected.startswith("No history")
    assert expected_of(nothing.steps[0]) == "no history"
    some = expected(plan(step("copy"), step("lock"), step("end")), [Took("lock", (), 90)])
    assert some.expected_seconds is None
    assert some.expected == (
        "1 of 3 steps are expected to take about 1 min 30 s, by what the same steps took before;"
        " no history of the other 2."
    )
    assert expected_of(some.steps[1]) == "about 1 min 30 s (1 run)"


def test_spans_are_said_roughly() -> None:
    assert [spoken(each) for each in (0.2, 7.6, 60, 200, 7500)] == [
        "1 s",
        "8 s",
        "1 min",
        "3 min 20 s",
        "2 h 5 min",
    ]


def test_a_second_incident_expects_what_the_first_one_took(
    running: Callable[..., Room], until: Callable[..., Case]
) -> None:
    room = running()
    first = room.desk.report(report()).incident_id
    drafted = room.desk.case(first).plan
    assert drafted is not None
    assert drafted.expected.startswith("No history")
    request = room.desk.ask_approval(first, REPORTER)
    room.desk.vote(request.id, ANA, approve=True)
    done = until(room, first, IncidentState.VERIFIED)
    room.desk.close(first, ANA, waiver="The bare pod was deleted by hand.")
    second = room.desk.report(replace(report(OTHER), reporter=BO)).incident_id
    later = room.desk.case(second).plan
    assert later is not None
    assert all(each.measured for each in later.steps)
    took = sum(
        (each.finished_at - each.started_at).total_seconds()
        for each in done.progress
        if each.finished_at and each.started_at
    )
    assert later.expected_seconds is not None
    assert abs(later.expected_seconds - took) < 0.1 * len(later.steps)  # each is rounded
    assert later.hash == drafted.hash  # a history is no reason to approve anew
