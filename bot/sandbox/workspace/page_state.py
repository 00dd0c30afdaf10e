"""
What one person's screen shows, as JSON for the page.

Pure reading of the state. Nothing that this person could not see in Slack is in the answer.
"""

from bot.sandbox.workspace.core import Core
from bot.sandbox.workspace.messages import Message, View
from bot.sandbox.workspace.people import Person
from bot.sandbox.workspace.refusal import Json, Refusal
from bot.sandbox.workspace.shape import Channel, User

NOTICES = 20


def page_state(core: Core, *, user: str, channel: str, thread: str) -> Json:
    """
    Everything that the page draws for `user` in `channel` with `thread` open.

    An unknown or empty channel falls back to the first that the person is in. Raises Refusal
    user_not_found.
    """
    state = core.state
    with state.changed:
        people = [u for u in state.users.values() if not u.is_bot and not u.deleted]
        person = Person(core, state.user(user).id if user else people[0].id)
        current = _current(core, person, channel)
        rows = [m for m in state.in_channel(current.id) if m.ephemeral_to in (None, person.id)]
        in_thread = [m for m in rows if thread and thread in (m.ts, m.thread_ts)]
        in_channel = [m for m in rows if not m.is_reply or m.broadcast]
        modal, home = core.top_view(person.id), state.homes.get(person.id)
        return {
            "revision": state.revision,
            "team": core.shape.team_name,
            "me": person.id,
            "people": [u.id for u in people],
            "users": {u.id: _user(u) for u in state.users.values()},
            "groups": {g.id: g.handle for g in state.groups.values()},
            "channels": _channels(core, person),
            "current": current.id,
            "app": _app(core),
            "messages": [_message(core, m) for m in in_channel],
            "thread": [_message(core, m) for m in in_thread],
            "modal": None if modal is None else _view(core, modal),
            "home": None if home is None else _view(core, home),
            "notices": [
                {"number": n.number, "text": n.text}
                for n in state.notices[-NOTICES:]
                if n.user == person.id
            ],
        }


def _current(core: Core, person: Person, name: str) -> Channel:
    if name:
        try:
            return person.channel(name)
        except Refusal:
            pass
    mine = [c for c in core.state.channels.values() if person.id in c.members and not c.is_im]
    return mine[0] if mine else core.state.direct_channel(person.id, core.app.bot_user_id)


def _user(user: User) -> Json:
    kind = "app" if user.is_bot else ""
    if user.is_stranger:
        kind = "external"
    elif user.is_restricted or user.is_ultra_restricted:
        kind = "guest"
    return {
        "name": user.name,
        "real_name": user.real_name,
        "title": user.title,
        "kind": kind,
        "admin": user.is_admin,
    }


def _channels(core: Core, person: Person) -> list[Json]:
    # The conversation with the app is in everyone's sidebar, as an installed app's is.
    core.state.direct_channel(core.app.bot_user_id, person.id)
    shown = []
    for channel in core.state.channels.values():
        if person.id not in channel.members:
            continue
        rows = [
            m
            for m in core.state.in_channel(channel.id)
            if m.user != person.id and m.ephemeral_to in (None, person.id) and not m.is_reply
        ]
        shown.append(
            {
                "id": channel.id,
                "name": channel.name,
                "private": channel.private,
                "shared": channel.ext_shared,
                "archived": channel.archived,
                "topic": channel.topic,
                "members": len(channel.members),
                "with": next((m for m in channel.members if m != person.id), None)
                if channel.is_im
                else None,
                "latest": rows[-1].ts if rows else "",
            }
        )
    return shown


def _app(core: Core) -> Json:
    app = core.app
    return {
        "name": app.name,
        "bot": app.bot_user_id,
        "connected": bool(core.socket.connections),
        "direct_messages_off": app.direct_messages_off,
        "commands": [
            {"command": c.command, "description": c.description, "hint": c.usage_hint}
            for c in app.slash_commands
        ],
        "shortcuts": [
            {"callback_id": s.callback_id, "name": s.name, "kind": s.kind} for s in app.shortcuts
        ],
    }


def _message(core: Core, message: Message) -> Json:
    replies = []
    if message.thread_ts == message.ts:
        replies = [
            m for m in core.state.replies(message.channel, message.ts) if m.ephemeral_to is None
        ]
    return {
        "ts": message.ts,
        "channel": message.channel,
        "user": message.user,
        "text": message.text,
        "blocks": list(message.blocks) if message.bot_id else [],
        "attachments": list(message.attachments),
        "files": list(message.files),
        "edited": message.edited is not None,
        "ephemeral": message.ephemeral_to is not None,
        "reply": message.is_reply,
        "thread_ts": message.thread_ts,
        "tombstone": message.subtype == "tombstone",
        "pinned": message.pinned,
        "replies": len(replies),
        "repliers": list(dict.fromkeys(m.user for m in replies))[:4],
        "last_reply": replies[-1].ts if replies else "",
        "link": core.permalink(message),
    }


def _view(core: Core, view: View) -> Json:
    body = core.view_payload(view)
    return {
        "id": view.id,
        "hash": view.hash,
        "title": body["title"],
        "submit": body["submit"],
        "close": body["close"],
        "blocks": body["blocks"],
        "values": body["state"]["values"],
        "errors": dict(core.state.errors.get(view.id, {})),
        "depth": len(core.state.modals.get(view.user) or []),
    }
