"""Who may act: full members of this workspace, known by e-mail; groups fail closed."""

from collections.abc import Iterator

import pytest

from bot.sandbox.workspace.server import Workspace
from bot.slack.people import GROUP_SECONDS, USER_SECONDS, People
from bot.slack_api import web_client
from graph.errors import AccessDeniedError, LocksmithError, NotFoundError, RefusedError
from tests.bot.slack.conftest import workspace_shape


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(workspace_shape()) as workspace:
        yield workspace


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(workspace: Workspace, clock: Clock) -> People:
    return People(web_client("xoxb-test", base_url=workspace.base_url), clock=clock)


def test_a_person_is_known_by_the_e_mail(people: People) -> None:
    person = people.may_act("U0RITA")
    assert (person.identity, person.slack_user) == ("rita@example.com", "U0RITA")
    assert people.user_of("rita@example.com") == "U0RITA"
    assert people.user_of("nobody@example.com") == ""


@pytest.mark.parametrize(
    ("user", "fields", "words"),
    [
        ("U0GUS", {}, "guest"),
        ("U0RITA", {"deleted": True}, "deactivated"),
        ("U0RITA", {"is_stranger": True, "team_id": "T0OTHER"}, "another organisation"),
        ("U0LOCKSMITH", {}, "bot"),
    ],
)
def test_who_is_no_full_member_may_not_act(
    workspace: Workspace, people: People, user: str, fields: dict[str, object], words: str
) -> None:
    if fields:
        workspace.change_user("rita", **fields)
    with pytest.raises(RefusedError, match=words):
        people.may_act(user)


def test_somebody_deactivated_is_noticed_at_a_decision_and_when_the_cache_lapses(
    workspace: Workspace, people: People, clock: Clock
) -> None:
    people.may_act("U0RITA")
    workspace.change_user("rita", deleted=True)
    with pytest.raises(RefusedError):
        people.may_decide("U0RITA")
    workspace.change_user("rita", deleted=False)
    people.may_decide("U0RITA")
    workspace.change_user("rita", deleted=True)
    assert USER_SECONDS <= 60
    clock.seconds = USER_SECONDS + 1
    with pytest.raises(RefusedError):
        people.may_act("U0RITA")


def test_a_group_is_at_most_a_minute_old_and_fails_closed(
    workspace: Workspace, people: People, clock: Clock
) -> None:
    assert [one.person.identity for one in people.approvers_of("security")] == ["sue@example.com"]
    workspace.change_group("S0SECURITY", ("U0SUE", "U0GUS"))
    clock.seconds = GROUP_SECONDS + 1
    assert [one.guest for one in people.approvers_of("@security")] == [True, False]
    clock.seconds = 2 * GROUP_SECONDS + 2
    workspace.fail_next("usergroups.users.list", status=500, times=5)
    with pytest.raises(LocksmithError):
        people.group_members("security")
    with pytest.raises(NotFoundError):
        people.group_members("no-such-group")


def test_channels_by_name_and_those_that_are_shared(people: People) -> None:
    assert people.channel_id("#security") == "C0SECURITY"
    assert people.channel_id("C0SECURITY") == "C0SECURITY"
    with pytest.raises(NotFoundError, match="nowhere"):
        people.channel_id("nowhere")
    people.refuse_shared("C0GENERAL")
    with pytest.raises(RefusedError, match="another organisation"):
        people.refuse_shared("C0PARTNERS")


def test_where_slack_does_not_say_whether_a_channel_is_shared_nothing_is_said_there(
    workspace: Workspace, people: People
) -> None:
    workspace.fail_next("conversations.info", error="missing_scope", times=1)
    with pytest.raises(AccessDeniedError):
        people.refuse_shared("C0GENERAL")
