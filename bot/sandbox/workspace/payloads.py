"""
What Slack writes to an app: events and interactions, as JSON.

Pure functions of rows. Shapes: docs.slack.dev/reference/events, /reference/interaction-payloads
and the slash command page. Who gets which event is decided in `core`.
"""

import secrets
import time

from bot.sandbox.workspace.messages import Message, View
from bot.sandbox.workspace.refusal import Json
from bot.sandbox.workspace.shape import Channel, User, WorkspaceShape

HISTORY_SCOPE = {"im": "im:history", "group": "groups:history", "channel": "channels:history"}


def channel_type(channel: Channel) -> str:
    if channel.is_im:
        return "im"
    return "group" if channel.private else "channel"


def shown_name(channel: Channel) -> str:
    """Interactions do not tell the name of what is private."""
    if channel.is_im:
        return "directmessage"
    return "privategroup" if channel.private else channel.name


def event_callback(shape: WorkspaceShape, event: Json, *, ext_shared: bool = False) -> Json:
    """Return the outer envelope of the Events API around one event."""
    return {
        "token": "verification-token",
        "team_id": shape.team_id,
        "context_team_id": shape.team_id,
        "context_enterprise_id": None,
        "api_app_id": shape.app.id,
        "event": event,
        "type": "event_callback",
        "event_id": f"Ev{secrets.token_hex(5).upper()}",
        "event_time": int(time.time()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": shape.team_id,
                "user_id": shape.app.bot_user_id,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": ext_shared,
        "event_context": f"4-{secrets.token_urlsafe(24)}",
    }


def message_posted(shape: WorkspaceShape, message: Message, channel: Channel) -> Json:
    return {
        **message.payload(),
        "team": shape.team_id,
        "channel": channel.id,
        "event_ts": message.ts,
        "channel_type": channel_type(channel),
    }


def message_changed(channel: Channel, before: Message, after: Message, ts: str) -> Json:
    return {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "message": after.payload(),
        "previous_message": before.payload(),
        "channel": channel.id,
        "channel_type": channel_type(channel),
        "ts": ts,
        "event_ts": ts,
    }


def message_deleted(channel: Channel, before: Message, ts: str) -> Json:
    return {
        "type": "message",
        "subtype": "message_deleted",
        "hidden": True,
        "deleted_ts": before.ts,
        "previous_message": before.payload(),
        "channel": channel.id,
        "channel_type": channel_type(channel),
        "ts": ts,
        "event_ts": ts,
    }


def app_mention(shape: WorkspaceShape, message: Message, channel: Channel) -> Json:
    body = message.payload()
    return {
        **body,
        "type": "app_mention",
        "team": shape.team_id,
        "channel": channel.id,
        "event_ts": message.ts,
    }


def home_opened(user: User, channel: Channel, view: Json | None, ts: str) -> Json:
    event: Json = {
        "type": "app_home_opened",
        "user": user.id,
        "channel": channel.id,
        "tab": "home",
        "event_ts": ts,
    }
    return event if view is None else {**event, "view": view}


def _who(shape: WorkspaceShape, user: User) -> Json:
    return {
        "id": user.id,
        "username": user.name,
        "name": user.name,
        "team_id": user.team_id or shape.team_id,
    }


def interaction(shape: WorkspaceShape, kind: str, user: User, trigger_id: str | None) -> Json:
    """Return the part that all interactions share."""
    body: Json = {
        "type": kind,
        "token": "verification-token",
        "team": {"id": shape.team_id, "domain": shape.domain},
        "enterprise": None,
        "is_enterprise_install": False,
        "user": _who(shape, user),
        "api_app_id": shape.app.id,
    }
    return body if trigger_id is None else {**body, "trigger_id": trigger_id}


def with_message(body: Json, message: Message, channel: Channel) -> Json:
    """block_actions on a message: where the button was."""
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.ephemeral_to is not None,
    }
    if message.thread_ts is not None:
        container["thread_ts"] = message.thread_ts
    body = {
        **body,
        "container": container,
        "channel": {"id": channel.id, "name": shown_name(channel)},
    }
    # Slack does not repeat an ephemeral message: nothing of it is stored.
    return body if message.ephemeral_to else {**body, "message": message.payload()}


def view_payload(shape: WorkspaceShape, view: View, values: Json) -> Json:
    """Return a view as interactions and the views.* methods show it."""
    body = view.body
    return {
        "id": view.id,
        "team_id": shape.team_id,
        "type": body["type"],
        "blocks": view.blocks,
        "private_metadata": body.get("private_metadata") or "",
        "callback_id": view.callback_id,
        "state": {"values": values},
        "hash": view.hash,
        "title": body.get("title"),
        "clear_on_close": bool(body.get("clear_on_close")),
        "notify_on_close": bool(body.get("notify_on_close")),
        "close": body.get("close"),
        "submit": body.get("submit"),
        "previous_view_id": view.previous_id,
        "root_view_id": view.root_id,
        "app_id": shape.app.id,
        "external_id": body.get("external_id") or "",
        "app_installed_team_id": shape.team_id,
        "bot_id": shape.app.bot_id,
    }


def slash_command(
    shape: WorkspaceShape, user: User, channel: Channel, *, command: str, text: str
) -> Json:
    """Without trigger_id and response_url: whoever sends it adds them."""
    return {
        "token": "verification-token",
        "team_id": shape.team_id,
        "team_domain": shape.domain,
        "channel_id": channel.id,
        "channel_name": shown_name(channel),
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": shape.app.id,
        "is_enterprise_install": "false",
    }
