"""What stands in place of every message of an incident while outsiders read its channel."""

from bot.slack.views.blocks import Message, message, section
from bot.slack.views.text import code, said
from responders.incident import Case


def withdrawn_note(case: Case) -> Message:
    """Say only that something stood here, and where it goes on; the shell names no secret."""
    words = (
        "is not shown here: this channel is shared with another organisation, and Locksmith says "
        "nothing of secrets where outsiders read."
    )
    on = "It goes on in App Home, in direct messages, and in the shell:"
    back = "It comes back when the channel is your own again."
    text = f"🔒 {code(case.id)} {said(words)}\n{on} {code(f'locksmith incident show {case.id}')}."
    return message(f"{case.id} {words}", [section(f"{text} {back}")])
