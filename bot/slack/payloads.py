"""
Reads Slack's payloads: which inbox entry one becomes, and what was asked by whom where. Pure.

Names of everything that people can press or send are fixed here, once, for listeners and worker.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

EVENT, SHORTCUT, COMMAND, ACTION, VIEW = "event", "shortcut", "command", "action", "view"
COMMAND_NAME = "/leak"
SHORTCUTS = ("leak_report_message", "leak_report")
ACTIONS = (
    "leak_report_open",
    "blast_radius_show",
    "home_search",
    "question_uses",
    "question_readers",
    "question_blast",
    "question_access",
    "question_all",
    "question_share",
    "plan_rotate_first",
    "plan_revoke_first",
    "approval_ask",
    "approval_review",
    "approval_deny",
    "glass_open",
    "glass_review_open",
    "incident_ack",
    "assign_open",
    "severity_open",
    "run_stop",
    "step_retry",
    "step_skip",
    "step_confirm",
    "step_although",
    "run_undo",
    "incident_dismiss",
    "incident_close",
    "sighting_removed",
    "offer_take",
)
LINKS = ("message_open",)  # buttons that only open an address: acknowledged, no work
FORMS = (
    "leak_report_form",
    "approval_give",
    "approval_refuse",
    "question_share_form",
    "incident_assign",
    "severity_change",
    "glass_break",
    "glass_review",
    "step_skip_reason",
    "step_confirm_evidence",
    "step_although_reason",
    "incident_dismiss_reason",
    "incident_waive",
)
EVENTS = (
    "message",
    "app_mention",
    "app_home_opened",
    "subteam_members_changed",
    "subteam_updated",
    "user_change",
)
MESSAGE_SUBTYPES = (
    "",
    "message_changed",
    "message_deleted",
    "file_share",
    "thread_broadcast",
    "me_message",
    "bot_message",
)


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What a payload becomes in the inbox; `key` "" where Slack gave no id."""

    kind: str
    name: str
    key: str
    urgent: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked for what, where, and how to answer. Ids only; texts stay in the payload."""

    user: str
    channel: str = ""
    thread_ts: str = ""
    response_url: str = ""
    trigger_id: str = ""
    view_id: str = ""
    value: str = ""  # of the button; of a form its private_metadata
    private: bool = False  # the message with the button is shown to this person only


def new_entry(body: Mapping[str, Any]) -> NewEntry | None:
    """Return what `body` becomes; None: nothing that we work on."""
    kind = str(body.get("type") or "")
    trigger = str(body.get("trigger_id") or "")
    key = f"trigger:{trigger}" if trigger else ""
    if "command" in body:
        name = str(body["command"])
        return NewEntry(COMMAND, name, key, urgent=True) if name == COMMAND_NAME else None
    if kind == "event_callback":
        return _event(body)
    if kind in {"shortcut", "message_action"}:
        return _known(SHORTCUT, str(body.get("callback_id")), key, SHORTCUTS)
    if kind == "block_actions":
        action = (body.get("actions") or [{}])[0]
        return _known(ACTION, str(action.get("action_id")), key, ACTIONS)
    if kind == "view_submission":
        return _known(VIEW, str(body["view"].get("callback_id")), key, FORMS)
    return None


def asked(payload: Mapping[str, Any]) -> Asked:
    """Read the asker out of any payload; out of a broken one, what is there."""
    if "command" in payload:
        return Asked(
            user=str(payload.get("user_id") or ""),
            channel=str(payload.get("channel_id") or ""),
            response_url=str(payload.get("response_url") or ""),
            trigger_id=str(payload.get("trigger_id") or ""),
        )
    if payload.get("type") == "event_callback":
        return _asked_in_event(_part(payload, "event"))
    container, message = _part(payload, "container"), _part(payload, "message")
    view, action = _part(payload, "view"), _first(payload, "actions")
    return Asked(
        user=str(_part(payload, "user").get("id") or ""),
        channel=str(_part(payload, "channel").get("id") or container.get("channel_id") or ""),
        # Slack does not repeat a message that only one person sees: its place alone is told.
        thread_ts=str(message.get("thread_ts") or container.get("thread_ts") or ""),
        response_url=str(payload.get("response_url") or ""),
        trigger_id=str(payload.get("trigger_id") or ""),
        view_id="" if view.get("type") == "home" else str(view.get("id") or ""),
        value=str(action.get("value") or view.get("private_metadata") or ""),
        private=container.get("is_ephemeral") is True,
    )


def form_values(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return what was typed, by block_id (each block holds one element)."""
    values = ((payload.get("view") or {}).get("state") or {}).get("values") or {}
    typed = {}
    for block_id, elements in values.items():
        for element in elements.values():
            chosen = (element.get("selected_option") or {}).get("value")
            chosen = chosen or element.get("selected_user") or element.get("selected_channel")
            typed[str(block_id)] = str(element.get("value") or chosen or "").strip()
    return typed


def words_of(message: Mapping[str, Any]) -> str:
    """Collect what a message says: its text, its attachments, and the blocks of an app."""
    parts = [message.get("text")]
    if message.get("bot_id") or not message.get("text"):
        parts += _texts(message.get("blocks") or [])
    for attachment in message.get("attachments") or []:
        parts += [attachment.get(name) for name in ("pretext", "title", "text", "fallback")]
        parts += [field.get("value") for field in attachment.get("fields") or []]
        parts += _texts(attachment.get("blocks") or [])
    return "\n".join(dict.fromkeys(part for part in parts if isinstance(part, str) and part))


def _texts(blocks: object) -> list[str]:
    """Walk through blocks and collect every text in them, rich text included."""
    if isinstance(blocks, list):
        return [text for block in blocks for text in _texts(block)]
    if not isinstance(blocks, Mapping):
        return []
    own = blocks.get("text")
    found = [own] if isinstance(own, str) else []
    inner = (each for each in blocks.values() if isinstance(each, list | Mapping))
    return [*found, *(text for each in inner for text in _texts(each))]


def metadata(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return the ids that a form carries; forms of ours hold a small JSON object."""
    text = str((payload.get("view") or {}).get("private_metadata") or "{}")
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(key): str(value) for key, value in found.items()}


def _part(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = payload.get(name)
    return found if isinstance(found, Mapping) else {}


def _first(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = payload.get(name)
    return found[0] if isinstance(found, list) and found and isinstance(found[0], Mapping) else {}


def _asked_in_event(event: Mapping[str, Any]) -> Asked:
    """Only who speaks to the bot asks for something: by a mention, or in a direct message."""
    direct = event.get("type") == "message" and event.get("channel_type") == "im"
    if event.get("type") != "app_mention" and not direct:
        return Asked(user="")
    return Asked(
        user=""
        if event.get("subtype") not in {None, "file_share"}
        else str(event.get("user") or ""),
        channel=str(event.get("channel") or ""),
        thread_ts=str(event.get("thread_ts") or ""),
    )


def _event(body: Mapping[str, Any]) -> NewEntry | None:
    event = body.get("event") or {}
    name = str(event.get("type") or "")
    if name not in EVENTS:
        return None
    if name == "message" and str(event.get("subtype") or "") not in MESSAGE_SUBTYPES:
        return None
    identifier = str(body.get("event_id") or "")
    return NewEntry(EVENT, name, f"event:{identifier}" if identifier else "", urgent=False)


def _known(kind: str, name: str, key: str, names: tuple[str, ...]) -> NewEntry | None:
    return NewEntry(kind, name, key, urgent=True) if name in names else None
