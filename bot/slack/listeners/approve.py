"""Decisions on a plan: choosing its order, asking, approving and denying."""

from collections.abc import Mapping
from typing import Any

from slack_bolt import Ack, App, BoltContext

from bot.inbox import Inbox
from bot.slack.hand_over import drop, hand_over
from bot.slack.payloads import form_values, metadata
from bot.slack.views.forms import busy_view

BUTTONS = (
    "plan_rotate_first",
    "plan_revoke_first",
    "approval_ask",
    "approval_review",
    "approval_deny",
)


def register(app: App, inbox: Inbox) -> None:
    """Attach the listeners of this file."""

    def on_button(ack: Ack, context: BoltContext) -> None:
        hand_over(inbox, context)
        ack()

    def on_approval(ack: Ack, context: BoltContext, body: Mapping[str, Any]) -> None:
        wanted = metadata(body).get("confirm", "")
        if form_values(body).get("confirmation", "").casefold() != wanted.casefold():
            drop(inbox, context)
            ack(
                response_action="errors",
                errors={"confirmation": f"Type {wanted} exactly: part of this has no way back."},
            )
            return
        hand_over(inbox, context, redraws=True)
        ack(response_action="update", view=busy_view("Approving"))

    def on_denial(ack: Ack, context: BoltContext) -> None:
        hand_over(inbox, context, redraws=True)
        ack(response_action="update", view=busy_view("Denying"))

    for name in BUTTONS:
        app.action(name)(on_button)
    app.view("approval_give")(on_approval)
    app.view("approval_refuse")(on_denial)
