"""What Slack tells about people and the App Home: opened, a group changed, a user changed."""

from slack_bolt import App

from bot.inbox import Inbox
from bot.slack.hand_over import hand_over

EVENTS = ("app_home_opened", "subteam_members_changed", "subteam_updated", "user_change")


def register(app: App, inbox: Inbox) -> None:
    """Attach the listeners of this file."""
    for name in EVENTS:
        app.event(name)(hand_over(inbox))
