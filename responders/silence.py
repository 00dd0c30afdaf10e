"""
The silence gate: nothing is revoked for good while a copy may still hold the old value. Pure.

Asked before each step that revokes, in a plan that rotates first (contain first is a decision of
its own, and its forecast says what breaks). It goes by what steps have seen: a copy that none of
them has seen the new value in may be the one that production reads, for instance where the new key
was written to another environment. It names who reads that copy, and a named person with a reason
may waive it. Sessions and last uses are looked at by steps of their own (`postgres_roles`,
`aws_access_key`), consumers by `workload_restart.confirm`.
"""

from graph.errors import RefusedError
from graph.refs import split_key
from responders.evidence import evidence
from responders.forecast import ROTATE_FIRST
from responders.incident import Case, PlannedStep, StepState

WAIVED = "silence_waived"
_SHOWN = 5  # as many as fit a message


def require_silence(case: Case, step: PlannedStep) -> None:
    """
    Refuse to revoke while somebody may still need the old value.

    Raises:
        RefusedError: with the copies, who reads them, and how it goes on.
    """
    loud = still_loud(case, step)
    if not loud:
        return
    raise RefusedError(
        f"Held back, the old value is still needed or nobody can tell: {'; '.join(loud[:_SHOWN])}"
        + (f"; and {len(loud) - _SHOWN} more." if len(loud) > _SHOWN else "."),
        means="Nothing was revoked.",
        do_now=(
            "Bring these copies to the new value and retry, or retry with a reason why it may be "
            "revoked all the same."
        ),
    )


def still_loud(case: Case, step: PlannedStep) -> tuple[str, ...]:
    """Name the copies that hold a revocation back, each with who reads it."""
    if step.phase != "revoke" or not _rotates_first(case) or _waived(case):
        return ()
    copies = {str(copy.secret) for copy in case.blast_radius.copies}
    left_out = {
        str(each.step.settings.get("target", ""))
        for each in case.progress
        if each.state is StepState.SKIPPED and each.step.phase == "refresh"
    }
    found = []
    for proof in evidence(case).copies:
        bare = split_key(proof.subject)[0]
        if not proof.proven and bare in copies and bare not in left_out:
            found.append(f"{proof.subject} {_why(case, bare)}{_readers(case, bare)}")
    return tuple(found)


def _rotates_first(case: Case) -> bool:
    """In the other order the outage is what was approved: `postgres-password` rotates to revoke."""
    return case.plan is not None and case.plan.order == ROTATE_FIRST


def _waived(case: Case) -> bool:
    """Whether somebody waived it for this plan."""
    planned = max((e.sequence for e in case.timeline if e.kind == "planned"), default=0)
    return any(e.kind == WAIVED and e.sequence > planned for e in case.timeline)


def _why(case: Case, secret: str) -> str:
    held = any(match.secret == secret and match.current for match in case.matches)
    if held:
        return "held the leaked value, and no step has seen another one in it"
    return "may hold it: no step has seen the new value in it"


def _readers(case: Case, secret: str) -> str:
    users = sorted(
        str(consumer.workload)
        for consumer in case.blast_radius.consumers
        if any(str(use.secret) == secret for use in consumer.via)
    )
    if not users:
        return ""
    more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
    return f" (read by {', '.join(users[:_SHOWN])}{more})"
