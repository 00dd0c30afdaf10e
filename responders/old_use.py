"""
Is the old value still used? What the audit log that shows its uses says of that, in words. Pure.

A use counts from when the consumers were moved to the new value; whoever uses the old one after
that was forgotten. Silent is a log that has told of no use for a while. Where no log shows the uses
of a type, or none is configured, nobody knows, and the plan says so before it is approved.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from graph.use_event import Told, UseEvent
from responders.incident import Case, StepState, UseSeen, UseState

_MOVES = frozenset({"rotate", "refresh", "reload"})
_SHOWN = 5  # as many as fit a message


def moved_at(case: Case) -> datetime:
    """Say since when the consumers have the new value; where no step moved any, the report."""
    ended = (
        each.finished_at
        for each in case.progress
        if each.step.phase in _MOVES and each.state is StepState.CONFIRMED
    )
    return max((at for at in ended if at is not None), default=case.clocks.reported)


def judged_use(
    source: str, told: Told, *, since: datetime, now: datetime, silent: timedelta
) -> UseSeen:
    """Judge what a log told of the time from `since` to `now`."""
    if not told.known:
        said = f"Whether the old value is still used is not known: {source} was not asked for it."
        return UseSeen(source, UseState.UNKNOWN, said)
    if told.trouble:
        said = f"Nobody can tell whether the old value is still used. {told.trouble}"
        return UseSeen(source, UseState.UNREADABLE, said)
    late = [use for use in told.uses if use.at > now - silent]
    if late:
        users = _users(late)
        more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
        said = f"{source} shows the old value in use: {_often(told.uses, since)}"
        return UseSeen(
            source, UseState.USED, f"{said}, by {', '.join(users[:_SHOWN])}{more}.", users
        )
    said = f"{source} tells of no use of the old value since {since:%Y-%m-%d %H:%M:%S} UTC."
    if told.uses:
        last = told.uses[-1]
        said = (
            f"{source} has told of no use of the old value for {silent.total_seconds():.0f} s:"
            f" {_often(told.uses, since)}, by {_user(last)}."
        )
    return UseSeen(source, UseState.SILENT, said)


def foretold(
    shown_in: Iterable[str], logs: Collection[str], *, asked: bool, waits: bool, silent: timedelta
) -> str:
    """
    Say before a plan is approved whether anybody will know that the old value is still used.

    `shown_in`: the logs that would show it; `logs`: those that are read; `asked`: a step of the
    plan asks the target itself; `waits`: in this order a use holds the revocation back.
    """
    would = sorted(set(shown_in) - {""})
    if read := [source for source in would if source in logs]:
        named = ", ".join(read)
        if not waits:
            return f"Uses of the old value stand in {named}; in this order nothing waits for them."
        spell = f"{silent.total_seconds():.0f} s"
        return f"The old value is revoked once {named} has told of no use of it for {spell}."
    if asked:
        return "The target itself is asked whether the old value is still used."
    if would:
        which = ", ".join(would)
        return f"Whether the old value is still used is not known: {which} is not configured."
    return "Whether the old value is still used is known by copies and pods only: no log shows it."


def _often(uses: Collection[UseEvent], since: datetime) -> str:
    last = max(uses, key=lambda use: use.at)
    times = "once" if len(uses) == 1 else f"{len(uses)} times"
    return (
        f"{times} since {since:%Y-%m-%d %H:%M:%S} UTC, last at {last.at:%H:%M:%S} for “{last.what}”"
    )


def _users(uses: Iterable[UseEvent]) -> tuple[str, ...]:
    return tuple(sorted({_user(use) for use in uses}))


def _user(use: UseEvent) -> str:
    return f"{use.who} from {use.address}" if use.address else use.who
