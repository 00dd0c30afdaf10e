"""
chat.*, pins, bookmarks and the answers to a response_url.

Source: docs.slack.dev/reference/methods (chat.postMessage, chat.update, chat.delete,
chat.postEphemeral, chat.getPermalink) and /interactivity/handling-user-interaction for
response_url. A bot token changes and deletes only what its own bot posted.
"""

import time
from dataclasses import replace
from typing import Any

from bot.sandbox.workspace.core import Core
from bot.sandbox.workspace.messages import Message, with_ids
from bot.sandbox.workspace.refusal import Json, Refusal
from bot.sandbox.workspace.rules import (
    MESSAGE_TEXT,
    UPDATE_TEXT_BYTES,
    check_message,
    escaped_size,
)
from bot.sandbox.workspace.shape import Channel
from bot.sandbox.workspace.web_api import Method, caller_of, is_true, required


def _content(arguments: Json) -> tuple[str, tuple[Json, ...], tuple[Json, ...]]:
    """Text, blocks and attachments after Slack's checks. Raises Refusal no_text and more."""
    text = arguments.get("text") or ""
    blocks = arguments.get("blocks")
    attachments = arguments.get("attachments") or []
    check_message(blocks)
    if not isinstance(text, str):
        raise Refusal("invalid_arguments")
    if not isinstance(attachments, list):
        raise Refusal("invalid_attachments")
    for attachment in attachments:
        check_message(attachment.get("blocks"))
    if not text and not blocks and not attachments:
        raise Refusal("no_text")
    return text[:MESSAGE_TEXT], tuple(with_ids(blocks or [])), tuple(attachments)


def _destination(core: Core, name: str) -> Channel:
    """Return a channel by id or name; a user id means the direct conversation with the bot."""
    if name.startswith(("U", "W")) and name in core.state.users:
        user = core.state.users[name]
        if user.deleted:
            raise Refusal("account_inactive")
        if user.id == core.app.bot_user_id:
            raise Refusal("cannot_dm_bot")
        return core.state.direct_channel(core.app.bot_user_id, user.id)
    channel = core.state.channel(name)
    is_member = core.app.bot_user_id in channel.members
    if channel.private and not is_member:
        # A private channel that the bot is not in does not exist for it.
        raise Refusal("channel_not_found")
    return channel


def _postable(core: Core, name: str) -> Channel:
    channel = _destination(core, name)
    if channel.archived:
        raise Refusal("is_archived")
    is_member = core.app.bot_user_id in channel.members
    if not is_member and "chat:write.public" not in core.app.scopes:
        raise Refusal("not_in_channel")
    return channel


def _thread(arguments: Json) -> str | None:
    value = arguments.get("thread_ts")
    return str(value) if value else None


def post_message(core: Core, arguments: Json) -> Json:
    channel = _postable(core, required(arguments, "channel", "channel_not_found"))
    text, blocks, attachments = _content(arguments)
    core.pace(channel.id)
    message = Message(
        channel=channel.id,
        ts=core.state.new_ts(),
        user=core.app.bot_user_id,
        bot_id=core.app.bot_id,
        text=text,
        blocks=blocks,
        attachments=attachments,
        thread_ts=_thread(arguments),
        broadcast=is_true(arguments.get("reply_broadcast")),
        metadata=arguments.get("metadata"),
    )
    core.add(message)
    return {"channel": channel.id, "ts": message.ts, "message": shown(core, message)}


def shown(core: Core, message: Message) -> Json:
    return {**message.payload(), "team": core.shape.team_id, "app_id": core.app.id}


def update(core: Core, arguments: Json) -> Json:
    channel = _destination(core, required(arguments, "channel", "channel_not_found"))
    before = core.state.message(channel.id, required(arguments, "ts", "message_not_found"))
    if before.ephemeral_to is not None:
        raise Refusal("message_not_found")
    if channel.archived:
        raise Refusal("is_inactive")
    if before.user != core.app.bot_user_id:
        raise Refusal("cant_update_message")
    if escaped_size(str(arguments.get("text") or "")) > UPDATE_TEXT_BYTES:
        raise Refusal("msg_too_long")
    text, blocks, attachments = _content(arguments)
    # Text without blocks drops the old blocks; Slack marks as edited only what is plain text.
    after = replace(
        before,
        text=text,
        blocks=blocks,
        attachments=attachments,
        metadata=arguments.get("metadata", before.metadata),
        edited=before.edited if blocks else core.state.new_ts(),
    )
    core.change(before, after)
    body = shown(core, after)
    return {"channel": channel.id, "ts": after.ts, "text": text, "message": body}


