"""
The record of an incident, ready to be discussed: what happened, when, to whom, and what is left.

It begins with a synopsis for whoever reads no further, and ends with the timeline.
Graph facts are those that were frozen when something was decided on them. Times are UTC with
dates; every line of the timeline has its number in the audit chain and, where there is one, the
link to its message. Pure; the text never held a value of a secret, because no row does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from graph.model import Gap
from graph.queries.access import Access
from graph.queries.blast_radius import BlastRadius
from responders import export
from responders.evidence import evidence, in_short
from responders.findings import Finding
from responders.frozen import Frozen
from responders.incident import Case, TimelineEntry
from responders.markdown_words import after, cell, moment, said
from responders.synopsis import synopsis

_CLOCKS = {
    "exposed": "since when it could be seen",
    "reported": "Locksmith knew",
    "contained": "the old value was ended",
    "rotated": "a new value was in its store",
    "proven_dead": "the old value was seen to be refused",
}
_KINDS = {
    "receipt": "done",
    "verdict": "checked",
    "page_resolved": "page called off",
    "broke_glass": "break-glass",
    "use_seen": "use of the old value",
}
_PICKS_UP = {
    "restart": "with a restart",
    "sync": "its file follows",
    "poll": "asks again by itself",
    "next_run": "at its next run",
    "never": "never by itself",
    "unknown": "how, is not known",
}
_DECISIONS = frozenset(
    {
        "asked",
        "approved",
        "denied",
        "decided",
        "expired",
        "broke_glass",
        "reviewed",
        "severity",
        "acknowledged",
        "page_answered",
        "assigned",
        "stopped",
        "retried",
        "confirmed",
        "skipped",
        "undo",
        "closed",
        "false_alarm",
    }
)
_ABOUT = (
    "From the audit log: each number is an entry's, linked to its message. The intents that are "
    "written before each act are left out, but for one at the very end; the JSON has all."
)
_SHOWN = 50  # consumers and readers of one moment; the JSON holds all


@dataclass(frozen=True, slots=True)
class Record:
    """An incident with all that belongs to its record; `links` by number of the audit chain."""

    case: Case
    frozen: tuple[Frozen, ...] = ()
    follow_ups: tuple[Finding, ...] = ()
    links: Mapping[int, str] = field(default_factory=dict)
    remark: str = ""  # why something is missing
    reads: tuple[Access, ...] = ()  # since the exposure
    unread: tuple[Gap, ...] = ()  # what the audit logs do not say


def as_json(record: Record) -> dict[str, Any]:
    """Return everything as plain JSON types."""
    found = export.as_json(record.case)
    for entry in found["timeline"]:
        entry["link"] = record.links.get(entry["sequence"], "")
    found["frozen"] = orjson.loads(orjson.dumps(record.frozen, option=orjson.OPT_UTC_Z))
    found["follow_ups"] = orjson.loads(orjson.dumps(record.follow_ups, option=orjson.OPT_UTC_Z))
    found["reads"] = orjson.loads(orjson.dumps(record.reads, option=orjson.OPT_UTC_Z))
    found["reads_gaps"] = orjson.loads(orjson.dumps(record.unread, option=orjson.OPT_UTC_Z))
    found["clock_seconds"] = _seconds(record.case)
    return found


def markdown(record: Record) -> str:
    case = record.case
    return "\n".join(
        [
            f"# Post-mortem: {case.id}, {said(case.title)}",
            "",
            *_summary(record),
            *_clocks(case),
            *_facts(record),
            *_reads(record),
            *_called(case),
            *_decisions(case),
            *_proof(case),
            *_left(record),
            *_timeline(record),
        ]
    )


def _summary(record: Record) -> list[str]:
    case = record.case
    stored = ", ".join(
        f"`{secret}`{f' {said(key)}' if key else ''}" for secret, key in case.blast_radius.secrets
    )
    return [
        "## In short",
        "",
        *synopsis(case, reads=record.reads, unread=record.unread, left=record.follow_ups),
        "",
        f"Credential `{case.credential}`, stored in {stored or 'no store that Locksmith reads'}.",
        f"Opened {moment(case.opened_at)}, state {case.state}, closed {moment(case.closed_at)}.",
        "",
    ]


def _clocks(case: Case) -> list[str]:
    lines = ["## Clocks", "", "| clock | what it says | time | |", "|---|---|---|---|"]
    for name, words in _CLOCKS.items():
        at = getattr(case.clocks, name)
        span = "" if at is None or name == "reported" else after(at, case.clocks.reported)
        span = f"{span} the report" if span else ""
        lines.append(f"| {name.replace('_', ' ')} | {words} | {moment(at)} | {span} |")
    return [*lines, ""]


def _facts(record: Record) -> list[str]:
    """Show the facts at the beginning, and what had changed by the last decision."""
    if not record.frozen:
        return []
    first, last = record.frozen[0], record.frozen[-1]
    radius = first.blast_radius
    lines = [f"## What was known at {moment(first.at)} ({first.why})", ""]
    lines += [f"- copies: {len(radius.copies)}"]
    lines += [f"  - `{ref}`" for ref in sorted(_copies(radius))[:_SHOWN]]
    lines += _more(len(_copies(radius)))
    lines += [f"- consumers, and how each picks up a new value: {len(radius.consumers)}"]
    lines += [
        f"  - `{each.workload}`: {_PICKS_UP[each.picks_up]} ({each.owner or 'nobody named'})"
        for each in radius.consumers[:_SHOWN]
    ]
    lines += _more(len(radius.consumers))
    readers = sorted(_readers(radius) - _workloads(radius))
    lines += [
        f"- who else could read it: {len(readers)}",
        *(f"  - `{each}`" for each in readers[:_SHOWN]),
        *_more(len(readers)),
    ]
    lines += [f"- what it opened: {len(radius.opens)}"]
    lines += [
        f"- owner: {each.owner}, says {said(each.source)}"
        + (f"; but {said(each.disagrees)}" if each.disagrees else "")
        for each in radius.owners
    ] or ["- owner: nobody was named"]
    lines += _not_seen(radius.gaps)
    if last is not first:
        lines += ["", f"Until {moment(last.at)} ({last.why}):"]
        lines += _changed(first, last) or ["- nothing that counts had changed"]
    return [*lines, ""]


def _more(count: int) -> list[str]:
    return [f"  - and {count - _SHOWN} more: `--format json` has all"] if count > _SHOWN else []


def _reads(record: Record) -> list[str]:
    """Who did read it, other than who could; what nobody looked at is no "nobody"."""
    lines = ["## Who did read it since the exposure", ""]
    lines += [
        f"- `{one.subject or one.who}`: {one.times} time{'' if one.times == 1 else 's'}, first "
        f"{moment(one.first)}, last {moment(one.last)}"
        + (f", from {', '.join(one.addresses)}" if one.addresses else "")
        + ("" if one.sure else "; may have seen it in a list")
        for one in record.reads[:_SHOWN]
    ]
    if len(record.reads) > _SHOWN:
        lines.append(f"- and {len(record.reads) - _SHOWN} more: `--format json` has all")
    if not record.reads:
        lines.append("- no read is known" + (", and not all was seen:" if record.unread else ""))
    return [*lines, *_not_seen(record.unread), ""]


def _not_seen(gaps: Iterable[Gap]) -> list[str]:
    return [f"- not seen: {said(gap.scope)}: {said(gap.reason)}" for gap in gaps]


def _changed(first: Frozen, last: Frozen) -> list[str]:
    lines = []
    for word, refs_of in (("consumer", _workloads), ("copy", _copies), ("reader", _readers)):
        before, after = refs_of(first.blast_radius), refs_of(last.blast_radius)
        lines += [f"- new {word}: `{each}`" for each in sorted(after - before)]
        lines += [f"- {word} gone: `{each}`" for each in sorted(before - after)]
    return lines


def _workloads(radius: BlastRadius) -> set[str]:
    return {str(each.workload) for each in radius.consumers}


def _copies(radius: BlastRadius) -> set[str]:
    return {str(each.secret) for each in radius.copies}


def _readers(radius: BlastRadius) -> set[str]:
    return {str(each.subject) for each in radius.readers}


def _called(case: Case) -> list[str]:
    lines = ["## Who was called", ""]
    for page in case.pages:
        taken = "taken" if page.confirmed else f"**NOT taken**: {said(page.sentence)}"
        lines.append(f"- {page.owner} through {page.pager}, {moment(page.at)}: {taken}")
    if not any(page.confirmed for page in case.pages):
        lines.append("- **Nobody was paged.**")
    return [*lines, ""]


def _decisions(case: Case) -> list[str]:
    taken = [each for each in case.timeline if each.kind in _DECISIONS]
    lines = [f"- {moment(each.at)}, {said(each.actor)}: {said(each.sentence)}" for each in taken]
    return ["## Decisions", "", *(lines or ["- none"]), ""]


def _proof(case: Case) -> list[str]:
    found = evidence(case)
    proofs = [*found.copies, *found.consumers, *found.uses, found.old_value]
    shown = {one.sentence for one in proofs}
    # What a step saw of a copy, a consumer or the old value stands there already.
    proofs += [one for one in found.steps if not one.proven or one.sentence not in shown]
    listed = [
        f"- [{'x' if one.proven else ' '}] {said(one.subject)}: {said(one.sentence)}"
        for one in proofs
    ]
    return ["## Proof", "", *listed, ""]


def _left(record: Record) -> list[str]:
    lines = [f"- [ ] {said(each.title)} ({each.owner}, {each.id})" for each in record.follow_ups]
    return ["## Follow-ups", "", *(lines or ["- none"]), ""]


def _timeline(record: Record) -> list[str]:
    lines = [
        "## Timeline",
        "",
        _ABOUT,
        "",
    ]
    if record.remark:
        lines += [record.remark, ""]
    lines += ["| # | time (UTC) | what | who | |", "|---|---|---|---|---|"]
    # What was seen of each consumer stands under “Proof”, once.
    shorter = {each.sentence: in_short(each) for each in record.case.progress}
    for each in _told(record.case):
        link = record.links.get(each.sequence, "")
        number = f"[{each.sequence}]({link})" if link else str(each.sequence)
        kind = _KINDS.get(each.kind, each.kind.replace("_", " "))
        lines.append(
            f"| {number} | {each.at:%Y-%m-%d %H:%M:%S} | {kind} | {cell(each.actor)} "
            f"| {cell(shorter.get(each.sentence, each.sentence))} |"
        )
    return [*lines, ""]


def _told(case: Case) -> list[TimelineEntry]:
    """Leave out intents, but not the last: nobody has seen what became of it."""
    last = case.timeline[-1:]
    return [each for each in case.timeline if each.kind != "intent" or each in last]


def _seconds(case: Case) -> dict[str, float | None]:
    def since(moment: datetime | None) -> float | None:
        return None if moment is None else (moment - case.clocks.reported).total_seconds()

    return {name: since(getattr(case.clocks, name)) for name in _CLOCKS}
