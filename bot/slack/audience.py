"""Whom the publisher tells personally: approvers and owners, as Slack user ids."""

from collections.abc import Iterable

from bot.slack.people import People
from graph.errors import LocksmithError
from responders.approvals import ApprovalPolicy, Resolve, fold
from responders.incident import OPEN_STATES, Case, Person
from responders.standing import Standing


class Audience:
    """`resolve` turns an approver entry or an owner ref into members, as the desk's own does."""

    def __init__(self, people: People, resolve: Resolve, policy: ApprovalPolicy) -> None:
        self._people = people
        self._resolve = resolve
        self._standing = Standing(policy, resolve)
        self.alone = bool(policy.break_glass)  # somebody may run a plan alone

    def approvers(self, case: Case) -> tuple[str, ...]:
        """Return everybody who may decide the open request; nobody if that cannot be resolved."""
        if case.approval is None:
            return ()
        try:
            entitled = self._standing.electorate(case, requester=case.approval.requested_by)
        except LocksmithError:
            return ()  # the card in the channel is there; a copy for nobody is no decision
        return self._users(entitled.may.values())

    def owners(self, case: Case) -> tuple[str, ...]:
        """Return everybody of the teams and people that own what leaked."""
        members: list[Person] = []
        for owner in self._owners(case):
            try:
                found = self._resolve(owner.removeprefix("person:"))
            except LocksmithError:
                continue
            members += [member.person for member in found if not (member.bot or member.external)]
        return self._users(members)

    def lead(self, case: Case) -> str:
        """Return the user id of a lead whom somebody else named; "" if there is nobody to tell."""
        lead = case.lead
        if lead is None or case.state not in OPEN_STATES:
            return ""
        told_by_themself = fold(lead.person.identity) == fold(lead.by.identity)
        return "" if told_by_themself else next(iter(self._users([lead.person])), "")

    def _owners(self, case: Case) -> tuple[str, ...]:
        return tuple(dict.fromkeys(claim.owner for claim in case.blast_radius.owners))

    def _users(self, people: Iterable[Person]) -> tuple[str, ...]:
        found = (person.slack_user or self._user_of(person) for person in people)
        return tuple(sorted({user for user in found if user}))

    def _user_of(self, person: Person) -> str:
        try:
            return self._people.user_of(person.identity)
        except LocksmithError:
            return ""
