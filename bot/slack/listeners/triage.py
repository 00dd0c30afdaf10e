"""Who is in charge and how bad it is: acknowledge, assign or hand over, raise or lower."""

from slack_bolt import Ack, App, BoltContext

from bot.inbox import Inbox
from bot.slack.hand_over import hand_over
from bot.slack.views.forms import busy_view

BUTTONS = ("incident_ack", "assign_open", "severity_open")
FORMS = ("incident_assign", "severity_change")


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
