"""Reports: the message shortcut, the form, and messages in channels that the bot may read."""

from collections.abc import Mapping
from typing import Any

from slack_bolt import Ack, App, BoltContext

from bot.inbox import Inbox
from bot.slack.hand_over import drop, hand_over
from bot.slack.payloads import SHORTCUTS, form_values
from bot.slack.views.forms import NAMED, VALUE, taken_view


def register(app: App, inbox: Inbox) -> None:
    """Attach the listeners of this file."""

    def on_shortcut(ack: Ack, context: BoltContext) -> None:
        hand_over(inbox, context)
        ack()

    def on_form(ack: Ack, context: BoltContext, body: Mapping[str, Any]) -> None:
        typed = form_values(body)
        if not typed.get(VALUE) and not typed.get(NAMED):
            drop(inbox, context)
            ack(
                response_action="errors",
                errors={VALUE: "Paste the leaked value, or name the secret below."},
            )
            return
        hand_over(inbox, context, redraws=True)
        ack(response_action="update", view=taken_view())

    def on_event(context: BoltContext) -> None:
        hand_over(inbox, context)

    for name in SHORTCUTS:
        app.shortcut(name)(on_shortcut)
    app.action("leak_report_open")(on_shortcut)
    app.action("sighting_removed")(on_shortcut)
    app.action("offer_take")(on_shortcut)
    app.view("leak_report_form")(on_form)
    app.event("message")(on_event)
    app.event("app_mention")(on_event)
