"""The Slack app manifest keeps Slack's documented limits and the names that people rely on."""

from pathlib import Path

import jsonschema
import yaml

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
                "app_home": {"type": "object"},
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
            "properties": {
                "event_subscriptions": {
                    "type": "object",
                    "properties": {"bot_events": {"type": "array", "maxItems": 100}},
                },
                "socket_mode_enabled": {"const": True},
                "token_rotation_enabled": {"const": False},
            },
        },
    },
}
NEEDS = {"message.channels": "channels:history", "message.groups": "groups:history"}


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
        scope = NEEDS.get(event)
        assert scope is None or scope in scopes["bot"] + scopes["bot_optional"]


def test_a_feature_that_is_not_wanted_leaves_no_scope_and_no_event() -> None:
    full = MANIFEST.read_text()
    assert manifest(full, FEATURES) == full
    for feature, needs in FEATURES.items():
        rest = [one for one in FEATURES if one != feature]
        found = yaml.safe_load(manifest(full, rest, name="Locksmith test"))
        jsonschema.validate(found, SCHEMA)
        assert found["display_information"]["name"] == "Locksmith test"
        assert set(found["oauth_config"]["scopes"]["bot"]) == set(CORE)
        assert not set(found["oauth_config"]["scopes"]["bot_optional"]) & set(needs.scopes)
        assert not set(found["settings"]["event_subscriptions"]["bot_events"]) & set(needs.events)
        read_only = found["features"]["app_home"]["messages_tab_read_only_enabled"]
        assert read_only is (feature == "direct_messages")
    least = yaml.safe_load(manifest(full, ()))
    assert "bot_optional" not in least["oauth_config"]["scopes"]
    assert all(
        NEEDS.get(event) is None for event in least["settings"]["event_subscriptions"]["bot_events"]
    )


def test_the_features_are_all_that_the_manifest_asks_for() -> None:
    scopes = yaml.safe_load(MANIFEST.read_text())["oauth_config"]["scopes"]
    asked = {scope for needs in FEATURES.values() for scope in needs.scopes}
    assert set(scopes["bot_optional"]) == asked
    assert set(scopes["bot"]) == set(CORE)
