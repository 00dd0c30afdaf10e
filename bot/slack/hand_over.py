"""
How a listener gives its entry to the worker: the middleware has committed it, under this key.

No listener does more than validate, hand over and acknowledge: Slack waits three seconds.
"""

from slack_bolt import BoltContext

from bot.inbox import Inbox

KEY = "locksmith_inbox_key"


def hand_over(inbox: Inbox, context: BoltContext) -> None:
    """Release the entry that the middleware holds for this request."""
    key = context.get(KEY)
    if isinstance(key, str):
        inbox.release(key)


def drop(inbox: Inbox, context: BoltContext) -> None:
    """Forget an entry whose form was filled in wrongly: its payload is purged."""
    key = context.get(KEY)
    if isinstance(key, str):
        inbox.discard(key)
