"""What holds for every file of the repository, checked by reading it."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from bot.__main__ import load_rooms
from bot.cli.app import app

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "graph", "responders")
LONGEST_MODULE, LONGEST_TEST = 400, 600
# The worker loop, the engine's housekeeping, the step border: nothing else may catch everything.
CATCH_ALL = {"bot/worker.py", "responders/engine.py", "responders/runner.py"}
BANNED_NAMES = {"manager", "service", "handler", "helper", "helpers", "util", "utils", "common",
                "base", "misc"}  # fmt: skip
PRODUCTS = {"cert_manager", "aws_secrets_manager"}  # called so by their makers
# Paths of one machine, and addresses of package registries: neither works elsewhere.
MACHINE = re.compile(
    r"(?<![\w./])/(?:work|root|home/\w+|Users/\w+|opt/wheels)/\w|/tmp/(?!$)\w+/"
    r"|artifactory|pypi\.org/simple|--(?:extra-)?index-url\s+http|--trusted-host\s+\w"
)
TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".hcl", ".lock", ".txt", ".html", ".css", ".js", ""}


def tracked() -> list[Path]:
    """Give what belongs to the repository: what git knows, and what it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout: what belongs to the repository is not known")
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file()]


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_module_is_longer_than_it_can_be_read() -> None:
    long = {name(p): lines(p) for p in modules(*PACKAGES) if lines(p) > LONGEST_MODULE}
    assert not long
    long = {name(p): lines(p) for p in modules("tests") if lines(p) > LONGEST_TEST}
    assert not long


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_each_package_file_is_a_docstring_only() -> None:
    for path in modules(*PACKAGES):
        if path.name == "__init__.py":
            (only,) = ast.parse(path.read_text()).body
            assert isinstance(only, ast.Expr), name(path)
            assert isinstance(only.value, ast.Constant), name(path)


def test_each_module_says_what_it_is() -> None:
    silent = [
        name(p) for p in modules(*PACKAGES) if not ast.get_docstring(ast.parse(p.read_text()))
    ]
    assert not silent


def test_only_three_places_catch_everything() -> None:
    found = set()
    for path in modules(*PACKAGES):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = ast.unparse(node.type) if node.type else "BaseException"
            if re.search(r"\b(Exception|BaseException)\b", caught):
                found.add(name(path))
    assert found == CATCH_ALL


def test_no_module_has_a_name_that_says_nothing() -> None:
    found = [
        name(p)
        for p in modules(*PACKAGES)
        if BANNED_NAMES & set(p.stem.split("_")) and p.stem not in PRODUCTS
    ]
    assert not found


def test_no_path_of_a_machine_and_no_registry_is_in_the_repository() -> None:
    found = []
    for path in tracked():
        if path.suffix not in TEXT or path == Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            if MACHINE.search(line):
                found.append(f"{name(path)}:{number}: {line.strip()[:120]}")
    assert not found


def test_no_work_is_left_behind_in_comments() -> None:
    marks = re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b")
    assert not [name(p) for p in modules(*PACKAGES, "tests") if marks.search(p.read_text())]


def test_tests_replace_nothing_of_ours() -> None:
    # What the standard library offers (standard input, sockets) may be replaced for a test.
    ours = r"monkeypatch\.setattr\((?!sys\b|socket\b)"
    patched = re.compile(rf"\bmock\.patch|\bfrom unittest import mock|{ours}")
    here = Path(__file__).resolve()
    assert not [name(p) for p in modules("tests") if p != here and patched.search(p.read_text())]


def commands() -> set[str]:
    group = get_command(app)
    found = set()
    for first, command in getattr(group, "commands", {}).items():
        below = getattr(command, "commands", {})
        found |= {f"{first} {second}" for second in below} or {first}
    return found


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "config.example.yaml"])
def test_commands_that_are_shown_to_people_exist(page: str) -> None:
    load_rooms(())
    text = (ROOT / page).read_text()
    known = commands()
    groups = {command.split()[0] for command in known}
    for first, second in re.findall(r"\blocksmith (?!-)([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", text):
        if first in groups:
            assert first in known or f"{first} {second}" in known, f"locksmith {first} {second}"
    shown = set(re.findall(r"`locksmith ([a-z][a-z-]+)", text))
    assert shown <= groups, shown - groups


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_that_are_shown_to_people_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = re.findall(
        r"^\s*make ((?:[a-z-]+ ?)+)|`make ([a-z-]+)`", (ROOT / page).read_text(), re.MULTILINE
    )
    named = {word for row in shown for cell in row for word in cell.split()}
    assert named
    assert named <= targets, named - targets
