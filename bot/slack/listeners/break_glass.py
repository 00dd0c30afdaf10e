"""Break-glass: the buttons that open its two forms, and the forms."""

from collections.abc import Mapping
from typing import Any

from slack_bolt import Ack, App, BoltContext

from bot.inbox import Inbox
from bot.slack.hand_over import drop, hand_over
from bot.slack.payloads import form_values, metadata
from bot.slack.views.forms import busy_view


def register(app: App, inbox: Inbox) -> None:
    """Attach the listeners of this file."""

    def on_button(ack: Ack, context: BoltContext) -> None:
        hand_over(inbox, context)
        ack()

    def on_break(ack: Ack, context: BoltContext, body: Mapping[str, Any]) -> None:
        wanted = metadata(body).get("confirm", "")
        if form_values(body).get("confirmation", "").casefold() != wanted.casefold():
            drop(inbox, context)
            words = f"Type {wanted} exactly: it runs without an approval."
            ack(response_action="errors", errors={"confirmation": words})
            return
        hand_over(inbox, context, redraws=True)
        ack(response_action="update", view=busy_view("Starting"))

    def on_review(ack: Ack, context: BoltContext) -> None:
        hand_over(inbox, context, redraws=True)
        ack(response_action="update", view=busy_view("One moment"))

    app.action("glass_open")(on_button)
    app.action("glass_review_open")(on_button)
    app.view("glass_break")(on_break)
    app.view("glass_review")(on_review)
