"""
views.* and the three-step file upload.

Source: docs.slack.dev/reference/methods (views.open, views.push, views.update, views.publish,
files.getUploadURLExternal, files.completeUploadExternal).
"""

import secrets

from bot.sandbox.workspace import view_stack
from bot.sandbox.workspace.core import Core
from bot.sandbox.workspace.messages import Message
from bot.sandbox.workspace.refusal import Json, Refusal
from bot.sandbox.workspace.state import UploadedFile
from bot.sandbox.workspace.web_api import Method, required


def open_view(core: Core, arguments: Json) -> Json:
    trigger = required(arguments, "trigger_id", "invalid_trigger_id")
    view = view_stack.open_modal(core, trigger, arguments.get("view"))
    return {"view": core.view_payload(view)}


def push_view(core: Core, arguments: Json) -> Json:
    trigger = required(arguments, "trigger_id", "invalid_trigger_id")
    view = view_stack.push_modal(core, trigger, arguments.get("view"))
    return {"view": core.view_payload(view)}


def update_view(core: Core, arguments: Json) -> Json:
    view = view_stack.find_view(
        core, view_id=arguments.get("view_id"), external_id=arguments.get("external_id")
    )
    after = view_stack.update_modal(
        core, view, arguments.get("view"), expected_hash=arguments.get("hash")
    )
    return {"view": core.view_payload(after)}


def publish_view(core: Core, arguments: Json) -> Json:
    user = required(arguments, "user_id")
    if user not in core.state.users:
        raise Refusal("user_not_found")
    view = view_stack.publish_home(
        core, user, arguments.get("view"), expected_hash=arguments.get("hash")
    )
    return {"view": core.view_payload(view)}


def get_upload_url(core: Core, arguments: Json) -> Json:
    length = str(arguments.get("length") or "")
    if not length.isdigit() or int(length) == 0:
        raise Refusal("invalid_arguments")
    uploaded = UploadedFile(
        id=f"F{secrets.token_hex(5).upper()}",
        name=required(arguments, "filename"),
        token=secrets.token_urlsafe(18),
        alt_text=str(arguments.get("alt_txt") or ""),
    )
    with core.state.change():
        core.state.files[uploaded.id] = uploaded
    return {"upload_url": f"{core.origin}/upload/{uploaded.token}", "file_id": uploaded.id}


def complete_upload(core: Core, arguments: Json) -> Json:
    rows = arguments.get("files")
    if not isinstance(rows, list) or not rows:
        raise Refusal("invalid_arguments")
    done: list[Json] = []
    for row in rows:
        uploaded = core.state.files.get(row.get("id", ""))
        if uploaded is None or uploaded.content is None:
            raise Refusal("file_not_found")
        uploaded.complete = True
        uploaded.title = row.get("title") or uploaded.name
        done.append(file_json(core, uploaded))
    if arguments.get("channel_id"):
        _share(core, arguments, tuple(done))
    return {"files": done}


def file_json(core: Core, uploaded: UploadedFile) -> Json:
    return {
        "id": uploaded.id,
        "name": uploaded.name,
        "title": uploaded.title or uploaded.name,
        "alt_txt": uploaded.alt_text,
        "url_private": f"{core.origin}/files/{uploaded.id}",
    }


def _share(core: Core, arguments: Json, files: tuple[Json, ...]) -> None:
    channel = core.state.channels.get(str(arguments["channel_id"]))
    if channel is None:
        raise Refusal("channel_not_found")
    if core.app.bot_user_id not in channel.members:
        raise Refusal("not_in_channel")
    core.add(
        Message(
            channel=channel.id,
            ts=core.state.new_ts(),
            user=core.app.bot_user_id,
            bot_id=core.app.bot_id,
            text=str(arguments.get("initial_comment") or ""),
            thread_ts=arguments.get("thread_ts") or None,
            subtype="file_share",
            files=files,
        )
    )


def receive_upload(core: Core, token: str, content: bytes) -> bool:
    """Take the bytes of an announced file; whether the address was a known one."""
    for uploaded in core.state.files.values():
        if secrets.compare_digest(uploaded.token, token):
            with core.state.change():
                uploaded.content = content
            return True
    return False


METHODS = {
    "views.open": Method(open_view),
    "views.push": Method(push_view),
    "views.update": Method(update_view),
    "views.publish": Method(publish_view),
    "files.getUploadURLExternal": Method(get_upload_url, ("files:write",)),
    "files.completeUploadExternal": Method(complete_upload, ("files:write",)),
}
