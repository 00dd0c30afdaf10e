"""What Slack tells about people and the App Home: opened, a group changed, a user changed."""

from slack_bolt import App, BoltContext

from bot.inbox import Inbox
from bot.slack.hand_over import hand_over


def register(app: App, inbox: Inbox) -> None:
    """Attach the listeners of this file."""

    def on_event(context: BoltContext) -> None:
        hand_over(inbox, context)

    for name in ("app_home_opened", "subteam_members_changed", "subteam_updated", "user_change"):
        app.event(name)(on_event)
