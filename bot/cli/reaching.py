"""Who can reach a secret, and what a credential reaches in turn: `readers` and `reach`."""

from collections.abc import Sequence
from typing import Annotated

import typer

from bot.cli.app import app, configuration
from bot.cli.ask import AsJson, RefArgument, gap_rows
from bot.cli.output import print_gaps, print_json, print_table, say
from bot.graph_parts import graph_parts
from graph.errors import BadInputError
from graph.queries.all_cuts import AllCuts, all_cuts
from graph.queries.blast_radius import to_json
from graph.queries.cuts import Cuts, cuts
from graph.queries.reach import BREADTH, DEPTH, reach
from graph.queries.readable import Readable, readable_by
from graph.queries.readers import Readers, readers
from graph.queries.search import resolve
from graph.words import counted

_SHOWN = 8  # subjects of one cut


@app.command("readers")
def readers_command(
    context: typer.Context,
    ref: Annotated[
        str, typer.Argument(help="A secret; leave it out with --subject, or with --cuts for all.")
    ] = "",
    subject: Annotated[
        str, typer.Option("--subject", help="Turn it around: every secret this subject can obtain.")
    ] = "",
    cut: Annotated[
        bool,
        typer.Option("--cuts", help="Which rule, if it were removed, would cut the most readers."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show who could obtain a secret, directly or not, with the rule that grants it."""
    if (bool(ref) == bool(subject) and not cut) or (cut and subject):
        raise BadInputError("Give either a secret or --subject.", do_now="See readers --help.")
    snapshot = graph_parts(configuration(context)).repository.snapshot()
    answer: Readable | Readers | Cuts | AllCuts
    if not ref and not subject:
        answer = all_cuts(snapshot)
    elif cut:
        answer = cuts(snapshot, resolve(snapshot, ref))
    else:
        target = resolve(snapshot, subject or ref)
        answer = readable_by(snapshot, target) if subject else readers(snapshot, target)
    if as_json:
        print_json(to_json(answer))
        return
    if isinstance(answer, Cuts):
        _print_cuts(answer)
    elif isinstance(answer, AllCuts):
        _print_all_cuts(answer)
    else:
        _print_ways(answer)
    print_gaps(gap_rows(answer.gaps))


@app.command("reach")
def reach_command(
    context: typer.Context,
    ref: RefArgument,
    depth: Annotated[int, typer.Option("--depth", min=1, help="Steps to follow.")] = DEPTH,
    breadth: Annotated[int, typer.Option("--breadth", min=1, help="Things to list.")] = BREADTH,
    as_json: AsJson = False,
) -> None:
    """Show what whoever holds a credential gets at, and what that opens in turn."""
    snapshot = graph_parts(configuration(context)).repository.snapshot()
    answer = reach(snapshot, resolve(snapshot, ref), depth=depth, breadth=breadth)
    if as_json:
        print_json(to_json(answer))
        return
    print_table(
        f"{answer.start} reaches {counted(len(answer.opens), 'thing')}",
        ("ref", "steps", "how", "by way of", "note"),
        (
            (str(one.ref), str(one.depth), one.kind, " → ".join(one.path[1:-1]), one.note)
            for one in answer.opens
        ),
    )
    print_gaps(gap_rows(answer.gaps))


def _print_ways(answer: Readable | Readers) -> None:
    if isinstance(answer, Readable):
        ways = answer.secrets
        title = (
            f"{answer.subject} can obtain {counted(len({way.secret for way in ways}), 'secret')}"
        )
    else:
        ways = answer.readers
        title = f"{counted(len(ways), 'way')} to {answer.secret}"
    print_table(
        title,
        ("subject", "verbs", "direct", "how", "of", "granted by", "note"),
        (
            (
                str(reader.subject),
                ", ".join(reader.verbs),
                "yes" if reader.direct else "no",
                reader.kind,
                str(reader.secret),
                " → ".join(reader.path),
                reader.note,
            )
            for reader in ways
        ),
    )


def _print_cuts(answer: Cuts) -> None:
    if not answer.cuts:
        say(f"No single rule, if removed, would cut a reader of {answer.secret}.")
        return
    print_table(
        f"{answer.readers} readers of {answer.secret} by some rule",
        ("without this rule", "are cut", "who"),
        (
            (
                str(cut.rule),
                str(len(cut.readers)),
                _some(cut.readers),
            )
            for cut in answer.cuts
        ),
    )


def _print_all_cuts(answer: AllCuts) -> None:
    if not answer.cuts:
        say("No single rule, if removed, would cut a reader of any secret.")
        return
    only = f"; {answer.left_out} more were left out" if answer.left_out else ""
    print_table(
        f"{answer.ways} ways of a reader to one of {answer.secrets} secrets by some rule{only}",
        ("without this rule", "ways are cut", "to secrets", "who"),
        (
            (str(cut.rule), str(cut.ways), str(cut.secrets), _some(cut.readers))
            for cut in answer.cuts
        ),
    )


def _some(readers: Sequence[str]) -> str:
    return ", ".join(readers[:_SHOWN]) + (" …" if len(readers) > _SHOWN else "")
