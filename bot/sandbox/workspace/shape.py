"""
What a workspace consists of before anybody acts: people, channels, groups, the installed app.

Frozen rows that a test or the demo writes down; what happens afterwards is in `state`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bot.sandbox.workspace.refusal import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """`team_id` only for a person of another organisation (then `is_stranger` is usual too)."""

    id: str
    name: str
    real_name: str
    email: str = ""
    title: str = ""
    is_bot: bool = False
    is_admin: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    deleted: bool = False
    team_id: str | None = None
    enterprise_id: str = ""  # of an Enterprise Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """`members` are user ids. A direct message has no name and two members."""

    id: str
    name: str = ""
    private: bool = False
    ext_shared: bool = False
    is_im: bool = False
    archived: bool = False
    topic: str = ""
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UserGroup:
    id: str
    handle: str
    name: str = ""
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlashCommand:
    command: str
    description: str = ""
    usage_hint: str = ""
    should_escape: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    callback_id: str
    name: str
    kind: Literal["message", "global"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserToken:
    """A token with which the app acts as one user (xoxp-), with scopes of its own."""

    token: str
    user: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackApp:
    """
    `events`: the bot events subscribed to; None means every event that the scopes allow.

    `direct_messages_off`: people may read the app's Messages tab but not write there.
    """

    bot_token: str
    app_token: str
    scopes: frozenset[str]
    id: str = "A0LOCKSMITH"
    name: str = "Locksmith"
    bot_user_id: str = "U0LOCKSMITH"
    bot_id: str = "B0LOCKSMITH"
    bot_name: str = "locksmith"
    slash_commands: tuple[SlashCommand, ...] = ()
    shortcuts: tuple[Shortcut, ...] = ()
    events: frozenset[str] | None = None
    direct_messages_off: bool = False
    user_tokens: tuple[UserToken, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """
    Slack's clocks, in seconds. The defaults are Slack's own.

    `retry_seconds`: how long after a missed acknowledgement each further delivery of an event
    comes (docs.slack.dev/apis/events-api: nearly at once, one minute, five minutes).
    """

    ack_seconds: float = 3.0
    trigger_seconds: float = 3.0
    retry_seconds: tuple[float, ...] = (0.0, 60.0, 300.0)
    response_url_seconds: float = 1800.0
    response_url_uses: int = 5
    ticket_seconds: float = 30.0
    connection_seconds: int = 3600
    warning_seconds: float = 10.0
    ping_seconds: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceShape:
    """`one_message_a_second`: enforce chat.postMessage's limit per channel (HTTP 429)."""

    users: tuple[User, ...]
    channels: tuple[Channel, ...]
    app: SlackApp
    user_groups: tuple[UserGroup, ...] = ()
    team_id: str = "T0EXAMPLE"
    team_name: str = "Example"
    domain: str = "example"
    enterprise_id: str = ""
    timing: Timing = Timing()
    one_message_a_second: bool = False


def app_from_manifest(
    manifest: Json,
    *,
    bot_token: str,
    app_token: str,
    without: Iterable[str] = (),
) -> SlackApp:
    """
    Installs an app as its manifest states it: scopes, commands, shortcuts, events.

    `without` names scopes that the workspace did not grant (`bot_optional` ones as a rule).
    """
    features = manifest.get("features", {})
    scopes = manifest.get("oauth_config", {}).get("scopes", {})
    granted = frozenset([*scopes.get("bot", []), *scopes.get("bot_optional", [])])
    home = features.get("app_home", {})
    events = manifest.get("settings", {}).get("event_subscriptions", {}).get("bot_events", [])
    return SlackApp(
        bot_token=bot_token,
        app_token=app_token,
        name=manifest["display_information"]["name"],
        bot_name=features.get("bot_user", {}).get("display_name", "bot"),
        scopes=granted - frozenset(without),
        slash_commands=tuple(
            SlashCommand(
                command=row["command"],
                description=row.get("description", ""),
                usage_hint=row.get("usage_hint", ""),
                should_escape=row.get("should_escape", False),
            )
            for row in features.get("slash_commands", [])
        ),
        shortcuts=tuple(
            Shortcut(callback_id=row["callback_id"], name=row["name"], kind=row["type"])
            for row in features.get("shortcuts", [])
        ),
        events=frozenset(events),
        direct_messages_off=home.get("messages_tab_read_only_enabled", False),
    )
