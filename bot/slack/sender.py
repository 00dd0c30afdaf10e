"""
How one message leaves: the right Web API method for each kind of outbox row.

Every post carries its outbox key as message metadata, so that a post whose reply was lost can be
found again. Never: unfurling (it would fetch an address that an attacker chose), name linking,
parsing. When and how often to try is the courier's business.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

import structlog
from slack_sdk import WebClient
from slack_sdk.models.metadata import Metadata
from slack_sdk.webhook import WebhookClient

from bot.courier import LASTING, Outgoing
from bot.outbox import EPHEMERAL, FILE, RESPOND, UPDATE
from bot.slack.uploads import upload
from bot.slack.views.text import escape, joined
from bot.slack_api import SlackRefusedError, TokenRefusedError, slack_errors
from graph.errors import AccessDeniedError, LocksmithError, RefusedError, UnavailableError

log = structlog.get_logger()

METADATA_EVENT = "locksmith_message"
BLOCK_PROBLEMS = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})
RESPONSE_HOSTS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
MAX_BLOCKS = 50
WORDS_BYTES = 3400  # of the 4,000 that chat.update takes; the rest is for REDUCED
PERSONAL = ("U", "W", "D")
REDUCED = (
    "_Slack refused to draw this message ({code}), so these are its words, without its buttons. "
    "They are in App Home; all else is in the shell, see_ `locksmith incident --help`_._"
)
DOUBT = "_Slack did not confirm an earlier attempt: the same message may stand above._"

Blocks = list[dict[str, object]]


class SlackSender:
    """Implements `bot.courier.Sender` on one WebClient (made by `bot.slack_api.web_client`)."""

    def __init__(
        self, client: WebClient, *, refuse_shared: Callable[[str], None] = lambda channel: None
    ) -> None:
        self._client = client
        self._refuse_shared = refuse_shared

    def send(self, outgoing: Outgoing) -> tuple[str, str]:
        """
        Send; of what Slack will not draw, its words are sent, rather than the message lost.

        Raises:
            LocksmithError: as `slack_errors` says; or as `refuse_shared` says of the channel of a
            new message, for which it is asked.
        """
        if outgoing.kind in LASTING:
            self._refuse_shared(outgoing.channel)
        blocks = [dict(block) for block in outgoing.blocks]
        if outgoing.doubtful:
            blocks = [*blocks[: MAX_BLOCKS - 1], _doubt()]
        try:
            return self._send(outgoing, blocks)
        except SlackRefusedError as error:
            if error.code not in BLOCK_PROBLEMS:
                raise
            log.warning("message.reduced", kind=outgoing.kind, problem=error.happened)
            return self._send(replace(outgoing, text=_in_words(blocks, error.code)), [])
        except TokenRefusedError:
            if not (outgoing.channel.startswith(PERSONAL) and self._token_works()):
                raise
            raise AccessDeniedError(
                "Slack does not deliver to this person: the account is deactivated.",
                means="This message will not arrive.",
            ) from None

    def _token_works(self) -> bool:
        """Tell whose account is meant: Slack has one word for the bot's and for a recipient's."""
        try:
            with slack_errors("signing in"):
                self._client.auth_test()
        except LocksmithError:
            return False
        return True

    def find(self, outgoing: Outgoing) -> tuple[str, str] | None:
        """
        Look for the message that carries the key in its metadata, or the file by its name.

        Raises:
            AccessDeniedError: the bot may not read there (history scopes are optional).
        """
        if not outgoing.channel.startswith(("C", "G", "D")):
            raise AccessDeniedError("A direct message can be looked for only by its channel.")
        oldest = f"{outgoing.since - 60:.6f}"
        with slack_errors("looking for a message whose receipt was lost"):
            if outgoing.thread_ts:
                answer = self._client.conversations_replies(
                    channel=outgoing.channel,
                    ts=outgoing.thread_ts,
                    oldest=oldest,
                    limit=200,
                    include_all_metadata=True,
                )
            else:
                answer = self._client.conversations_history(
                    channel=outgoing.channel, oldest=oldest, limit=200, include_all_metadata=True
                )
        for message in answer.get("messages") or []:
            if outgoing.kind == FILE:
                shared = (f for f in message.get("files") or [] if f["name"] == outgoing.address)
                if found := next(shared, None):
                    return outgoing.channel, str(found["id"])
                continue
            metadata = message.get("metadata") or {}
            if (metadata.get("event_payload") or {}).get("key") == outgoing.key:
                return outgoing.channel, str(message["ts"])
        return None

    def _send(self, outgoing: Outgoing, blocks: Blocks) -> tuple[str, str]:
        if outgoing.kind == RESPOND:
            return self._respond(outgoing, blocks)
        if outgoing.kind == FILE:
            doubt = f"\n{DOUBT}" if outgoing.doubtful else ""
            identifier = upload(
                self._client,
                name=outgoing.address,
                content=outgoing.body.encode(),
                channel=outgoing.channel,
                thread_ts=outgoing.thread_ts,
                words=outgoing.text + doubt,
            )
            return outgoing.channel, identifier
        if outgoing.kind == EPHEMERAL:
            with slack_errors("showing a private note"):
                answer = self._client.chat_postEphemeral(
                    channel=outgoing.channel,
                    user=outgoing.address,
                    thread_ts=outgoing.thread_ts or None,
                    text=outgoing.text,
                    blocks=blocks,
                    link_names=False,
                    parse="none",
                )
            return outgoing.channel, str(answer.get("message_ts") or "")
        if outgoing.kind == UPDATE:
            with slack_errors("updating a card"):
                self._client.chat_update(
                    channel=outgoing.channel,
                    ts=outgoing.address,
                    text=outgoing.text,
                    blocks=blocks,
                    link_names=False,
                    parse="none",
                )
            return outgoing.channel, outgoing.address
        with slack_errors("posting a message"):
            posted = self._client.chat_postMessage(
                channel=outgoing.channel,
                thread_ts=outgoing.thread_ts or None,
                reply_broadcast=outgoing.broadcast or None,
                text=outgoing.text,
                blocks=blocks,
                metadata=Metadata(event_type=METADATA_EVENT, event_payload={"key": outgoing.key}),
                unfurl_links=False,
                unfurl_media=False,
                link_names=False,
                parse="none",
            )
        return str(posted["channel"]), str(posted["ts"])

    def _respond(self, outgoing: Outgoing, blocks: Blocks) -> tuple[str, str]:
        self._check_response_url(outgoing.address)
        webhook = WebhookClient(outgoing.address, timeout=10, retry_handlers=[])
        with slack_errors("answering a command"):
            answer = webhook.send_dict(
                {
                    "response_type": "ephemeral",
                    "replace_original": False,
                    "text": outgoing.text,
                    "blocks": blocks,
                    "unfurl_links": False,
                    "unfurl_media": False,
                }
            )
        if answer.status_code == 429:  # noqa: PLR2004 - Too Many Requests
            raise UnavailableError("Slack asks for fewer answers.", retry_after=1.0)
        if answer.status_code >= 500:  # noqa: PLR2004 - server error
            raise UnavailableError("Slack had a fault of its own at answering a command.")
        if answer.status_code != 200:  # noqa: PLR2004 - OK
            raise SlackRefusedError(
                "Slack refused the answer to a command.",
                code="invalid_blocks" if blocks else "response_url_refused",
                means="Its 30 minutes or five uses are over, or its blocks do not fit.",
                do_now="Give the command again.",
            )
        return "", ""

    def _check_response_url(self, address: str) -> None:
        """Only Slack, or the workspace that the client itself talks to, is ever posted to."""
        parts = urlsplit(address)
        own = urlsplit(self._client.base_url)
        if parts.scheme == "https" and parts.hostname in RESPONSE_HOSTS:
            return
        if own.hostname != "slack.com" and (parts.scheme, parts.netloc) == (own.scheme, own.netloc):
            return
        raise RefusedError(
            "The address for the answer is not one of Slack's.",
            means="Nothing was sent there.",
            do_now="Check who can deliver payloads to this bot.",
        )


def _doubt() -> dict[str, object]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": DOUBT}]}


def _in_words(blocks: Blocks, code: str) -> str:
    """Return what the blocks say, line by line, and why it is said like this."""
    lines = [line for text in _texts(blocks) for line in text.splitlines()]
    words, most = joined(lines, WORDS_BYTES), WORDS_BYTES
    while len(escape(words).encode()) > WORDS_BYTES:
        most = most * 9 // 10
        words = joined(lines, most)
    return f"{words}\n{REDUCED.format(code=code)}"


def _texts(part: object) -> Iterable[str]:
    """Walk through blocks in reading order; what was plain text is made safe, mrkdwn is already."""
    if isinstance(part, Mapping):
        text = part.get("text")
        if part.get("type") in {"mrkdwn", "plain_text"} and isinstance(text, str):
            yield text if part["type"] == "mrkdwn" else escape(text)
        elif part.get("type") != "button":
            for inner in part.values():
                yield from _texts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _texts(inner)
