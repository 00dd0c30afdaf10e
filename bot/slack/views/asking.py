"""The buttons under an answer: the other questions about the same secret, and sharing it."""

import hashlib
from collections.abc import Iterable

from bot.slack.views.blocks import (
    Block,
    Message,
    actions,
    button,
    channel_input,
    context,
    modal,
    section,
)
from bot.slack.views.text import said
from graph.refs import Ref, split_key, with_key

QUESTIONS = ("uses", "readers", "blast", "access")
SEND = "question_all"
LABELS = {
    "uses": "Who uses it",
    "readers": "Who can read it",
    "blast": "Blast radius",
    "access": "Who read it",
}
IN_CHANNEL = "channel"
_DIGITS = 16


def with_buttons(answer: Message, verb: str, ref: Ref, *, sendable: bool = False) -> Message:
    """
    Offer the other three questions, and to share this answer; nothing of it is shared yet.

    `sendable`: it is longer than what stands here, and can be sent as a file.
    """
    others = [
        button(LABELS[other], f"question_{other}", question_value(other, ref))
        for other in QUESTIONS
        if other != verb
    ]
    share = button("Share in a channel", "question_share", question_value(verb, ref))
    rest = _send_button(verb, ref) if sendable else None
    under = [actions("question", rest, *others, share), context("Only you see this.")]
    return Message(answer.text, (*answer.blocks, *(block for block in under if block)))


def shared(answer: Message, name: str, verb: str, ref: Ref, *, sendable: bool = False) -> Message:
    """Draw an answer for a channel, with the name of who put it there; the rest is for each one."""
    rest = actions("question", _send_button(verb, ref)) if sendable else None
    under = [rest, context(f"Shared by {said(name, 80)}.")]
    return Message(answer.text, (*answer.blocks, *(block for block in under if block)))


def _send_button(verb: str, ref: Ref) -> Block:
    return button("Send me all", SEND, question_value(verb, ref), style="primary")


def share_form(question: str) -> Block:
    """Ask where to; `question` is opaque."""
    return modal(
        "Share",
        [
            section("Everybody in that channel will see the answer; no value is in it."),
            channel_input(IN_CHANNEL, "In which channel?"),
        ],
        callback_id="question_share_form",
        submit="Share",
        metadata=question,
    )


def question_value(verb: str, ref: Ref) -> str:
    """Name a question in a button without the name of the secret."""
    return f"{verb}:{_digest(ref)}"


def question_of(value: str, secret: Ref, keys: Iterable[str]) -> tuple[str, Ref] | None:
    """Return what `value` asks if it is about `secret`, as a whole or one of its keys."""
    verb, _, digest = value.partition(":")
    if verb not in QUESTIONS:
        return None
    bare, _ = split_key(secret)
    for each in (bare, *(with_key(bare, key) for key in keys)):
        if _digest(each) == digest:
            return verb, each
    return None


def _digest(ref: Ref) -> str:
    return hashlib.sha256(ref.encode()).hexdigest()[:_DIGITS]
