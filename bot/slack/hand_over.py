"""
How a listener gives its entry to the worker: the middleware has committed it, under this key.

No listener does more than validate, hand over and acknowledge: Slack waits three seconds.
"""

from slack_bolt import BoltContext

from bot.inbox import Inbox

KEY = "locksmith_inbox_key"


REDRAW_SECONDS = 0.5  # what an acknowledgement with a view needs to reach the screen


def hand_over(inbox: Inbox, context: BoltContext, *, redraws: bool = False) -> None:
    """
    Release the entry that the middleware holds for this request.

    `redraws`: the acknowledgement replaces the form; the worker's own drawing must come after it.
    """
    key = context.get(KEY)
    if isinstance(key, str):
        inbox.release(key, after_seconds=REDRAW_SECONDS if redraws else 0.0)


def drop(inbox: Inbox, context: BoltContext) -> None:
    """Forget an entry whose form was filled in wrongly: its payload is purged."""
    key = context.get(KEY)
    if isinstance(key, str):
        inbox.discard(key)
