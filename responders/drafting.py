"""
Drafts an incident's plan anew from the live graph, and saves it if it is another one.

Between the pure planner and the rows: asked for when an incident opens, when somebody looks at
the plan or asks for approval, and before a vote counts.
"""

from graph.errors import LocksmithError, RefusedError
from graph.queries.blast_radius import blast_radius
from graph.queries.copies import origins
from graph.refs import Ref
from graph.repository import GraphRepository
from responders.history import expected
from responders.incident import Case, Person, Plan
from responders.last_word import second_to
from responders.planner import Planner
from responders.records import IncidentRecords
from responders.reporting import facts_of


class Drafting:
    """Keeps plans true to the graph."""

    def __init__(self, records: IncidentRecords, graph: GraphRepository, planner: Planner) -> None:
        self._records = records
        self._graph = graph
        self._planner = planner

    def redraft(
        self, case: Case, *, order: str | None = None, person: Person | None = None
    ) -> Plan:
        """
        Return the plan that counts from now on.

        Raises:
            RefusedError: it cannot change now. BadInputError: no such order, or no usable
                playbook.
        """
        snapshot = self._graph.snapshot()
        places = origins(snapshot, case.blast_radius.secrets)
        radius = blast_radius(snapshot, places, credential=Ref(case.credential))
        facts = facts_of(case, self._records.underlying(case.id), snapshot, radius)
        kept = order or (case.plan.order if case.plan else None)
        try:
            plan, note = self._planner.draft(facts, radius, order=kept)
        except LocksmithError:
            if order:
                raise
            # The playbook may be another one by now, and lack the order that was kept.
            plan, note = self._planner.draft(facts, radius)
        plan = expected(plan, self._records.took())
        with second_to(lambda: self._records.case(case.id)):
            saved = self._records.save_plan(
                case.id,
                plan,
                blast_radius=radius,
                matches=facts.matches,
                actor=person or "locksmith",
                note=note and f"The fitting playbook could not be used: {note}",
            )
        return plan if saved else self._records.case(case.id).plan or plan

    def require(self, case: Case, plan_hash: str) -> None:
        """
        Make sure that the graph still calls for the plan of this hash.

        Raises:
            RefusedError: it calls for another one, which lies ready now.
        """
        try:
            fresh = self.redraft(case)
        except RefusedError:
            return  # it was decided in this very moment: the ballot says by whom
        if fresh.hash != plan_hash:
            raise RefusedError(
                "The graph changed since this plan was made, so the approval is void.",
                means=f"A new plan ({fresh.hash[:8]}) lies ready; nothing runs.",
                do_now="Look at the new plan and ask for approval again.",
            )
