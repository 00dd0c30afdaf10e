"""
Puts a text file into a thread or a direct message, in Slack's three steps: announce, send, share.

Only the last step is seen by anybody, so that an upload that broke off before leaves nothing.
Source: docs.slack.dev, working with files (files.getUploadURLExternal, completeUploadExternal).
"""

import httpx
from slack_sdk import WebClient

from bot.slack.files import is_file_host
from bot.slack_api import is_loopback, slack_errors
from graph.errors import RefusedError, UnavailableError


def upload(
    client: WebClient,
    *,
    name: str,
    content: bytes,
    channel: str,
    thread_ts: str,
    words: str,
) -> str:
    """
    Share `content` as a file, with `words` above it; return the file's id.

    `channel` is its id: Slack takes no user's here. `thread_ts` "": in the conversation itself.

    Raises:
        LocksmithError: as `slack_errors` says; AccessDeniedError without the scope files:write.
    """
    with slack_errors("announcing a file"):
        told = client.files_getUploadURLExternal(filename=name, length=len(content))
    address, identifier = str(told["upload_url"]), str(told["file_id"])
    if not is_file_host(address, client):
        raise RefusedError(
            "The address for a file is not one of Slack's.",
            means="Nothing was sent there.",
            do_now="Check slack.base_url.",
        )
    try:
        sent = httpx.post(address, content=content, timeout=20, trust_env=not is_loopback(address))
    except httpx.HTTPError:
        raise UnavailableError("Slack could not be reached for sending a file.") from None
    if sent.status_code != httpx.codes.OK:
        raise UnavailableError("Slack did not take a file.")
    with slack_errors("sharing a file"):
        client.files_completeUploadExternal(
            files=[{"id": identifier, "title": name}],
            channel_id=channel,
            thread_ts=thread_ts or None,
            initial_comment=words,
        )
    return identifier
