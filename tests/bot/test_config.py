"""The configuration is strict, explains itself, and never repeats a value it was given."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from bot.config import data_folder, database_url, load
from bot.keys import installation_keys
from bot.settings import Config
from bot.wiring import pager_routes, resolver
from graph.errors import BadInputError
from graph.owners import owner_named

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


def write(folder: Path, text: str) -> str:
    path = folder / "config.yaml"
    path.write_text(text)
    return str(path)


def test_the_example_is_valid_once_its_secret_files_exist(tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("/run/secrets/locksmith", str(tmp_path))
    for name in (
        "fingerprint-key",
        "slack-bot-token",
        "slack-app-token",
        "staging-secret-id",
        "paygate-admin",
        "pager-secret",
        "payments-routing-key",
        "smtp-password",
        "backstage-token",
        "orders-admin",
        "github-hook",
        "step-up",
    ):
        (tmp_path / name).write_text("x" * (32 if "routing" in name else 64))
    config = load(write(tmp_path, text), environ={})
    assert config.slack.bot_token is not None
    assert config.slack.bot_token.get_secret_value() == "x" * 64
    assert [route.tier for route in pager_routes(config)] == [1, 2, 1]
    assert config.vault["staging"].auth == "approle"
    assert config.web.hooks["github"].secret.get_secret_value() == "x" * 64


def test_an_owner_is_found_whatever_letters_stand_in_the_name() -> None:
    webhook = {"kind": "webhook", "url": "https://oncall.example.com"}
    team = {"members": ["Ana.Z@example.com"], "pagers": ["duty"]}
    config = Config.model_validate({"teams": {"Site & Edge": team}, "pagers": {"duty": webhook}})
    (route,) = pager_routes(config)
    named = {owner_named("Site & Edge"), owner_named("ana.z@Example.com")}
    assert named <= route.owners, "the pager of the team is called for both"
    (member,) = resolver(config)(owner_named("@Site & Edge"))
    assert member.person.identity == "Ana.Z@example.com"


def test_the_example_shows_every_section_there_is() -> None:
    text = EXAMPLE.read_text()
    missing = [name for name in Config.model_fields if f"\n{name}:" not in text]
    assert not missing


def test_an_unknown_key_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"slack\.bot_tokn: there is no such key"):
        load(write(tmp_path, "slack: {bot_tokn: xoxb-1}"), environ={})


def test_a_severity_rule_that_is_wrong_is_named_with_its_place(tmp_path: Path) -> None:
    right = "{severity: high, because: bad}"
    for wrong, said in (
        ("{severity: high, because: bad, min_consumer: 3}", "severity.1.min_consumer: there is no"),
        ("{severity: worst, because: bad}", "severity.1.severity: Input should be 'critical'"),
        ("{severity: high}", "severity.1.because: Field required"),
        ("{severity: high, because: bad, matched: false, current: true}", "severity.1: .*never"),
    ):
        with pytest.raises(BadInputError, match=said):
            load(write(tmp_path, f"severity: [{right}, {wrong}]"), environ={})


def test_an_unknown_environment_variable_is_an_error() -> None:
    with pytest.raises(BadInputError, match="slak"):
        load(environ={"LOCKSMITH_SLAK__BOT_TOKEN": "xoxb-1"})


def test_the_environment_alone_is_enough() -> None:
    config = load(
        environ={
            "LOCKSMITH_VAULT__MAIN__ADDRESS": "https://vault.example",
            "LOCKSMITH_VAULT__MAIN__TOKEN": "t",
            "LOCKSMITH_KUBERNETES__PROD__MODE": "fingerprint",
            "LOCKSMITH_RESPONSE__ALLOW": '["vault://main/*"]',
        }
    )
    assert config.vault["main"].address == "https://vault.example"
    assert config.kubernetes["prod"].mode == "fingerprint"
    assert config.response.allow == ("vault://main/*",)


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "slack: {security_channel: one}")
    config = load(path, environ={"LOCKSMITH_SLACK__SECURITY_CHANNEL": "two"})
    assert config.slack.security_channel == "two"


def test_a_secret_can_come_from_a_file_named_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("xoxb-from-file\n")
    config = load(environ={"LOCKSMITH_SLACK__BOT_TOKEN_FILE": str(tmp_path / "token")})
    assert config.slack.bot_token is not None
    assert config.slack.bot_token.get_secret_value() == "xoxb-from-file"


def test_a_missing_secret_file_is_named() -> None:
    with pytest.raises(BadInputError, match="bot_token_file names the file /nowhere"):
        load(environ={"LOCKSMITH_SLACK__BOT_TOKEN_FILE": "/nowhere"})


def test_broken_yaml_says_the_line(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="line 2"):
        load(write(tmp_path, "slack:\n\tbot_token: x"), environ={})


def test_a_wrong_value_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as caught:
        load(write(tmp_path, "vault: {main: {address: hvs.CANARYCANARY, token: x}}"), environ={})
    assert "CANARY" not in str(caught.value)


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    config = load(environ={"LOCKSMITH_DATA_FOLDER": str(tmp_path / "data")})
    first = installation_keys(config).present.get_secret_value()
    assert installation_keys(config).present.get_secret_value() == first
    assert (data_folder(config) / "fingerprint.key").stat().st_mode & 0o777 == 0o600
    assert database_url(config).startswith("sqlite:///")


def test_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    config = load(environ={"LOCKSMITH_DATA_FOLDER": str(tmp_path / "data")})
    folder, together = data_folder(config), Barrier(8)

    def start(_: int) -> str:
        together.wait()
        return installation_keys(config).present.get_secret_value()

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            (key,) = set(pool.map(start, range(8)))
            assert len(key) == 64
            assert [file.name for file in folder.iterdir()] == ["fingerprint.key"]
            (folder / "fingerprint.key").unlink()


def test_a_sign_in_needs_a_door_to_come_back_to_and_a_client() -> None:
    asked = {
        "LOCKSMITH_STEP_UP__ISSUER": "https://login.example",
        "LOCKSMITH_STEP_UP__CLIENT_ID": "locksmith",
    }
    with pytest.raises(BadInputError, match="public_url"):
        load(environ=asked)
    asked["LOCKSMITH_STEP_UP__PUBLIC_URL"] = "https://locksmith.example"
    with pytest.raises(BadInputError, match=r"web\.listen"):
        load(environ=asked)
    asked["LOCKSMITH_WEB__LISTEN"] = ":8080"
    assert load(environ=asked).step_up.max_age_seconds == 300
