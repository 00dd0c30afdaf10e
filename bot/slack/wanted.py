"""
Which messages an incident should have in Slack, as a pure function of the case.

Root card first; in its thread: where it was seen, each finished phase, the approval, stops, the
proof and the audit checkpoint; personally: owners, and approvers while something waits for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.slack.views.approval import approval_card, expiring_note
from bot.slack.views.blocks import Message, message
from bot.slack.views.charge import lead_note, lead_notice
from bot.slack.views.incident import (
    checkpoint_note,
    closed_note,
    incident_card,
    opened_note,
    phase_note,
    proof_note,
    stopped_note,
)
from bot.slack.views.spill import owner_notice
from bot.slack.views.steps import broken_step, finished_phases
from bot.slack.views.whole_list import is_long, list_file, list_name, list_note
from responders.incident import OPEN_STATES, ApprovalState, Case, IncidentState

NEAR_EXPIRY = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    One message that should be there. `user` "" means the thread (or the channel, for the card).

    `live`: it is edited whenever its content changes; else it is posted once and stays. `file` is
    what is shared under the message's text, by name and content. `broadcast`: it stands in the
    channel as well; for a failure, the end, and a request that is about to expire.
    """

    key: str
    message: Message
    user: str = ""
    live: bool = False
    file: tuple[str, str] | None = None
    broadcast: bool = False


def card_key(case: Case) -> str:
    return f"{case.id}/card"


def list_key(case: Case) -> str:
    return f"{case.id}/consumers"


def is_file(key: str) -> bool:
    """Tell whether it is a file that was shared: such a thing cannot be edited."""
    return "/file/" in key


def root_card(case: Case, *, whole_list: str = "") -> Wanted:
    return Wanted(card_key(case), incident_card(case, whole_list=whole_list), live=True)


def around(
    case: Case,
    *,
    approvers: Sequence[str],
    owners: Sequence[str],
    checkpoint: str,
    alone: bool = False,
    lead: str = "",
    attaching: bool = False,
    now: datetime | None = None,
) -> list[Wanted]:
    """
    Name everything beside the card; `checkpoint` is the audit line, "" while it is open.

    `alone`: break-glass is set up. `lead` is the user id of a lead whom somebody else named.
    `attaching`: the bot may share files. `now` None: nothing is about to expire.
    """
    wanted = [Wanted(f"{case.id}/opened", opened_note(case), live=True)]
    wanted += _whole_list(case, attaching=attaching)
    wanted += [Wanted(f"{case.id}/owner/{user}", owner_notice(case), user=user) for user in owners]
    wanted += _approval(case, approvers, alone=alone)
    wanted += _expiring(case, now)
    wanted += _lead(case, lead)
    wanted += _progress(case)
    if case.state is IncidentState.STOPPED:
        step = broken_step(case)
        stops = sum(entry.kind.startswith("stop") for entry in case.timeline)
        cause = f"{step.step.id}/{step.finished_at}" if step else "person"
        key = f"{case.id}/stopped/{cause}/{stops}"
        wanted.append(Wanted(key, stopped_note(case), broadcast=step is not None))
    if case.state is IncidentState.CLOSED:
        closed = int(case.closed_at.timestamp()) if case.closed_at else 0
        wanted.append(Wanted(f"{case.id}/proof/{closed}", proof_note(case)))
        wanted.append(Wanted(f"{case.id}/closed/{closed}", closed_note(case), broadcast=True))
        if checkpoint:
            wanted.append(Wanted(f"{case.id}/checkpoint/{closed}", checkpoint_note(checkpoint)))
    return wanted


def _approval(case: Case, approvers: Sequence[str], *, alone: bool) -> list[Wanted]:
    request = case.approval
    if request is None:
        return []
    key = f"{case.id}/approval/{request.id}"
    wanted = [Wanted(key, approval_card(case, request, alone=alone), live=True)]
    direct = approval_card(case, request, direct=True)
    # While it is pending the list is of those who may; later only copies that exist are edited.
    users = approvers if request.state is ApprovalState.PENDING else ()
    wanted += [Wanted(f"{key}/{user}", direct, user=user, live=True) for user in users]
    return wanted


def _expiring(case: Case, now: datetime | None) -> list[Wanted]:
    """Tell the channel once that nobody has decided, in the last quarter of an hour."""
    request = case.approval
    if now is None or request is None or request.state is not ApprovalState.PENDING:
        return []
    if not timedelta() < request.expires_at - now <= NEAR_EXPIRY:
        return []
    key = f"{case.id}/approval/{request.id}/expiring"
    return [Wanted(key, expiring_note(case, request), broadcast=True)]


def _whole_list(case: Case, *, attaching: bool) -> list[Wanted]:
    """Name all consumers where the card cannot; a file for each list that there was."""
    if not is_long(case):
        return []
    note = Wanted(list_key(case), list_note(case, attached=attaching), live=True)
    if not attaching or case.state not in OPEN_STATES:
        return [note]
    words = message(f"Every consumer of {case.id}, with its owner and how it breaks.", [])
    name = list_name(case)
    return [note, Wanted(f"{case.id}/file/{name}", words, file=(name, list_file(case)))]


def _lead(case: Case, user: str) -> list[Wanted]:
    lead = case.lead
    if lead is None:
        return []
    key = f"{case.id}/lead/{lead.mark}"
    wanted = [Wanted(key, lead_note(case, lead))]
    if user:
        wanted.append(Wanted(f"{key}/{user}", lead_notice(case, lead), user=user))
    return wanted


def _progress(case: Case) -> list[Wanted]:
    if case.plan is None:
        return []
    run = f"{case.id}/phase/{case.plan.hash[:12]}"
    return [
        Wanted(f"{run}/{phase}", phase_note(case, phase, steps))
        for phase, steps in finished_phases(case)
    ]
