"""
How one message leaves: the right Web API method for each kind of outbox row.

Every post carries its outbox key as message metadata, so that a post whose reply was lost can be
found again. Never: unfurling (it would fetch an address that an attacker chose), name linking,
parsing. When and how often to try is the courier's business.
"""

from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.models.metadata import Metadata
from slack_sdk.webhook import WebhookClient

from bot.courier import Outgoing
from bot.outbox import EPHEMERAL, FILE, RESPOND, UPDATE
from bot.slack.uploads import upload
from bot.slack_api import SlackRefusedError, slack_errors
from graph.errors import AccessDeniedError, RefusedError, UnavailableError

METADATA_EVENT = "locksmith_message"
BLOCK_PROBLEMS = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})
RESPONSE_HOSTS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
MAX_BLOCKS = 50
DOUBT = "_Slack did not confirm an earlier attempt: the same message may stand above._"

Blocks = list[dict[str, object]]


class SlackSender:
    """Implements `bot.courier.Sender` on one WebClient (made by `bot.slack_api.web_client`)."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def send(self, outgoing: Outgoing) -> tuple[str, str]:
        """
        Send; blocks that Slack refuses are left out rather than the message lost.

        Raises:
            LocksmithError: as `slack_errors` says.
        """
        blocks = [dict(block) for block in outgoing.blocks]
        if outgoing.doubtful:
            blocks = [*blocks[: MAX_BLOCKS - 1], _doubt()]
        try:
            return self._send(outgoing, blocks)
        except SlackRefusedError as error:
            if error.code not in BLOCK_PROBLEMS:
                raise
            return self._send(outgoing, [])

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
