"""
An incident in a few lines, for whoever reads nothing else. Pure.

What leaked, who could see it, what it reaches, how bad that is, who was reached, how it ended, who
read it since, and what is left.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from graph.model import Gap
from graph.queries.access import Access
from graph.words import counted
from responders.escalation import worked_on
from responders.findings import Finding
from responders.incident import OPEN_STATES, Case
from responders.markdown_words import after, moment, owner, said

_ENDS = ("closed", "false_alarm")
_OWNERS = 5  # that are named


def synopsis(
    case: Case, *, reads: Sequence[Access], unread: Sequence[Gap], left: Sequence[Finding]
) -> list[str]:
    """Return the lines, as a list of Markdown."""
    parts = (
        ("What leaked", _what(case)),
        ("Who could see it", _seen(case)),
        ("What it reaches", _reach(case)),
        ("How bad", f"{case.severity}: {said('; '.join(case.severity_reasons))}."),
        ("Who was reached", _reached(case)),
        ("How it ended", _end(case)),
        ("Who read it since", _read(reads, unread)),
        ("Left to do", _left(left)),
    )
    return [f"- **{name}.** {words}" for name, words in parts]


def _what(case: Case) -> str:
    reported = f"reported {moment(case.clocks.reported)}"
    return f"{said(case.title)} ({said(case.detector_name)}), {reported}."


def _seen(case: Case) -> str:
    places: dict[str, str] = {}
    for each in case.sightings:
        place = said(each.where_name or each.where or "an unnamed place")
        who = said(each.exposure.words) if each.exposure else "who, nobody counted"
        gone = f"gone ({said(each.removed)})" if each.removed else "**still there**"
        places[place] = f"{place}: {who}; {gone}"
    return ". ".join(places.values()) + "." if places else "Not said."


def _reach(case: Case) -> str:
    radius = case.blast_radius
    owners = Counter(each.owner for each in radius.consumers)
    named = [
        f"{owner(name) if name else 'nobody named'} {number}"
        for name, number in owners.most_common(_OWNERS)
    ]
    of_whom = f" ({', '.join(named)})" if named else ""
    running = {str(each.workload) for each in radius.consumers}
    others = {str(each.subject) for each in radius.readers} - running
    reach = [
        f"{counted(len(radius.consumers), 'workload')}{of_whom}",
        f"kept in {counted(len(radius.secrets) + len(radius.copies), 'place')}",
        f"{len(others)} others may read it there",
    ]
    if radius.opens:
        reach.append(f"it opens {counted(len(radius.opens), 'thing')}")
    return ", ".join(reach) + "."


def _reached(case: Case) -> str:
    taken: dict[str, datetime] = {}
    for page in sorted(case.pages, key=lambda page: page.at):
        if page.confirmed:
            taken.setdefault(page.owner, page.at)
    begin = case.clocks.reported
    called = [f"{owner(name)} {after(at, begin)} the report" for name, at in taken.items()]
    words = f"Paged: {', '.join(called)}." if called else "**Nobody was paged.**"
    deed = worked_on(case)
    if deed is None:
        return words
    return f"{words} {said(deed.actor)} was the first to act, {after(deed.at, begin)} the report."


def _end(case: Case) -> str:
    if case.state in OPEN_STATES:
        return f"It is not over: {case.state}. {said(case.next_action)}"
    last = next((each for each in reversed(case.timeline) if each.kind in _ENDS), None)
    words = said(last.sentence) if last else f"{case.state}."
    if case.closed_at is None:
        return words
    return f"{words} That was {after(case.closed_at, case.clocks.reported)} the report."


def _read(reads: Sequence[Access], unread: Sequence[Gap]) -> str:
    who = list(dict.fromkeys(str(one.subject or one.who) for one in reads))
    if who:
        known = f"{counted(len(who), 'reader')} since the exposure, named below"
    else:
        known = "No read is known since the exposure"
    return f"{known}, but not everything is logged." if unread else f"{known}."


def _left(left: Iterable[Finding]) -> str:
    owners = Counter(each.owner for each in left)
    found = [f"{owner(name)} {number}" for name, number in owners.items()]
    return f"{counted(owners.total(), 'follow-up')}: {', '.join(found)}." if found else "Nothing."
