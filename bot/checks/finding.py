"""What one look at one connection found."""

from dataclasses import dataclass
from enum import StrEnum

from graph.errors import LocksmithError


class Outcome(StrEnum):
    OK = "ok"
    MISSING = "missing"  # something does not work or is not granted, and is needed
    OPTIONAL = "optional"  # not granted; Locksmith works without, with less


@dataclass(frozen=True, slots=True)
class Checked:
    """`connection` is "vault main"; `detail` what was seen there; `do_now` the cure."""

    connection: str
    what: str
    outcome: Outcome
    detail: str = ""
    do_now: str = ""


def failed(connection: str, what: str, error: LocksmithError) -> Checked:
    detail = " ".join(part for part in (error.happened, error.means) if part)
    return Checked(connection, what, Outcome.MISSING, detail, error.do_now)
