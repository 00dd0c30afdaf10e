"""
Who leads an incident, as rows: assigned, taken, handed over. Part of the room's only SQL.

Who may is `triage.py`'s. Of two people who change it at once the second is told of the first.
"""

from graph.errors import ConflictError
from responders import codec
from responders.incident import Person
from responders.ledger import Ledger
from responders.reading import read_lead
from responders.tables import LeadRow


class Leads:
    """Each change is a row of its own, with its audit entry."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def assign(
        self, incident_id: str, person: Person, *, by: Person, note: str, seen: str | None
    ) -> None:
        """
        Make `person` the lead; `seen` is the mark of the lead that `by` looked at (None: any).

        Raises:
            ConflictError: somebody else changed it since.
        """
        with self._ledger.transaction() as transaction:
            transaction.incident(incident_id)
            now = read_lead(transaction.session, incident_id)
            if seen is not None and seen != (now.mark if now else ""):
                raise ConflictError(
                    f"{_name(now.person)} leads {incident_id} by now: {_name(now.by)} said so."
                    if now is not None
                    else f"Nobody leads {incident_id} any more.",
                    means="Nothing was changed.",
                    do_now="Look at the incident as it is now; assign it anew if that is wrong.",
                )
            transaction.session.add(
                LeadRow(
                    incident_id=incident_id,
                    person=codec.person_to_json(person),
                    by=codec.person_to_json(by),
                    at=transaction.now,
                    note=note,
                )
            )
            told = f": {note}" if note else "."
            if person.identity == by.identity:
                sentence = f"{_name(person)} leads it{told}"
            else:
                sentence = f"{_name(by)} made {_name(person)} the lead{told}"
            facts = {"to": person.identity, "note": note}
            transaction.log(incident_id, "assigned", sentence, actor=by, facts=facts)


def _name(person: Person) -> str:
    return person.name or person.identity
