"""Break-glass: the buttons that open its two forms, and the forms."""

from slack_bolt import App

from bot.inbox import Inbox
from bot.slack.hand_over import hand_over, unconfirmed
from bot.slack.views.forms import busy_view


def register(app: App, inbox: Inbox) -> None:
    """Attach the listeners of this file."""
    app.action("glass_open")(hand_over(inbox))
    app.action("glass_review_open")(hand_over(inbox))
    app.view("glass_break")(
        hand_over(
            inbox,
            view=busy_view("Starting"),
            wrong=unconfirmed("Type {wanted} exactly: it runs without an approval."),
        )
    )
    app.view("glass_review")(hand_over(inbox, view=busy_view("One moment")))
