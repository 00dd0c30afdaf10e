"""
The few Block Kit shapes that we use, within Slack's limits, as plain dicts.

Only blocks that every workspace shows (section, fields, actions, context, header, input); dicts
because the SDK's classes do not know the newer blocks and check only part of the limits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.slack.views.text import SECTION_LIMIT, cut, plain, said

Block = dict[str, object]

FIELD_LIMIT = 550
HEADER_LIMIT = 150
BUTTON_LIMIT = 75
TITLE_LIMIT = 24
TEXT_FALLBACK_LIMIT = 1200  # chat.update refuses more than 4,000 bytes


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted: `text` is the fallback for notifications and screen readers."""

    text: str
    blocks: tuple[Block, ...]


def message(text: str, blocks: Iterable[Block | None]) -> Message:
    """`text` comes as it is and is made safe here, because Slack reads it as mrkdwn too."""
    return Message(
        said(text, TEXT_FALLBACK_LIMIT) or "-",
        tuple(block for block in blocks if block is not None),
    )


def header(text: str) -> Block:
    return {"type": "header", "text": _plain_text(text, HEADER_LIMIT)}


def section(mrkdwn: str, *, accessory: Block | None = None) -> Block:
    """`mrkdwn` is safe already; it should have been fitted with `text.joined`."""
    block: Block = {"type": "section", "text": _mrkdwn(mrkdwn, SECTION_LIMIT + 60)}
    if accessory is not None:
        block["accessory"] = accessory
    return block


def fields(pairs: Sequence[tuple[str, str]]) -> Block:
    """Up to ten pairs of a label and safe mrkdwn, in two columns."""
    return {
        "type": "section",
        "fields": [_mrkdwn(f"*{label}*\n{value}", FIELD_LIMIT) for label, value in pairs[:10]],
    }


def context(*mrkdwn: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(text, 1500) for text in mrkdwn[:10]]}


def divider() -> Block:
    return {"type": "divider"}


def actions(block_id: str, *buttons: Block | None) -> Block | None:
    """Lay buttons side by side; None when there is none, because Slack refuses an empty row."""
    present = [button for button in buttons if button is not None]
    if not present:
        return None
    return {"type": "actions", "block_id": block_id, "elements": present[:25]}


def button(
    label: str, action_id: str, value: str, *, style: str = "", confirm: str = "", aloud: str = ""
) -> Block:
    """`value` is an opaque id; `confirm` asks once more; `aloud` is what a screen reader says."""
    made: Block = {
        "type": "button",
        "text": {"type": "plain_text", "text": plain(label, BUTTON_LIMIT), "emoji": True},
        "action_id": action_id,
        "value": value,
    }
    if style:
        made["style"] = style
    if aloud:
        made["accessibility_label"] = plain(aloud, BUTTON_LIMIT)
    if confirm:
        made["confirm"] = {
            "title": _plain_text("Are you sure?", 100),
            "text": _plain_text(confirm, 300),
            "confirm": _plain_text("Yes", 30),
            "deny": _plain_text("No", 30),
        }
    return made


def link_button(label: str, action_id: str, url: str) -> Block:
    return {
        "type": "button",
        "text": {"type": "plain_text", "text": plain(label, BUTTON_LIMIT), "emoji": True},
        "action_id": action_id,
        "url": url,
    }


def text_input(
    block_id: str,
    label: str,
    *,
    hint: str = "",
    placeholder: str = "",
    multiline: bool = False,
    optional: bool = True,
    most: int = 3000,
    least: int = 0,
) -> Block:
    """Make an input whose element has the action_id "typed"."""
    element: Block = {
        "type": "plain_text_input",
        "action_id": "typed",
        "multiline": multiline,
        "max_length": most,
    }
    if least:
        element["min_length"] = least
    if placeholder:
        element["placeholder"] = _plain_text(placeholder, 150)
    block: Block = {
        "type": "input",
        "block_id": block_id,
        "label": _plain_text(label, 2000),
        "element": element,
        "optional": optional,
    }
    if hint:
        block["hint"] = _plain_text(hint, 2000)
    return block


def person_input(block_id: str, label: str, *, first: str = "") -> Block:
    """Let a person of the workspace be chosen; `first` is the user id that stands there."""
    element: Block = {"type": "users_select", "action_id": "typed"}
    if first:
        element["initial_user"] = first
    return _input(block_id, label, element)


def choice_input(block_id: str, label: str, options: Sequence[tuple[str, str]]) -> Block:
    """Let one of `options` be chosen: pairs of a value and a label."""
    rows = [{"text": _plain_text(shown, 75), "value": value} for value, shown in options[:100]]
    return _input(block_id, label, {"type": "static_select", "action_id": "typed", "options": rows})


def channel_input(block_id: str, label: str) -> Block:
    """Let a public channel be chosen."""
    return _input(block_id, label, {"type": "channels_select", "action_id": "typed"})


def search_input(action_id: str, label: str, placeholder: str) -> Block:
    """Make a field of App Home that asks as soon as Enter is pressed."""
    element: Block = {
        "type": "plain_text_input",
        "action_id": action_id,
        "placeholder": _plain_text(placeholder, 150),
        "dispatch_action_config": {"trigger_actions_on": ["on_enter_pressed"]},
        "max_length": 300,
    }
    return {**_input(action_id, label, element), "dispatch_action": True}


def _input(block_id: str, label: str, element: Block) -> Block:
    return {
        "type": "input",
        "block_id": block_id,
        "label": _plain_text(label, 2000),
        "element": element,
    }


def modal(
    title: str,
    blocks: Iterable[Block | None],
    *,
    callback_id: str = "shown",
    submit: str = "",
    close: str = "",
    metadata: str = "",
) -> Block:
    """
    `metadata` holds opaque ids only: Slack stores it.

    `close` "": “Cancel” where there is something to send, else “Close”. Two buttons that both say
    “close”, of which one closes an incident, would be a trap.
    """
    close = close or ("Cancel" if submit else "Close")
    view: Block = {
        "type": "modal",
        "callback_id": callback_id,
        "title": _plain_text(title, TITLE_LIMIT),
        "close": _plain_text(close, TITLE_LIMIT),
        "blocks": [block for block in blocks if block is not None][:100],
        "private_metadata": metadata,
    }
    if submit:
        view["submit"] = _plain_text(submit, TITLE_LIMIT)
    return view


def _plain_text(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": plain(text, limit), "emoji": True}


def _mrkdwn(text: str, limit: int) -> Block:
    return {"type": "mrkdwn", "text": cut(text, limit) or "-", "verbatim": True}
