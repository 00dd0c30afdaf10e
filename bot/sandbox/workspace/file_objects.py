"""
Files that people post: how Slack describes them in messages, and to whom it hands them out.

Source: docs.slack.dev/reference/objects/file-object. `url_private` wants a token with files:read;
without one Slack does not refuse, it sends to its login page.
"""

import mimetypes
import secrets

from aiohttp import web

from bot.sandbox.workspace.core import Core
from bot.sandbox.workspace.refusal import Json
from bot.sandbox.workspace.state import UploadedFile

KINDS = {".env": "text/plain", ".yaml": "text/plain", ".yml": "text/plain", ".log": "text/plain"}


def uploaded_file(
    core: Core, name: str, content: bytes, *, user: str, channel: str, snippet: bool
) -> Json:
    """Keep what a person posts to a channel, and describe it."""
    uploaded = UploadedFile(
        id=f"F{secrets.token_hex(5).upper()}",
        name=name,
        token=secrets.token_urlsafe(18),
        title=name,
        content=content,
        complete=True,
        shared_in=channel,
    )
    with core.state.change():
        core.state.files[uploaded.id] = uploaded
    return file_object(core, uploaded, user=user, snippet=snippet)


def file_object(core: Core, uploaded: UploadedFile, *, user: str, snippet: bool) -> Json:
    """Return the file as it stands in a message's `files`."""
    suffix = f".{uploaded.name.rpartition('.')[2]}"
    guessed = mimetypes.guess_type(uploaded.name)[0]
    kind = "text/plain" if snippet else KINDS.get(suffix) or guessed or "application/octet-stream"
    address = f"{core.origin}/files-pri/{core.shape.team_id}-{uploaded.id}/{uploaded.name}"
    return {
        "id": uploaded.id,
        "name": uploaded.name,
        "title": uploaded.title or uploaded.name,
        "mimetype": kind,
        "filetype": suffix.strip("."),
        "mode": "snippet" if snippet else "hosted",
        "size": len(uploaded.content or b""),
        "user": user,
        "is_external": False,
        "url_private": address,
        "url_private_download": address,
        "permalink": f"{core.origin}/files/{uploaded.id}",
    }


def hand_out(core: Core, request: web.Request) -> web.Response:
    """Serve a file to a token that may read it; anybody else is sent to the login page."""
    identifier = request.match_info["file"].rpartition("-")[2]
    uploaded = core.state.files.get(identifier)
    token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    allowed = token == core.app.bot_token and "files:read" in core.app.scopes
    channel = core.state.channels.get(uploaded.shared_in) if uploaded else None
    if not allowed or channel is None or core.app.bot_user_id not in channel.members:
        login = f"{core.origin}/?redir={request.path}"
        return web.Response(status=302, headers={"Location": login})
    assert uploaded is not None  # noqa: S101 - its channel was found
    return web.Response(body=uploaded.content, content_type="application/octet-stream")
