"""Questions: the /leak command, and the button that shows a blast radius."""

from slack_bolt import Ack, App, BoltContext

from bot.inbox import Inbox
from bot.slack.hand_over import hand_over
from bot.slack.payloads import COMMAND_NAME


def register(app: App, inbox: Inbox) -> None:
    """Attach the listeners of this file."""

    def on_question(ack: Ack, context: BoltContext) -> None:
        hand_over(inbox, context)
        ack()

    app.command(COMMAND_NAME)(on_question)
    app.action("blast_radius_show")(on_question)
