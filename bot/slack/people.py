"""
Who a Slack user is to us: a person by e-mail, and whether this user may act at all.

Answers are cached for sixty seconds at most; who decides something is asked for anew. What cannot
be resolved refuses (fails closed). Whether a person may approve *this* plan is the desk's decision.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from slack_sdk import WebClient

from bot.slack_api import slack_errors
from graph.errors import AccessDeniedError, LocksmithError, NotFoundError, RefusedError
from responders import approvals
from responders.incident import Person

USER_SECONDS = 60.0
EMAIL_SECONDS = 300.0  # whose address it is; decides nothing
GROUP_SECONDS = 60.0
CHANNEL_SECONDS = 60.0
_MACHINES = ("is_bot", "is_workflow_bot", "is_connector_bot")

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Member:
    """One Slack user. `person.identity` is the e-mail, or "slack:TEAM/USER" where none is shown."""

    user: str
    team: str
    person: Person
    bot: bool = False
    deleted: bool = False
    guest: bool = False
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """What matters of a channel; `shared`: people of another organisation read it."""

    id: str
    name: str
    shared: bool
    member: bool
    private: bool = False


class _Cache(Generic[KeyT, ValueT]):
    """Remember answers for `seconds`; failures are not remembered."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[KeyT, tuple[float, ValueT]] = {}
        self._lock = threading.Lock()

    def get(self, key: KeyT, ask: Callable[[], ValueT]) -> ValueT:
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and self._clock() - kept[0] < self._seconds:
            return kept[1]
        asked_at = self._clock()
        value = ask()
        with self._lock:
            self._kept[key] = (asked_at, value)
        return value

    def has(self, key: KeyT) -> bool:
        with self._lock:
            kept = self._kept.get(key)
        return kept is not None and self._clock() - kept[0] < self._seconds

    def put(self, key: KeyT, value: ValueT) -> None:
        with self._lock:
            self._kept[key] = (self._clock(), value)

    def forget(self, key: KeyT | None = None) -> None:
        with self._lock:
            if key is None:
                self._kept.clear()
            else:
                self._kept.pop(key, None)


