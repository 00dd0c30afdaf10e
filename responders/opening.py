"""
Opens, joins or reopens: what a report does to the rows of its credential's incident.

One credential has one open incident: its identities are unique while it is open. A later report
of the same value joins it; after closing it reopens, because then something is wrong again. Part
of the room's only SQL; called inside a transaction of `records`.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlmodel import Session, col, delete, select

from graph.queries.blast_radius import BlastRadius, to_json
from responders import codec
from responders.frozen import freeze
from responders.incident import IncidentState, LeakReport, Severity
from responders.ledger import Transaction
from responders.severity import is_worse
from responders.tables import (
    AuditEventRow,
    IncidentFingerprintRow,
    IncidentRow,
    PageAnswerRow,
    PageDueRow,
    PageRow,
    SightingRow,
)

BY_PERSON = "severity"  # the kind of the log's entry where a person said how bad it is
VALIDITY_FACTS = frozenset({"validity", "validity_because"})
NAMED_PLACES = 20  # in the log; the sightings hold all
NOT_BEGUN = frozenset({IncidentState.OPEN, IncidentState.PLANNED, IncidentState.WAITING})
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: nothing that looks like another


@dataclass(frozen=True, slots=True)
class Opening:
    """
    A report together with what was thought about it, ready to be written.

    `identities` make a second report the same credential; `holds` are all digests in it, so that
    a text with an incident's value inside joins that incident.
    """

    report: LeakReport
    title: str
    credential: str
    fingerprint_short: str
    identities: tuple[str, ...]
    severity: Severity
    severity_reasons: tuple[str, ...]
    blast_radius: BlastRadius
    holds: tuple[str, ...] = ()


Outcome = Literal["opened", "joined", "reopened", "known"]


@dataclass(frozen=True, slots=True)
class Opened:
    """
    `known`: this very finding was reported before its incident was closed.

    `raised`: the report made the incident more severe than it was.
    """

    incident_id: str
    outcome: Outcome
    raised: bool = False


def open_or_join(
    transaction: Transaction, opening: Opening, also: Sequence[LeakReport] = ()
) -> Opened:
    """
    Write the report: a new incident, a sighting of an open one, or a reopened one.

    `also` are the same credential in further places: sightings, and one line in the log.
    """
    session, report = transaction.session, opening.report
    known = select(IncidentFingerprintRow).where(
        col(IncidentFingerprintRow.identity).in_({*opening.identities, *opening.holds})
    )
    rows = session.exec(known.order_by(col(IncidentFingerprintRow.id).desc())).all()
    still_open = next((row for row in rows if row.open_key), None)
    found = still_open or next(iter(rows), None)
    if found is not None and still_open is None and _is_known(session, found, (report, *also)):
        return Opened(found.incident_id, "known")
    if found is None:
        incident_id = _insert_incident(transaction, opening)
        outcome: Outcome = "opened"
    else:
        incident_id = found.incident_id
        outcome = "joined" if still_open else "reopened"
    fresh = _add_sighting(transaction, incident_id, report)
    _add_identities(session, incident_id, opening.identities)
    place = report.where_name or report.where or "an unnamed place"
    if outcome == "reopened":
        _reopen(transaction, incident_id, opening)
    elif outcome == "joined" and (fresh or report.once):
        if fresh:
            transaction.incident(incident_id)
            sentence = f"The same value was seen again in {place}."
            transaction.log(incident_id, "sighted", sentence, actor=report.reporter)
        _learn(transaction, incident_id, opening)
    if outcome == "joined":
        _learn_validity(transaction, incident_id, report)
    worse = (opening.severity, opening.severity_reasons)
    raised = outcome == "joined" and raise_severity(transaction, incident_id, *worse)
    _add_places(transaction, incident_id, also)
    return Opened(incident_id, outcome, raised)


def _insert_incident(transaction: Transaction, opening: Opening) -> str:
    report = opening.report
    incident_id = "inc-" + "".join(secrets.choice(_ALPHABET) for _ in range(6))
    transaction.session.add(
        IncidentRow(
            id=incident_id,
            title=opening.title,
            state=IncidentState.OPEN,
            severity=opening.severity,
            severity_reasons=list(opening.severity_reasons),
            detector=report.detector,
            detector_name=report.detector_name,
            credential=opening.credential,
            fingerprint_short=opening.fingerprint_short,
            named_ref=report.named_ref,
            identity_facts=codec.facts_to_json(report.identity_facts),
            matches=codec.matches_to_json(report.matches),
            blast_radius=to_json(opening.blast_radius),
            reporter=codec.person_to_json(report.reporter),
            drill=report.drill,
            opened_at=transaction.now,
            exposed_at=report.exposed_at or report.seen_at,
            reported_at=report.reported_at,
        )
    )
    transaction.session.flush()
    freeze(transaction, incident_id, "opened", to_json(opening.blast_radius))
    transaction.incident(incident_id)
    place = report.where_name or report.where or "an unnamed place"
    transaction.log(
        incident_id,
        "reported",
        f"{report.detector_name} reported in {place}.",
        actor=report.reporter,
        facts={"where": report.where, "note": report.note},
    )
    transaction.log(
        incident_id,
        "opened",
        f"Opened as {opening.severity}: {opening.title}.",
        facts={"credential": opening.credential, "because": list(opening.severity_reasons)},
    )
    if report.matches:
        places = sorted({f"{match.secret}#{match.key}" for match in report.matches})
        transaction.log(
            incident_id,
            "matched",
            f"It is {', '.join(places)}.",
            facts={"matches": codec.matches_to_json(report.matches)},
        )
    return incident_id


def _learn(transaction: Transaction, incident_id: str, opening: Opening) -> None:
    """
    Take over what the first report could not know: the store was sealed, or not collected yet.

    The incident then wants another plan, so it is open again as at its beginning.
    """
    row, report = transaction.incident(incident_id), opening.report
    recognised = bool(report.matches) and not row.matches
    issued = bool(report.identity_facts.get("issuer")) and not row.identity_facts.get("issuer")
    if row.state not in NOT_BEGUN or not (recognised or issued):
        return
    row.state, row.title, row.credential = IncidentState.OPEN, opening.title, opening.credential
    row.detector, row.detector_name = report.detector, report.detector_name
    row.fingerprint_short = row.fingerprint_short or opening.fingerprint_short
    if not _judged_by_person(transaction.session, incident_id, since=row.opened_at):
        row.severity, row.severity_reasons = opening.severity, list(opening.severity_reasons)
    row.matches = codec.matches_to_json(report.matches)
    row.identity_facts = codec.facts_to_json(report.identity_facts)
    row.blast_radius = to_json(opening.blast_radius)
    transaction.session.add(row)
    freeze(transaction, incident_id, "recognised", row.blast_radius)
    transaction.log(
        incident_id,
        "recognised",
        f"Now it is known what leaked: {opening.title}.",
        facts={"credential": opening.credential, "because": list(opening.severity_reasons)},
    )


def _judged_by_person(session: Session, incident_id: str, *, since: datetime) -> bool:
    """Whether somebody said how bad it is: then rules do not say otherwise."""
    said = select(AuditEventRow.sequence).where(
        AuditEventRow.incident_id == incident_id,
        AuditEventRow.kind == BY_PERSON,
        col(AuditEventRow.at) >= since,
    )
    return session.exec(said).first() is not None


def raise_severity(
    transaction: Transaction, incident_id: str, severity: Severity, reasons: Sequence[str]
) -> bool:
    """Take over a higher severity, unless a person said how bad it is; whether it was raised."""
    row = transaction.session.get_one(IncidentRow, incident_id)
    before = Severity(row.severity)
    since = max(row.opened_at, row.reported_at)  # what was said before it reopened is over
    if not is_worse(severity, before) or _judged_by_person(
        transaction.session, incident_id, since=since
    ):
        return False
    row = transaction.incident(incident_id)
    row.severity = severity
    row.severity_reasons = list(dict.fromkeys([*reasons, *row.severity_reasons]))
    transaction.session.add(row)
    sentence = f"Raised from {before} to {severity}: {reasons[0]}."
    transaction.log(incident_id, "raised", sentence, facts={"because": list(reasons)})
    return True


def _learn_validity(transaction: Transaction, incident_id: str, report: LeakReport) -> None:
    """Keep the latest word on whether the credential is alive."""
    row = transaction.incident(incident_id)
    fresh = {name: fact for name, fact in report.identity_facts.items() if name in VALIDITY_FACTS}
    if not fresh or all(row.identity_facts.get(name) == fresh[name] for name in fresh):
        return
    row.identity_facts = {**row.identity_facts, **codec.facts_to_json(fresh)}
    transaction.session.add(row)
    sentence = f"It is {fresh.get('validity')}: {fresh.get('validity_because')}."
    transaction.log(incident_id, "checked", sentence, actor=report.reporter)


def _reopen(transaction: Transaction, incident_id: str, opening: Opening) -> None:
    row = transaction.incident(incident_id)
    report, since = opening.report, row.closed_at
    regression = f"regression: it was {row.state} on {since or transaction.now:%Y-%m-%d}"
    row.state, row.closed_at, row.plan_id = IncidentState.OPEN, None, ""
    row.waiver = row.stopped_because = ""
    row.severity = opening.severity
    row.severity_reasons = [regression, *opening.severity_reasons]
    row.matches = codec.matches_to_json(report.matches)
    row.identity_facts = codec.facts_to_json(report.identity_facts)
    row.blast_radius = to_json(opening.blast_radius)
    row.exposed_at, row.reported_at = report.exposed_at or report.seen_at, report.reported_at
    row.contained_at = row.rotated_at = row.proven_dead_at = None
    transaction.session.add(row)
    freeze(transaction, incident_id, "reopened", row.blast_radius)
    # They are paged anew; the audit log keeps the old ones.
    for table in (PageRow, PageDueRow, PageAnswerRow):
        transaction.session.execute(delete(table).where(col(table.incident_id) == incident_id))
    transaction.log(
        incident_id,
        "reopened",
        f"The same value was seen again after the incident was over ({regression}).",
        actor=report.reporter,
        facts={"where": report.where},
    )


def _add_sighting(transaction: Transaction, incident_id: str, report: LeakReport) -> bool:
    """Add it once per delivery; False where this very report was written before."""
    once = report.once or (
        f"{report.where}|{report.reporter.identity}|{report.reported_at.isoformat()}"
    )
    if _sighted(transaction.session, incident_id, once):
        return False
    transaction.session.add(
        SightingRow(
            incident_id=incident_id,
            once=once,
            where=report.where,
            where_name=report.where_name,
            seen_at=report.seen_at or report.reported_at,
            reporter=codec.person_to_json(report.reporter),
            author=codec.person_to_json(report.author) if report.author else None,
            note=report.note,
        )
    )
    return True


def _add_places(transaction: Transaction, incident_id: str, reports: Sequence[LeakReport]) -> None:
    fresh = [report for report in reports if _add_sighting(transaction, incident_id, report)]
    if not fresh:
        return
    transaction.incident(incident_id)
    places = [report.where_name or report.where or "an unnamed place" for report in fresh]
    sentence = f"The same value was seen in {len(fresh):,} more places, {places[0]} among them."
    if len(fresh) == 1:
        sentence = f"The same value was seen in {places[0]} too."
    facts = {"places": len(fresh), "first": [report.where for report in fresh[:NAMED_PLACES]]}
    transaction.log(incident_id, "sighted", sentence, actor=fresh[0].reporter, facts=facts)


def _is_known(
    session: Session, found: IncidentFingerprintRow, reports: Sequence[LeakReport]
) -> bool:
    """Tell old findings that are listed again from a value that turned up in a new place."""
    return all(
        bool(report.once) and _sighted(session, found.incident_id, report.once)
        for report in reports
    )


def _sighted(session: Session, incident_id: str, once: str) -> bool:
    known = select(SightingRow.id).where(
        SightingRow.incident_id == incident_id, SightingRow.once == once
    )
    return session.exec(known).first() is not None


def _add_identities(session: Session, incident_id: str, identities: Sequence[str]) -> None:
    """Hold `identities` for this open incident; what another open one holds stays with it."""
    query = select(IncidentFingerprintRow).where(
        col(IncidentFingerprintRow.identity).in_(identities)
    )
    rows = session.exec(query).all()
    ours = {row.identity: row for row in rows if row.incident_id == incident_id}
    held = {row.identity for row in rows if row.open_key and row.incident_id != incident_id}
    for identity in identities:
        row = ours.get(identity) or IncidentFingerprintRow(
            incident_id=incident_id, identity=identity
        )
        row.open_key = None if identity in held else identity
        session.add(row)
    session.flush()


def free_identities(session: Session, incident_id: str) -> None:
    """Let a later report of the same value open or reopen an incident."""
    query = select(IncidentFingerprintRow).where(IncidentFingerprintRow.incident_id == incident_id)
    for row in session.exec(query).all():
        row.open_key = None
        session.add(row)
