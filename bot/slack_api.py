"""
The seam to Slack's Web API: one client without hidden retries, and Slack's refusals in our words.

slack_sdk's default retry posts a message twice when only the reply was lost, so retrying belongs
to the outbox. `str(SlackApiError)` holds the whole answer: it is never logged and never chained.
"""

import http.client
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from graph.errors import (
    AccessDeniedError,
    BadInputError,
    LocksmithError,
    NotFoundError,
    UnavailableError,
)

TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500
_DENIED = frozenset(
    {
        "missing_scope",
        "not_allowed_token_type",
        "no_permission",
        "access_denied",
        "restricted_action",
        "not_in_channel",
        "is_archived",
        "is_inactive",
        "ekm_access_denied",
    }
)
_TOKEN_PROBLEMS = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"}
)
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
_TRANSIENT = frozenset(
    {
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "ratelimited",
        "rate_limited",
        "team_added_to_org",
        "external_channel_migrating",
        "update_failed",
    }
)


class SlackUnavailableError(UnavailableError):
    """Slack cannot be reached, or asks to wait: whatever was to be done waits with it."""


class LostReplyError(SlackUnavailableError):
    """The call left, and no answer came: it may or may not have had its effect."""


class TokenRefusedError(SlackUnavailableError):
    """The token itself is refused (revoked, expired): nothing goes until there is another."""


class MessageGoneError(NotFoundError):
    """The message that was to be changed was deleted, or can be changed no more."""


class SlackRefusedError(BadInputError):
    """Slack said no to what was sent; `code` is Slack's word ("invalid_blocks")."""

    def __init__(self, happened: str, *, code: str, means: str = "", do_now: str = "") -> None:
        super().__init__(happened, means=means, do_now=do_now)
        self.code = code


class RenewingClient(WebClient):
    """
    Asks `renew` for another token when Slack refuses the one it has, and then calls once more.

    A refused token had no effect, so nothing is done twice. `renew` is told what was refused and
    returns "" while there is nothing else. `refused` is Slack's word while nothing works.
    """

    def __init__(self, token: str, renew: Callable[[str], str], **settings: Any) -> None:
        super().__init__(token=token, **settings)
        self._renew = renew
        self.refused = ""

    def api_call(self, api_method: str, **arguments: Any) -> SlackResponse:
        with_token = self.token or ""
        try:
            answer = super().api_call(api_method, **arguments)
        except SlackApiError as error:
            code = str(error.response.get("error") or "")
            if code not in _TOKEN_PROBLEMS:
                self.refused = ""
                raise
            self.refused = code
            token = self._renew(with_token)
            if not token:
                raise
            self.token = token
            answer = super().api_call(api_method, **arguments)
        self.refused = ""
        return answer


def web_client(
    token: str,
    *,
    base_url: str,
    timeout_seconds: int = 10,
    renew: Callable[[str], str] = lambda refused: "",
) -> RenewingClient:
    """Make the client for everything; `base_url` ends in /api/ ("https://slack.com/api/")."""
    address = base_url if base_url.endswith("/") else base_url + "/"
    settings = {"base_url": address, "timeout": timeout_seconds, "retry_handlers": []}
    client = RenewingClient(token, renew, **settings)
    if is_loopback(address):
        client.proxy = None  # the SDK takes HTTP_PROXY from the environment, NO_PROXY or not
    return client


def is_loopback(address: str) -> bool:
    """Tell a workspace on this machine (the demo, tests) from Slack."""
    return urlsplit(address).hostname in {"127.0.0.1", "localhost", "::1"}


