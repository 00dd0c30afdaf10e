"""
Reads single messages and threads again, where the history scopes allow it.

What Slack does not let the bot read is an answer of its own ("cannot tell"), never a guess.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from slack_sdk import WebClient

from bot.slack_api import SlackRefusedError, slack_errors
from graph.errors import AccessDeniedError, NotFoundError

THREAD_MESSAGES = 100
TOMBSTONE = "tombstone"  # what stays of a deleted message that has replies

Payload = Mapping[str, Any]


class Reader:
    """Works on one WebClient; a call each time, nothing is remembered."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def stands(self, channel: str, ts: str, thread_ts: str = "") -> bool | None:
        """Tell whether a message is still there; None: the bot may not look."""
        try:
            found = self._around(channel, ts, thread_ts)
        except (AccessDeniedError, NotFoundError, SlackRefusedError):
            return None
        return any(each.get("ts") == ts and each.get("subtype") != TOMBSTONE for each in found)

    def thread(self, channel: str, ts: str) -> Sequence[Payload]:
        """
        Return a thread, its root first.

        Raises:
            AccessDeniedError: no history scope, or the bot is no member.
            NotFoundError: there is no such thread, or the bot does not see the channel.
        """
        with slack_errors("reading the thread"):
            answer = self._client.conversations_replies(
                channel=channel, ts=ts, limit=THREAD_MESSAGES
            )
        return list(answer.get("messages") or [])

    def _around(self, channel: str, ts: str, thread_ts: str) -> Sequence[Payload]:
        with slack_errors("looking whether a message is still there"):
            if thread_ts and thread_ts != ts:
                answer = self._client.conversations_replies(
                    channel=channel, ts=thread_ts, oldest=ts, latest=ts, inclusive=True, limit=10
                )
            else:
                answer = self._client.conversations_history(
                    channel=channel, oldest=ts, latest=ts, inclusive=True, limit=1
                )
        return list(answer.get("messages") or [])
