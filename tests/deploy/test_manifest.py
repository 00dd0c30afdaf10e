"""The Slack app manifest keeps Slack's documented limits and the names that people rely on."""

from itertools import combinations
from pathlib import Path

import jsonschema
import pytest
import yaml

from bot.slack.payloads import EVENTS
from bot.slack_features import CORE, FEATURES, manifest

MANIFEST = Path(__file__).parents[2] / "deploy" / "slack-manifest.yaml"
# Source: docs.slack.dev/reference/app-manifest and the limits listed there.
SCHEMA = {
    "type": "object",
    "required": ["display_information", "features", "oauth_config", "settings"],
    "additionalProperties": False,
    "properties": {
        "_metadata": {"type": "object"},
        "display_information": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string", "maxLength": 35},
                "description": {"type": "string", "maxLength": 140},
                "long_description": {"type": "string", "minLength": 175, "maxLength": 4000},
                "background_color": {"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"},
            },
        },
        "features": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "app_home": {
                    "type": "object",
                    "required": ["home_tab_enabled", "messages_tab_enabled"],
                    "additionalProperties": False,
                    "properties": {
                        "home_tab_enabled": {"const": True},
                        "messages_tab_enabled": {"const": True},
                        "messages_tab_read_only_enabled": {"type": "boolean"},
                    },
                },
                "bot_user": {
                    "type": "object",
                    "required": ["display_name"],
                    "properties": {
                        "display_name": {"type": "string", "maxLength": 80},
                        "always_online": {"type": "boolean"},
                    },
                },
                "shortcuts": {
                    "type": "array",
                    "maxItems": 10,
                    "items": {
                        "type": "object",
                        "required": ["name", "type", "callback_id", "description"],
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string", "maxLength": 24},
                            "type": {"enum": ["message", "global"]},
                            "callback_id": {"type": "string", "maxLength": 255},
                            "description": {"type": "string", "maxLength": 150},
                        },
                    },
                },
                "slash_commands": {
                    "type": "array",
                    "maxItems": 50,
                    "items": {
                        "type": "object",
                        "required": ["command", "description"],
                        "additionalProperties": False,
                        "properties": {
                            "command": {"type": "string", "pattern": "^/", "maxLength": 32},
                            "description": {"type": "string", "maxLength": 2000},
                            "usage_hint": {"type": "string", "maxLength": 1000},
                            "should_escape": {"type": "boolean"},
                            "url": {"type": "string"},
                        },
                    },
                },
            },
        },
        "oauth_config": {
            "type": "object",
            "properties": {
                "scopes": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        name: {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
                        for name in ("bot", "bot_optional", "user", "user_optional")
                    },
                }
            },
        },
        "settings": {
            "type": "object",
            "required": ["event_subscriptions", "interactivity", "socket_mode_enabled"],
            "additionalProperties": False,
            "properties": {
                "event_subscriptions": {
                    "type": "object",
                    "additionalProperties": False,  # no request_url: Socket Mode
                    "properties": {
                        "bot_events": {
                            "type": "array",
                            "maxItems": 100,
                            "uniqueItems": True,
                            "items": {"type": "string", "maxLength": 50},
                        }
                    },
                },
                "interactivity": {
                    "type": "object",
                    "required": ["is_enabled"],
                    "additionalProperties": False,
                    "properties": {"is_enabled": {"const": True}},
                },
                "org_deploy_enabled": {"type": "boolean"},
                "socket_mode_enabled": {"const": True},
                "token_rotation_enabled": {"const": False},
            },
        },
    },
}
# Source: the pages of these events at docs.slack.dev/reference/events; "": none.
NEEDS = {
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "app_mention": "app_mentions:read",
    "app_home_opened": "",
    "subteam_members_changed": "usergroups:read",
    "subteam_updated": "usergroups:read",
    "user_change": "users:read",
}


def test_the_manifest_keeps_slacks_limits() -> None:
    jsonschema.validate(yaml.safe_load(MANIFEST.read_text()), SCHEMA)


def test_the_fixed_names_are_there() -> None:
    features = yaml.safe_load(MANIFEST.read_text())["features"]
    assert features["bot_user"]["display_name"] == "locksmith"
    assert [command["command"] for command in features["slash_commands"]] == ["/leak"]
    assert {(s["type"], s["callback_id"]) for s in features["shortcuts"]} == {
        ("message", "leak_report_message"),
        ("global", "leak_report"),
    }


def test_there_are_six_core_scopes_and_each_event_has_its_scope() -> None:
    found = yaml.safe_load(MANIFEST.read_text())
    scopes = found["oauth_config"]["scopes"]
    assert len(scopes["bot"]) == 6
    for event in found["settings"]["event_subscriptions"]["bot_events"]:
        assert NEEDS[event] in {"", *scopes["bot"], *scopes["bot_optional"]}
        assert event.partition(".")[0] in EVENTS, "nobody listens to it"


@pytest.mark.parametrize("count", range(len(FEATURES) + 1))
def test_with_any_features_there_are_their_scopes_and_events_and_no_others(count: int) -> None:
    full = MANIFEST.read_text()
    assert manifest(full, FEATURES) == full
    for wanted in combinations(FEATURES, count):
        found = yaml.safe_load(manifest(full, wanted, name="Locksmith test"))
        jsonschema.validate(found, SCHEMA)
        assert found["display_information"]["name"] == "Locksmith test"
        scopes = found["oauth_config"]["scopes"]
        asked = {scope for name in wanted for scope in FEATURES[name].scopes}
        assert set(scopes["bot"]) == set(CORE)
        assert set(scopes.get("bot_optional", [])) == asked
        assert ("bot_optional" in scopes) is bool(asked)
        events = set(found["settings"]["event_subscriptions"]["bot_events"])
        of_features = {event for each in FEATURES.values() for event in each.events}
        assert events & of_features == {event for name in wanted for event in FEATURES[name].events}
        assert {NEEDS[event] for event in events} <= {"", *CORE, *asked}
        read_only = found["features"]["app_home"]["messages_tab_read_only_enabled"]
        assert read_only is ("direct_messages" not in wanted)


def test_the_features_are_all_that_the_manifest_asks_for() -> None:
    scopes = yaml.safe_load(MANIFEST.read_text())["oauth_config"]["scopes"]
    asked = {scope for needs in FEATURES.values() for scope in needs.scopes}
    assert set(scopes["bot_optional"]) == asked
    assert set(scopes["bot"]) == set(CORE)
