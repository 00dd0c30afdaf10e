"""
Pages by mentioning a user or a user group in a Slack channel, or by a direct message.

A mention is the weakest pager there is (it does not ring), so it serves as the first, friendly
tier, and where nothing else is configured. Confirmed means: Slack stored the message. Slack has no
idempotency key, and the SDK's default retry posts twice when an answer gets lost, so nothing is
retried here; a page whose answer got lost is "not confirmed" and not posted again: the next route
is tried. What Slack refused for now (429, 5xx) and what never left, because no connection came to
be, is posted again later. A channel that another organisation reads gets no page: with
`channels:read` (or `groups:read`) Slack is asked.

Example::

    kind: slack
    bot_token: xoxb-from-a-secret-file
    channel: C0123456789
    group: S0123456789

Source: https://docs.slack.dev/reference/methods/chat.postMessage and
https://docs.slack.dev/messaging/formatting-message-text (escape &, <, > and nothing else).
"""

import errno
import http.client
import socket
import ssl
from typing import ClassVar, Self
from urllib.error import URLError

import structlog
from pydantic import ConfigDict, Field, SecretStr, model_validator
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from responders.page_post import asked_to_wait, refused
from responders.pager import Page, Pager, PageReceipt, PagerSettings

log = structlog.get_logger()

_ICONS = {"critical": ":rotating_light:", "error": ":rotating_light:", "warning": ":warning:"}
_LATER = frozenset({"ratelimited", "internal_error", "service_unavailable", "fatal_error"})
_LATER_STATUSES = frozenset({429, 500, 502, 503, 504})
_NO_WAY = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})
_LONGEST = 400  # characters of each text; Slack takes 40,000 in all, the link at the end among them


class SlackPagerSettings(PagerSettings):
    """`channel` is where to post, or `user` whom to write to directly; ids, not names."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bot_token: SecretStr
    base_url: str = "https://slack.com/api/"
    channel: str = ""
    user: str = Field(default="", pattern=r"^([UW][A-Z0-9]+)?$")
    group: str = Field(default="", pattern=r"^(S[A-Z0-9]+)?$")
    timeout: int = Field(default=10, ge=1, le=60)

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not (self.channel or self.user):
            raise ValueError("a Slack pager needs a `channel` or a `user`")
        return self


class SlackPager(Pager[SlackPagerSettings]):
    """One channel with a mention, or one person's direct messages."""

    name: ClassVar[str] = "slack"
    Settings = SlackPagerSettings

    def page(self, page: Page) -> PageReceipt:
        icon = _ICONS.get(page.severity, ":information_source:")
        lines = [f"{icon} {self._mention()}*{escape(page.summary[:_LONGEST])}*"]
        lines += [f"• {escape(name)}: {escape(value[:_LONGEST])}" for name, value in page.details]
        return self._post(page, lines)

    def resolve(self, page: Page) -> PageReceipt:
        return self._post(page, [f":white_check_mark: Over: {escape(page.summary[:_LONGEST])}"])

    def _mention(self) -> str:
        if self.settings.group:
            return f"<!subteam^{self.settings.group}> "
        # A direct message needs no mention: it notifies by itself.
        return f"<@{self.settings.user}> " if self.settings.user and self.settings.channel else ""

    def _post(self, page: Page, lines: list[str]) -> PageReceipt:
        where = self.settings.channel or self.settings.user
        if page.link:
            lines.append(f"<{escape(page.link)}|Open incident {escape(page.incident_id)}>")
        client = WebClient(
            token=self.settings.bot_token.get_secret_value(),
            base_url=self.settings.base_url.rstrip("/") + "/",
            timeout=self.settings.timeout,
            retry_handlers=[],
        )
        if self.settings.channel and _outsiders_read(client, where):
            words = "The channel is shared with another organisation: nothing is said there."
            return refused(page, self.name, words, final=True)
        try:
            client.chat_postMessage(
                channel=where,
                text="\n".join(lines),
                mrkdwn=True,
                parse="none",
                link_names=False,
                unfurl_links=False,
                unfurl_media=False,
            )
        except SlackApiError as error:
            word, status = _word(error), getattr(error.response, "status_code", 200)
            later = word in _LATER or status in _LATER_STATUSES
            return refused(
                page,
                self.name,
                f"Slack refused the page: {word}.",
                final=not later,
                retry_after=asked_to_wait(_header(error, "Retry-After")) if later else None,
            )
        except (SlackClientError, OSError, http.client.HTTPException) as error:
            if _never_left(error):
                return refused(page, self.name, "Slack could not be reached.")
            words = "Slack did not answer; whether the page arrived is not known."
            return refused(page, self.name, words, final=True)
        log.info("page.taken", pager=self.name, owner=page.owner)
        return PageReceipt(confirmed=True, sentence=f"Slack took the page for {page.owner}.")


def _outsiders_read(client: WebClient, channel: str) -> bool:
    """
    Whether Slack says that another organisation reads it.

    Where Slack does not say (a token that may only write), the configuration is believed: a page
    that is held back may be the only one.
    """
    try:
        found = client.conversations_info(channel=channel).get("channel")
    except (SlackClientError, OSError, http.client.HTTPException):
        return False
    facts = found if isinstance(found, dict) else {}
    return bool(facts.get("is_ext_shared") or facts.get("is_pending_ext_shared"))


def escape(text: str) -> str:
    """Make outside text harmless in mrkdwn: no mention, no link, no channel-wide call."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _never_left(error: Exception) -> bool:
    """Whether no connection came to be, so that Slack cannot have stored the message."""
    why = error.reason if isinstance(error, URLError) else error
    known = isinstance(why, socket.gaierror | ssl.SSLCertVerificationError)
    return known or (isinstance(why, OSError) and why.errno in _NO_WAY)


def _header(error: SlackApiError, name: str) -> str:
    headers = getattr(error.response, "headers", None) or {}
    found = {str(key).lower(): str(value) for key, value in headers.items()}
    return found.get(name.lower(), "")


def _word(error: SlackApiError) -> str:
    """Take Slack's machine word ("channel_not_found"); an odd answer may hold anything."""
    answer = error.response
    word = answer.get("error") if hasattr(answer, "get") else None
    return word if isinstance(word, str) and word.isidentifier() else "an unexpected answer"
