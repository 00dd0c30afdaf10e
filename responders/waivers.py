"""
A named person has the old value revoked although somebody may still need it: for what was named.

The waiver names each copy that held the step back when it was given, with who reads it, and each
log that shows the old value in use, with who uses it. Another copy, reader or user, or a new plan,
and the silence gate holds again.
"""

from graph.errors import ConflictError, RefusedError
from responders.incident import Case, Person
from responders.records import IncidentRecords
from responders.silence import Loud, mark_of, still_loud
from responders.standing import Standing, require_reason, step_of


class SilenceWaivers:
    """Who may give one, and for what; what it does to the gate is `silence.py`'s."""

    def __init__(self, records: IncidentRecords, standing: Standing) -> None:
        self._records = records
        self._standing = standing

    def held(self, incident_id: str, step_id: str = "") -> tuple[Loud, ...]:
        """Name what holds a step back (default: the first that is not done)."""
        case = self._records.case(incident_id)
        return still_loud(case, step_of(case, step_id).step)

    def permit(self, incident_id: str, person: Person) -> Case:
        """Refuse, before a form is filled in, who may not; raises RefusedError."""
        case = self._records.case(incident_id)
        self._standing.decider(case).permit(person, "waive the silence of the old value")
        return case

    def waive(
        self, incident_id: str, person: Person, step_id: str, reason: str, *, seen: str = ""
    ) -> tuple[Loud, ...]:
        """
        Answer for what holds the step back now; the step is retried by who calls this.

        `seen` is the mark of the list that the person was shown.

        Raises:
            RefusedError: not this person, no reason, or nothing holds it back.
            ConflictError: the list is another one by now.
        """
        case = self.permit(incident_id, person)
        require_reason(reason, "waive the silence of the old value")
        step = step_of(case, step_id).step
        loud = still_loud(case, step)
        if not loud:
            raise RefusedError(
                f"“{step.title}” is not held back by anybody who may need the old value.",
                means="There is nothing to waive, and nothing was changed.",
                do_now="Retry it without a waiver; if it fails, the card says why.",
            )
        if seen not in {"", mark_of(loud)}:
            raise ConflictError(
                "What holds this step back has changed since you opened the form.",
                means="Nothing was waived.",
                do_now="Open the form again and look at the list.",
            )
        self._records.journal.waive_silence(
            incident_id,
            step.id,
            person,
            reason,
            copies={each.copy: each.readers for each in loud},
        )
        return loud
