"""Three megabytes with a token at the start, by every road: bounded, recognised, never repeated."""

from pathlib import Path

import pytest
import yaml

from bot.intake.wording import MAX_CHARACTERS
from bot.sandbox.workspace.refusal import Refusal
from tests.canary.canary import GIVEN
from tests.scenarios.scene import Scene, incident_in, says
from tests.servers.processes import _plain, locksmith

LINE = "2026-11-23T03:00:00Z INFO request served in 12 ms, nothing to see here\n"
THREE_MEGABYTES = 3 * 1024 * 1024
REPORT = ("report", "--value-stdin", "--as", "rita@example.com")


def paste(value: str, length: int) -> str:
    text = f"PAYMENTS_TOKEN={value}\n"
    return (text + LINE * (length // len(LINE) + 1))[:length]


def config_file(scene: Scene) -> Path:
    path = scene.folder / GIVEN / "config.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(_plain(scene.config)))
    return path


def test_on_standard_input_it_is_cut_with_a_remark_and_the_token_is_found(scene: Scene) -> None:
    text = paste(scene.world.leaked_token, THREE_MEGABYTES)
    config = str(config_file(scene))
    ended = locksmith("--config", config, *REPORT, given=text)
    assert ended.returncode == 0, ended.stderr
    says(ended.stdout, f"Only the first {MAX_CHARACTERS:,} of {len(text):,} characters", "in parts")
    assert scene.world.leaked_token not in ended.stdout + ended.stderr
    incident = next(word for word in ended.stdout.split() if word.startswith("inc-"))
    says(scene.card(incident).all_text, "vault://main/kv/payments/gateway#token")


def test_the_form_takes_no_more_than_slack_lets_through(scene: Scene) -> None:
    rita = scene.open_form("rita")
    errors = rita.submit({"value": paste(scene.world.leaked_token, THREE_MEGABYTES)})
    assert errors is not None
    assert "value" in errors
    fits = paste(scene.world.leaked_token, 3000)
    assert rita.submit({"value": fits}) is None
    shown = rita.modal(lambda view: "inc-" in view.all_text, timeout=20)
    says(scene.card(incident_in(shown.all_text)).all_text, "payments/gateway")
    rita.close(everything=True)


def test_the_longest_message_is_taken_by_its_menu_and_its_token_found(scene: Scene) -> None:
    rita = scene.be("rita")
    with pytest.raises(Refusal, match="msg_too_long"):
        rita.post("#general", paste(scene.world.leaked_token, THREE_MEGABYTES))
    stripe = scene.world.read_secret("shop/stripe")["api_key"]
    message = rita.post("#general", paste(stripe, 39_000))
    assert rita.shortcut(message, "leak_report_message")
    card = scene.card("shop/stripe")
    says(card.all_text, "vault://main/kv/shop/stripe#api_key")
    scene.wait_until_idle()
    assert len(scene.cards("shop/stripe")) == 1
