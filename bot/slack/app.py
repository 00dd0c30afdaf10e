"""
The Bolt app over Socket Mode: each payload goes to its listener, which commits it to the inbox.

Bolt answers after the listener ran (`process_before_response`): what could not be committed is not
acknowledged. What is not ours is answered right away: left to Bolt, it would be logged with its
whole body.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any, cast

import structlog
from slack_bolt import App, BoltResponse
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.inbox import Inbox
from bot.logs import quiet_libraries
from bot.slack.listeners import approve, ask, break_glass, home, report_leak, run, triage
from bot.slack.payloads import new_entry
from bot.slack_api import RenewingClient, is_loopback, slack_errors
from graph.errors import LocksmithError

log = structlog.get_logger()

# A connection that broke without a word is replaced after five of these: Bolt's ten seconds would
# leave people a minute with a bot that does not hear them.
PING_SECONDS = 3
SECONDS_TO_SETTLE = 3.0  # what Slack itself waits for an acknowledgement
SECONDS_TO_GREET = 10.0
# What the SDK calls SocketModeRequestListener; that class declares `__call__` without its self.
Listener = Callable[[BaseSocketModeClient, SocketModeRequest], None]


class SlackApp:
    """
    Receives from one workspace. `client` is made by `bot.slack_api.web_client`.

    `scan_messages` False: messages in channels are not even taken in. `may_join` is told how many
    connections Slack has open for this app and may refuse; nothing is taken in before it agreed.

    Raises:
        LocksmithError: Slack does not know the bot token, or is not there.
    """

    def __init__(
        self,
        client: RenewingClient,
        app_token: str,
        inbox: Inbox,
        *,
        scan_messages: bool = True,
        may_join: Callable[[int], None] = lambda connections: None,
    ) -> None:
        self._client = client
        with slack_errors("signing in"):
            identity = client.auth_test()
        authorized = AuthorizeResult.from_auth_test_response(
            auth_test_response=identity, bot_token=client.token
        )
        logger = logging.getLogger("slack_bolt.locksmith")
        logger.setLevel(logging.INFO)
        # Bolt gets a client without a token: it would warn that `authorize` is used instead.
        bare = WebClient(base_url=client.base_url, timeout=client.timeout, retry_handlers=[])
        bare.proxy = client.proxy
        self._app = App(
            client=bare,
            authorize=lambda: authorized,
            logger=logger,
            process_before_response=True,
            request_verification_enabled=False,  # a Socket Mode connection is authenticated itself
        )
        self._app.use(only_ours(scan_messages=scan_messages))
        self._app.error(_failed)
        for listeners in (report_leak, ask, approve, break_glass, run, triage, home):
            listeners.register(self._app, inbox)
        self._handler = SocketModeHandler(
            self._app, app_token, logger=logger, ping_interval=PING_SECONDS
        )
        self._inbox = inbox
        self._leaving = threading.Event()
        self._may_join = may_join
        self._greeted, self._joined = threading.Event(), threading.Event()
        self._connections = 1
        self._handler.client.message_listeners.append(self._greet)
        listeners_of_the_sdk = self._handler.client.socket_mode_request_listeners
        listeners_of_the_sdk[:] = [
            self._received(cast("Listener", listener)) for listener in listeners_of_the_sdk
        ]
        if is_loopback(client.base_url):
            self._handler.client.proxy = None
        quiet_libraries()

    @property
    def problem(self) -> str:
        """Why nobody is served: no connection, or a token that Slack refuses; "": all is well."""
        if not self._handler.client.is_connected():
            return "not connected"
        return f"the bot token is refused ({self._client.refused})" if self._client.refused else ""

    def start(self) -> None:
        """
        Open the connection; returns at once, deliveries come on threads of the SDK.

        Raises:
            LocksmithError: Slack refused the app token, or is not there; or `may_join` refused.
        """
        with slack_errors("opening the Socket Mode connection"):
            self._handler.client.connect()
        self._greeted.wait(SECONDS_TO_GREET)
        try:
            self._may_join(self._connections)
        except LocksmithError:
            self.stop()
            raise
        self._joined.set()

    def stop(self) -> None:
        """Acknowledge what is in hand, then close the connection and the SDK's threads."""
        self._leaving.set()
        self._inbox.wait_until_received(SECONDS_TO_SETTLE)
        try:
            self._handler.client.close()
        except AttributeError:
            # slack_sdk races with its own reader, which closed the socket in the same moment; the
            # second call finds none and stops the threads.
            self._handler.client.close()

    def _received(self, listener: Listener) -> Listener:
        """Say so while a request is in hand; while leaving none is taken, so Slack repeats it."""

        def take(client: BaseSocketModeClient, request: SocketModeRequest) -> None:
            self._joined.wait(SECONDS_TO_SETTLE)
            with self._inbox.receiving():
                if self._joined.is_set() and not self._leaving.is_set():
                    listener(client, request)

        return take

    def _greet(
        self, client: BaseSocketModeClient, message: dict[str, Any], raw: str | None = None
    ) -> None:
        if message.get("type") == "hello" and not self._greeted.is_set():
            self._connections = int(message.get("num_connections") or 1)
            self._greeted.set()


def only_ours(*, scan_messages: bool) -> Callable[..., BoltResponse]:
    """Make the middleware that stands before every listener."""

    def look(
        body: dict[str, Any],
        next: Callable[[], BoltResponse],  # noqa: A002
    ) -> BoltResponse:
        entry = new_entry(body)
        if entry is None or (entry.name == "message" and not scan_messages):
            return BoltResponse(status=200, body="")
        return next()

    return look


def _failed(error: Exception) -> BoltResponse:
    """Say what broke without the payload, which Bolt's own sample would log."""
    log.error("listener.failed", error=type(error).__name__)
    return BoltResponse(status=500, body="")
