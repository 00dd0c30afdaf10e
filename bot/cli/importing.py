"""
`locksmith import`: the report of a scanner becomes incidents, one for each credential of ours.

What is stored here, or known to an issuer of ours, opens an incident or joins one; the rest is
counted and listed. How many incidents there would be is known before the first is opened.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Self

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from bot.cli.app import app
from bot.cli.ask import AsJson
from bot.cli.incidents import AsPerson, acting, response
from bot.cli.output import print_json, print_table, say
from bot.graph_parts import intake_of
from bot.intake.gathering import OURS, Credential, Gathering, Standing
from bot.intake.scan_report import AUTO, ScanReport, format_names, open_report
from graph.errors import BadInputError, RefusedError
from responders.desk import IncidentDesk

MOST_INCIDENTS = 50
_LISTED = 25  # rows of what opened no incident; --json lists all
_SAID = {
    Standing.MATCHED: "stored here",
    Standing.ISSUED: "known to an issuer of yours",
    Standing.UNMATCHED: "not stored here, unknown to your issuers",
    Standing.WEAK: "too weak to identify anything",
    Standing.VALUELESS: "the report does not hold the value",
}


@app.command("import")
def import_command(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="The scanner's report; - reads standard input.")],
    format_name: Annotated[
        str, typer.Option("--format", help=f"{AUTO}, {', '.join(format_names())}.")
    ] = AUTO,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be opened.")
    ] = False,
    open_unmatched: Annotated[
        bool,
        typer.Option(
            "--open-unmatched",
            help="Open incidents also for what is not stored here: by value if the report holds "
            "it, else by kind and place.",
        ),
    ] = False,
    at_most: Annotated[
        int, typer.Option("--at-most", min=1, help="Open nothing if it would be more incidents.")
    ] = MOST_INCIDENTS,
    where: Annotated[
        str, typer.Option("--where", help="The repository that was scanned, if the report is mute.")
    ] = "",
    person: AsPerson = "",
    as_json: AsJson = False,
) -> None:
    """Import findings of gitleaks, TruffleHog, Kingfisher, detect-secrets, SARIF or your own."""
    reporter = acting(person or os.environ.get("USER", ""))
    name = "standard input" if file == "-" else file
    with _Bars(shown=not as_json) as bars, _opened(file) as (raw, size):
        report = open_report(raw, name, format_name=format_name, heard=bars.reading(size))
        with response(context) as parts:
            gathering = Gathering(
                intake_of(parts.graph),
                source=report.format.name,
                reporter=reporter,
                within=where,
                note=f"Imported from a report of {report.format.title}.",
                keep_all=open_unmatched,
                learn=not dry_run,
            )
            for finding in report.findings():
                gathering.add(finding)
            chosen = _chosen(gathering, everything=open_unmatched)
            outcomes: dict[int, tuple[str, str]] = {}
            if chosen and not dry_run:
                _refuse_flood(len(chosen), at_most)
                parts.engine.launch()  # it pages the owners
                try:
                    outcomes = _open(parts.desk, gathering, chosen, bars)
                finally:
                    parts.engine.stop()
    told = _told(report, gathering, outcomes, chosen=chosen, dry_run=dry_run)
    if as_json:
        print_json(told)
    else:
        _print(told)


def _chosen(gathering: Gathering, *, everything: bool) -> list[Credential]:
    return [one for one in gathering.credentials() if everything or one.standing in OURS]


def _refuse_flood(count: int, at_most: int) -> None:
    if count > at_most:
        raise RefusedError(
            f"This would open or join {count:,} incidents, each with its pages and its card.",
            means="Nothing was opened.",
            do_now=f"Look at them with --dry-run, then allow it with --at-most {count}.",
        )


def _open(
    desk: IncidentDesk, gathering: Gathering, chosen: list[Credential], bars: "_Bars"
) -> dict[int, tuple[str, str]]:
    """Report each credential with its places; return incident and outcome by its identity."""
    outcomes: dict[int, tuple[str, str]] = {}
    advance = bars.opening(len(chosen))
    for one in chosen:
        first, *also = gathering.reports(one)
        opened = desk.report(first, also)
        outcomes[id(one)] = (opened.incident_id, opened.outcome)
        advance(1)
    return outcomes


def _told(
    report: ScanReport,
    gathering: Gathering,
    outcomes: dict[int, tuple[str, str]],
    *,
    chosen: list[Credential],
    dry_run: bool,
) -> dict[str, Any]:
    counts = gathering.counts()
    credentials = gathering.credentials()
    picked = {id(one) for one in chosen}
    left = [one for one in credentials if id(one) not in picked]
    return {
        "format": report.format.name,
        "dry_run": dry_run,
        "findings": gathering.findings,
        "credentials": len(credentials),
        "counts": {str(standing): count for standing, count in counts.items()},
        "incidents": [_row(one, *outcomes.get(id(one), ("", "would open"))) for one in chosen],
        "not_opened": [_row(one) for one in left],
        "not_asked": list(gathering.unasked.values()),
    }


def _row(one: Credential, incident: str = "", outcome: str = "") -> dict[str, Any]:
    row: dict[str, Any] = {
        "type": one.weighed.detector_name or one.rule_name,
        "rule": one.rule,
        "standing": str(one.standing),
        "secrets": list(one.secrets),
        "places": one.count,
        "first_places": list(one.places),
        "why": one.why or _SAID[one.standing],
    }
    return {"incident_id": incident, "outcome": outcome, **row} if outcome else row


def _print(told: dict[str, Any]) -> None:
    say(
        f"{told['findings']:,} findings ({told['format']}), "
        f"{told['credentials']:,} different credentials:"
    )
    for standing in Standing:
        if count := told["counts"][str(standing)]:
            say(f"  {count:,} {_SAID[standing]}")
    opened, left = told["incidents"], told["not_opened"]
    if opened:
        print_table(
            "Would be reported" if told["dry_run"] else "Incidents",
            ("incident", "outcome", "what", "places", "first place"),
            (
                (
                    row["incident_id"],
                    row["outcome"],
                    ", ".join(row["secrets"]) or row["type"],
                    str(row["places"]),
                    next(iter(row["first_places"]), ""),
                )
                for row in opened
            ),
        )
    if left:
        more = f"; the first {_LISTED}, all of them with --json" if len(left) > _LISTED else ""
        print_table(
            f"No incident ({len(left):,}{more})",
            ("type", "places", "first place", "why"),
            (
                (row["type"], str(row["places"]), next(iter(row["first_places"]), ""), row["why"])
                for row in left[:_LISTED]
            ),
        )
        say("--open-unmatched opens incidents for these too.")
    for sentence in told["not_asked"]:
        say(sentence)


@contextmanager
def _opened(file: str) -> Iterator[tuple[BinaryIO, int]]:
    """Open the report; its size is 0 where nobody knows it."""
    if file == "-":
        piped = getattr(sys.stdin, "buffer", None)
        yield piped or io.BytesIO(sys.stdin.read().encode()), 0
        return
    path = Path(file)
    try:
        if path.is_dir():
            raise BadInputError(f"{file} is a folder.", do_now="Give the report's file.")
        raw = path.open("rb")
    except OSError as error:
        raise BadInputError(
            f"{file} cannot be read: {error.strerror}.", do_now="Give a file that you may read."
        ) from None
    with raw:
        yield raw, path.stat().st_size


class _Bars:
    """Progress on a terminal, nothing elsewhere; on stderr, so that the answer stays clean."""

    def __init__(self, *, shown: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not (shown and console.is_terminal),
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def reading(self, size: int) -> Callable[[int], None]:
        return self._bar("Reading, characters", size or None)

    def opening(self, count: int) -> Callable[[int], None]:
        return self._bar("Reporting credentials", count)

    def _bar(self, words: str, total: int | None) -> Callable[[int], None]:
        task = self._progress.add_task(words, total=total)
        return lambda count: self._progress.advance(task, count)
