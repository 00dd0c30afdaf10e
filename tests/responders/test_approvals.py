"""Approvals: who counts, when it is enough, and that nothing gets around it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from graph.errors import LocksmithError, RefusedError
from responders.approvals import (
    ApprovalPolicy,
    Electorate,
    Involved,
    Member,
    decide,
    electorate,
)
from responders.desk import IncidentDesk
from responders.incident import ApprovalState, IncidentState, Person, Vote
from tests.responders.room import (
    ANA,
    AUTHOR,
    BO,
    CY,
    REPORTER,
    START,
    Clock,
    Room,
    observation,
    report,
)

PEOPLE = [Person(f"p{number}@example.com", f"P{number}") for number in range(6)]
POLICY = ApprovalPolicy(approvers=("group:security", "owners"), quorum=2)


def electorate_of(members: list[Member], involved: Involved = Involved()) -> Electorate:  # noqa: B008 - frozen
    return electorate(
        POLICY,
        lambda name: members if name == "group:security" else (),
        owners=(),
        involved=involved,
    )


def test_guests_bots_and_strangers_do_not_count() -> None:
    found = electorate_of(
        [
            Member(ANA),
            Member(BO, guest=True),
            Member(CY, bot=True),
            Member(AUTHOR, external=True),
            Member(Person("")),
        ]
    )
    assert set(found.may) == {ANA.identity}
    with pytest.raises(RefusedError, match="Bo is a guest"):
        found.require(2)
    with pytest.raises(RefusedError, match="is a bot") as refused:
        found.permit(CY, "decide")
    assert refused.value.do_now == "Ask Ana."


def test_identities_are_compared_without_case_and_accounts_do_not_matter() -> None:
    second_account = Person("Rita@Example.com ", "Rita II", slack_user="U2")
    found = electorate_of([Member(ANA), Member(second_account)], Involved(requester=REPORTER))
    assert set(found.may) == {ANA.identity}


def test_a_person_who_is_a_guest_in_one_entry_is_barred_in_all() -> None:
    found = electorate_of([Member(ANA), Member(ANA, guest=True)])
    assert not found.may


def test_owners_are_resolved_by_their_team() -> None:
    found = electorate(
        POLICY,
        lambda name: [Member(CY)] if name == "team:payments" else [],
        owners=("team:payments",),
        involved=Involved(),
    )
    assert set(found.may) == {CY.identity}


@given(
    st.lists(st.tuples(st.sampled_from(PEOPLE), st.booleans()), max_size=12),
    st.sets(st.sampled_from(PEOPLE)),
    st.integers(1, 4),
)
def test_approved_means_that_enough_different_people_who_may_said_yes(
    said: list[tuple[Person, bool]], may: set[Person], needed: int
) -> None:
    found = Electorate({one.identity: one for one in may}, {}, {})
    votes = [Vote(person, approve, START) for person, approve in said]
    state = decide(votes, needed=needed, electorate=found)
    yes = {person for person, approve in said if approve and person in may}
    no = {person for person, approve in said if not approve and person in may}
    assert (state is ApprovalState.DENIED) == bool(no)
    assert (state is ApprovalState.APPROVED) == (not no and len(yes) >= needed)


def asked(room: Room, requester: Person = REPORTER) -> tuple[str, str]:
    incident_id = room.desk.report(report()).incident_id
    return incident_id, room.desk.ask_approval(incident_id, requester).id


def test_the_quorum_is_looked_at_when_it_is_asked_for(make_room: Callable[..., Room]) -> None:
    room = make_room(policy=ApprovalPolicy(approvers=("group:security",), quorum=2))
    incident_id = room.desk.report(report()).incident_id
    with pytest.raises(RefusedError, match="2 approvals are needed, but 1 can be given") as refused:
        room.desk.ask_approval(incident_id, ANA)
    assert "Ana asked for this approval" in refused.value.means
    assert "Rita reported the leak" in refused.value.means
    assert room.desk.case(incident_id).state is IncidentState.PLANNED
    room.desk.ask_approval(incident_id, CY)


@pytest.mark.parametrize("person", [REPORTER, AUTHOR, CY])
def test_who_may_not_decide_is_told_who_can(room: Room, person: Person) -> None:
    _, request_id = asked(room)
    with pytest.raises(RefusedError, match="may not decide") as refused:
        room.desk.vote(request_id, person, approve=True)
    assert refused.value.do_now == "Ask Ana or Bo."


def test_who_asked_cannot_approve(room: Room) -> None:
    _, request_id = asked(room, ANA)
    with pytest.raises(RefusedError, match="asked for this approval"):
        room.desk.vote(request_id, ANA, approve=True)


def test_asking_twice_is_one_request(room: Room) -> None:
    incident_id, request_id = asked(room)
    assert room.desk.ask_approval(incident_id, ANA).id == request_id


def test_of_many_clicks_one_counts(room: Room) -> None:
    incident_id, request_id = asked(room)

    def click(person: Person) -> bool:
        try:
            room.desk.vote(request_id, person, approve=True)
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(click, [ANA, BO] * 3))
    assert outcomes.count(True) == 1
    case = room.desk.case(incident_id)
    assert case.state is IncidentState.RUNNING
    decided = [each for each in case.timeline if each.kind == "decided"]
    assert len(decided) == 1


def test_the_loser_of_a_race_is_told_who_won(room: Room) -> None:
    _, request_id = asked(room)
    room.desk.vote(request_id, ANA, approve=True)
    with pytest.raises(RefusedError, match="approved already by Ana at"):
        room.desk.vote(request_id, BO, approve=True)


def test_a_denial_ends_the_request_and_a_new_one_may_be_made(room: Room) -> None:
    incident_id, request_id = asked(room)
    denied = room.desk.vote(request_id, BO, approve=False, reason="not at noon")
    assert denied.state is ApprovalState.DENIED
    case = room.desk.case(incident_id)
    assert case.state is IncidentState.PLANNED
    assert "denied" in case.next_action
    assert room.desk.ask_approval(incident_id, REPORTER).id != request_id


def test_time_never_approves(make_room: Callable[..., Room]) -> None:
    clock = Clock()
    room = make_room(now=clock)
    incident_id, request_id = asked(room)
    clock.at += timedelta(hours=9)
    with pytest.raises(RefusedError, match="expired"):
        room.desk.vote(request_id, ANA, approve=True)
    case = room.desk.case(incident_id)
    assert case.state is IncidentState.PLANNED
    assert case.approval is not None
    assert case.approval.state is ApprovalState.EXPIRED
    assert "Nobody decided in time" in case.next_action


def test_a_changed_graph_voids_the_approval_and_shows_the_new_plan(room: Room) -> None:
    incident_id, request_id = asked(room)
    before = room.desk.plan(incident_id)
    room.graph.merge(observation(more=True), now=START)
    with pytest.raises(RefusedError, match="graph changed"):
        room.desk.vote(request_id, ANA, approve=True)
    case = room.desk.case(incident_id)
    assert case.state is IncidentState.PLANNED
    assert case.plan is not None
    assert case.plan.hash != before.hash
    assert len(case.blast_radius.consumers) == 10
    with pytest.raises(RefusedError, match="void already"):
        room.desk.vote(request_id, ANA, approve=True)


def test_another_order_voids_the_approval(room: Room) -> None:
    incident_id, request_id = asked(room)
    room.desk.plan(incident_id, "revoke-first", person=ANA)
    with pytest.raises(RefusedError, match="void"):
        room.desk.vote(request_id, ANA, approve=True)


def test_more_replicas_do_not_void_an_approval(room: Room) -> None:
    incident_id, request_id = asked(room)
    room.graph.merge(observation(replicas=7), now=START)
    room.desk.vote(request_id, ANA, approve=True)
    assert room.desk.case(incident_id).state is IncidentState.RUNNING


class Attack(RuleBasedStateMachine):
    """
    Clicks in any order on two replicas, groups and plans that change, time, broken glass.

    Each replica has connections of its own to the one database, as another process has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = Clock()
        self.group = list(PEOPLE[:4])
        policy = ApprovalPolicy(
            approvers=("group:attacked",),
            quorum=2,
            expiry_minutes=60,
            break_glass=("group:night",),
        )
        self.members = {
            "group:attacked": [Member(one) for one in self.group],
            "group:night": [Member(PEOPLE[4]), Member(PEOPLE[5])],
        }
        self.replica, self.room = (
            Room(Path(self.folder.name), now=self.clock, policy=policy, members=self.members)
            for _ in range(2)
        )
        self.replicas = 2
        self.more = False
        self.room.graph.merge(observation(), now=START)
        opened = self.room.desk.report(report(reporter=PEOPLE[0], author=PEOPLE[5]))
        self.incident_id = opened.incident_id
        self.requests: list[str] = []

    def teardown(self) -> None:
        self.room.database.close()
        self.replica.database.close()
        self.folder.cleanup()

    def desk(self, *, other: bool) -> IncidentDesk:
        return (self.replica if other else self.room).desk

    @rule(person=st.sampled_from(PEOPLE), other=st.booleans())
    def ask(self, person: Person, *, other: bool) -> None:
        try:
            request = self.desk(other=other).ask_approval(self.incident_id, person)
        except LocksmithError:
            return
        if request.id not in self.requests:
            self.requests.append(request.id)

    @precondition(lambda self: self.requests)
    @rule(
        person=st.sampled_from(PEOPLE),
        approve=st.sampled_from([True, True, False]),
        old=st.booleans(),
        other=st.booleans(),
    )
    def click(self, person: Person, *, approve: bool, old: bool, other: bool) -> None:
        request_id = self.requests[0 if old else -1]
        asked = self.room.records.ballot.find(request_id).request
        try:
            self.desk(other=other).vote(request_id, person, approve=approve)
        except LocksmithError:
            return
        assert person not in {PEOPLE[0], PEOPLE[5], asked.requested_by}
        assert person in self.group

    @rule(person=st.sampled_from(PEOPLE[:4]))
    def join_or_leave(self, person: Person) -> None:
        if person in self.group:
            self.group.remove(person)
        else:
            self.group.append(person)
        self.members["group:attacked"] = [Member(one) for one in self.group]

    @rule()
    def change_the_graph(self) -> None:
        self.more = not self.more
        self.room.graph.merge(observation(more=self.more), now=START)

    @rule(order=st.sampled_from(["rotate-first", "revoke-first"]))
    def change_the_order(self, order: str) -> None:
        try:
            self.room.desk.plan(self.incident_id, order)
        except LocksmithError:
            return

    @precondition(lambda self: self.requests)
    @rule(pair=st.lists(st.sampled_from(PEOPLE[:5]), min_size=2, max_size=4))
    def click_at_once(self, pair: list[Person]) -> None:
        """Many clicks in one moment, some of them on the other replica, some of them twice."""

        def click(number: int) -> None:
            try:
                desk = self.desk(other=number % 2 == 0)
                desk.vote(self.requests[-1], pair[number // 2], approve=True)
            except LocksmithError:
                return

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(click, range(2 * len(pair))))

    @rule(person=st.sampled_from([PEOPLE[0], PEOPLE[4], PEOPLE[5]]), other=st.booleans())
    def break_glass(self, person: Person, *, other: bool) -> None:
        if self.clock.at.minute % 3:  # seldom, else nothing else is ever seen
            return
        try:
            self.desk(other=other).glass.run_alone(self.incident_id, person, "Nobody is awake.")
        except LocksmithError:
            return
        assert person == PEOPLE[4], "one who may not, or who leaked the value"

    @rule(minutes=st.sampled_from([1, 40, 70]))
    def let_time_pass(self, minutes: int) -> None:
        self.clock.at += timedelta(minutes=minutes)

    @invariant()
    def runs_only_with_a_quorum_on_its_own_plan(self) -> None:
        case = self.room.desk.case(self.incident_id)
        approved = [
            found
            for found in (self.room.records.ballot.find(one).request for one in self.requests)
            if found.state is ApprovalState.APPROVED
        ]
        alone = case.emergency is not None
        assert len(approved) + alone <= 1
        assert (case.state is IncidentState.RUNNING) == (bool(approved) or alone)
        started = [run.number for run in self.replica.records.journal.running()]
        assert started == [1] * (len(approved) + alone)
        for request in approved:
            assert case.plan is not None
            assert request.plan_hash == case.plan.hash
            yes = {vote.person.identity for vote in request.votes if vote.approve}
            assert len(yes) >= 2
            assert not yes & {
                PEOPLE[0].identity,
                PEOPLE[5].identity,
                request.requested_by.identity,
            }
        decided = [each for each in case.timeline if each.kind == "decided"]
        assert len(decided) == len(approved)


Attack.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAttack = Attack.TestCase
