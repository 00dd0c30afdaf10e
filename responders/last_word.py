"""Who comes second is told who was first: what a person did with the incident last. Pure."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from graph.errors import ConflictError, RefusedError
from responders.incident import Case

LOCKSMITH = "locksmith"  # as an actor of the audit log


def too_late(case: Case) -> str:
    """Say that nothing was changed, and whose word it was that counted; by name and time."""
    by_people = [entry for entry in case.timeline if entry.actor != LOCKSMITH]
    if not by_people:
        return "Nothing was changed."
    last = by_people[-1]
    return (
        f"Nothing was changed. The last word was that of {last.actor}, "
        f"{last.at:%Y-%m-%d %H:%M:%S} UTC: {last.sentence}"
    )


@contextmanager
def second_to(look: Callable[[], Case]) -> Iterator[None]:
    """Turn a refusal, because somebody else was faster, into one that says who; `look` anew."""
    try:
        yield
    except (RefusedError, ConflictError) as refused:
        means = too_late(look())
        raise type(refused)(refused.happened, means=means, do_now=refused.do_now) from None
