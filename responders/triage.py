"""
What people say about an incident before anything runs: “I am on it”, and how bad it really is.

Anybody may take an incident on or call it worse: neither can do harm, and the record names them.
To call it less bad quiets phones, so that takes somebody who may decide. Every change of severity
has a reason, which stands first among the reasons that the rules gave. Who leads it is one of those
who can move it: an approver, or an owner of what leaked; they say so, or the lead who hands over.
"""

from collections.abc import Callable
from datetime import datetime

from graph.errors import RefusedError
from responders.approvals import Electorate, fold
from responders.escalation import acknowledged
from responders.incident import OPEN_STATES, Case, Person, Severity
from responders.last_word import too_late
from responders.pager import PageAnswer
from responders.records import IncidentRecords
from responders.severity import is_worse
from responders.standing import Standing

PageAgain = Callable[[str, datetime], None]


class Triage:
    """Part of the desk; raises RefusedError with who can."""

    def __init__(
        self,
        records: IncidentRecords,
        standing: Standing,
        page: PageAgain,
        *,
        page_answered: Callable[[PageAnswer], str],
        now: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._standing = standing
        self._page = page
        self.page_answered = page_answered
        self._now = now

    def acknowledge(self, incident_id: str, person: Person) -> Case:
        """Take the incident on: nobody further is called, and pagers that can be told are told."""
        case = self._open(incident_id)
        before = acknowledged(case)
        if before is None or before.actor != (person.name or person.identity):
            self._records.acknowledge(incident_id, person)
            self._page(incident_id, self._now())  # the pagers that rang are told
        return self._records.case(incident_id)

    def change_severity(
        self, incident_id: str, person: Person, severity: Severity, reason: str
    ) -> Case:
        """
        Raise or lower it, with a reason.

        Raises:
            RefusedError: no reason, the incident is over, nothing would change, or it would be
                lowered by somebody who may not decide.
        """
        case = self._open(incident_id)
        if not reason.strip():
            raise RefusedError(
                "To change the severity a reason is needed.",
                means="Nothing was changed.",
                do_now="Say why in a sentence; it is kept with the incident.",
            )
        if severity is case.severity:
            raise RefusedError(
                f"{incident_id} is {severity} already.",
                means=too_late(case),
                do_now="Name another severity: critical, high, medium or low.",
            )
        raised = is_worse(severity, case.severity)
        if not raised:
            self._standing.decider(case).permit(person, "lower the severity")
        self._records.change_severity(incident_id, person, severity, reason.strip(), raised=raised)
        if raised:
            self._page(incident_id, self._now())  # other pagers may answer for what is worse
        return self._records.case(incident_id)

    def assign(
        self,
        incident_id: str,
        person: Person,
        to: Person,
        note: str = "",
        *,
        seen: str | None = None,
    ) -> Case:
        """
        Make `to` the lead, or hand over to them with a note.

        `seen` is the mark of the lead that `person` looked at; None: whoever leads now.

        Raises:
            RefusedError: one of the two is neither approver nor owner, `to` leads already, or the
                incident is over. ConflictError: somebody else changed it since.
        """
        case = self._open(incident_id)
        may = self._standing.responder(case)
        lead = fold(case.lead.person.identity) if case.lead else ""
        if fold(person.identity) != lead:
            _permit(may, person, f"say who leads {incident_id}", "Ask")
        _permit(may, to, f"lead {incident_id}", "It can be led by")
        if fold(to.identity) == lead:
            raise RefusedError(
                f"{to.name or to.identity} leads {incident_id} already.",
                means="Nothing was changed.",
                do_now="Name somebody else to hand over.",
            )
        known = to if to.name else may.may[fold(to.identity)]
        self._records.leads.assign(incident_id, known, by=person, note=note.strip(), seen=seen)
        return self._records.case(incident_id)

    def _open(self, incident_id: str) -> Case:
        case = self._records.case(incident_id)
        if case.state not in OPEN_STATES:
            raise RefusedError(
                f"{incident_id} is {case.state}.",
                means=too_late(case),
                do_now="A new report of the same value reopens it.",
            )
        return case


def _permit(may: Electorate, person: Person, doing: str, ask: str) -> None:
    folded, name = fold(person.identity), person.name or person.identity
    if folded not in may.may:
        why = may.barred.get(folded, "is neither an approver nor an owner of what leaked")
        raise RefusedError(
            f"{name} may not {doing}: {name} {why}.",
            means="Nothing was changed.",
            do_now=f"{ask} {may.who}.",
        )
