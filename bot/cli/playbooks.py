"""Playbooks: `locksmith playbook list | show | lint | schema`."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.app import app, configuration
from bot.cli.ask import AsJson
from bot.cli.output import console, print_json, print_table, say
from graph.errors import BadInputError, NotFoundError
from graph.plugins import discover
from graph.words import counted
from responders.linting import Fault, lint
from responders.playbook import OWN_FOLDER, Found, Playbook, files_of, find_playbooks
from responders.step import Step

playbooks = typer.Typer(help="What is done about each type of credential.", no_args_is_help=True)
app.add_typer(playbooks, name="playbook")

_QUESTIONS = {
    "owner": "Who owns it?",
    "stored": "Where is it stored?",
    "consumers": "Who consumes it?",
    "reload": "How do they reload?",
    "verify": "How is success verified?",
    "roll_back": "How to roll back safely?",
}
_ONLY = {None: "", "in_vault": "if it is in a Vault", "elsewhere": "if it is not"}


@playbooks.command("list")
def list_command(context: typer.Context, as_json: AsJson = False) -> None:
    """List the playbooks: ours, and yours from `response.playbooks`."""
    found = find_playbooks(_folder(context))
    if as_json:
        print_json([_summary(one) for _, one in sorted(found.items())])
        return
    print_table(
        "",
        ("name", "for", "taken when", "tested on", "from"),
        (
            (name, one.playbook.title, _taken(one.playbook), one.playbook.tested_on, _origin(one))
            for name, one in sorted(found.items())
        ),
    )


@playbooks.command("show")
def show_command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The playbook's name.")],
    as_json: AsJson = False,
) -> None:
    """Show one playbook: the six answers, the steps, the orders."""
    found = find_playbooks(_folder(context))
    if name not in found:
        raise NotFoundError(
            f"No playbook is called “{name}”.", do_now=f"There are: {', '.join(sorted(found))}."
        )
    one = found[name]
    playbook = one.playbook
    if as_json:
        print_json({**_summary(one), **playbook.model_dump(mode="json", by_alias=True)})
        return
    say(f"{playbook.title} ({name}, {_origin(one)})")
    say(f"Taken when: {_taken(playbook)}")
    say(f"Tested on: {playbook.tested_on or 'nothing yet'}")
    for question, words in _QUESTIONS.items():
        say(f"\n{words}\n  {getattr(playbook.answers, question).strip()}")
    steps = discover(Step, "responders.steps")
    for order, ids in playbook.orders.items():
        console.print()
        print_table(
            order,
            ("", "step", "does", "only", "way back"),
            (
                (
                    str(number),
                    playbook.steps[each].use,
                    playbook.steps[each].title,
                    _ONLY[playbook.steps[each].only],
                    _way_back(steps.get(playbook.steps[each].use)),
                )
                for number, each in enumerate(ids, start=1)
            ),
        )


@playbooks.command("lint")
def lint_command(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Files or folders; left out: ours and `response.playbooks`."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with playbook files, with file and line; exit with 1 if anything is."""
    folders = paths or [OWN_FOLDER, *filter(None, [_folder(context)])]
    files = [file for path in folders for file in _files(path)]
    steps = discover(Step, "responders.steps")
    faults: list[Fault] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            faults.append(Fault(str(file), 1, "cannot be read as text"))
            continue
        faults += lint(text, str(file), steps)
    if as_json:
        print_json({"ok": not faults, "files": [str(file) for file in files], "faults": faults})
    else:
        for fault in faults:
            say(str(fault))
        say(f"{counted(len(files), 'playbook')}, {counted(len(faults), 'fault')}.")
    if faults:
        raise typer.Exit(1)


@playbooks.command("schema")
def schema_command() -> None:
    """Print the JSON schema of a playbook, for editors: docs/playbook.schema.json."""
    print_json(Playbook.model_json_schema(by_alias=True))


def _folder(context: typer.Context) -> Path | None:
    chosen = configuration(context).response.playbooks
    return Path(chosen) if chosen else None


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return files_of(path)
    if not path.is_file():
        raise BadInputError(
            f"{path} does not exist.", do_now="Give a file or a folder of playbooks."
        )
    return [path]


def _summary(one: Found) -> dict[str, object]:
    playbook = one.playbook
    return {
        "name": playbook.name,
        "title": playbook.title,
        "taken_when": _taken(playbook),
        "orders": list(playbook.orders),
        "tested_on": playbook.tested_on,
        "file": str(one.file),
        "replaces": str(one.replaces) if one.replaces else None,
    }


def _origin(one: Found) -> str:
    if one.file.parent == OWN_FOLDER:
        return "Locksmith"
    return f"{one.file}, in place of ours" if one.replaces else str(one.file)


def _taken(playbook: Playbook) -> str:
    matches = playbook.matches
    if matches.named:
        return f"the secret asks for it: playbook={playbook.name}"
    words = {"type": matches.detectors, "store": matches.stores, "issuer": matches.issuers}
    said = [f"{what} {' or '.join(listed)}" for what, listed in words.items() if listed]
    return ", ".join(said) or "nothing else fits"


def _way_back(member: type[Step] | None) -> str:  # type: ignore[type-arg]
    if member is None:
        return "not installed"
    if not member.changes_world:
        return "changes nothing"
    if member.follows:
        return "is done again after what it copies"
    if member.harmless:
        return "may stay"
    return "can be undone" if member.reversible else "none"
