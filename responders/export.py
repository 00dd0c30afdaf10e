"""
An incident on paper: the closing proof and the timeline, as Markdown and as JSON. Pure.

Times are UTC with dates; every line of the timeline carries its number in the audit chain. The
text never held a value of a secret, because no row does.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from responders.evidence import Proof, evidence, gate
from responders.incident import OPEN_STATES, Case
from responders.markdown_words import cell, moment, said
from responders.matched import described

_CLOCKS = ("exposed", "reported", "contained", "rotated", "proven_dead")


def markdown(case: Case) -> str:
    """Write the report that is filed with the incident."""
    found = evidence(case)
    lines = [
        f"# {case.id}: {said(case.title)}",
        "",
        f"- State: {case.state}",
        *([f"- Next: {case.next_action}"] if case.state in OPEN_STATES else []),
        f"- Severity: {case.severity} ({said('; '.join(case.severity_reasons))})",
        f"- Credential: {case.detector_name}, `{case.credential}`",
        *_validity(case),
        *_stored(case),
        f"- Owners: {_listed(claim.owner for claim in case.blast_radius.owners)}",
        f"- Lead: {_lead(case)}",
        f"- Opened: {moment(case.opened_at)}; closed: {moment(case.closed_at)}",
        "",
        "## Clocks",
        "",
        *(f"- {name.replace('_', ' ')}: {moment(getattr(case.clocks, name))}" for name in _CLOCKS),
        "",
        "## Seen in",
        "",
        *(
            f"- {said(each.where_name or each.where or 'an unnamed place')}, {moment(each.seen_at)}"
            f"{', removed: ' + each.removed if each.removed else ''}"
            for each in case.sightings
        ),
        "",
        *_proofs("Copies", found.copies),
        *_proofs("Consumers", found.consumers),
        *_proofs("The old value", [*found.uses, found.old_value]),
        *_proofs("Steps", found.steps),
        "## Not seen",
        "",
        *(f"- {gap.scope}: {gap.reason}" for gap in case.blast_radius.gaps),
        "- Who did read it since: `locksmith access` says what the audit logs know.",
        "",
        "## Timeline",
        "",
        "| # | time (UTC) | what | who | |",
        "|---|---|---|---|---|",
        *(
            f"| {each.sequence} | {each.at:%Y-%m-%d %H:%M:%S} | {each.kind} | {cell(each.actor)} "
            f"| {cell(each.sentence)} |"
            for each in case.timeline
        ),
        "",
    ]
    return "\n".join(lines)


def _lead(case: Case) -> str:
    lead = case.lead
    if lead is None:
        return "nobody"
    name = lead.person.name or lead.person.identity
    return f"{name}, since {moment(lead.at)}"


def _stored(case: Case) -> list[str]:
    """Name each place, with what was recognised there."""
    found = {(match.secret, match.key): match for match in case.matches}
    lines = []
    for place in dict.fromkeys([*case.blast_radius.secrets, *found]):
        match = found.get(place)
        words = f": {described(match, case.identity_facts)}" if match is not None else ""
        lines.append(f"- Stored in: `{place[0]}` {place[1]}{words}")
    return lines


def _validity(case: Case) -> list[str]:
    facts = case.identity_facts
    validity = facts.get("validity")
    return [f"- Validity: {validity}, {facts.get('validity_because', '')}"] if validity else []


def as_json(case: Case) -> dict[str, Any]:
    """Return the whole case with its proof and its exit gate, as plain JSON types."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(case, option=orjson.OPT_UTC_Z))
    found["evidence"] = orjson.loads(orjson.dumps(evidence(case)))
    found["missing"] = list(gate(case).missing)
    return found


def _proofs(title: str, proofs: Iterable[Proof]) -> list[str]:
    listed = [
        f"- [{'x' if proof.proven else ' '}] {said(proof.subject)}: {said(proof.sentence)}"
        for proof in proofs
    ]
    return [f"## {title}", "", *(listed or ["- none"]), ""]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nobody is named"
