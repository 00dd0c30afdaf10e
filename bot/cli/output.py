"""
How commands print: tables for people, stable JSON for programs, never both.

Names in a cluster, a store or a message are outside text: what a terminal would obey (colours,
titles, the clipboard) or draw as nothing (bidi and zero-width characters) is written out.
"""

import sys
from collections.abc import Iterable, Sequence

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graph.errors import BadInputError

MOST_FROM_STDIN = 4 * 1024 * 1024  # characters

_WIDE = 1000  # columns in a file or a pipe: a folded ref would be found by no grep
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)


def shown(text: str) -> str:
    r"""Write out each character that is not a sign to be seen, such as \x1b and \u202e."""
    return text if text.isprintable() else "".join(map(_written, text))


def _written(character: str) -> str:
    if character.isprintable() or character in "\n\t":
        return character
    return character.encode("unicode_escape").decode()


def print_json(value: object) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=_jsonable).decode())
    sys.stdout.write("\n")


def _jsonable(value: object) -> object:
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    return str(value)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of outside text: nothing in them is read as markup."""
    table = Table(title=Text(shown(title)), title_justify="left", header_style="bold", box=None)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    console.print(table)


def say(sentence: str) -> None:
    console.print(Text(shown(sentence)))


def print_gaps(gaps: Iterable[tuple[str, str, str]]) -> None:
    """Print (scope, reason, do_now) of what could not be seen: part of every answer."""
    rows = list(gaps)
    if rows:
        print_table("Not seen (the answer may be incomplete)", ("what", "why", "do now"), rows)


def text_from_stdin() -> str:
    """
    Read what was leaked; it is never an argument, because every process sees those.

    Raises:
        BadInputError: nothing came in, or more than 4 MiB.
    """
    if sys.stdin.isatty():
        console.print("Paste the value, then press Ctrl-D:")
    text = sys.stdin.read(MOST_FROM_STDIN + 1)
    if len(text) > MOST_FROM_STDIN:
        raise BadInputError(
            "More than 4 MiB came in.",
            means="Nothing was kept.",
            do_now="Send only the secret, or the lines around it.",
        )
    if not text.strip():
        raise BadInputError(
            "No value came in on standard input.",
            do_now="Try: locksmith … --value-stdin < file, or paste it and press Ctrl-D.",
        )
    return text