class People:
    """Asks Slack who somebody is. `clock` counts seconds (monotonic)."""

    def __init__(self, client: WebClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._users: _Cache[str, Member] = _Cache(USER_SECONDS, clock)
        self._emails: _Cache[str, str] = _Cache(EMAIL_SECONDS, clock)
        self._groups: _Cache[str, frozenset[str]] = _Cache(GROUP_SECONDS, clock)
        self._handles: _Cache[str, Mapping[str, str]] = _Cache(GROUP_SECONDS, clock)
        self._channels: _Cache[str, ChannelFacts] = _Cache(CHANNEL_SECONDS, clock)
        self._names: _Cache[str, Mapping[str, str]] = _Cache(CHANNEL_SECONDS, clock)
        self._team: _Cache[str, tuple[str, str, str]] = _Cache(3600.0, clock)

    def member(self, user: str) -> Member:
        """
        Return who `user` is.

        Raises:
            LocksmithError: Slack did not say; then nobody may act on the answer.
        """
        return self._users.get(user, lambda: self._ask_member(user))

    def person(self, user: str) -> Person:
        """Return the person behind a user id; one whom Slack does not show is named by the id."""
        try:
            return self.member(user).person
        except LocksmithError:
            return Person(identity=f"slack:{user}", name=user, slack_user=user)

    def may_act(self, user: str) -> Person:
        """
        Return the person if this user may press buttons and fill in forms here.

        Raises:
            RefusedError: a guest, a bot, a deactivated user or one of another organisation.
        """
        reason = self.barred(user)
        if reason:
            raise RefusedError(
                f"You may not do this: {reason}.",
                means="Nothing was changed.",
                do_now="Ask a full member of this workspace to do it.",
            )
        return self.member(user).person

    def may_decide(self, user: str) -> Person:
        """
        Say the same of somebody who is about to change something, from what Slack says now.

        Between the click and the run the account may have been deactivated or made a guest.

        Raises:
            RefusedError: as `may_act`. LocksmithError: Slack did not say; then nothing is done.
        """
        self.forget_user(user)
        return self.may_act(user)

    def barred(self, user: str) -> str:
        """Say what keeps a user from acting here; "" if nothing does."""
        member = self.member(user)
        if member.deleted:
            return "this account is deactivated"
        if member.bot:
            return "this is a bot or a workflow"
        if member.foreign:
            return "this account belongs to another organisation"
        return "this is a guest account" if member.guest else ""

    def user_of(self, identity: str) -> str:
        """Return the Slack user id of an e-mail; "" if there is none, or Slack may not say."""
        if identity.startswith("slack:"):
            return identity.rpartition("/")[2].removeprefix("slack:")
        try:
            return self._emails.get(identity, lambda: self._ask_user(identity))
        except (NotFoundError, AccessDeniedError):
            return ""

    def group_members(self, group: str) -> frozenset[str]:
        """
        Return the user ids of a user group, given as id or handle; at most 60 s old.

        Raises:
            LocksmithError: it could not be resolved; nobody is a member then.
        """
        return self._groups.get(group, lambda: self._ask_group(group))

    def approvers_of(self, group: str) -> tuple[approvals.Member, ...]:
        """
        Return the members of a user group with what bars them from approving.

        Raises:
            LocksmithError: the group or one of its members could not be resolved.
        """
        return tuple(
            approvals.Member(
                person=member.person,
                guest=member.guest,
                bot=member.bot or member.deleted,
                external=member.foreign,
            )
            for member in map(self.member, sorted(self.group_members(group)))
        )

    def group_id(self, handle: str) -> str:
        """Return the id of a user group by its handle ("@security" or "security"); "" if none."""
        name = handle.removeprefix("@")
        if name.startswith("S") and name.isupper():
            return name
        return self._handles.get("", self._ask_handles).get(name, "")

    def channel(self, channel: str) -> ChannelFacts:
        """Return what Slack says of a channel id."""
        return self._channels.get(channel, lambda: self._ask_channel(channel))

    def channel_id(self, name: str) -> str:
        """
        Return the id of a channel given as id or name.

        Raises:
            NotFoundError: no channel of that name that the bot can see.
        """
        if name[:1] in {"C", "G"} and name.isupper() and name.isalnum():
            return name
        found = self._names.get("", self._ask_channel_names).get(name.removeprefix("#"))
        if found is None:
            raise NotFoundError(
                f"There is no channel “{name}” that @locksmith can see.",
                means="Incidents cannot be shown there.",
                do_now="Create it, or invite @locksmith if it is private; or give its id.",
            )
        return found

    def refuse_shared(self, channel: str) -> None:
        """
        Raise RefusedError if people of another organisation read `channel`.

        Direct messages and channels that the bot cannot see pass: nothing is posted in those.

        Raises:
            LocksmithError: Slack did not say.
        """
        if channel[:1] not in {"C", "G"}:
            return
        try:
            facts = self.channel(channel)
        except NotFoundError:
            return
        if facts.shared:
            raise RefusedError(
                f"#{facts.name} is shared with another organisation.",
                means="Locksmith does not talk about secrets where outsiders read.",
                do_now="Do it in a channel of your own, or by /leak in a direct message.",
            )

    def is_shared(self, channel: str) -> bool:
        """
        Tell whether people of another organisation read `channel`; nobody does if it is not there.

        Raises:
            LocksmithError: Slack did not say.
        """
        try:
            return self.channel(channel).shared
        except NotFoundError:
            return False

    def workspace_url(self) -> str:
        """
        Return what addresses of messages begin with ("https://acme.slack.com/").

        Raises:
            LocksmithError: Slack did not say.
        """
        return self._own_team()[2]

    def knows(self, user: str) -> bool:
        """Tell whether `member` answers without asking Slack."""
        return self._users.has(user)

    def learn_all(self) -> None:
        """Read the workspace's list of users, so that many can be told apart in few calls."""
        cursor = ""
        while True:
            with slack_errors("listing the users of the workspace"):
                answer = self._client.users_list(limit=1000, cursor=cursor or None)
            for found in answer.get("members") or []:
                user = str(found["id"])
                self._users.put(user, self._member_of(user, found))
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return

    def forget_groups(self) -> None:
        """Drop what is known of groups: Slack said that one changed."""
        self._groups.forget()
        self._handles.forget()

    def forget_user(self, user: str) -> None:
        self._users.forget(user)

    def _ask_member(self, user: str) -> Member:
        with slack_errors("looking up a user"):
            answer = self._client.users_info(user=user)
        return self._member_of(user, answer["user"])

    def _member_of(self, user: str, found: Mapping[str, Any]) -> Member:
        profile: Mapping[str, Any] = found.get("profile") or {}
        team = str(found.get("team_id") or profile.get("team") or "")
        email = str(profile.get("email") or "").strip().lower()
        own_team, own_enterprise, _ = self._own_team()
        grid = (found.get("enterprise_user") or {}).get("enterprise_id", "")
        at_home = team == own_team or bool(own_enterprise and grid == own_enterprise)
        foreign = bool(found.get("is_stranger")) or bool(team and own_team and not at_home)
        name = profile.get("display_name") or profile.get("real_name") or found.get("real_name")
        return Member(
            user=user,
            team=team,
            person=Person(
                identity=email or f"slack:{team}/{user}",
                name=str(name or found.get("name") or user),
                slack_user=user,
            ),
            bot=any(found.get(name) for name in _MACHINES) or user == "USLACKBOT",
            deleted=bool(found.get("deleted")),
            guest=bool(found.get("is_restricted") or found.get("is_ultra_restricted")),
            foreign=foreign,
        )

    def _own_team(self) -> tuple[str, str, str]:
        def ask() -> tuple[str, str, str]:
            with slack_errors("asking which workspace this is"):
                answer = self._client.auth_test()
            named = ("team_id", "enterprise_id", "url")
            team, enterprise, url = (str(answer.get(name) or "") for name in named)
            return team, enterprise, url

        return self._team.get("", ask)

    def _ask_user(self, email: str) -> str:
        with slack_errors("looking up a user by e-mail"):
            answer = self._client.users_lookupByEmail(email=email)
        return str(answer["user"]["id"])

    def _ask_group(self, group: str) -> frozenset[str]:
        identifier = self.group_id(group)
        if not identifier:
            raise NotFoundError(
                f"There is no user group “{group}” in Slack.",
                means="Nobody counts as its member.",
                do_now="Create the group or correct the configuration.",
            )
        with slack_errors("reading a user group"):
            answer = self._client.usergroups_users_list(usergroup=identifier)
        return frozenset(str(user) for user in answer.get("users") or [])

    def _ask_handles(self) -> Mapping[str, str]:
        with slack_errors("listing user groups"):
            answer = self._client.usergroups_list()
        groups = answer.get("usergroups") or []
        return {str(group["handle"]): str(group["id"]) for group in groups}

    def _ask_channel(self, channel: str) -> ChannelFacts:
        with slack_errors("looking up a channel"):
            answer = self._client.conversations_info(channel=channel)
        return _channel_facts(answer["channel"])

    def _ask_channel_names(self) -> Mapping[str, str]:
        names: dict[str, str] = {}
        cursor = ""
        while True:
            with slack_errors("listing channels"):
                answer = self._client.conversations_list(
                    types="public_channel,private_channel",
                    exclude_archived=True,
                    limit=200,
                    cursor=cursor or None,
                )
            for channel in answer.get("channels") or []:
                names[str(channel["name"])] = str(channel["id"])
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return names


def _channel_facts(channel: Mapping[str, Any]) -> ChannelFacts:
    shared = channel.get("is_ext_shared") or channel.get("is_pending_ext_shared")
    return ChannelFacts(
        id=str(channel["id"]),
        name=str(channel.get("name") or ""),
        shared=bool(shared),
        member=bool(channel.get("is_member")),
        private=bool(channel.get("is_private") or channel.get("is_im") or channel.get("is_mpim")),
    )