def delete(core: Core, arguments: Json) -> Json:
    """
    Delete: a bot what its bot posted, a user token what its user may, an admin anybody's.

    A private channel or a direct message that the user is not in does not exist for the token.
    """
    caller = caller_of(core, arguments)
    name = required(arguments, "channel", "channel_not_found")
    if caller == core.app.bot_user_id:
        channel = _destination(core, name)
    else:
        channel = core.state.channel(name)
        if channel.private and caller not in channel.members:
            raise Refusal("channel_not_found")
    message = core.state.message(channel.id, required(arguments, "ts", "message_not_found"))
    if message.ephemeral_to is not None or message.subtype == "tombstone":
        raise Refusal("message_not_found")
    is_admin = core.state.users[caller].is_admin and not channel.is_im
    if message.user != caller and not is_admin:
        raise Refusal("cant_delete_message")
    core.remove(message)
    return {"channel": channel.id, "ts": message.ts}


def post_ephemeral(core: Core, arguments: Json) -> Json:
    channel = _postable(core, required(arguments, "channel", "channel_not_found"))
    user = core.state.users.get(required(arguments, "user", "user_not_in_channel"))
    if user is None or user.id not in channel.members:
        raise Refusal("user_not_in_channel")
    text, blocks, attachments = _content(arguments)
    message = Message(
        channel=channel.id,
        ts=core.state.new_ts(),
        user=core.app.bot_user_id,
        bot_id=core.app.bot_id,
        text=text,
        blocks=blocks,
        attachments=attachments,
        thread_ts=_thread(arguments),
        ephemeral_to=user.id,
    )
    core.add(message)
    return {"message_ts": message.ts}


def get_permalink(core: Core, arguments: Json) -> Json:
    channel = _destination(core, required(arguments, "channel", "channel_not_found"))
    ts = required(arguments, "message_ts", "message_not_found")
    message = core.state.message(channel.id, ts)
    return {"channel": channel.id, "permalink": core.permalink(message)}


def pin(core: Core, arguments: Json) -> Json:
    channel = _postable(core, required(arguments, "channel", "channel_not_found"))
    ts = required(arguments, "timestamp", "no_item_specified")
    message = core.state.message(channel.id, ts)
    if message.pinned:
        raise Refusal("already_pinned")
    with core.state.change():
        core.state.messages[(channel.id, ts)] = replace(message, pinned=True)
    return {}


def add_bookmark(core: Core, arguments: Json) -> Json:
    channel = _destination(core, required(arguments, "channel_id", "channel_not_found"))
    bookmark = {
        "id": f"Bk{len(core.state.bookmarks) + 1:08d}",
        "channel_id": channel.id,
        "title": required(arguments, "title"),
        "type": required(arguments, "type"),
        "link": arguments.get("link"),
        "emoji": arguments.get("emoji"),
    }
    with core.state.change():
        core.state.bookmarks.append(bookmark)
    return {"bookmark": bookmark}


def answer_response_url(core: Core, token: str, arguments: Any) -> None:
    """
    One use of a response_url: a new message, or a change or removal of the one it came from.

    Raises Refusal used_url (more than five times), expired_url (30 minutes), unknown_url.
    """
    row = core.state.response_urls.get(token)
    if row is None:
        raise Refusal("unknown_url")
    timing = core.shape.timing
    if time.monotonic() - row.issued > timing.response_url_seconds:
        raise Refusal("expired_url")
    if row.uses >= timing.response_url_uses:
        raise Refusal("used_url")
    if not isinstance(arguments, dict):
        raise Refusal("invalid_payload")
    row.uses += 1
    origin = core.state.messages.get((row.channel, row.message_ts or ""))
    ours = origin is not None and origin.user == core.app.bot_user_id
    if is_true(arguments.get("delete_original")):
        if origin is not None and ours:
            core.remove(origin)
        return
    text, blocks, attachments = _content(arguments)
    if is_true(arguments.get("replace_original")) and origin is not None and ours:
        core.change(origin, replace(origin, text=text, blocks=blocks, attachments=attachments))
        return
    in_channel = arguments.get("response_type") == "in_channel"
    core.add(
        Message(
            channel=row.channel,
            ts=core.state.new_ts(),
            user=core.app.bot_user_id,
            bot_id=core.app.bot_id,
            text=text,
            blocks=blocks,
            attachments=attachments,
            thread_ts=_thread(arguments) or (None if in_channel else row.thread_ts),
            ephemeral_to=None if in_channel else row.user,
        )
    )


METHODS = {
    "chat.postMessage": Method(post_message, ("chat:write",)),
    "chat.update": Method(update, ("chat:write",)),
    "chat.delete": Method(delete, ("chat:write",), by_user=True),
    "chat.postEphemeral": Method(post_ephemeral, ("chat:write",)),
    "chat.getPermalink": Method(get_permalink),
    "pins.add": Method(pin, ("pins:write",)),
    "bookmarks.add": Method(add_bookmark, ("bookmarks:write",)),
}
