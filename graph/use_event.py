"""One use of a credential, as an audit log tells it: who, when, from where, for what. Pure."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class UseEvent:
    """`mark` is what the log calls the credential: never its value. `what` was asked for."""

    request: str
    at: datetime
    mark: str
    who: str
    what: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """
    What one log tells of one credential.

    `known`: the log was asked what it calls the credential. `trouble`: why its silence would prove
    nothing ("").
    """

    known: bool
    uses: tuple[UseEvent, ...] = ()
    trouble: str = ""
