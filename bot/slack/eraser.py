"""
Deletes a message with the token of a workspace admin: off unless `slack.admin_user_token` is set.

A bot may delete only its own messages; a user token may delete what its user may
(docs.slack.dev/reference/methods/chat.delete). Repeating is harmless: what is gone is gone.
"""

from slack_sdk import WebClient

from bot.slack_api import slack_errors
from graph.errors import NotFoundError


class Eraser:
    """`client` carries the user token; made by `bot.slack_api.web_client`."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def delete(self, channel: str, ts: str) -> bool:
        """
        Delete one message; False: it was gone already.

        Raises:
            LocksmithError: Slack refused (the user may not, a scope is missing) or is not there.
        """
        try:
            with slack_errors("deleting a message with the admin's token"):
                self._client.chat_delete(channel=channel, ts=ts)
        except NotFoundError:
            return False
        return True
