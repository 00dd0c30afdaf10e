"""
Who may say yes to a plan, and when enough have. Pure: people and flags are passed in.

People are compared by identity (the mapped e-mail, case folded), never by a chat account, since
one person may own several. The one who asked, the one who reported and the one who leaked do not
count; guests, bots and people of other organisations never do. A plan that could never reach its
quorum is refused when approval is asked for, not when it expires.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from graph.errors import RefusedError
from responders.incident import ApprovalState, Person, Vote

OWNERS = "owners"
NOT_LISTED = "is not on the approver list"


class ApprovalPolicy(BaseModel):
    """
    Who must agree before anything is changed.

    `approvers` are identities, groups ("group:security") or "owners" (of what leaked).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    approvers: tuple[str, ...] = Field(min_length=1)
    quorum: int = Field(default=1, ge=1)
    exclude_reporter: bool = True
    exclude_author: bool = True
    expiry_minutes: int = Field(default=480, ge=1)
    escalate_minutes: int = Field(default=60, ge=0)  # 0: nobody is called before it expires
    break_glass: tuple[str, ...] = ()  # who may run a plan alone, with a reason; empty: nobody

    def expires_at(self, asked_at: datetime) -> datetime:
        return asked_at + timedelta(minutes=self.expiry_minutes)

    def escalates_at(self, asked_at: datetime) -> datetime | None:
        """Say when somebody is called who may not have seen the request; None: nobody is."""
        minutes = self.escalate_minutes
        return asked_at + timedelta(minutes=minutes) if minutes else None


@dataclass(frozen=True, slots=True)
class Member:
    """A person with what the directory says of the account."""

    person: Person
    guest: bool = False
    bot: bool = False
    external: bool = False


Resolve = Callable[[str], Sequence[Member]]


@dataclass(frozen=True, slots=True)
class Involved:
    """Who had a hand in the incident, by identity."""

    requester: Person | None = None
    reporters: tuple[Person, ...] = ()
    authors: tuple[Person, ...] = ()


@dataclass(frozen=True, slots=True)
class Electorate:
    """Who may decide (by folded identity), and who is on the list but may not, with the reason."""

    may: Mapping[str, Person]
    barred: Mapping[str, str]
    names: Mapping[str, str]

    @property
    def who(self) -> str:
        named = sorted(person.name or person.identity for person in self.may.values())
        return " or ".join(named) if named else "nobody"

    def require(self, needed: int) -> None:
        """
        Refuse to ask where the quorum is out of reach.

        Raises:
            RefusedError: too few may approve; it names those who may and why others may not.
        """
        if len(self.may) >= needed:
            return
        barred = "; ".join(f"{self.names[one]} {why}" for one, why in sorted(self.barred.items()))
        raise RefusedError(
            f"{needed} approvals are needed, but {len(self.may)} can be given: by {self.who}.",
            means=f"Not counted: {barred}." if barred else "Nobody else is on the approver list.",
            do_now="Let somebody else ask for approval, or add approvers to the configuration.",
        )

    def permit(self, person: Person, doing: str) -> None:
        """
        Refuse a person who may not decide.

        Raises:
            RefusedError: with the reason, and with who can.
        """
        folded = fold(person.identity)
        if folded in self.may:
            return
        name, why = person.name or person.identity, self.barred.get(folded, NOT_LISTED)
        raise RefusedError(
            f"{name} may not {doing}: {name} {why}.",
            means="Nothing was changed.",
            do_now=f"Ask {self.who}.",
        )


def fold(identity: str) -> str:
    return identity.strip().casefold()


def electorate(
    policy: ApprovalPolicy, resolve: Resolve, *, owners: Iterable[str], involved: Involved
) -> Electorate:
    """Work out who may decide, as the directory stands now."""
    may: dict[str, Person] = {}
    barred: dict[str, str] = {}
    names: dict[str, str] = {}
    excluded = _excluded(policy, involved)
    for entry in policy.approvers:
        for name in owners if entry == OWNERS else (entry,):
            for member in resolve(name):
                identity = fold(member.person.identity)
                names[identity] = member.person.name or member.person.identity
                why = _unfit(member) or excluded.get(identity, "")
                if why:
                    barred[identity] = why
                else:
                    may[identity] = member.person
    # One account that is unfit bars the person, also where another entry names them.
    return Electorate(
        {identity: person for identity, person in may.items() if identity not in barred},
        barred,
        names,
    )


def decide(votes: Iterable[Vote], *, needed: int, electorate: Electorate) -> ApprovalState:
    """
    Count. One denial by somebody who may decide is enough; a person counts once.

    Votes of people who may no longer decide (they left the group) do not count.
    """
    yes: set[str] = set()
    for vote in votes:
        identity = fold(vote.person.identity)
        if identity not in electorate.may:
            continue
        if not vote.approve:
            return ApprovalState.DENIED
        yes.add(identity)
    return ApprovalState.APPROVED if len(yes) >= needed else ApprovalState.PENDING


def _excluded(policy: ApprovalPolicy, involved: Involved) -> dict[str, str]:
    excluded: dict[str, str] = {}
    if policy.exclude_author:
        excluded |= {fold(author.identity): "leaked the value" for author in involved.authors}
    if policy.exclude_reporter:
        excluded |= {fold(one.identity): "reported the leak" for one in involved.reporters}
    if involved.requester:
        excluded[fold(involved.requester.identity)] = "asked for this approval"
    return excluded


def _unfit(member: Member) -> str:
    if not member.person.identity:
        return "has no known identity"
    if member.bot:
        return "is a bot"
    if member.guest:
        return "is a guest"
    return "belongs to another organisation" if member.external else ""
