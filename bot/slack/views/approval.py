"""
Asking for approval: the card in the thread, its copies to the approvers, and the two forms.

Every copy is drawn from the same request, so that they cannot disagree. Who may decide is checked
again when somebody does; a button shown to many is no permission.
"""

import orjson

from bot.slack.views.blocks import (
    Block,
    Message,
    actions,
    button,
    context,
    divider,
    fields,
    header,
    message,
    modal,
    section,
    text_input,
)
from bot.slack.views.names import ORDER_WORDS, incident_name, who
from bot.slack.views.steps import forecast_text, plan_lines
from bot.slack.views.text import code, joined, said, when
from graph.words import counted
from responders.incident import ApprovalRequest, ApprovalState, Case, Plan

STATE_LINES = {
    ApprovalState.PENDING: "🕓 waiting for approval",
    ApprovalState.APPROVED: "✅ approved",
    ApprovalState.DENIED: "⛔ denied",
    ApprovalState.EXPIRED: "⌛ expired: nothing was run, ask again",
    ApprovalState.VOID: "♻️ void: the plan has changed since, ask again",
}


def approval_card(
    case: Case, request: ApprovalRequest, *, direct: bool = False, alone: bool = False
) -> Message:
    """
    Draw the request with its state; `direct`: the copy that an approver gets personally.

    `alone`: break-glass is set up, so its button is there.
    """
    plan = case.plan if case.plan and case.plan.hash == request.plan_hash else None
    order = ORDER_WORDS.get(plan.order, plan.order) if plan else "a plan that has changed"
    pending = request.state is ApprovalState.PENDING
    given = sum(vote.approve for vote in request.votes)
    reason = "You may approve this. " if direct and pending else ""
    blocks: list[Block | None] = [
        section(f"*{STATE_LINES[request.state]}* · {code(case.id)} {said(case.title, 150)}"),
        fields(
            [
                ("What will run", f"{said(order, 60)}, {_counts(plan)}"),
                ("Asked by", f"{who(request.requested_by)}, {when(request.requested_at)}"),
                ("Needed", f"{given} of {request.needed} given"),
                ("Who may", _approvers(request)),
            ]
        ),
        _votes(request),
        section(_impact(case, plan)) if plan and pending else None,
        actions("approval", *_buttons(case, request, alone=alone)) if pending else None,
        context(
            f"{reason}Plan {code(request.plan_hash[:8])} · "
            f"{'expires' if pending else 'asked until'} {when(request.expires_at)}. "
            "A changed plan voids this request; time never approves it."
        ),
    ]
    words = f"{case.id}: {STATE_LINES[request.state]}. {case.title}"
    return message(words, blocks)


def expiring_note(case: Case, request: ApprovalRequest) -> Message:
    """Say to the whole channel that time is about to run out, and who can decide."""
    words = (
        f"⌛ {code(case.id)} {said(case.title, 150)}: *nobody has decided yet.* The request "
        f"expires {when(request.expires_at)}; then nothing runs, and it is asked for anew.\n"
        f"Who may decide: {_approvers(request)}"
    )
    review = button("Review & approve", "approval_review", request_value(case, request))
    fallback = f"{case.id}: the request for approval expires soon, and nobody has decided."
    return message(fallback, [section(words), actions("expiring", review)])


def superseded_card(case: Case) -> Message:
    """Stand in place of a request after which another one was made."""
    words = f"♻️ {code(case.id)} {said(case.title, 150)}: this request was replaced by a newer one."
    return message(f"{case.id}: replaced by a newer request.", [section(words)])


