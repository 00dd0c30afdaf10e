"""What people do about a run: stop it, retry or skip a step, close the incident."""

from slack_bolt import App

from bot.inbox import Inbox
from bot.slack.hand_over import hand_over
from bot.slack.views.forms import busy_view

BUTTONS = (
    "run_stop",
    "run_undo",
    "step_retry",
    "step_skip",
    "step_confirm",
    "step_although",
    "incident_close",
    "incident_dismiss",
)
FORMS = (
    "step_skip_reason",
    "step_confirm_evidence",
    "step_although_reason",
    "incident_waive",
    "incident_dismiss_reason",
)


def register(app: App, inbox: Inbox) -> None:
    """Attach the listeners of this file."""
    for name in BUTTONS:
        app.action(name)(hand_over(inbox))
    for name in FORMS:
        app.view(name)(hand_over(inbox, view=busy_view("One moment")))
