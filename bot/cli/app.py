"""
The root of the command line: options that hold for every command, errors in three sentences.

Each room of commands (`ask`, `incidents`, `operate`) is a file that adds its commands to `app`.
"""

import sys
from typing import Annotated

import typer
from rich.console import Console

from bot.cli.output import shown
from bot.config import load
from bot.logs import configure_logging
from bot.settings import Config
from graph.errors import AmbiguousError, LocksmithError

app = typer.Typer(
    name="locksmith",
    help="From “we leaked a secret” to “the old key is dead, every consumer runs on the new one, "
    "and here is the proof”.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with local variables could show a secret
    context_settings={"help_option_names": ["-h", "--help"]},
)

_errors = Console(stderr=True, highlight=False, soft_wrap=True)


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[
        str, typer.Option("--config", envvar="LOCKSMITH_CONFIG", help="The configuration file.")
    ] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done.")] = False,
) -> None:
    context.obj = {"config": config, "verbose": verbose}
    configure_logging("DEBUG" if verbose else "WARNING", as_json=False)


def configuration(context: typer.Context) -> Config:
    """Load what `--config` or the environment names."""
    return load(context.obj["config"])


def main() -> None:
    """Run the command line; every LocksmithError becomes sentences and its exit code."""
    try:
        app()
    except LocksmithError as error:
        _errors.print(f"[bold red]✗[/] {_plain(error.happened)}")
        if isinstance(error, AmbiguousError):
            for candidate in error.candidates:
                _errors.print(f"    {_plain(candidate)}", soft_wrap=True)
        for sentence in (error.means, error.do_now):
            if sentence:
                _errors.print(f"  {_plain(sentence)}", soft_wrap=True)
        sys.exit(error.exit_code)


def _plain(text: str) -> str:
    return shown(text).replace("[", r"\[")
