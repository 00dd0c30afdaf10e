"""Decisions on a plan: choosing its order, asking, approving and denying."""

from slack_bolt import App

from bot.inbox import Inbox
from bot.slack.hand_over import hand_over, unconfirmed
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
    for name in BUTTONS:
        app.action(name)(hand_over(inbox))
    app.view("approval_give")(
        hand_over(
            inbox,
            view=busy_view("Approving"),
            wrong=unconfirmed("Type {wanted} exactly: part of this has no way back."),
        )
    )
    app.view("approval_refuse")(hand_over(inbox, view=busy_view("Denying")))
