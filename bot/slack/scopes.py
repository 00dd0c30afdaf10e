"""Which scopes the bot's token has by now; what is optional is left out where it is not granted."""

import time
from collections.abc import Callable

from slack_sdk import WebClient

from bot.slack_api import slack_errors

KEPT_SECONDS = 300.0


class Scopes:
    """Asks Slack, and remembers it for five minutes. `clock` counts seconds (monotonic)."""

    def __init__(self, client: WebClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._known: tuple[float, frozenset[str]] | None = None

    def has(self, scope: str) -> bool:
        """
        Tell whether `scope` is granted.

        Raises:
            LocksmithError: Slack did not say.
        """
        if self._known is None or self._clock() - self._known[0] > KEPT_SECONDS:
            with slack_errors("asking for the bot's scopes"):
                headers = self._client.auth_test().headers
            listed = next(
                (value for name, value in headers.items() if name.lower() == "x-oauth-scopes"), ""
            )
            self._known = (self._clock(), frozenset(str(listed).replace(",", " ").split()))
        return scope in self._known[1]