@contextmanager
def slack_errors(doing: str) -> Iterator[None]:
    """
    Translate what Slack or the network answered while `doing` ("posting the incident card").

    Raises:
        SlackUnavailableError: 429 (with `retry_after`), 5xx, refused connections.
        LostReplyError: the connection broke after the request was sent.
        TokenRefusedError: the token was revoked, or is none of Slack's.
        AccessDeniedError: a scope or a membership is missing, or the channel is archived.
        MessageGoneError, NotFoundError: message; user, channel or view is gone.
        SlackRefusedError: anything else that Slack refuses.
    """
    try:
        yield
    except SlackApiError as error:
        raise _translated(error, doing) from None
    except ConnectionRefusedError:
        raise _unreachable(doing) from None
    except (TimeoutError, http.client.HTTPException, ConnectionError, ssl.SSLError):
        raise LostReplyError(
            f"Slack's answer to {doing} did not arrive.",
            means="Slack may or may not have done it.",
            do_now="Locksmith looks whether it was done, then repeats it if it was not.",
        ) from None
    except OSError as error:  # urllib's URLError among them
        reason = getattr(error, "reason", None)
        if isinstance(reason, TimeoutError):
            raise LostReplyError(
                f"Slack did not answer {doing} in time.",
                means="Slack may or may not have done it.",
                do_now="Locksmith looks whether it was done, then repeats it if it was not.",
            ) from None
        raise _unreachable(doing) from None
    except SlackClientError:
        raise _unreachable(doing) from None


def _unreachable(doing: str) -> UnavailableError:
    return SlackUnavailableError(
        f"Slack could not be reached for {doing}.",
        means="Nothing is lost: it is written down and tried again.",
        do_now="Check the network, slack.base_url and Slack's status page.",
    )


def _translated(error: SlackApiError, doing: str) -> LocksmithError:
    response = error.response
    status = getattr(response, "status_code", None)
    code = str(response.get("error") or "") if hasattr(response, "get") else ""
    if status == TOO_MANY_REQUESTS:
        return SlackUnavailableError(
            f"Slack asks for fewer calls, so that {doing} waits.",
            means="It is written down and sent later.",
            retry_after=_retry_after(getattr(response, "headers", {})),
        )
    if code in _TRANSIENT or (isinstance(status, int) and status >= SERVER_ERROR):
        return LostReplyError(
            f"Slack had a fault of its own at {doing} ({code or status}).",
            means="Slack may or may not have done it.",
            do_now="Locksmith looks, then repeats it if it was not done.",
        )
    return _refusal(code, response, doing) or SlackRefusedError(
        f"Slack refused {doing} ({code or status}).",
        code=code,
        means="What was sent does not fit Slack's rules.",
        do_now="Report this to the maintainers of Locksmith with the code in brackets.",
    )


def _refusal(code: str, response: Any, doing: str) -> LocksmithError | None:
    """Say in our words what Slack's word for a refusal means; None for any other."""
    if code in _TOKEN_PROBLEMS:
        return TokenRefusedError(
            f"Slack refuses the bot's token ({code}), so that {doing} waits.",
            means="Nothing is lost and nothing is shown: it is written down until a token works.",
            do_now="Put a valid token where slack.bot_token comes from; a file is read again.",
        )
    if code in _GONE:
        return MessageGoneError(
            f"The message is gone that was meant by {doing} ({code}).",
            means="Somebody deleted it, or Slack lets nobody change it any more.",
        )
    if code in _DENIED:
        needed = str(response.get("needed") or "") if hasattr(response, "get") else ""
        scope = f" The scope {needed} is missing." if needed else ""
        return AccessDeniedError(
            f"Slack does not allow {doing} ({code}).{scope}",
            means="The bot's scopes or channel membership do not suffice.",
            do_now="Run `locksmith check`, add the scope or invite @locksmith to the channel.",
        )
    if code.endswith("not_found") or code in {"expired_trigger_id", "expired_url", "used_url"}:
        return NotFoundError(
            f"Slack does not know what was named for {doing} ({code}).",
            means="The user, channel, message or view is gone, or its time is over.",
            do_now="Try again from the beginning.",
        )
    return None


def _retry_after(headers: object) -> float:
    """Read Retry-After in seconds; header names come in any case, values as text or lists."""
    if not hasattr(headers, "items"):
        return 1.0
    for name, value in headers.items():
        if str(name).lower() == "retry-after":
            first = value[0] if isinstance(value, list) and value else value
            return float(first) if str(first).replace(".", "", 1).isdigit() else 1.0
    return 1.0
