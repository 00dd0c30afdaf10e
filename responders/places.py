"""
What became of the places where a value was seen: who could see it there, and whether it is gone.

Each change is written together with its audit entry. Who could see a place counts for severity,
which is only ever raised. What is done about a place from outside (a reminder, a deletion) is
noted here before and after it happens.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from sqlmodel import col, select

from graph.queries.blast_radius import blast_radius_from_json
from responders import codec
from responders.incident import OPEN_STATES, Exposure, IncidentState, Person
from responders.ledger import Ledger, Transaction
from responders.opening import raise_severity
from responders.severity import SeverityFacts, SeverityRule, assess
from responders.tables import IncidentRow, SightingRow

Gone = Literal["claimed", "edited", "verified"]

_EDITED, _VERIFIED = "edited away", "verified"
_SENTENCES: Mapping[Gone, str] = {
    "claimed": "The message is gone, says {name}.",
    "edited": "The value was edited out of the message; an edit is not a deletion.",
    "verified": "The message is gone: the place itself says so.",
}


class Places:
    """
    The only writer of those facts. `rules` are those of the desk.

    `page` pages the owners of an incident by what it is now: others may answer for what is worse.
    """

    def __init__(
        self,
        ledger: Ledger,
        rules: Sequence[SeverityRule],
        *,
        page: Callable[[str, datetime], object],
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._page = page

    def gone(self, incident_id: str, person: Person, where: str = "", *, how: Gone) -> int:
        """
        Note that the value no longer stands at `where` ("": anywhere); return how many places.

        What the place itself says stands above an edit, and that above a person's claim.
        """
        name = person.name or person.identity
        said = {"claimed": f"claimed by {name}", "edited": _EDITED, "verified": _VERIFIED}[how]
        with self._ledger.transaction() as transaction:
            rows = [
                row
                for row in _sightings(transaction, incident_id, where)
                if _rank(said) > _rank(row.removed)
            ]
            for row in rows:
                row.removed = said
                transaction.session.add(row)
            if rows:
                transaction.incident(incident_id)
                transaction.log(
                    incident_id,
                    "removed",
                    _SENTENCES[how].format(name=name),
                    actor=person,
                    facts={"where": [row.where for row in rows], "how": how},
                )
            return len(rows)

    def exposed(self, incident_id: str, where: str, exposure: Exposure) -> None:
        """Note who could see the value at `where`; the severity rises if that makes it worse."""
        stored = codec.exposure_to_json(exposure)
        raised = False
        with self._ledger.transaction() as transaction:
            rows = [
                row
                for row in _sightings(transaction, incident_id, where)
                if where and row.exposure != stored
            ]
            for row in rows:
                row.exposure = stored
                transaction.session.add(row)
            if not rows:
                return
            incident = transaction.incident(incident_id)
            transaction.session.flush()
            transaction.log(
                incident_id,
                "exposed",
                f"{rows[0].where_name or where}: {exposure.words}.",
                facts={"where": where, **stored},
            )
            if IncidentState(incident.state) in OPEN_STATES:
                everywhere = _sightings(transaction, incident_id, "")
                places = [_facts(incident, row) for row in everywhere]
                raised = raise_severity(transaction, incident_id, *assess(self._rules, *places))
        if raised:
            self._page(incident_id, self._ledger.now())

    def note(
        self,
        incident_id: str,
        kind: str,
        sentence: str,
        *,
        actor: Person | str = "locksmith",
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Write one line of the audit log about a place; raises before anything else happens."""
        with self._ledger.transaction() as transaction:
            transaction.incident(incident_id)
            transaction.log(incident_id, kind, sentence, actor=actor, facts=facts)


def _sightings(transaction: Transaction, incident_id: str, where: str) -> list[SightingRow]:
    query = select(SightingRow).where(SightingRow.incident_id == incident_id)
    rows = transaction.session.exec(query.order_by(col(SightingRow.id))).all()
    return [row for row in rows if where in {"", row.where}]


def _rank(removed: str) -> int:
    if removed in {_EDITED, _VERIFIED}:
        return 3 if removed == _VERIFIED else 2
    return 1 if removed else 0


def _facts(incident: IncidentRow, row: SightingRow) -> SeverityFacts:
    return SeverityFacts(
        detector=incident.detector,
        matches=codec.matches_from_json(incident.matches),
        blast_radius=blast_radius_from_json(incident.blast_radius),
        where=row.where_name or row.where,
        named=bool(incident.named_ref),
        exposure=codec.exposure_from_json(row.exposure),
    )
