"""
Break-glass: one named person runs a plan alone, with a reason; somebody else reviews it after.

For the night when the quorum sleeps. The plan hash, the allow-list and the mode hold as ever; on
call is paged, the card carries a banner, and the incident does not close before the review.
"""

from graph.errors import ConflictError, RefusedError
from responders.drafting import Drafting
from responders.engine import RunEngine
from responders.evidence import unreviewed
from responders.incident import Case, Person
from responders.last_word import second_to
from responders.records import IncidentRecords
from responders.standing import Standing

_SHORTEST_REASON = 10  # characters: more than "urgent"


class BreakingGlass:
    """Who may, and what follows; the rows are `emergency.py`'s."""

    def __init__(
        self, records: IncidentRecords, drafting: Drafting, standing: Standing, engine: RunEngine
    ) -> None:
        self._records = records
        self._drafting = drafting
        self._standing = standing
        self._engine = engine

    def run_alone(
        self, incident_id: str, person: Person, reason: str, *, plan_hash: str = ""
    ) -> None:
        """
        Run the plan as the graph calls for it now; `plan_hash`: the one that the person saw.

        Raises:
            RefusedError: this person may not, no reason, mode or allow-list forbid it.
            ConflictError: it runs already, the incident is over, or the plan has changed.
        """
        case = self._records.case(incident_id)
        may = self._standing.breaker(case)
        if not (may.may or may.barred):
            raise RefusedError(
                "Nobody may run a plan alone here.",
                means="Break-glass is not set up.",
                do_now="Ask for approval; or name people in approvals.break_glass beforehand.",
            )
        may.permit(person, "run a plan alone")
        if len(reason.strip()) < _SHORTEST_REASON:
            raise RefusedError(
                "To run a plan alone a reason is needed, in a sentence.",
                means="Nothing was started.",
                do_now="Say why it cannot wait for an approval; it is kept, and reviewed.",
            )
        plan = self._drafting.redraft(case)
        if plan_hash and plan.hash != plan_hash:
            raise ConflictError(
                "The plan has changed since you opened the form.",
                means="Nothing was started.",
                do_now="Look at the card, which shows the new plan, and break the glass again.",
            )
        self._engine.settings.require(target for step in plan.steps for target in step.targets)
        with second_to(lambda: self._records.case(incident_id)):
            plan_id = self._records.emergencies.start(
                incident_id, person, plan_hash=plan.hash, reason=reason.strip()
            )
        self._engine.start(plan_id)

    def review(self, incident_id: str, person: Person, finding: str) -> None:
        """
        Say, as another approver, what is to be said about it.

        Raises:
            RefusedError: not this person, no words, or nothing waits for a review.
        """
        case = self._records.case(incident_id)
        self._standing.carrier(case).permit(person, "review a break-glass run")
        if not finding.strip():
            raise RefusedError(
                "A review needs words.",
                means="Nothing was changed.",
                do_now="Say whether it was right, and what is to be done about it.",
            )
        self._records.emergencies.review(incident_id, person, finding.strip())


def require_review(case: Case) -> None:
    """
    Keep an incident open until its break-glass run is reviewed.

    Raises:
        RefusedError: it is not.
    """
    if missing := unreviewed(case):
        raise RefusedError(
            f"{case.id} cannot be closed yet: {missing[0]}.",
            means="No waiver stands in for a review.",
            do_now=f"Another approver reviews it: locksmith incident review {case.id}",
        )