def approve_form(case: Case, request: ApprovalRequest) -> Block:
    """Show the whole plan with both orders; steps without a way back ask for the id to be typed."""
    plan = case.plan
    blocks: list[Block | None] = [header(case.title), context(_scope(case, request))]
    if plan is not None:
        title = ORDER_WORDS.get(plan.order, plan.order)
        lines = plan_lines(plan)
        blocks.append(section(f"*What will run: {said(title, 60)}*\n" + joined(lines[:12], 2600)))
        if lines[12:]:
            blocks.append(section(joined(lines[12:], 2600)))
        blocks.append(divider())
        blocks += [
            section(forecast_text(forecast, chosen=forecast.order == plan.order))
            for forecast in plan.forecasts
        ]
        blocks.append(context(f"⏱️ {said(plan.expected, 200)}") if plan.expected else None)
        blocks.append(context(said(plan.use, 300)) if plan.use else None)
    irreversible = plan.irreversible if plan else ()
    if irreversible:
        listed = joined([f"• {said(title, 150)}" for title in irreversible], 1500)
        blocks.append(section(f"⚠️ *Cannot be undone*\n{listed}"))
        blocks.append(
            text_input(
                "confirmation",
                f"Type {case.id} to confirm",
                hint="Because part of this plan has no way back.",
                optional=False,
                most=60,
            )
        )
    return modal(
        "Review and approve",
        blocks,
        callback_id="approval_give",
        submit="Approve",
        close="Not now",
        metadata=orjson.dumps(
            {
                "incident": case.id,
                "request": request.id,
                "confirm": case.id if irreversible else "",
            }
        ).decode(),
    )


def sign_in_message(case: Case, request: ApprovalRequest, link: str) -> Message:
    """Draw the personal message with the link; it is only sent to who approves."""
    words = "Your approval does not count yet"
    return message(
        f"{words}: {case.id}.",
        [
            section(
                f"*{words}.* Plan {code(request.plan_hash[:8])} of {code(case.id)}"
                f" {said(case.title, 150)} has steps without a way back."
            ),
            section(f"<{link}|Sign in and approve>"),
            context("The link is yours alone, works once and for a few minutes."),
        ],
    )


def deny_form(case: Case, request_id: str) -> Block:
    """Ask for the reason; it is mandatory."""
    return modal(
        "Deny this plan",
        [
            section(incident_name(case)),
            section("Nothing of this plan will be run. The incident stays open."),
            text_input(
                "reason",
                "Why?",
                hint="Everybody in the thread reads it. Never write a secret here.",
                multiline=True,
                optional=False,
                most=500,
                least=3,
            ),
        ],
        callback_id="approval_refuse",
        submit="Deny",
        metadata=orjson.dumps({"incident": case.id, "request": request_id}).decode(),
    )


def _buttons(case: Case, request: ApprovalRequest, *, alone: bool) -> tuple[Block, ...]:
    value = request_value(case, request)
    buttons = [
        button("Review & approve", "approval_review", value, style="primary"),
        button("Deny", "approval_deny", value, style="danger"),
    ]
    if alone:
        buttons.append(button("Break glass", "glass_open", case.id))
    return tuple(buttons)


def request_value(case: Case, request: ApprovalRequest) -> str:
    """Name a request in a button: two opaque ids."""
    return f"{case.id}:{request.id}"


def _counts(plan: Plan | None) -> str:
    if plan is None:
        return "see the newest request"
    back = counted(len(plan.irreversible), "step") + " without a way back"
    return (
        f"{counted(len(plan.steps), 'step')}, {back if plan.irreversible else 'none of them final'}"
    )


def _approvers(request: ApprovalRequest) -> str:
    names = [said(name, 60) for name in request.approvers[:6]]
    rest = f" and {len(request.approvers) - 6} more" if len(request.approvers) > 6 else ""  # noqa: PLR2004
    return (", ".join(names) or "nobody: see the approvals policy") + rest


def _votes(request: ApprovalRequest) -> Block | None:
    lines = []
    for vote in request.votes:
        word = "✅ approved" if vote.approve else "⛔ denied"
        why = f": “{said(vote.reason, 300)}”" if vote.reason else ""
        lines.append(f"{word} by {who(vote.person)} {when(vote.at)}{why}")
    return section(joined(lines, 1500)) if lines else None


def _impact(case: Case, plan: Plan | None) -> str:
    if plan is None:
        return ""
    chosen = [forecast for forecast in plan.forecasts if forecast.order == plan.order]
    return joined([forecast_text(forecast, chosen=False) for forecast in chosen], 1500) or (
        f"{counted(len(case.blast_radius.consumers), 'consumer')} of the credential."
    )


def _scope(case: Case, request: ApprovalRequest) -> str:
    consumers = counted(len(case.blast_radius.consumers), "consumer")
    return (
        f"{code(case.id)} · asked by {who(request.requested_by)} · "
        f"plan {code(request.plan_hash[:8])} · {consumers}"
    )
