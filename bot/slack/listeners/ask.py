"""Questions: the /leak command, App Home's search, the buttons under an answer, a blast radius."""

from slack_bolt import Ack, App, BoltContext

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
    "question_share",
)


def register(app: App, inbox: Inbox) -> None:
    """Attach the listeners of this file."""

    def on_question(ack: Ack, context: BoltContext) -> None:
        hand_over(inbox, context)
        ack()

    def on_form(ack: Ack, context: BoltContext) -> None:
        hand_over(inbox, context, redraws=True)
        ack(response_action="update", view=busy_view("Sharing"))

    app.command(COMMAND_NAME)(on_question)
    for name in BUTTONS:
        app.action(name)(on_question)
    app.view("question_share_form")(on_form)
