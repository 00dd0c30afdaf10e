"""
Who stands where in one incident: who may decide, who may help along. Reads the directory.

The rules are `approvals.py`'s; here they meet the case: its owners, reporter and authors.
"""

from graph.errors import LocksmithError, NotFoundError, RefusedError
from responders.approvals import (
    OWNERS,
    ApprovalPolicy,
    Electorate,
    Involved,
    Resolve,
    electorate,
    fold,
)
from responders.incident import Case, Person, StepProgress
from responders.run_rows import DONE


class Standing:
    """Answers from the policy and the directory as they are now."""

    def __init__(self, policy: ApprovalPolicy, resolve: Resolve) -> None:
        self._policy = policy
        self._resolve = resolve

    def electorate(self, case: Case, *, requester: Person) -> Electorate:
        """Return those who may decide on a plan that `requester` asked approval for."""
        return self._those_who_may(case, _involved(case, requester))

    def decider(self, case: Case) -> Electorate:
        """Return those who may take a responsibility: approvers, without reporter and author."""
        return self._those_who_may(case, _involved(case, None))

    def carrier(self, case: Case, *, owners_too: bool = False) -> Electorate:
        """Return those who may help an approved plan along: all approvers."""
        return self._those_who_may(case, Involved(), owners_too=owners_too)

    def responder(self, case: Case) -> Electorate:
        """Return those who may lead: all approvers, and the owners as far as they are known."""
        known = []
        for owner in dict.fromkeys(claim.owner for claim in case.blast_radius.owners):
            try:
                self._resolve(owner)
            except LocksmithError:
                continue  # a team that is not in the configuration has nobody who could lead
            known.append(owner)
        approvers = tuple(dict.fromkeys([*self._policy.approvers, OWNERS]))
        policy = self._policy.model_copy(update={"approvers": approvers})
        return electorate(policy, self._resolve, owners=known, involved=Involved())

    def belongs(self, person: Person, owner: str) -> bool:
        """Tell whether `person` is, or is in, this owner; no where that cannot be resolved."""
        try:
            members = self._resolve(owner)
        except LocksmithError:
            return False
        return any(fold(each.person.identity) == fold(person.identity) for each in members)

    def breaker(self, case: Case) -> Electorate:
        """Return those who may run a plan alone in an emergency; who leaked the value may not."""
        policy = self._policy.model_copy(update={"approvers": self._policy.break_glass})
        authors = _involved(case, None).authors
        owners = dict.fromkeys(claim.owner for claim in case.blast_radius.owners)
        involved = Involved(authors=authors)
        return electorate(policy, self._resolve, owners=owners, involved=involved)

    def _those_who_may(
        self, case: Case, involved: Involved, *, owners_too: bool = False
    ) -> Electorate:
        policy = self._policy
        if owners_too:
            approvers = tuple(dict.fromkeys([*policy.approvers, OWNERS]))
            policy = policy.model_copy(update={"approvers": approvers})
        owners = dict.fromkeys(claim.owner for claim in case.blast_radius.owners)
        return electorate(policy, self._resolve, owners=owners, involved=involved)


def _involved(case: Case, requester: Person | None) -> Involved:
    authors = tuple(each.author for each in case.sightings if each.author)
    return Involved(requester, (case.reporter,), authors)


def step_of(case: Case, step_id: str) -> StepProgress:
    undone = [each for each in case.progress if each.state not in DONE]
    if not step_id and undone:
        return undone[0]
    for each in case.progress:
        if each.step.id == step_id:
            return each
    known = ", ".join(each.step.id for each in case.progress)
    raise NotFoundError(
        f"The plan of {case.id} has no step “{step_id}” to go on with.",
        do_now=f"Its steps are: {known}." if known else "Make a plan first.",
    )


def require_reason(reason: str, doing: str) -> None:
    if not reason.strip():
        raise RefusedError(
            f"To {doing} a reason is needed.",
            means="Nothing was changed.",
            do_now="Say why in a sentence; it is kept with the incident.",
        )
