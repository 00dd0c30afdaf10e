"""
Checks the Slack app: both tokens, the scopes granted against those needed, the security channel.

Scopes are read from the X-OAuth-Scopes header of any Web API answer (docs.slack.dev).
"""

from collections.abc import Iterable, Iterator

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.checks.finding import Checked, Outcome
from bot.settings import SlackSettings
from bot.slack.belonging import ServedApp, app_from
from bot.slack_features import CORE, FEATURES, FeatureName

_CONNECTION = "slack"


def check_slack(settings: SlackSettings, kept: ServedApp | None = None) -> Iterator[Checked]:
    """
    Look at the configured app; every trouble is a finding, none is raised.

    `kept` is the app that this database serves, if it has served one.
    """
    if settings.bot_token is None or settings.app_token is None:
        yield Checked(
            _CONNECTION,
            "tokens",
            Outcome.MISSING,
            "slack.bot_token and slack.app_token are not both set",
            "Create the app from deploy/slack-manifest.yaml, then set both tokens.",
        )
        return
    client = WebClient(
        token=settings.bot_token.get_secret_value(), base_url=settings.base_url, retry_handlers=[]
    )
    try:
        who = client.auth_test()
        yield Checked(_CONNECTION, "bot token", Outcome.OK, f"@{who['user']} in {who['team']}")
        yield _belongs(app_from(who), kept)
        yield from _scopes(
            str(who.headers.get("x-oauth-scopes") or _header(who.headers)), settings.wanted_features
        )
    except (SlackClientError, OSError) as error:
        yield Checked(
            _CONNECTION, "bot token", Outcome.MISSING, _reason(error),
            "Compare slack.bot_token with “OAuth & Permissions” of the app; is it installed?",
        )  # fmt: skip
        return
    try:
        yield from _channel(client, settings.security_channel)
    except (SlackClientError, OSError) as error:
        yield Checked(
            _CONNECTION, f"security channel {settings.security_channel}", Outcome.MISSING,
            _reason(error), "Add channels:read and groups:read, and install the app again.",
        )  # fmt: skip
    app_client = WebClient(base_url=settings.base_url, retry_handlers=[])
    try:
        app_client.apps_connections_open(app_token=settings.app_token.get_secret_value())
        yield Checked(_CONNECTION, "app token (Socket Mode)", Outcome.OK)
    except (SlackClientError, OSError) as error:
        yield Checked(
            _CONNECTION, "app token (Socket Mode)", Outcome.MISSING, _reason(error),
            "Make an app-level token with connections:write and switch on Socket Mode.",
        )  # fmt: skip


def _belongs(app: ServedApp, kept: ServedApp | None) -> Checked:
    what = "app of this database"
    if kept is None:
        return Checked(_CONNECTION, what, Outcome.OK, f"none yet; the first start keeps {app}")
    if kept.is_same(app):
        return Checked(_CONNECTION, what, Outcome.OK, str(kept))
    return Checked(
        _CONNECTION, what, Outcome.MISSING, f"it serves {kept}, the token is of {app}",
        "Give each installation its own database and app; if it is meant: locksmith slack adopt.",
    )  # fmt: skip


def _header(headers: object) -> str:
    items = headers.items() if hasattr(headers, "items") else ()
    return next((str(value) for name, value in items if name.lower() == "x-oauth-scopes"), "")


def _scopes(header: str, features: Iterable[FeatureName]) -> Iterator[Checked]:
    granted = {scope.strip() for scope in header.split(",") if scope.strip()}
    asked: dict[str, str] = {}
    for feature in features:
        asked |= FEATURES[feature].scopes
    for scopes, outcome in ((CORE, Outcome.MISSING), (asked, Outcome.OPTIONAL)):
        for scope, purpose in scopes.items():
            if scope in granted:
                yield Checked(_CONNECTION, f"scope {scope}", Outcome.OK, purpose)
            else:
                yield Checked(
                    _CONNECTION,
                    f"scope {scope}",
                    outcome,
                    f"not granted: {purpose}",
                    f"Add {scope} under “OAuth & Permissions” and install the app again.",
                )

    for scope in sorted(granted - {*CORE, *asked}):
        by = [name for name, one in FEATURES.items() if scope in one.scopes]
        why = f"only {by[0]} needs it, which slack.features leaves out" if by else "nothing uses it"
        yield Checked(
            _CONNECTION,
            f"scope {scope}",
            Outcome.OPTIONAL,
            f"granted, and not needed: {why}",
            "Paste what `locksmith slack manifest` prints as the app's manifest, and install it "
            "again; a token that has more than it needs is worth more to a thief.",
        )


def _channel(client: WebClient, wanted: str) -> Iterator[Checked]:
    what = f"security channel {wanted}"
    cursor = ""
    while True:
        answer = client.conversations_list(
            types="public_channel,private_channel", limit=200, cursor=cursor
        )
        for channel in answer["channels"]:
            if wanted.lstrip("#") not in {channel["id"], channel.get("name")}:
                continue
            if channel.get("is_archived"):
                yield Checked(
                    _CONNECTION, what, Outcome.MISSING, "archived",
                    "Open it again, or choose another channel.",
                )  # fmt: skip
            elif channel.get("is_ext_shared") or channel.get("is_pending_ext_shared"):
                yield Checked(
                    _CONNECTION, what, Outcome.MISSING, "shared with another organisation",
                    "Choose a channel that is your own.",
                )  # fmt: skip
            elif not channel.get("is_member"):
                yield Checked(
                    _CONNECTION, what, Outcome.MISSING, "the bot is not in it",
                    "Invite it there: /invite @locksmith",
                )  # fmt: skip
            else:
                yield Checked(_CONNECTION, what, Outcome.OK)
            return
        cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
        if not cursor:
            break
    yield Checked(
        _CONNECTION, what, Outcome.MISSING, "the bot does not see such a channel",
        "Create it, or invite the bot if it is private: /invite @locksmith",
    )  # fmt: skip


def _reason(error: Exception) -> str:
    if isinstance(error, SlackApiError):
        return f"Slack says: {error.response.get('error', 'unknown error')}"
    return f"Slack cannot be reached ({type(error).__name__})"
