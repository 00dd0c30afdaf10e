"""
Finds the token that replaced a refused one, where the configuration has it now.

A file that a secret is mounted as changes while the bot runs. What is found there must be of the
app that the database serves: a token of another workspace would show incidents to other people.
"""

from collections.abc import Callable

import structlog
from pydantic import SecretStr

from bot.slack.belonging import Belonging, app_of
from bot.slack_api import web_client
from graph.errors import LocksmithError

log = structlog.get_logger()


class Renewal:
    """`configured` reads slack.bot_token anew, from its file or wherever it comes from."""

    def __init__(
        self, configured: Callable[[], SecretStr | None], belonging: Belonging, *, base_url: str
    ) -> None:
        self._configured = configured
        self._belonging = belonging
        self._base_url = base_url

    def __call__(self, refused: str) -> str:
        """Return another token than `refused`, which Slack takes; "" while there is none."""
        try:
            found = self._configured()
            token = found.get_secret_value() if found else ""
            if token in {"", refused}:
                return ""
            self._belonging.require(app_of(web_client(token, base_url=self._base_url)))
        except LocksmithError as error:
            log.error("slack.token_not_renewed", problem=error.happened)  # noqa: TRY400
            return ""
        log.warning("slack.token_renewed")
        return token
