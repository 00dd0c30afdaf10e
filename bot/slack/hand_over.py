"""
What every listener does: look whether a form is complete, commit it to the inbox, acknowledge.

No more than that: Slack waits three seconds. Bolt answers after the listener ran
(`process_before_response`). If the commit fails, the listener raises, Bolt answers 500, Socket Mode
sends no acknowledgement, and Slack delivers again or tells the user.
"""

from collections.abc import Callable, Mapping
from typing import Any

from slack_bolt import Ack, BoltResponse

from bot.inbox import Inbox
from bot.slack.payloads import VIEW, form_values, metadata, new_entry
from bot.slack.views.blocks import Block

DROPPED = ("token", "authorizations", "event_context")  # of the envelope; nothing of it is needed
REDRAW_SECONDS = 0.5  # what an acknowledgement with a view needs to reach the screen

Body = Mapping[str, Any]
Listener = Callable[[Ack, Body], BoltResponse]
Look = Callable[[Body], dict[str, str]]  # what is wrong with a form, by block_id; empty: nothing


def _nothing_wrong(_: Body) -> dict[str, str]:
    return {}


def hand_over(inbox: Inbox, *, view: Block | None = None, wrong: Look = _nothing_wrong) -> Listener:
    """
    Make a listener. What was delivered before is acknowledged, and no more.

    `view` takes the place of a form until the worker draws its own, which must come after it. A
    form in which something is `wrong` stays open and says so; nothing of it is kept.
    """

    def listen(ack: Ack, body: Body) -> BoltResponse:
        errors = wrong(body)
        if errors:
            return ack(response_action="errors", errors=errors)
        entry = new_entry(body)
        if entry is None:
            return ack()
        taken = inbox.put(
            entry.key,
            {key: body[key] for key in body if key not in DROPPED},
            kind=entry.kind,
            name=entry.name,
            urgent=entry.urgent,
            resting_seconds=REDRAW_SECONDS if entry.kind == VIEW else 0.0,
        )
        if not taken or view is None:
            return ack()
        return ack(response_action="update", view=view)

    return listen


def unconfirmed(words: str) -> Look:
    """Look whether what a form asks to be typed was typed; `{wanted}` in `words` names it."""

    def look(body: Body) -> dict[str, str]:
        wanted = metadata(body).get("confirm", "")
        typed = form_values(body).get("confirmation", "")
        right = typed.casefold() == wanted.casefold()
        return {} if right else {"confirmation": words.format(wanted=wanted)}

    return look
