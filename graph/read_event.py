"""One line of the answer to “who did read it?”, as an audit log tells it. Pure."""

from dataclasses import dataclass
from datetime import datetime

from graph.refs import Ref


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """
    One read of one secret, or (`sure` False) a list that may have shown it.

    `secret` of a list is its namespace or cluster. `who` is as the log says it, `subject` the same
    in the graph, "" where that is not known. `served`: (field, keyed digest of the value).
    """

    request: str
    at: datetime
    secret: Ref
    verb: str
    who: str
    subject: str = ""
    address: str = ""
    agent: str = ""
    version: int | None = None
    sure: bool = True
    served: tuple[tuple[str, str], ...] = ()
