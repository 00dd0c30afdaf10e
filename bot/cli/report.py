"""
`locksmith report`: a leak comes in from the shell; the value is read, never given as an argument.

Where nothing is surely a secret, the candidates are listed masked and one is chosen with --choose:
the same text is read again, so that nothing is kept between the two calls.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.app import app
from bot.cli.ask import AsJson
from bot.cli.incidents import AsPerson, acting, response
from bot.cli.output import print_json, say, text_from_stdin
from bot.graph_parts import intake_of
from bot.intake.intake import Seen, Taken
from bot.intake.offers import Offer
from graph.errors import AmbiguousError, BadInputError
from graph.model import NodeKind
from graph.queries.search import resolve_words
from responders.incident import LeakReport


@app.command("report")
def report_command(
    context: typer.Context,
    nothing: Annotated[
        list[str] | None, typer.Argument(help="Nothing: a value is never an argument.", hidden=True)
    ] = None,
    value_stdin: Annotated[
        bool, typer.Option("--value-stdin", help="Read the leaked value from standard input.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--file", help="Read text with the leaked value from a file.")
    ] = None,
    named: Annotated[
        str,
        typer.Option(
            "--named", "--secret", help="Without the value: words that name the secret it may be."
        ),
    ] = "",
    choose: Annotated[
        int | None,
        typer.Option("--choose", min=1, help="Which of the candidates that were listed."),
    ] = None,
    validate: Annotated[
        bool,
        typer.Option("--validate", help="Ask its issuer whether it is alive, if that is allowed."),
    ] = False,
    where: Annotated[str, typer.Option("--where", help="Where it was seen (a URL).")] = "",
    note: Annotated[str, typer.Option("--note", help="What else people should know.")] = "",
    person: AsPerson = "",
    as_json: AsJson = False,
) -> None:
    """Report a leak: opens an incident, or joins the open one. Never echoes the value."""
    _refuse_arguments(nothing)
    if [value_stdin, file is not None, bool(named)].count(True) != 1:
        raise BadInputError(
            "Give exactly one of --value-stdin, --file and --named.",
            means="A value on the command line would be seen by every process of this machine.",
            do_now="See report --help.",
        )
    reporter = acting(person or os.environ.get("USER", ""))
    text = "" if named else _text(file)
    with response(context, launch=True) as parts:
        seen = Seen(reporter=reporter, where=where, note=note)
        intake = intake_of(parts.graph)
        if named:
            if intake.holds_secret(named):
                _refuse_arguments([named])
            ref = resolve_words(parts.graph.repository.snapshot(), named, kinds={NodeKind.SECRET})
            taken = Taken((intake.from_name(ref, seen),))
        else:
            taken = intake.from_value(text, seen, validate=validate)
        if taken.remark and not as_json:
            say(taken.remark)
        reports = _chosen(taken, choose)
        opened = [parts.desk.report(report) for report in reports]
    if as_json:
        print_json({"incidents": opened})
        return
    for report, one in zip(reports, opened, strict=True):
        alive = report.identity_facts.get("validity")
        because = report.identity_facts.get("validity_because")
        said = f", {alive}: {because}" if alive else ""
        say(f"{one.incident_id} ({one.outcome}){said}")
    say(f"Now: locksmith incident show {opened[0].incident_id}")


def _refuse_arguments(given: list[str] | None) -> None:
    """Refuse a value that was given as an argument; it is not repeated."""
    if given:
        raise BadInputError(
            "A value is never given as an argument.",
            means="If that was a secret, every process of this machine could read it just now, "
            "and it is in the history of the shell: it counts as leaked.",
            do_now="Report it with --value-stdin or --file, and take it out of the history.",
        )


def _chosen(taken: Taken, choose: int | None) -> tuple[LeakReport, ...]:
    """Take what was surely found, else the candidate that the reporter chose."""
    if not taken.reports and not taken.offers:
        raise BadInputError(
            "There was nothing in it that looks like a secret.",
            means="No incident was opened.",
            do_now="Send the value alone, or name the secret with --named.",
        )
    if not taken.offers:
        return taken.reports
    if choose is None or choose > len(taken.offers):
        raise AmbiguousError(
            f"Nothing in it is surely a secret; {len(taken.offers)} stretches may be one.",
            candidates=[_line(number, offer) for number, offer in enumerate(taken.offers, 1)],
            means="No incident was opened.",
            do_now="Send the same text again with --choose NUMBER, or the value alone.",
        )
    return (taken.offers[choose - 1].report,)


def _line(number: int, offer: Offer) -> str:
    stored = ", ".join(sorted({f"{each.secret}#{each.key}" for each in offer.report.matches}))
    return f"{number}: {offer.label}" + (f", stored in {stored}" if stored else "")


def _text(file: Path | None) -> str:
    if file is None:
        return text_from_stdin()
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise BadInputError(
            f"{file} cannot be read: {error.strerror}.", do_now="Give a file that you may read."
        ) from None
