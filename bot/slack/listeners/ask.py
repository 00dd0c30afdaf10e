"""Questions: the /leak command, App Home's search, the buttons under an answer, a blast radius."""

from slack_bolt import App

from bot.inbox import Inbox
from bot.slack.hand_over import hand_over
from bot.slack.payloads import COMMAND_NAME
from bot.slack.views.forms import busy_view

BUTTONS = (
    "blast_radius_show",
    "home_search",
    "question_uses",
    "question_readers",
    "question_blast",
    "question_access",
    "question_all",
    "question_share",
)


def register(app: App, inbox: Inbox) -> None:
    """Attach the listeners of this file."""
    app.command(COMMAND_NAME)(hand_over(inbox))
    for name in BUTTONS:
        app.action(name)(hand_over(inbox))
    app.view("question_share_form")(hand_over(inbox, view=busy_view("Sharing")))
