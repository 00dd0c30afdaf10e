"""
The page of one person as a value: what waits for them, what is theirs, what it lacks. Pure.

`personal.py` puts it together; App Home and `locksmith mine` are functions of it, and
`locksmith readiness` shows the same of every owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from graph.refs import Ref
from responders.incident import Case


class Wait(StrEnum):
    """Why something waits for this person."""

    APPROVAL = "approval"  # a plan that they may decide on
    STEP = "step"  # a stopped run that they may help along
    REVIEW = "review"  # a break-glass run that they may review
    LEAD = "lead"  # they lead it

    @property
    def words(self) -> str:
        """Say it to them."""
        match self:
            case Wait.APPROVAL:
                return "You may decide on its plan."
            case Wait.STEP:
                return "The run stopped; you may help it along."
            case Wait.REVIEW:
                return "A break-glass run waits for your review."
            case Wait.LEAD:
                return "You lead it."


class Lack(StrEnum):
    """What is missing before a secret leaks."""

    OWNER = "no owner is known"
    PLAYBOOK = "no playbook fits: people would do it by hand"
    ROTATION = "never rotated with Locksmith, in earnest or as a drill"


@dataclass(frozen=True, slots=True)
class Mine:
    """
    Everything for one person's page; `cases` are all open incidents, the newest first.

    `teams` are the owners that this person belongs to; `used` are secrets that services of theirs
    consume; `lacks` names the secrets of both kinds by what they lack.
    """

    waiting: tuple[tuple[Case, Wait], ...]
    teams: tuple[str, ...]
    secrets: tuple[Ref, ...]
    used: tuple[Ref, ...]
    lacks: Mapping[Lack, tuple[Ref, ...]]
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Readiness:
    """What one owner has and what that lacks; `owner` "" are the secrets that nobody owns."""

    owner: str
    secrets: tuple[Ref, ...]
    used: tuple[Ref, ...]
    lacks: Mapping[Lack, tuple[Ref, ...]]
