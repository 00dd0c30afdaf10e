"""
Fetches text files that were posted: bounded, in memory, only with the scope `files:read`.

Which files are worth it is `bot.intake.attachments`' business. The token goes to Slack's own file
host and to the workspace that the client talks to. How files are shared is in `uploads`.
Source: docs.slack.dev/reference/objects/file-object (url_private needs the token as a bearer).
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
from slack_sdk import WebClient

from bot.slack.scopes import Scopes
from bot.slack_api import is_loopback
from graph.errors import LocksmithError, UnavailableError

SCOPE, SHARING_SCOPE = "files:read", "files:write"
MOST_BYTES = 1_000_000
FILE_HOSTS = frozenset({"files.slack.com", "files.slack-gov.com"})
SERVER_ERROR = 500


class Files:
    """Works on one WebClient."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._scopes = Scopes(client)

    def text(self, file: Mapping[str, Any]) -> str | None:
        """
        Fetch what a text file says, as far as it is read; None: Slack does not hand it out.

        Raises:
            UnavailableError: Slack could not be asked; worth another try.
        """
        address = str(file.get("url_private_download") or file.get("url_private") or "")
        if not self.granted or not is_file_host(address, self._client):
            return None
        content = self._download(address)
        return None if content is None else content.decode("utf-8", errors="replace")

    @property
    def granted(self) -> bool:
        """Whether the scope is there."""
        return self._scopes.has(SCOPE)

    @property
    def may_share(self) -> bool:
        """Whether files may be put into Slack; not, while Slack does not say."""
        try:
            return self._scopes.has(SHARING_SCOPE)
        except LocksmithError:
            return False

    def _download(self, address: str) -> bytes | None:
        """Fetch up to MOST_BYTES; None where Slack sends to its login page instead."""
        headers = {"Authorization": f"Bearer {self._client.token}"}
        content = bytearray()
        try:
            with httpx.stream(
                "GET",
                address,
                headers=headers,
                follow_redirects=False,
                timeout=10,
                trust_env=not is_loopback(address),
            ) as response:
                if response.status_code >= SERVER_ERROR:
                    raise UnavailableError("Slack had a fault of its own at handing out a file.")
                if response.status_code != httpx.codes.OK:
                    return None
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) >= MOST_BYTES:
                        break
        except httpx.HTTPError:
            raise UnavailableError("Slack could not be reached for reading a file.") from None
        return bytes(content[:MOST_BYTES])


def is_file_host(address: str, client: WebClient) -> bool:
    """Tell whether `address` is Slack's for files, or the workspace that `client` talks to."""
    parts, own = urlsplit(address), urlsplit(client.base_url)
    if parts.scheme == "https" and parts.hostname in FILE_HOSTS:
        return True
    return own.hostname != "slack.com" and (parts.scheme, parts.netloc) == (own.scheme, own.netloc)
