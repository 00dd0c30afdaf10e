"""
Opens a scanner's report: which format it is, and a reader that stands at its beginning.

The formats are the members of `findings/`; the shape of the first object tells them apart.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from bot.intake.finding import Finding, FindingFormat, shape_of
from bot.intake.json_reader import JsonReader, text_from
from graph.errors import BadInputError
from graph.plugins import discover

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class ScanReport:
    """A report of a known format. `findings()` reads it, once."""

    format: FindingFormat
    reader: JsonReader

    def findings(self) -> Iterator[Finding]:
        """Give its findings one by one; raises BadInputError where it is broken."""
        return self.format.findings(self.reader)


def format_names() -> list[str]:
    return sorted(discover(FindingFormat, "bot.intake.findings"))


def open_report(
    raw: BinaryIO,
    name: str,
    *,
    format_name: str = AUTO,
    heard: Callable[[int], None] = lambda count: None,
) -> ScanReport:
    """
    Recognise a report, or take the format that is named.

    Raises:
        BadInputError: it is no text, empty, of no known format, or there is no such format.
    """
    formats = discover(FindingFormat, "bot.intake.findings")
    known = ", ".join(formats[each].title for each in sorted(formats))
    if format_name not in {AUTO, *formats}:
        raise BadInputError(
            f"There is no format “{format_name}”.",
            do_now=f"Use one of: {AUTO}, {', '.join(sorted(formats))}.",
        )
    reader = JsonReader(text_from(raw, name), name, heard=heard)
    head = reader.head()
    shape = shape_of(head)
    if not head.strip() and format_name == AUTO:
        raise BadInputError(
            f"{name} is empty.",
            means="A scan that finds nothing writes an empty list, so this scan may have failed.",
            do_now="Look at its exit code and its log. TruffleHog writes nothing if it finds "
            "nothing: then add --format trufflehog.",
        )
    fitting = [each for each in sorted(formats) if formats[each].fits(shape)]
    if format_name == AUTO and shape.top == "empty":
        return ScanReport(formats["generic"](), reader)
    if format_name == AUTO and len(fitting) == 1:
        return ScanReport(formats[fitting[0]](), reader)
    if format_name in fitting or (format_name != AUTO and shape.top == "empty"):
        return ScanReport(formats[format_name](), reader)
    looks = f"a report of {' or '.join(fitting)}" if fitting else "none of the known formats"
    if not fitting and shape.top == "other":
        looks = "anything but JSON"
    raise BadInputError(
        f"{name} looks like {looks}" + ("." if format_name == AUTO else f", not {format_name}."),
        means="Nothing was imported.",
        do_now=f"Give one of: {known}. On the command line --format names it.",
    )
