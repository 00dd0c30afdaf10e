"""
What the Slack client does with what a person types, before the server sees it.

Escapes &, < and >, turns @names, #channels and addresses into Slack's markup, leaves code alone;
refuses a form whose required inputs are empty. Pure. Source: docs.slack.dev/messaging/
formatting-message-text and the view and element references.
"""

import re
from collections.abc import Mapping
from typing import Any

from bot.sandbox.workspace.refusal import Json, Refusal
from bot.sandbox.workspace.shape import Channel, User, UserGroup

CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
URL = re.compile(r"(?<![\w/])https?://(?:(?!&[lg]t;)[^\s<>|])*(?!&[lg]t;)[^\s<>|.,;:!?)\"']")
EMAIL = re.compile(r"(?<![\S])[\w.+-]+@[\w-]+(?:\.[\w-]+)+(?![\S])")
MENTION = re.compile(r"(?<![\w/@.])@([a-z0-9][a-z0-9._-]*)")
CHANNEL = re.compile(r"(?<![\w/&])#([a-z0-9][a-z0-9_-]*)")
BROADCASTS = ("here", "channel", "everyone")
TEXT_MOST = 3000
FIELDS = {
    "checkboxes": "selected_options",
    "multi_static_select": "selected_options",
    "static_select": "selected_option",
    "radio_buttons": "selected_option",
    "overflow": "selected_option",
    "users_select": "selected_user",
    "multi_users_select": "selected_users",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
}
REQUIRED = "Please complete this required field."


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_typed(
    text: str,
    users: Mapping[str, User],
    channels: Mapping[str, Channel],
    groups: Mapping[str, UserGroup],
) -> str:
    """Message text in Slack's markup, as an event carries it."""
    people = {user.name: user.id for user in users.values()}
    places = {channel.name: channel.id for channel in channels.values() if channel.name}
    handles = {group.handle: group.id for group in groups.values()}

    def mention(match: re.Match[str]) -> str:
        name = match[1].rstrip(".-")
        rest = match[1][len(name) :]
        if name in people:
            return f"<@{people[name]}>{rest}"
        if name in handles:
            return f"<!subteam^{handles[name]}>{rest}"
        return f"<!{name}>{rest}" if name in BROADCASTS else match[0]

    def place(match: re.Match[str]) -> str:
        return f"<#{places[match[1]]}>" if match[1] in places else match[0]

    parts = CODE.split(text)
    for number in range(0, len(parts), 2):
        part = escaped(parts[number])
        part = EMAIL.sub(lambda match: f"<mailto:{match[0]}|{match[0]}>", part)
        part = URL.sub(lambda match: f"<{match[0]}>", part)
        parts[number] = CHANNEL.sub(place, MENTION.sub(mention, part))
    parts[1::2] = [escaped(part) for part in parts[1::2]]
    return "".join(parts)


def as_rich_text(text: str) -> Json:
    """Return the rich_text block that Slack adds to a person's message."""
    leaf = {"type": "text", "text": text}
    section = {"type": "rich_text_section", "elements": [leaf]}
    return {"type": "rich_text", "block_id": "typed", "elements": [section]}


def chosen(element: Json, value: Any) -> Json:
    """
    Return the fields that an element's action or state carries once `value` is chosen.

    `value` is a string (text, option value, user id), or a list of them. Raises Refusal
    no_such_option for what the element does not offer.
    """
    kind = element["type"]
    field = FIELDS.get(kind, "value")
    if field == "selected_options":
        return {field: [_option(element, item) for item in value or []]}
    if field == "selected_option":
        return {field: _option(element, value) if value else None}
    return {field: value}


def options_of(element: Json) -> list[Json]:
    groups: list[Json] = element.get("option_groups") or []
    loose: list[Json] = element.get("options") or []
    return [*loose, *(option for group in groups for option in group["options"])]


def _option(element: Json, value: Any) -> Json:
    for option in options_of(element):
        if option.get("value") == value:
            return option
    raise Refusal("no_such_option", value=str(value))


def _is_empty(state: Json) -> bool:
    return not any(item for key, item in state.items() if key != "type")


def form_errors(inputs: Mapping[str, Json], values: Json) -> dict[str, str]:
    """block_id -> what the client itself says about an input, without asking the app."""
    errors = {}
    for block_id, block in inputs.items():
        element = block["element"]
        state = values.get(block_id, {}).get(element["action_id"], {})
        if _is_empty(state):
            if not block.get("optional"):
                errors[block_id] = REQUIRED
            continue
        text = state.get("value")
        if not isinstance(text, str):
            continue
        least, most = element.get("min_length") or 0, element.get("max_length") or TEXT_MOST
        if not least <= len(text) <= most:
            errors[block_id] = f"Enter between {least} and {most} characters."
    return errors
