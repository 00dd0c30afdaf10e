"""
Which scopes and events each feature of the Slack app takes, and the manifest for those wanted.

The core is always there. Everything else is a feature that may be left out (`slack.features`); then
its scopes and events are not in the manifest, and `check` does not ask for them. The full manifest
is `bot/slack/manifest.yaml`; what is printed is that file without the lines of other features, so
that its comments stay.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

CORE = {
    "commands": "/leak and the shortcuts",
    "chat:write": "cards and answers",
    "users:read": "refuse guests, bots and deactivated people",
    "usergroups:read": "approver groups",
    "channels:read": "find channels shared with others",
    "groups:read": "the same for private channels",
}

FeatureName = Literal["emails", "scan", "mentions", "direct_messages", "files", "lists"]


@dataclass(frozen=True, slots=True)
class Feature:
    """What one feature needs: scopes with their purpose, and events."""

    scopes: dict[str, str]
    events: tuple[str, ...] = ()


FEATURES: dict[FeatureName, Feature] = {
    "emails": Feature({"users:read.email": "one person is one identity"}),
    "scan": Feature(
        {
            "channels:history": "see leaks and deletions in public channels",
            "groups:history": "the same in private channels",
        },
        ("message.channels", "message.groups"),
    ),
    "mentions": Feature(
        {"app_mentions:read": "take a report by @locksmith in a thread"}, ("app_mention",)
    ),
    "direct_messages": Feature({"im:history": "take a report by direct message"}, ("message.im",)),
    "files": Feature({"files:read": "look for secrets in text files that are posted"}),
    "lists": Feature({"files:write": "put a long list into a thread or a message, as a file"}),
}

_ITEM = re.compile(r"\s*- ([a-z_.:]+)(\s|$)")
_EMPTY_LIST = re.compile(r"^(\s*)bot_optional:\n(?!\1\s+-)", re.MULTILINE)


def manifest(full: str, features: Iterable[FeatureName], *, name: str = "") -> str:
    """
    Take from the full manifest what `features` do not need.

    `name` is for a second app (a test installation must not share one with production).
    """
    wanted = set(features)
    left_out: set[str] = set()
    for feature, needs in FEATURES.items():
        if feature not in wanted:
            left_out |= {*needs.scopes, *needs.events}
    kept = [line for line in full.splitlines(keepends=True) if _named(line) not in left_out]
    text = _EMPTY_LIST.sub("", "".join(kept))
    if "direct_messages" not in wanted:  # the bot would not see what people write to it
        text = text.replace(
            "messages_tab_read_only_enabled: false", "messages_tab_read_only_enabled: true"
        )
    if name:
        text = re.sub(r"(?m)^  name: .*$", f"  name: {name}", text, count=1)
    return text


def _named(line: str) -> str:
    found = _ITEM.match(line)
    return found[1] if found else ""
