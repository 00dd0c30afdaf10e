"""
Who and where: auth, users, user groups, conversations, and opening a Socket Mode connection.

Source: docs.slack.dev/reference/methods. Lists answer in pages where the caller gives a limit.
"""

from typing import Any

from bot.sandbox.workspace.core import Core
from bot.sandbox.workspace.messages import Message
from bot.sandbox.workspace.payloads import HISTORY_SCOPE, channel_type
from bot.sandbox.workspace.refusal import Json, Refusal
from bot.sandbox.workspace.shape import Channel, User, UserGroup
from bot.sandbox.workspace.web_api import Method, is_true, require_scope, required

READ_SCOPE = {"im": "im:read", "group": "groups:read", "channel": "channels:read"}
ANY_READ = tuple(READ_SCOPE.values())
ANY_HISTORY = tuple(HISTORY_SCOPE.values())
PAGE = 100
MOST = 1000


def auth_test(core: Core, arguments: Json) -> Json:
    return {
        "url": f"{core.origin}/",
        "team": core.shape.team_name,
        "user": core.app.bot_name,
        "team_id": core.shape.team_id,
        "user_id": core.app.bot_user_id,
        "bot_id": core.app.bot_id,
        "is_enterprise_install": False,
        **({"enterprise_id": core.shape.enterprise_id} if core.shape.enterprise_id else {}),
    }


def api_test(core: Core, arguments: Json) -> Json:
    if arguments.get("error"):
        raise Refusal(str(arguments["error"]), args=arguments)
    return {"args": arguments}


def connections_open(core: Core, arguments: Json) -> Json:
    ticket = core.socket.new_ticket()
    socket_origin = core.origin.replace("http://", "ws://", 1)
    return {"url": f"{socket_origin}/link/?ticket={ticket}&app_id={core.app.id}"}


def user_json(core: Core, user: User) -> Json:
    """Show a user; the e-mail address only with its own scope, as Slack does."""
    profile: Json = {
        "real_name": user.real_name,
        "display_name": user.name,
        "title": user.title,
        "team": user.team_id or core.shape.team_id,
    }
    if user.email and "users:read.email" in core.app.scopes:
        profile["email"] = user.email
    grid = {"enterprise_user": {"enterprise_id": user.enterprise_id}} if user.enterprise_id else {}
    return {
        **grid,
        "id": user.id,
        "team_id": user.team_id or core.shape.team_id,
        "name": user.name,
        "real_name": user.real_name,
        "deleted": user.deleted,
        "is_bot": user.is_bot,
        "is_app_user": False,
        "is_admin": user.is_admin,
        "is_owner": False,
        "is_restricted": user.is_restricted or user.is_ultra_restricted,
        "is_ultra_restricted": user.is_ultra_restricted,
        "is_stranger": user.is_stranger,
        "tz": "Etc/UTC",
        "tz_offset": 0,
        "profile": profile,
    }


def users_info(core: Core, arguments: Json) -> Json:
    user = core.state.users.get(required(arguments, "user", "user_not_found"))
    if user is None:
        raise Refusal("user_not_found")
    return {"user": user_json(core, user)}


def users_list(core: Core, arguments: Json) -> Json:
    rows, metadata = _page([user_json(core, u) for u in core.state.users.values()], arguments)
    return {"members": rows, "response_metadata": metadata}


def lookup_by_email(core: Core, arguments: Json) -> Json:
    wanted = required(arguments, "email", "users_not_found").casefold()
    for user in core.state.users.values():
        if user.email.casefold() == wanted and not user.deleted:
            return {"user": user_json(core, user)}
    raise Refusal("users_not_found")


def _group_json(group: UserGroup, core: Core, *, with_users: bool) -> Json:
    body: Json = {
        "id": group.id,
        "team_id": core.shape.team_id,
        "is_usergroup": True,
        "name": group.name or group.handle,
        "handle": group.handle,
        "date_delete": 0,
        "user_count": len(group.users),
    }
    return {**body, "users": list(group.users)} if with_users else body


def usergroups_list(core: Core, arguments: Json) -> Json:
    with_users = is_true(arguments.get("include_users"))
    groups = core.state.groups.values()
    return {"usergroups": [_group_json(group, core, with_users=with_users) for group in groups]}


def usergroup_members(core: Core, arguments: Json) -> Json:
    group = core.state.groups.get(required(arguments, "usergroup", "no_such_subteam"))
    if group is None:
        raise Refusal("no_such_subteam")
    return {"users": list(group.users)}


def conversation_json(core: Core, channel: Channel) -> Json:
    is_member = core.app.bot_user_id in channel.members
    body: Json = {
        "id": channel.id,
        "is_channel": not channel.private and not channel.is_im,
        "is_group": False,
        "is_im": channel.is_im,
        "is_mpim": False,
        "is_private": channel.private,
        "is_archived": channel.archived,
        "is_shared": channel.ext_shared,
        "is_ext_shared": channel.ext_shared,
        "is_pending_ext_shared": False,
        "is_org_shared": False,
        "context_team_id": core.shape.team_id,
    }
    if channel.is_im:
        other = next(m for m in channel.members if m != core.app.bot_user_id)
        return {**body, "user": other}
    return {
        **body,
        "name": channel.name,
        "is_general": channel.name == "general",
        "is_member": is_member,
        "num_members": len(channel.members),
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }


def _conversation(core: Core, arguments: Json, scopes: dict[str, str]) -> Channel:
    """Return a conversation that the bot may see. Raises channel_not_found or missing_scope."""
    channel = core.state.channels.get(required(arguments, "channel", "channel_not_found"))
    if channel is None:
        raise Refusal("channel_not_found")
    if channel.private and core.app.bot_user_id not in channel.members:
        raise Refusal("channel_not_found")
    require_scope(core, scopes[channel_type(channel)])
    return channel


def conversations_info(core: Core, arguments: Json) -> Json:
    return {"channel": conversation_json(core, _conversation(core, arguments, READ_SCOPE))}


def conversations_list(core: Core, arguments: Json) -> Json:
    kinds = str(arguments.get("types") or "public_channel").split(",")
    words = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
    wanted = {words.get(kind.strip(), "") for kind in kinds}
    for kind in wanted & set(READ_SCOPE):
        require_scope(core, READ_SCOPE[kind])
    rows = [
        conversation_json(core, channel)
        for channel in core.state.channels.values()
        if channel_type(channel) in wanted
        and (not channel.private or core.app.bot_user_id in channel.members)
        and not (is_true(arguments.get("exclude_archived")) and channel.archived)
    ]
    page, metadata = _page(rows, arguments)
    return {"channels": page, "response_metadata": metadata}


def conversations_members(core: Core, arguments: Json) -> Json:
    channel = _conversation(core, arguments, READ_SCOPE)
    page, metadata = _page(list(channel.members), arguments)
    return {"members": page, "response_metadata": metadata}


def conversations_open(core: Core, arguments: Json) -> Json:
    users = arguments.get("users") or ""
    names = users if isinstance(users, list) else [u for u in str(users).split(",") if u]
    if len(names) != 1 or names[0] not in core.state.users:
        raise Refusal("user_not_found")
    channel = core.state.direct_channel(core.app.bot_user_id, names[0])
    return {"channel": {"id": channel.id}}


def conversations_history(core: Core, arguments: Json) -> Json:
    channel = _readable(core, arguments)
    rows = [
        message
        for message in core.state.in_channel(channel.id)
        if message.ephemeral_to is None and (not message.is_reply or message.broadcast)
    ]
    return _history(core, _between(rows, arguments)[::-1], arguments)


def conversations_replies(core: Core, arguments: Json) -> Json:
    channel = _readable(core, arguments)
    ts = required(arguments, "ts", "thread_not_found")
    root = core.state.messages.get((channel.id, ts))
    if root is None:
        raise Refusal("thread_not_found")
    replies = [m for m in core.state.replies(channel.id, ts) if m.ephemeral_to is None]
    rows = [root, *_between(replies, arguments)]  # the root is always among them
    return _history(core, rows, arguments)


def _readable(core: Core, arguments: Json) -> Channel:
    channel = _conversation(core, arguments, HISTORY_SCOPE)
    if core.app.bot_user_id not in channel.members:
        raise Refusal("not_in_channel")
    return channel


def _between(rows: list[Message], arguments: Json) -> list[Message]:
    inclusive = is_true(arguments.get("inclusive"))
    oldest = str(arguments.get("oldest") or "0")
    latest = str(arguments.get("latest") or "9999999999.999999")
    return [
        row
        for row in rows
        if oldest < row.ts < latest or (inclusive and row.ts in (oldest, latest))
    ]


def _history(core: Core, rows: list[Message], arguments: Json) -> Json:
    page, metadata = _page([_with_thread(core, row) for row in rows], arguments)
    return {
        "messages": page,
        "has_more": bool(metadata["next_cursor"]),
        "response_metadata": metadata,
    }


def _with_thread(core: Core, message: Message) -> Json:
    body = message.payload()
    replies = [m for m in core.state.replies(message.channel, message.ts) if not m.ephemeral_to]
    if not replies:
        return body
    return {
        **body,
        "reply_count": len(replies),
        "reply_users": list(dict.fromkeys(reply.user for reply in replies)),
        "latest_reply": replies[-1].ts,
    }


def _page(rows: list[Any], arguments: Json) -> tuple[list[Any], Json]:
    limit = min(int(arguments.get("limit") or PAGE), MOST)
    cursor = str(arguments.get("cursor") or "0")
    if not cursor.isdigit():
        raise Refusal("invalid_cursor")
    start = int(cursor)
    more = start + limit < len(rows)
    return rows[start : start + limit], {"next_cursor": str(start + limit) if more else ""}


METHODS = {
    "api.test": Method(api_test, open_to_all=True),
    "auth.test": Method(auth_test),
    "apps.connections.open": Method(connections_open, by_app=True),
    "users.info": Method(users_info, ("users:read",)),
    "users.list": Method(users_list, ("users:read",)),
    "users.lookupByEmail": Method(lookup_by_email, ("users:read.email",)),
    "usergroups.list": Method(usergroups_list, ("usergroups:read",)),
    "usergroups.users.list": Method(usergroup_members, ("usergroups:read",)),
    "conversations.info": Method(conversations_info, ANY_READ),
    "conversations.list": Method(conversations_list, ANY_READ),
    "conversations.members": Method(conversations_members, ANY_READ),
    "conversations.open": Method(conversations_open, ("im:write", "mpim:write")),
    "conversations.history": Method(conversations_history, ANY_HISTORY),
    "conversations.replies": Method(conversations_replies, ANY_HISTORY),
}
