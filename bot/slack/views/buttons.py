"""The buttons of an incident's card, by its state; who may press them is decided when they do."""

from bot.slack.views.approval import request_value
from bot.slack.views.blocks import Block, button
from bot.slack.views.charge import charge_buttons
from bot.slack.views.names import ORDER_WORDS, RECOMMENDED_ORDER
from bot.slack.views.steps import broken_step
from responders.escalation import acknowledged
from responders.evidence import unreviewed
from responders.incident import (
    OPEN_STATES,
    Case,
    IncidentState,
    StepProgress,
    StepState,
    taken_back,
)
from responders.silence import still_loud


def card_buttons(case: Case) -> list[Block | None]:
    """Offer what can be done in this state."""
    taken = acknowledged(case) is not None
    charge = charge_buttons(case, acknowledged=taken)
    return [_review_button(case), *_state_buttons(case), *charge]


def _review_button(case: Case) -> Block | None:
    """Offer it first once it is all that is missing."""
    if not unreviewed(case) or case.state not in OPEN_STATES:
        return None
    style = "primary" if case.state is IncidentState.VERIFIED else ""
    return button("Review the break-glass run", "glass_review_open", case.id, style=style)


def _state_buttons(case: Case) -> list[Block | None]:
    show = button("Blast radius", "blast_radius_show", case.id)
    match case.state:
        case IncidentState.OPEN | IncidentState.PLANNED:
            orders = [_order_button(case, order) for order in _orders(case)]
            ask = button("Ask for approval", "approval_ask", case.id, style="primary")
            planned = case.plan is not None and bool(case.plan.steps)
            false_alarm = button("False alarm", "incident_dismiss", case.id)
            return [*orders, ask if planned else None, show, false_alarm]
        case IncidentState.WAITING:
            request = request_value(case, case.approval) if case.approval else ""
            review = button("Review & approve", "approval_review", request, style="primary")
            return [review if request else None, show]
        case IncidentState.RUNNING:
            words = "Nothing further is started. What is done stays done."
            stop = button(
                "Stop after this step", "run_stop", case.id, style="danger", confirm=words
            )
            return [stop, show]
        case IncidentState.STOPPED:
            return [*_stopped_buttons(case), show]
        case IncidentState.VERIFIED:
            style = "" if unreviewed(case) else "primary"
            return [button("Close incident", "incident_close", case.id, style=style), show]
        case IncidentState.CLOSED | IncidentState.FALSE_ALARM:
            return [show]


def _orders(case: Case) -> list[str]:
    orders = [forecast.order for forecast in case.plan.forecasts] if case.plan else []
    ranked = sorted(dict.fromkeys(orders), key=lambda order: order != RECOMMENDED_ORDER)
    return ranked if len(ranked) > 1 else []


def _order_button(case: Case, order: str) -> Block:
    chosen = "✓ " if case.plan and case.plan.order == order else ""
    advice = " (recommended)" if order == RECOMMENDED_ORDER else ""
    words = ORDER_WORDS.get(order, order)
    action = "plan_" + order.replace("-", "_")
    return button(f"{chosen}Plan: {words.lower()}{advice}", action, case.id)


def _stopped_buttons(case: Case) -> list[Block]:
    if taken_back(case) and case.plan:
        orders = [forecast.order for forecast in case.plan.forecasts]
        return [_order_button(case, order) for order in orders]
    step = broken_step(case)
    if step is None:  # a person stopped it: nothing is broken
        offered = [button("Go on", "step_retry", f"{case.id}:", style="primary")]
    else:
        offered = _ways_on(case, step)
    begun = (each for each in case.progress if each.state is not StepState.WAITING)
    if not any(each.step.phase == "revoke" for each in begun):
        words = "Steps that can be undone are undone, the last one first."
        offered.append(button("Undo", "run_undo", case.id, style="danger", confirm=words))
    return offered


def _ways_on(case: Case, step: StepProgress) -> list[Block]:
    """Offer what a person can do about a step that broke."""
    value = f"{case.id}:{step.step.id}"
    again = button("Try this step again", "step_retry", value, style="primary")
    skip = button("Skip it, with a reason", "step_skip", value)
    if still_loud(case, step.step):
        anyway = button("Revoke all the same", "step_although", value, style="danger")
        confirm = button("I can confirm it", "step_confirm", value)
        return [again, anyway, *([confirm] if step.state is StepState.UNKNOWN else []), skip]
    if step.state is StepState.UNKNOWN:  # work for a person's hands, or what only they can judge
        again = button("Try this step again", "step_retry", value)
        return [button("I can confirm it", "step_confirm", value, style="primary"), again, skip]
    return [again, skip]
