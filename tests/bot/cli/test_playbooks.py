"""`locksmith playbook`: what people see of ours and their own, and what the lint says."""

import json
from pathlib import Path

import pytest
import yaml

from responders.playbook import OWN_FOLDER, Playbook, load_playbooks
from tests.bot.cli.conftest import Run

MINE = """
name: npm-token
title: Our way with npm
matches: {detectors: [npmjsaccesstoken]}
answers: {owner: o, stored: s, consumers: c, reload: r, verify: v, roll_back: b}
steps:
  revoke: {use: manual.confirm, title: Revoke it, phase: revoke, with: {instructions: Do it.}}
orders: {revoke-first: [revoke]}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "mine.yaml").write_text(MINE)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"response": {"playbooks": str(folder)}}))
    return config


def test_ours_are_listed_with_what_they_were_tested_on(run: Run) -> None:
    listed = run("playbook", "list", "--json").json
    assert {one["name"] for one in listed} == set(load_playbooks())
    assert all(one["tested_on"] for one in listed)
    table = run("playbook", "list")
    assert table.code == 0
    assert "aws-access-key" in table.out


def test_one_of_yours_takes_the_place_of_ours(run: Run, mine: Path) -> None:
    listed = run("--config", str(mine), "playbook", "list", "--json").json
    (npm,) = [one for one in listed if one["name"] == "npm-token"]
    assert npm["title"] == "Our way with npm"
    assert npm["replaces"] == str(OWN_FOLDER / "npm-token.yaml")
    shown = run("--config", str(mine), "playbook", "show", "npm-token")
    assert "in place of ours" in shown.out
    assert "nothing yet" in shown.out


def test_show_answers_the_six_questions_and_names_the_way_back(run: Run) -> None:
    shown = run("playbook", "show", "aws-access-key")
    playbook = load_playbooks()["aws-access-key"]
    for answer in playbook.answers.model_dump().values():
        assert answer in shown.out
    assert "can be undone" in shown.out
    assert run("playbook", "show", "aws-access-key", "--json").json["steps"]["rotate"]["with"]
    missing = run("playbook", "show", "no-such")
    assert missing.code == 3
    assert "There are: " in missing.err


def test_the_lint_is_silent_about_ours_and_says_each_fault_of_yours(run: Run, mine: Path) -> None:
    assert run("playbook", "lint").code == 0
    broken = mine.parent / "playbooks" / "broken.yaml"
    broken.write_text(MINE.replace("manual.confirm", "manual.confrim"))
    ended = run("--config", str(mine), "playbook", "lint")
    assert ended.code == 1
    assert f"{broken}:7: there is no step manual.confrim" in ended.out
    found = run("playbook", "lint", str(broken), "--json")
    assert found.code == 1
    assert found.json["ok"] is False
    (fault,) = found.json["faults"]
    assert (fault["line"], fault["file"]) == (7, str(broken))
    (broken.parent / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as text" in run("playbook", "lint", str(broken.parent)).out
    assert run("playbook", "lint", str(mine.parent / "none")).code == 2


def test_the_schema_is_printed(run: Run) -> None:
    assert run("playbook", "schema").json == json.loads(
        json.dumps(Playbook.model_json_schema(by_alias=True))
    )
