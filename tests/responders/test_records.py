"""One open incident per credential; joins, reopening, closing, what a case says."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from graph.errors import AmbiguousError, BadInputError, NotFoundError, RefusedError
from responders.incident import IncidentState, LeakReport, Severity
from tests.responders.room import (
    ANA,
    AUTHOR,
    BO,
    CY,
    DIGEST,
    REPORTER,
    SECRET,
    START,
    Room,
    observation,
    report,
)


def test_a_report_opens_an_incident_with_a_plan(room: Room) -> None:
    opened = room.desk.report(report())
    assert opened.outcome == "opened"
    case = room.desk.case(opened.incident_id)
    assert case.state is IncidentState.PLANNED
    assert case.severity is Severity.CRITICAL
    assert case.title == "payments/gateway#token leaked in #general"
    assert case.credential == f"credential:{DIGEST[:16]}"
    assert case.fingerprint_short == DIGEST[:8]
    assert case.plan is not None
    assert case.plan.playbook == "lines"
    assert "asks for approval" in case.next_action
    assert [each.kind for each in case.timeline] == ["reported", "opened", "matched", "planned"]


def test_many_reports_of_one_value_at_once_open_one_incident(room: Room) -> None:
    many = 8
    barrier = Barrier(many)

    def one(number: int) -> str:
        barrier.wait()
        return room.desk.report(report(where=f"https://chat/{number}")).outcome

    with ThreadPoolExecutor(many) as pool:
        outcomes = list(pool.map(one, range(many)))
    assert sorted(outcomes) == ["joined"] * (many - 1) + ["opened"]
    (case,) = room.desk.cases()
    assert len(case.sightings) == many
    assert room.records.verify_audit().finding == "intact"


def test_the_same_delivery_twice_is_one_sighting(room: Room) -> None:
    first = room.desk.report(report())
    again = room.desk.report(report())
    assert (again.outcome, again.incident_id) == ("joined", first.incident_id)
    assert len(room.desk.case(first.incident_id).sightings) == 1


def test_another_value_opens_another_incident(room: Room) -> None:
    room.desk.report(report())
    other = room.desk.report(report("77" * 32, matched=False))
    assert other.outcome == "opened"


def test_another_form_of_a_matched_version_joins_and_a_later_version_does_not(room: Room) -> None:
    first = room.desk.report(report())
    form = room.desk.report(report("66" * 32, where="https://chat/2"))
    assert (form.outcome, form.incident_id) == ("joined", first.incident_id)
    later = room.desk.report(report("55" * 32, version=4))
    assert later.outcome == "opened"


def test_weak_values_never_identify_alone(room: Room) -> None:
    first = room.desk.report(report(weak=True, matched=False))
    same_place = room.desk.report(report(weak=True, matched=False, reporter=BO))
    elsewhere = room.desk.report(report(weak=True, matched=False, where="https://chat/9"))
    assert same_place.incident_id == first.incident_id
    assert elsewhere.outcome == "opened"


def test_a_report_without_a_value_goes_by_its_ref(room: Room) -> None:
    by_ref = LeakReport(
        fingerprints=(),
        matches=(),
        detector="generic",
        detector_name="A secret",
        reporter=REPORTER,
        reported_at=START,
        named_ref=f"{SECRET}#token",
    )
    first = room.desk.report(by_ref)
    assert room.desk.report(by_ref).outcome == "joined"
    case = room.desk.case(first.incident_id)
    assert case.plan is not None
    revoke = next(step for step in case.plan.steps if step.id == "revoke")
    assert revoke.settings["version"] == 3


def test_an_empty_report_is_refused(room: Room) -> None:
    empty = LeakReport((), (), "generic", "A secret", REPORTER, START)
    with pytest.raises(BadInputError, match="neither a value nor a secret"):
        room.desk.report(empty)


def test_a_value_that_matches_nothing_opens_with_the_manual_playbook(room: Room) -> None:
    opened = room.desk.report(report("77" * 32, matched=False))
    case = room.desk.case(opened.incident_id)
    assert case.severity is Severity.MEDIUM
    assert case.plan is not None
    assert case.plan.playbook == "by-hand"


def test_after_closing_the_same_value_reopens_as_a_regression(room: Room) -> None:
    opened = room.desk.report(report())
    room.desk.close(opened.incident_id, ANA, waiver="Handled by hand.")
    assert room.desk.case(opened.incident_id).state is IncidentState.CLOSED
    again = room.desk.report(report(where="https://chat/2", at=START + timedelta(days=1)))
    assert (again.outcome, again.incident_id) == ("reopened", opened.incident_id)
    case = room.desk.case(opened.incident_id)
    assert case.state is IncidentState.PLANNED
    assert case.severity_reasons[0].startswith("regression: it was closed on 2026-03-01")
    assert case.closed_at is None
    assert len(case.sightings) == 2


def test_a_replaced_value_is_only_revoked(room: Room) -> None:
    room.graph.merge(observation(version=4), now=START)
    opened = room.desk.report(report())
    case = room.desk.case(opened.incident_id)
    assert case.plan is not None
    assert [step.id for step in case.plan.steps] == ["revoke"]
    assert "not the current one" in case.plan.forecasts[0].sentence


def test_removal_is_a_claim_with_a_name(room: Room) -> None:
    opened = room.desk.report(report())
    assert room.desk.places.gone(opened.incident_id, AUTHOR, how="claimed") == 1
    assert room.desk.places.gone(opened.incident_id, AUTHOR, how="claimed") == 0
    assert room.desk.case(opened.incident_id).sightings[0].removed == "claimed by Lee"


def test_closing_needs_a_waiver_by_somebody_who_may(room: Room) -> None:
    opened = room.desk.report(report())
    with pytest.raises(RefusedError, match="Not everything is proven"):
        room.desk.close(opened.incident_id, ANA)
    for person in (REPORTER, AUTHOR, CY):
        with pytest.raises(RefusedError, match=f"{person.name} may not waive"):
            room.desk.close(opened.incident_id, person, waiver="fine")
    with pytest.raises(RefusedError, match="reason is needed"):
        room.desk.dismiss(opened.incident_id, ANA, "")
    room.desk.dismiss(opened.incident_id, ANA, "a documented example")
    assert room.desk.case(opened.incident_id).state is IncidentState.FALSE_ALARM
    with pytest.raises(RefusedError):
        room.desk.close(opened.incident_id, ANA, waiver="twice")


def test_an_id_can_be_shortened_while_it_is_unique(room: Room) -> None:
    first = room.desk.report(report()).incident_id
    room.desk.report(report("77" * 32, matched=False))
    assert room.desk.find_id(first[4:]) == first
    with pytest.raises(AmbiguousError):
        room.desk.find_id("inc")
    with pytest.raises(NotFoundError):
        room.desk.find_id("nothing")
    with pytest.raises(NotFoundError):
        room.desk.case("nothing")


def test_every_change_is_told_and_raises_the_revision(room: Room) -> None:
    told: list[tuple[str, int]] = []
    room.records.on_change(lambda one: told.append((one, room.records.revisions()[one])))
    incident_id = room.desk.report(report()).incident_id
    room.desk.places.gone(incident_id, AUTHOR, how="claimed")
    assert {one for one, _ in told} == {incident_id}
    revisions = [revision for _, revision in told]
    assert revisions == sorted(set(revisions))


def test_without_any_playbook_the_card_says_what_is_missing(
    make_room: Callable[..., Room],
) -> None:
    room = make_room(playbooks=())
    case = room.desk.case(room.desk.report(report()).incident_id)
    assert case.state is IncidentState.OPEN
    assert "No playbook fits" in case.next_action


def test_what_was_written_is_read_by_another_process(room: Room, tmp_path: Path) -> None:
    incident_id = room.desk.report(report()).incident_id
    other = Room(tmp_path, now=room.now)
    seen, ours = other.desk.case(incident_id), room.desk.case(incident_id)
    other.database.close()
    assert seen == ours
