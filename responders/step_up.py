"""
A sign-in asked of an approver before their approval of a plan with no way back counts.

Slack says who clicked; whoever has that person's Slack session is that person to Slack. So where it
is configured, such an approval counts only after the same person has signed in anew at the
company's identity provider, in the browser that opened their own link, for this very plan. Each
link works once and for minutes. Here are the rows and the rules; the sign-in itself, its signature
and its cookies are `bot/step_up.py`'s. Break-glass asks for none: it is for the night when the
provider is down too, and it is reviewed.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import col

from graph.errors import LocksmithError, RefusedError
from responders import codec
from responders.approvals import fold
from responders.ballot import require_pending
from responders.drafting import Drafting
from responders.incident import ApprovalRequest, Case, Person
from responders.records import IncidentRecords
from responders.standing import Standing
from responders.tables import StepUpRow

_AGAIN = "Click on Approve once more for a new link."


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in that was asked for; it becomes worthless when its plan does."""

    id: str
    request_id: str
    incident_id: str
    plan_hash: str
    person: Person
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in that was answered by the right person; `where` names the provider."""

    sign_in: SignIn
    where: str


class StepUp:
    """Whom to ask for a sign-in, and whose counts. `minutes` None: it is asked of nobody."""

    def __init__(
        self,
        records: IncidentRecords,
        drafting: Drafting,
        standing: Standing,
        *,
        minutes: int | None,
    ) -> None:
        self._records = records
        self._ledger = records.ledger
        self._drafting = drafting
        self._standing = standing
        self._minutes = minutes

    def needed(self, case: Case) -> bool:
        """Tell whether approvals of the plan that counts now need one."""
        return self._minutes is not None and case.plan is not None and bool(case.plan.irreversible)

    def require(
        self, case: Case, request: ApprovalRequest, person: Person, given: SignedIn | None
    ) -> str:
        """
        Refuse an approval without the sign-in that it needs; say where it was ("": none needed).

        Raises:
            RefusedError: there is none, or it was for another request, person or plan.
        """
        if not self.needed(case):
            return ""
        wanted = (request.id, request.plan_hash, fold(person.identity))
        if given is not None:
            its = given.sign_in
            if (its.request_id, its.plan_hash, fold(its.person.identity)) == wanted:
                return given.where
        raise RefusedError(
            "This plan has steps without a way back, so an approval needs a sign-in first.",
            means="The approval was not counted.",
            do_now="Approve in Slack or on the command line: both give you a link to sign in.",
        )

    def ask(self, request_id: str, person: Person) -> SignIn | None:
        """
        Ask this person for a sign-in, in place of any asked before; None where none is needed.

        Raises:
            RefusedError: this person could not approve this request.
        """
        case = self._permit(request_id, person)
        if not self.needed(case) or self._minutes is None or case.approval is None:
            return None
        with self._ledger.transaction() as transaction:
            asked = StepUpRow(
                id=secrets.token_hex(16),
                request_id=request_id,
                incident_id=case.id,
                plan_hash=case.approval.plan_hash,
                person=codec.person_to_json(person),
                asked_at=transaction.now,
                expires_at=transaction.now + timedelta(minutes=self._minutes),
            )
            transaction.session.add(asked)
            transaction.incident(case.id)
            name = person.name or person.identity
            said = f"{name} is asked to sign in anew before their approval counts."
            facts = {"request": request_id, "step_up": asked.id}
            transaction.log(case.id, "step_up_asked", said, actor=person, facts=facts)
            return _sign_in(asked)

    def look(self, step_up_id: str) -> SignIn:
        """
        Return what a link is about; it changes nothing.

        Raises:
            RefusedError: the link was used, is too old, or its request is decided or void.
        """
        with self._ledger.reading() as session:
            row = session.get(StepUpRow, step_up_id)
        found = self._usable(row)
        if row is not None and row.begun_at is not None:
            raise _refused("This link was used already.")
        self._permit(found.request_id, found.person)
        return found

    def begin(self, step_up_id: str, browser: str) -> SignIn:
        """
        Use the link, once, in the browser whose cookie has the digest `browser`.

        Raises:
            RefusedError: as `look`.
        """
        found = self.look(step_up_id)
        with self._ledger.transaction() as transaction:
            used = (
                update(StepUpRow)
                .where(col(StepUpRow.id) == step_up_id, col(StepUpRow.begun_at).is_(None))
                .values(begun_at=transaction.now, browser=browser)
            )
            if transaction.session.connection().execute(used).rowcount != 1:
                raise _refused("This link was used already.")
        return found

    def answer(self, step_up_id: str, browser: str) -> SignIn:
        """
        Take the answer to a sign-in, once, from the browser that began it.

        Raises:
            RefusedError: nobody began it, it came before, or from another browser.
        """
        with self._ledger.reading() as session:
            row = session.get(StepUpRow, step_up_id)
        found = self._usable(row)
        if row is None or row.begun_at is None or not secrets.compare_digest(row.browser, browser):
            raise _refused("This sign-in was begun in another browser.")
        with self._ledger.transaction() as transaction:
            spent = (
                update(StepUpRow)
                .where(col(StepUpRow.id) == step_up_id, col(StepUpRow.spent_at).is_(None))
                .values(spent_at=transaction.now)
            )
            if transaction.session.connection().execute(spent).rowcount != 1:
                raise _refused("This sign-in was answered already.")
        return found

    def signed_in(self, sign_in: SignIn, email: str, where: str) -> SignedIn:
        """
        Make sure that who signed in is who approves.

        Raises:
            RefusedError: it is somebody else.
        """
        if fold(email) != fold(sign_in.person.identity):
            raise _refused(f"{email} signed in, and this approval is {sign_in.person.identity}'s.")
        return SignedIn(sign_in, where)

    def refused(self, sign_in: SignIn, error: LocksmithError) -> None:
        """Keep in the record that a sign-in did not make an approval count, and why."""
        with self._ledger.transaction() as transaction:
            transaction.incident(sign_in.incident_id)
            said = f"A sign-in for an approval was refused: {error.happened}"
            facts = {"request": sign_in.request_id, "step_up": sign_in.id}
            transaction.log(
                sign_in.incident_id, "step_up_refused", said, actor=sign_in.person, facts=facts
            )

    def _permit(self, request_id: str, person: Person) -> Case:
        """
        Make sure that this person could approve this request now, for the plan as it is now.

        Raises:
            RefusedError: they could not, it is decided, or the plan has changed.
        """
        self._records.ballot.expire_due()
        asked = self._records.ballot.find(request_id)
        case = self._records.case(asked.incident_id)
        may = self._standing.electorate(case, requester=asked.request.requested_by)
        may.permit(person, "decide on this plan")
        require_pending(asked.request, self._ledger.now())
        self._drafting.require(case, asked.request.plan_hash)
        return case

    def _usable(self, row: StepUpRow | None) -> SignIn:
        if row is None:
            raise _refused("This link leads to no sign-in that was asked for.")
        if row.expires_at <= self._ledger.now():
            raise _refused("This link is too old.")
        return _sign_in(row)


def _sign_in(row: StepUpRow) -> SignIn:
    return SignIn(
        row.id,
        row.request_id,
        row.incident_id,
        row.plan_hash,
        codec.person_from_json(row.person),
        row.expires_at,
    )


def _refused(happened: str) -> RefusedError:
    return RefusedError(happened, means="The approval was not counted.", do_now=_AGAIN)
