"""Who is in charge and how bad it is: acknowledge, assign or hand over, raise or lower."""

from slack_bolt import App

from bot.inbox import Inbox
from bot.slack.hand_over import hand_over
from bot.slack.views.forms import busy_view

BUTTONS = ("incident_ack", "assign_open", "severity_open")
FORMS = ("incident_assign", "severity_change")


def register(app: App, inbox: Inbox) -> None:
    """Attach the listeners of this file."""
    for name in BUTTONS:
        app.action(name)(hand_over(inbox))
    for name in FORMS:
        app.view(name)(hand_over(inbox, view=busy_view("One moment")))
