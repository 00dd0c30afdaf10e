"""
Counts who could see a channel: people, guests, people of other organisations, apps.

Members are listed by `conversations.members`; who they are is asked one by one in small channels,
and from the workspace's list of users in large ones. What cannot be counted is said.
Apps that read with a person's token are no members, and nobody can count those.
"""

from collections.abc import Iterable

from slack_sdk import WebClient

from bot.slack.people import Member, People
from bot.slack_api import slack_errors
from graph.errors import AccessDeniedError, NotFoundError
from responders.incident import Exposure

PAGE = 1000
MOST_PAGES = 20  # of members: 20,000
ONE_BY_ONE = 60  # users.info allows 100 a minute


class Headcount:
    """Works on one WebClient; `people` remembers who users are."""

    def __init__(self, client: WebClient, people: People) -> None:
        self._client = client
        self._people = people

    def of(self, channel: str) -> Exposure:
        """
        Count one channel.

        Raises:
            UnavailableError: Slack could not be asked; worth another try.
        """
        if channel.startswith("D"):
            return Exposure(people=1, apps=1)
        try:
            facts = self._people.channel(channel)
            members, complete = self._members(channel)
        except (AccessDeniedError, NotFoundError) as error:
            return Exposure(uncounted=error.happened)
        open_to_all = not facts.private
        if not complete:
            words = f"only the first {len(members):,} members were counted, apps among them"
            return Exposure(people=len(members), open_to_all=open_to_all, uncounted=words)
        if sum(not self._people.knows(user) for user in members) > ONE_BY_ONE:
            self._people.learn_all()
        return _counted([self._people.member(user) for user in members], open_to_all=open_to_all)

    def _members(self, channel: str) -> tuple[list[str], bool]:
        found: list[str] = []
        cursor = ""
        for _ in range(MOST_PAGES):
            with slack_errors("counting the members of a channel"):
                answer = self._client.conversations_members(
                    channel=channel, limit=PAGE, cursor=cursor or None
                )
            found += [str(user) for user in answer.get("members") or []]
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return found, True
        return found, False


def _counted(members: Iterable[Member], *, open_to_all: bool) -> Exposure:
    present = [member for member in members if not member.deleted]
    people = [member for member in present if not member.bot]
    return Exposure(
        people=len(people),
        guests=sum(member.guest and not member.foreign for member in people),
        outsiders=sum(member.foreign for member in people),
        apps=sum(member.bot for member in present),
        open_to_all=open_to_all,
    )
