"""Opens and redraws modals and the App Home: calls that must be made at once, not by the outbox."""

from collections.abc import Mapping

from slack_sdk import WebClient

from bot.slack_api import slack_errors
from graph.errors import LocksmithError, NotFoundError


class Screen:
    """Works on one WebClient; a `trigger_id` lives three seconds and serves once."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def open(self, trigger_id: str, view: Mapping[str, object]) -> None:
        """
        Open a modal.

        Raises:
            NotFoundError: the three seconds are over; the person must click again.
        """
        with slack_errors("opening a form"):
            self._client.views_open(trigger_id=trigger_id, view=dict(view))

    def redraw(self, view_id: str, view: Mapping[str, object]) -> bool:
        """Replace a modal's content; False if the person has closed it by now."""
        try:
            with slack_errors("updating a form"):
                self._client.views_update(view_id=view_id, view=dict(view))
        except NotFoundError:
            return False
        return True

    def home(self, user: str, view: Mapping[str, object]) -> None:
        """Draw a person's App Home."""
        with slack_errors("drawing App Home"):
            self._client.views_publish(user_id=user, view=dict(view))

    def permalink(self, channel: str, ts: str) -> str:
        """Return the address of a message; "" where Slack does not say."""
        try:
            with slack_errors("asking for a message's address"):
                answer = self._client.chat_getPermalink(channel=channel, message_ts=ts)
        except LocksmithError:
            return ""
        return str(answer.get("permalink") or "")
