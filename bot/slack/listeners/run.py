"""What people do about a run: stop it, retry or skip a step, close the incident."""

from slack_bolt import Ack, App, BoltContext

from bot.inbox import Inbox
from bot.slack.hand_over import hand_over
from bot.slack.views.forms import busy_view

BUTTONS = (
    "run_stop",
    "run_undo",
    "step_retry",
    "step_skip",
    "step_confirm",
    "incident_close",
    "incident_dismiss",
)
FORMS = (
    "step_skip_reason",
    "step_confirm_evidence",
    "incident_waive",
    "incident_dismiss_reason",
)


def register(app: App, inbox: Inbox) -> None:
    """Attach the listeners of this file."""

    def on_button(ack: Ack, context: BoltContext) -> None:
        hand_over(inbox, context)
        ack()

    def on_form(ack: Ack, context: BoltContext) -> None:
        hand_over(inbox, context, redraws=True)
        ack(response_action="update", view=busy_view("One moment"))

    for name in BUTTONS:
        app.action(name)(on_button)
    for name in FORMS:
        app.view(name)(on_form)
