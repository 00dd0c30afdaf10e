"""Reports: the message shortcut, the form, and messages in channels that the bot may read."""

from collections.abc import Mapping
from typing import Any

from slack_bolt import App

from bot.inbox import Inbox
from bot.slack.hand_over import hand_over
from bot.slack.payloads import SHORTCUTS, form_values
from bot.slack.views.forms import NAMED, VALUE, taken_view

BUTTONS = ("leak_report_open", "sighting_removed", "offer_take")


def register(app: App, inbox: Inbox) -> None:
    """Attach the listeners of this file."""
    for name in SHORTCUTS:
        app.shortcut(name)(hand_over(inbox))
    for name in BUTTONS:
        app.action(name)(hand_over(inbox))
    app.view("leak_report_form")(hand_over(inbox, view=taken_view(), wrong=_empty))
    app.event("message")(hand_over(inbox))
    app.event("app_mention")(hand_over(inbox))


def _empty(body: Mapping[str, Any]) -> dict[str, str]:
    typed = form_values(body)
    if typed.get(VALUE) or typed.get(NAMED):
        return {}
    return {VALUE: "Paste the leaked value, or name the secret below."}
