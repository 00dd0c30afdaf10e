"""Paging as a whole: repeated until taken, the next tier, time, acknowledgement, the end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from graph.model import Edge, EdgeKind, Observation
from graph.refs import Ref
from responders.escalation import PagingSettings
from responders.incident import Case, IncidentState, Person, Severity
from responders.pager import AnyPager, Page, PageAnswer, PageDeed, PageReceipt
from responders.pagers.pagerduty import PagerDutyPager, PagerDutySettings
from responders.switchboard import PagerRoute, Switchboard
from tests.responders.room import ANA, REPORTER, SECRET, Clock, NotePager, Room, observation, report
from tests.servers.oncall import ROUTING_KEY, OnCall, oncall

PAYMENTS = frozenset({"team:payments"})
SECURITY = frozenset({"team:security"})


@dataclass
class Night:
    """One incident, its clock, and a switchboard over it; `rounds` does what is due, as serving."""

    room: Room
    clock: Clock
    board: Switchboard
    incident: str

    @property
    def case(self) -> Case:
        return self.room.records.case(self.incident)

    def page(self) -> None:
        for owner in self.board.owners(self.case, "team:security"):
            self.board.page(self.case, owner)

    def rounds(self, minutes: float = 0) -> int:
        """Let time pass, a little at a time; return how many rounds were due."""
        done, end = 0, self.clock.at + timedelta(minutes=minutes)
        step = timedelta(seconds=max(15, minutes * 60 / 50))
        while True:
            names = [name for incident, name in self.board.due() if incident == self.incident]
            if names:
                done += 1
                self.page()
            if self.clock.at >= end:
                return done
            self.clock.at += step

    def kinds(self) -> list[str]:
        return [each.kind for each in self.case.timeline]


Begin = Callable[..., Night]


@pytest.fixture
def system() -> Iterator[OnCall]:
    with oncall() as running:
        yield running


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Begin]:
    rooms = []

    def begin(*routes: PagerRoute, settings: PagingSettings | None = None) -> Night:
        clock = Clock()
        room = Room(tmp_path, now=clock)
        rooms.append(room)
        room.graph.merge(observation(), now=clock())
        opened = room.desk.report(report())
        board = Switchboard(
            room.records.journal.pages,
            routes,
            settings=settings,
            default_owner="team:security",
        )
        return Night(room, clock, board, opened.incident_id)

    yield begin
    for room in rooms:
        room.database.close()


def duty(system: OnCall) -> AnyPager:
    given = {"routing_key": ROUTING_KEY, "base_url": system.address, "timeout": 2}
    return PagerDutyPager(PagerDutySettings.model_validate(given))


def test_a_storm_of_429_is_waited_out_and_rings_once(night: Begin, system: OnCall) -> None:
    scene: Night = night(PagerRoute("duty", duty(system), owners=PAYMENTS))
    system.storm = 429
    scene.page()
    assert scene.kinds().count("not_paged") == 2  # the pager's word, and: nobody was paged
    assert scene.rounds(minutes=4) >= 3
    assert "Nobody was paged" in str(scene.case.timeline)
    system.storm = None
    scene.rounds(minutes=6)
    assert system.rung == 1
    (page,) = scene.case.pages
    assert page.confirmed
    tried = len(system.requests)
    assert scene.rounds(minutes=60) == 0
    assert len(system.requests) == tried
    intents = [each for each in scene.case.timeline if each.kind == "intent"]
    assert len(intents) == tried  # no call without its intent


def test_retry_after_is_kept_to(night: Begin, system: OnCall) -> None:
    scene: Night = night(PagerRoute("duty", duty(system), owners=PAYMENTS))
    system.faults = [(429, {"Retry-After": "240"})]
    scene.page()
    assert scene.rounds(minutes=3.5) == 0
    assert scene.rounds(minutes=1) == 1
    assert system.rung == 1


def test_a_lost_answer_is_asked_for_again_and_rings_once(night: Begin, system: OnCall) -> None:
    scene: Night = night(PagerRoute("duty", duty(system), owners=PAYMENTS))
    system.faults = ["lost", 500]
    scene.page()
    scene.rounds(minutes=3)
    assert [page.confirmed for page in scene.case.pages] == [True]
    assert system.rung == 1
    assert system.alerts[next(iter(system.alerts))].repeats == 1


class Killed(BaseException):
    """Nobody catches it: the process ends here."""


def test_a_process_that_ends_between_the_page_and_its_receipt_rings_once(
    night: Begin, system: OnCall
) -> None:
    pager = duty(system)

    class Ending(NotePager):
        def page(self, page: Page) -> PageReceipt:
            pager.page(page)
            raise Killed

    scene: Night = night(PagerRoute("duty", Ending(), owners=PAYMENTS))
    with pytest.raises(Killed):
        scene.page()
    assert [page.confirmed for page in scene.case.pages] == [False], "the intent alone is known"
    routes = [PagerRoute("duty", pager, owners=PAYMENTS)]
    scene.board = Switchboard(scene.room.records.journal.pages, routes)
    scene.page()
    assert len(system.requests) == 1, "whether the other process still calls is not known"
    assert scene.rounds(minutes=2) >= 1
    assert [page.confirmed for page in scene.case.pages] == [True]
    assert system.rung == 1
    assert len(system.requests) == 2
    assert scene.kinds().count("paged") == 1
    assert "Nobody was paged" not in str(scene.case.timeline)


def test_two_rounds_at_once_ring_once_and_call_no_other_tier(night: Begin) -> None:
    ringing, answer = Event(), Event()

    class Slow(NotePager):
        def page(self, page: Page) -> PageReceipt:
            ringing.set()
            assert answer.wait(30)
            return super().page(page)

    first, second = Slow(), NotePager()
    scene: Night = night(
        PagerRoute("first", first, owners=PAYMENTS),
        PagerRoute("second", second, tier=2, owners=PAYMENTS),
    )
    round_one = Thread(target=scene.page)
    round_one.start()
    assert ringing.wait(30)
    scene.room.records.acknowledge(scene.incident, ANA)  # which begins a round of its own
    scene.page()
    scene.room.desk.dismiss(scene.incident, ANA, "a test value")
    answer.set()
    round_one.join(30)
    assert (len(first.pages), second.pages) == (1, [])
    assert scene.kinds().count("paged") == 1
    assert scene.rounds() == 1, "it was over before the page was taken"
    scene.board.resolve(scene.case)
    assert [page.key for page in first.resolved] == [first.pages[0].key]


def test_what_is_refused_for_good_is_not_repeated_and_security_is_called(
    night: Begin, system: OnCall
) -> None:
    guard = NotePager()
    scene: Night = night(
        PagerRoute("duty", duty(system), owners=PAYMENTS),
        PagerRoute("guard", guard, owners=SECURITY),
    )
    system.storm = 400
    scene.page()
    scene.rounds(minutes=60)
    assert len(system.requests) == 1
    assert {page.pager: page.confirmed for page in scene.case.pages} == {
        "duty": False,
        "guard": True,
    }
    assert [page.owner for page in guard.pages] == ["team:payments"]
    assert "Nobody was paged" not in str(scene.case.timeline)


def test_nobody_reacts_so_the_next_tier_is_called_and_then_the_last(night: Begin) -> None:
    first, second, guard = NotePager(), NotePager(), NotePager()
    scene: Night = night(
        PagerRoute("first", first, owners=PAYMENTS),
        PagerRoute("second", second, tier=2, owners=PAYMENTS),
        PagerRoute("guard", guard, owners=SECURITY),
    )
    minutes = scene.board._settings.escalate_minutes[scene.case.severity]
    scene.page()
    scene.rounds(minutes=minutes - 1)
    assert (len(first.pages), len(second.pages), len(guard.pages)) == (1, 0, 0)
    scene.rounds(minutes=2)
    assert (len(first.pages), len(second.pages), len(guard.pages)) == (1, 1, 0)
    scene.rounds(minutes=minutes + 1)
    assert (len(first.pages), len(second.pages), len(guard.pages)) == (1, 1, 1)
    assert scene.rounds(minutes=24 * 60) == 0
    assert scene.kinds().count("escalated") == 2


def test_whoever_works_on_it_ends_the_calling_but_the_reporter_does_not(night: Begin) -> None:
    second = NotePager()
    scene: Night = night(
        PagerRoute("first", NotePager(), owners=PAYMENTS),
        PagerRoute("second", second, tier=2, owners=PAYMENTS),
    )
    scene.page()
    request = scene.room.desk.ask_approval(scene.incident, REPORTER)
    scene.rounds(minutes=5)
    scene.room.desk.vote(request.id, ANA, approve=False, reason="not yet")
    scene.rounds(minutes=120)
    assert second.pages == []


def test_a_page_that_is_taken_on_where_it_rang_is_quiet_until_it_is_let_go(
    night: Begin, system: OnCall
) -> None:
    second = NotePager()
    scene: Night = night(
        PagerRoute("duty", duty(system), owners=PAYMENTS),
        PagerRoute("second", second, tier=2, owners=PAYMENTS),
    )
    scene.page()
    (key,) = system.alerts
    tenex = Person("pagerduty:P1", "Tenex (PagerDuty)")

    def said(deed: PageDeed, *, of: str = key, ago: float = 0) -> str:
        at = scene.clock.at - timedelta(minutes=ago)
        return scene.board.answered(PageAnswer(of, deed, tenex, at))

    assert said(PageDeed.TAKEN_ON, of="locksmith:elsewhere:inc-1:team:payments") == ""
    assert said(PageDeed.TAKEN_ON, of=key.replace("payments", "shop")) == ""
    assert said(PageDeed.TAKEN_ON, ago=6) == "", "before it rang: of an earlier opening"
    once = PageAnswer(key, PageDeed.TAKEN_ON, tenex, scene.clock.at)
    assert scene.board.answered(once) == scene.incident
    assert scene.board.answered(once) == "", "delivered twice"
    assert {page.answered_by for page in scene.case.pages} == {"Tenex (PagerDuty)"}
    scene.rounds(minutes=120)
    assert second.pages == []
    assert system.alerts[key].state == "triggered", "what was done there is not sent back"

    assert said(PageDeed.LET_GO) == scene.incident
    scene.page()
    scene.rounds(minutes=120)
    assert len(second.pages) == 1
    assert said(PageDeed.RESOLVED) == scene.incident
    assert "resolved the page of team:payments; the incident is still open" in str(
        scene.case.timeline
    )
    scene.room.desk.dismiss(scene.incident, ANA, "a test value")
    scene.clock.at += timedelta(minutes=1)
    assert said(PageDeed.TAKEN_ON) == "", "it is over"
    assert scene.room.records.verify_audit().finding == "intact"


def test_a_severity_without_patience_does_not_escalate_by_time(night: Begin) -> None:
    second = NotePager()
    scene: Night = night(
        PagerRoute("first", NotePager(), owners=PAYMENTS),
        PagerRoute("second", second, tier=2, owners=PAYMENTS),
        settings=PagingSettings(escalate_minutes={}),
    )
    scene.page()
    assert scene.rounds(minutes=120) == 0
    assert second.pages == []


def test_a_route_for_other_severities_is_left_in_peace(night: Begin) -> None:
    quiet, loud = NotePager(), NotePager()
    scene: Night = night(
        PagerRoute("quiet", quiet, owners=PAYMENTS, severities=frozenset({Severity.LOW})),
        PagerRoute("loud", loud, owners=PAYMENTS, severities=frozenset(Severity)),
    )
    scene.page()
    assert (len(quiet.pages), len(loud.pages)) == (0, 1)


def test_the_alert_follows_the_incident_to_its_end(night: Begin, system: OnCall) -> None:
    scene: Night = night(PagerRoute("duty", duty(system), owners=PAYMENTS))
    scene.page()
    (alert,) = system.alerts.values()
    scene.room.records.acknowledge(scene.incident, ANA)
    system.faults = [503]
    assert scene.rounds() == 1
    assert alert.state == "triggered"
    scene.rounds(minutes=1)
    assert alert.state == "acknowledged"
    assert scene.rounds(minutes=60) == 0
    scene.room.desk.dismiss(scene.incident, ANA, "a test value")
    system.faults = [503]
    scene.board.resolve(scene.case)
    assert alert.state == "acknowledged"
    scene.rounds(minutes=1)
    assert alert.state == "resolved"
    assert scene.rounds(minutes=60) == 0
    assert scene.room.records.verify_audit().finding == "intact"


def test_a_reopened_incident_rings_again_and_the_old_acknowledgement_does_not_count(
    night: Begin, system: OnCall
) -> None:
    scene: Night = night(PagerRoute("duty", duty(system), owners=PAYMENTS))
    scene.page()
    scene.room.records.acknowledge(scene.incident, ANA)
    scene.rounds()
    scene.room.desk.dismiss(scene.incident, ANA, "a test value")
    scene.board.resolve(scene.case)
    scene.clock.at += timedelta(hours=1)
    scene.room.desk.report(report(where="https://chat/2", at=scene.clock.at))
    scene.page()
    scene.rounds(minutes=1)
    (alert,) = system.alerts.values()
    assert (alert.state, alert.rung) == ("triggered", 2)


def test_an_owner_without_a_pager_is_reached_through_security(night: Begin) -> None:
    guard = NotePager()
    scene: Night = night(PagerRoute("guard", guard, owners=SECURITY))
    scene.page()
    assert [page.owner for page in guard.pages] == ["team:payments"]


def test_keys_are_plain_short_and_different(night: Begin) -> None:
    note = NotePager()
    scene: Night = night(PagerRoute("note", note))
    for owner in ("team:zahlungen-ü", "team:" + "x" * 300, "team:" + "x" * 301):
        scene.board.page(scene.case, owner)
    keys = [page.key for page in note.pages]
    assert len(set(keys)) == 3
    assert all(key.isascii() and len(key) <= 255 for key in keys)


def test_an_owner_who_is_named_later_is_called_then_and_security_where_nobody_is(
    running: Callable[..., Room], until: Callable[..., Case]
) -> None:
    note = NotePager()
    room = running(pagers=[PagerRoute("note", note)])
    incident = room.desk.report(report()).incident_id

    def called(owner: str) -> int:
        return sum(page.owner == owner for page in note.pages)

    planned = IncidentState.PLANNED
    until(room, incident, planned, where=lambda: called("team:payments") == 1)
    shop = Edge(SECRET, Ref("team:shop"), EdgeKind.OWNED_BY, {"how": "a label"})
    room.graph.merge(Observation("later", edges=(shop,)), now=datetime.now(UTC))
    until(room, incident, planned, seconds=60, where=lambda: called("team:shop") == 1)
    case = room.desk.case(incident)
    assert [claim.owner for claim in case.blast_radius.owners] == ["team:payments", "team:shop"]
    assert "team:shop owns it, says a label of the secret" in str(case.timeline)
    assert not room.records.learn_owners(incident, case.blast_radius.owners)
    assert (called("team:payments"), called("team:shop")) == (1, 1)
    nobodys = room.desk.report(report("0" * 64, matched=False, where="https://chat/9")).incident_id
    until(room, nobodys, planned, where=lambda: called("team:security") == 1)


def test_the_engine_makes_the_rounds_that_are_due(
    running: Callable[..., Room], until: Callable[..., Case], system: OnCall
) -> None:
    system.faults = [429, "lost"]
    room = running(
        pagers=[PagerRoute("duty", duty(system))], paging=PagingSettings(retry_seconds=(0.1,))
    )
    incident = room.desk.report(report()).incident_id
    until(
        room,
        incident,
        IncidentState.PLANNED,
        seconds=60,
        where=lambda: any(page.confirmed for page in room.desk.case(incident).pages),
    )
    assert [page.confirmed for page in room.desk.case(incident).pages] == [True]
    assert system.rung == 1
    assert len(system.requests) == 3
