"""What holds for every command: help in sentences, exit codes, errors that say what to do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from bot.__main__ import ROOMS, load_rooms, main
from bot.cli.app import app
from tests.bot.cli.conftest import Run, Settings
from tests.servers.processes import ROOT, environment, locksmith, write_config

# Design, section 7; what later issues add is not here yet.
PROMISED = {
    "demo", "serve", "migrate", "check", "slack manifest", "collect", "graph export", "uses",
    "readers", "blast-radius", "report", "incident list", "incident show", "incident timeline",
    "incident export", "plan", "approve", "deny", "run", "audit verify", "audit export",
    "retry", "skip", "confirm", "stop", "undo", "playbook list",
    "playbook show", "playbook lint", "playbook schema", "incident close", "incident dismiss",
}  # fmt: skip


def commands(group: object, before: str = "") -> Iterator[tuple[str, object]]:
    for name, command in sorted(getattr(group, "commands", {}).items()):
        yield f"{before}{name}", command
        yield from commands(command, f"{before}{name} ")


load_rooms(())
EVERY = dict(commands(get_command(app)))


def test_every_promised_command_exists() -> None:
    assert callable(main)
    assert {name for name in EVERY if " " not in name} == set(ROOMS)
    assert set(EVERY) >= PROMISED


@pytest.mark.parametrize("name", EVERY)
def test_every_command_comes_from_a_room_that_is_loaded_for_it(name: str) -> None:
    callback = getattr(EVERY[name], "callback", None)
    rooms = [f"bot.cli.{room}" for room in ROOMS[name.split(maxsplit=1)[0]]]
    assert callback is None or callback.__module__ in rooms


def test_only_the_rooms_that_are_named_are_loaded() -> None:
    code = (
        "import sys; from bot.__main__ import load_rooms; load_rooms(sys.argv[1:]);"
        "print(*(name for name in sys.modules if name.startswith('bot.cli.') or '.' not in name))"
    )
    words = ("--config", "x", "uses", "a")
    loaded = subprocess.run(
        (sys.executable, "-c", code, *words), capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert "bot.cli.ask" in loaded
    assert not {"bot.cli.operate", "kubernetes", "boto3", "slack_bolt"} & set(loaded)


@pytest.mark.parametrize("name", ["", *EVERY])
def test_help_exits_0(run: Run, name: str) -> None:
    ended = run(*name.split(), "--help")
    assert ended.code == 0
    assert "Usage" in ended.out
    assert run(*name.split(), "-h").out == ended.out


@pytest.mark.parametrize("name", EVERY)
def test_help_is_in_sentences(name: str) -> None:
    command = EVERY[name]
    said = (getattr(command, "help", "") or "").strip()
    assert said, "no help"
    assert said[0].isupper()
    assert said.endswith((".", "?"))
    for parameter in getattr(command, "params", ()):
        words = getattr(parameter, "help", None)
        if parameter.name != "help":
            assert words, f"{parameter.name} has no help"


@pytest.mark.parametrize(
    "arguments",
    [
        ("usse",),
        ("uses",),
        ("uses", "a", "b"),
        ("--nope",),
        ("report", "--value", "x"),
        ("deny", "x"),
    ],
)
def test_wrong_usage_exits_2(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.code == 2
    assert ended.err


def test_a_broken_config_exits_2_and_names_the_key(
    run: Run, settings: Settings, tmp_path: Path
) -> None:
    settings["slack"]["bot_tokn"] = "xoxb-canary"
    ended = run("--config", str(write_config(settings, tmp_path)), "uses", "x")
    assert ended.code == 2
    assert "slack.bot_tokn: there is no such key" in ended.err
    assert "xoxb-canary" not in ended.err


def test_a_config_that_is_not_there_exits_2(run: Run) -> None:
    ended = run("--config", "/nowhere/config.yaml", "check")
    assert ended.code == 2
    assert "/nowhere/config.yaml" in ended.err


def test_a_database_that_is_not_there_is_told_in_sentences(
    run: Run, settings: Settings, tmp_path: Path
) -> None:
    settings["database"] = {"url": "sqlite:////dev/null/all.sqlite"}
    ended = run("--config", str(write_config(settings, tmp_path)), "migrate")
    assert ended.code in {1, 2}
    assert "Traceback" not in ended.err
    assert "✗" in ended.err


def test_every_setting_and_the_person_can_come_from_the_environment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKSMITH_DATA_FOLDER", str(tmp_path))
    monkeypatch.setenv("LOCKSMITH_PERSON", "sam@example.com")
    ended = run("incident", "list", "--json")
    assert ended.code == 0, ended.err
    assert ended.json == []


def test_migrate_is_safe_to_repeat(run: Run, config: str) -> None:
    assert run("--config", config, "migrate").code == 0
    assert "ready" in run("--config", config, "migrate").out


def test_the_manifest_is_the_one_that_is_deployed(run: Run) -> None:
    deployed = (ROOT / "deploy" / "slack-manifest.yaml").read_text()
    assert run("slack", "manifest").out.strip() == deployed.strip()


def test_python_m_bot_is_the_same_program() -> None:
    ended = locksmith("uses", "--help")
    assert ended.returncode == 0
    assert "Show every consumer" in ended.stdout


def test_a_report_on_the_command_line_of_a_broken_pipe_shows_no_traceback(config: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "--config", config, "slack", "manifest"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_shell_completion_knows_the_commands() -> None:
    script = Path(sys.executable).with_name("locksmith")
    ended = subprocess.run(
        [str(script)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(
            _LOCKSMITH_COMPLETE="complete_bash", COMP_WORDS="locksmith inc", COMP_CWORD="1"
        ),
        cwd=os.fspath(ROOT),
    )
    assert ended.returncode == 0
    assert ended.stdout.split() == ["incident"]


def test_completion_can_be_installed(run: Run) -> None:
    assert "--install-completion" in run("--help").out
