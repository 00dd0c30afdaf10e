"""
What must happen now, and who must do it: one sentence, from the rows alone. Pure.

The same sentence heads the Slack card, `incident show` and `/leak status`.
"""

from collections.abc import Callable

from responders.evidence import gate, unreviewed
from responders.incident import ApprovalState, Case, IncidentState, StepProgress, StepState


def next_action(case: Case, stopped_because: str) -> str:
    """Say it for `case`; its own `next_action` is not looked at."""
    return banner(case) + _next(case, stopped_because)


def banner(case: Case) -> str:
    """Say what stands before it: a break-glass run that nobody has reviewed."""
    emergency = case.emergency
    if emergency is None or not unreviewed(case):
        return ""
    who = emergency.person.name or emergency.person.identity
    end = "" if emergency.reason.endswith((".", "!", "?")) else "."
    return (
        f"BREAK-GLASS: {who} ran plan {emergency.plan_hash[:8]} alone, because "
        f"“{emergency.reason}”{end} Another approver must review it. "
    )


def _next(case: Case, stopped_because: str) -> str:
    say: dict[IncidentState, Callable[[], str]] = {
        IncidentState.OPEN: lambda: stopped_because or "Locksmith makes the plan.",
        IncidentState.PLANNED: lambda: _planned(case),
        IncidentState.WAITING: lambda: _waiting(case),
        IncidentState.RUNNING: lambda: _running(case, stopped_because),
        IncidentState.STOPPED: lambda: stopped_because or "An approver retries it or plans anew.",
        IncidentState.VERIFIED: lambda: _verified(case),
        IncidentState.CLOSED: lambda: "Nothing: closed.",
        IncidentState.FALSE_ALARM: lambda: "Nothing: it was a false alarm.",
    }
    return say[case.state]()


def _verified(case: Case) -> str:
    missing = gate(case).missing
    if not missing:
        return "All is proven; Locksmith closes the incident."
    who = "An approver closes it with a reason, or brings the proof."
    if unreviewed(case):
        who = "Another approver reviews that; no reason stands in for it."
    return f"Not proven: {missing[0]}{_more(missing)}. {who}"


def _planned(case: Case) -> str:
    if case.plan is None:
        return "Somebody makes a plan."
    again = ""
    if case.approval is not None and case.approval.state is not ApprovalState.PENDING:
        again = {
            ApprovalState.DENIED: "The plan was denied. ",
            ApprovalState.EXPIRED: "Nobody decided in time. ",
            ApprovalState.VOID: "The plan changed, so the approval asked for it is void. ",
        }.get(case.approval.state, "")
    return f"{again}Somebody looks at the plan ({case.plan.order}) and asks for approval."


def _waiting(case: Case) -> str:
    request = case.approval
    if request is None:
        return "Somebody asks for approval."
    voted = sum(vote.approve for vote in request.votes)
    who = " or ".join(request.approvers[:4]) + ("" if len(request.approvers) <= 4 else " or others")  # noqa: PLR2004 - as many as fit a line
    return (
        f"{who} must decide on plan {request.plan_hash[:8]} "
        f"({voted} of {request.needed} so far) before {request.expires_at:%Y-%m-%d %H:%M} UTC."
    )


def _running(case: Case, because: str) -> str:
    current = _current(case)
    if because:
        return f"Locksmith takes back what was done. {because}"
    if current is None:
        waiting = [each for each in case.progress if each.state is StepState.WAITING]
        if not waiting or waiting[0] is case.progress[0]:
            return "Locksmith starts the first step." if waiting else "Locksmith looks at the end."
        number = case.progress.index(waiting[0]) + 1
        return f"Locksmith goes on with step {number} of {len(case.progress)}."
    number = case.progress.index(current) + 1
    said = f": {current.sentence}" if current.sentence else ""
    return f"Locksmith runs step {number} of {len(case.progress)}, {current.step.title}{said}"


def _current(case: Case) -> StepProgress | None:
    return next((each for each in case.progress if each.state is StepState.RUNNING), None)


def _more(missing: tuple[str, ...]) -> str:
    return f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
