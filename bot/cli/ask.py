"""Questions to the graph, and filling it: `collect`, `uses`, `blast-radius`, `graph`."""

import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli.app import app, configuration
from bot.cli.following import follow
from bot.cli.output import print_gaps, print_json, print_table, say, text_from_stdin
from bot.cli.pictures import write_png, write_svg
from bot.cli.reads import print_reads, reads_of
from bot.graph_parts import GraphParts, graph_parts, intake_of
from bot.intake.intake import Seen
from graph.collect import CollectedSource, collect
from graph.collectors.manifests import collect_manifests
from graph.errors import BadInputError
from graph.export import FORMATS
from graph.kubernetes.listing import known_vaults
from graph.model import Gap
from graph.queries.blast_radius import BlastRadius, blast_radius, to_json
from graph.queries.consumers import consumers
from graph.queries.owners import OwnerClaim, nearest, owners
from graph.queries.search import resolve
from graph.refs import split_key
from graph.words import counted
from responders.incident import Person

graph_commands = typer.Typer(help="The whole graph.", no_args_is_help=True)
app.add_typer(graph_commands, name="graph")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
RefArgument = Annotated[str, typer.Argument(help="A ref, or a unique part such as payments/db.")]


@app.command("collect")
def collect_command(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="One run, then end (the default).")] = True,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow every source; print changes as they come.")
    ] = False,
    manifests: Annotated[
        list[Path] | None, typer.Option("--manifests", help="A file or folder of manifests.")
    ] = None,
    cluster: Annotated[
        str, typer.Option("--cluster", help="The cluster that the manifests are for.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Fill the graph from everything configured, or from manifests; print counts and gaps."""
    if manifests and watch:
        raise BadInputError("--watch follows what is configured; --manifests are read once.")
    if manifests and not cluster:
        raise BadInputError(
            "--manifests needs --cluster NAME.",
            means="Every ref names its cluster: k8s://NAME/namespace/Kind/name.",
            do_now="Add --cluster with the name that these manifests are applied to.",
        )
    parts = graph_parts(configuration(context))
    if watch:
        follow(parts, as_json=as_json)
        return
    started = time.monotonic()
    results = (
        _collect_manifests(parts, manifests, cluster)
        if manifests
        else collect(parts.repository, parts.collect_context, now=parts.now())
    )
    done = []
    for result in results:
        done.append(result)
        if not as_json:
            say(
                f"{result.source}: {result.nodes} nodes, {result.edges} edges, "
                f"{result.fingerprints} fingerprints, {result.changes} changes, "
                f"{counted(len(result.gaps), 'gap')} ({result.seconds:.2f} s)"
            )
    if as_json:
        print_json({"sources": done, "seconds": round(time.monotonic() - started, 3)})
        return
    if not done:
        say("Nothing is configured to be collected: add `vault` or `kubernetes`, or --manifests.")
    print_gaps(gap_rows(gap for result in done for gap in result.gaps))


def _collect_manifests(
    parts: GraphParts, paths: list[Path], cluster: str
) -> Iterator[CollectedSource]:
    began = time.monotonic()
    known = known_vaults(parts.connections)
    seen = collect_manifests(
        [str(path) for path in paths],
        cluster=cluster,
        vaults=known,
        references=parts.config.graph.references,
    )
    changes = parts.repository.merge(seen, now=parts.now())
    yield CollectedSource(
        seen.source,
        len(seen.nodes),
        len(seen.edges),
        len(seen.fingerprints),
        len(changes),
        seen.gaps,
        time.monotonic() - began,
    )


@graph_commands.command("export")
def export_command(
    context: typer.Context,
    form: Annotated[str, typer.Option("--format", help="jsonl or graphml.")] = "jsonl",
) -> None:
    """Write all nodes and edges to standard output. The graph holds no values."""
    snapshot = graph_parts(configuration(context)).repository.snapshot()
    if form not in FORMATS:
        raise BadInputError(f"There is no format “{form}”.", do_now="Use jsonl or graphml.")
    for chunk in FORMATS[form](snapshot):
        sys.stdout.buffer.write(chunk)


@app.command("uses")
def uses_command(context: typer.Context, ref: RefArgument, as_json: AsJson = False) -> None:
    """Show every consumer of a secret, through all its syncs and copies."""
    parts = graph_parts(configuration(context))
    snapshot = parts.repository.snapshot()
    answer = consumers(snapshot, resolve(snapshot, ref))
    owned_by = owners(snapshot, answer.secret)
    if as_json:
        print_json(to_json(answer) | {"owners": _aged(owned_by, parts)})
        return
    say(f"{answer.secret} is used by {counted(len(answer.consumers), 'workload')}.")
    _print_owners(owned_by, parts)
    print_table(
        "",
        ("workload", "how", "picks up a new value", "why", "owner"),
        (
            (
                str(consumer.workload),
                ", ".join(dict.fromkeys(use.how for use in consumer.via)),
                str(consumer.picks_up),
                consumer.reason,
                _owner_with_source(nearest(snapshot, consumer.workload)),
            )
            for consumer in answer.consumers
        ),
    )
    print_gaps(gap_rows(answer.gaps))


def _owner_with_source(claim: OwnerClaim | None) -> str:
    return f"{claim.owner} ({claim.source})" if claim else ""


def _looked(parts: GraphParts) -> dict[str, datetime | None]:
    """Say of each source when it was read, for the last time if it cannot be read any more."""
    return {
        source.name: source.last_complete if source.stale_since else source.last_attempt
        for source in parts.repository.sources()
    }


def _aged(claims: Iterable[OwnerClaim], parts: GraphParts) -> list[dict[str, Any]]:
    """Give each claim with when its source was read."""
    looked = _looked(parts)
    return [to_json(claim) | {"as_of": looked.get(claim.seen_in)} for claim in claims]


def _print_owners(owned_by: Iterable[OwnerClaim], parts: GraphParts) -> None:
    """Show each claim with who makes it and how old it is; a disagreement stands beside it."""
    looked, rows = _looked(parts), []
    for claim in owned_by:
        seen = looked.get(claim.seen_in)
        stale = " (stale)" if claim.stale_since else ""
        as_of = f"{seen:%Y-%m-%d %H:%M} UTC{stale}" if seen else ""
        rows.append((claim.owner, claim.source, as_of, claim.disagrees))
    if rows:
        print_table(
            f"Owners: {len(rows)}", ("owner", "who says so", "as of", "who says otherwise"), rows
        )
    else:
        say(f"Nobody is named as the owner: {parts.config.default_owner} is called.")


@app.command("blast-radius")
def blast_radius_command(
    context: typer.Context,
    ref: Annotated[str, typer.Argument(help="A ref; leave it out with --value-stdin.")] = "",
    value_stdin: Annotated[
        bool, typer.Option("--value-stdin", help="Read the leaked value from standard input.")
    ] = False,
    as_json: AsJson = False,
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw it into this file, too.")] = None,
    png: Annotated[
        Path | None, typer.Option("--png", help="The same as a PNG; needs a font on this machine.")
    ] = None,
) -> None:
    """Show what a leaked secret touches: copies, consumers, readers, owners, what it opens."""
    if bool(ref) == value_stdin:
        raise BadInputError(
            "Give either a ref or --value-stdin.", do_now="See blast-radius --help."
        )
    parts = graph_parts(configuration(context))
    if value_stdin:
        answer = _of_value(parts, text_from_stdin())
    else:
        snapshot = parts.repository.snapshot()
        answer = blast_radius(snapshot, [split_key(resolve(snapshot, ref))])
    reads = reads_of(parts, answer.secrets, None)
    if as_json:
        print_json(to_json(answer) | {"owners": _aged(answer.owners, parts), "reads": reads})
    else:
        _print_blast_radius(answer, parts)
        print_reads(reads)
    for file, write in ((svg, write_svg), (png, write_png)):
        if file is not None:
            write(answer, file)
            if not as_json:
                say(f"The picture is in {file}.")


def _of_value(parts: GraphParts, text: str) -> BlastRadius:
    taken = intake_of(parts).from_value(text, Seen(reporter=Person(identity="nobody")))
    places = [(m.secret, m.key) for report in taken.reports for m in report.matches]
    return blast_radius(parts.repository.snapshot(), list(dict.fromkeys(places)))


def _print_blast_radius(answer: BlastRadius, parts: GraphParts) -> None:
    if not answer.secrets:
        say("The value matches nothing that Locksmith has read.")
    for secret, key in answer.secrets:
        say(f"The value is at home in {secret}{f' (field {key})' if key else ''}.")
    print_table(
        f"Copies: {len(answer.copies)}",
        ("copy", "key", "made by", "used"),
        (
            (str(copy.secret), copy.key, str(copy.via or ""), "no consumer" if copy.idle else "yes")
            for copy in answer.copies
        ),
    )
    print_table(
        f"Consumers: {len(answer.consumers)}",
        ("workload", "picks up a new value", "why", "owner"),
        (
            (str(consumer.workload), str(consumer.picks_up), consumer.reason, consumer.owner)
            for consumer in answer.consumers
        ),
    )
    print_table(
        f"Readers: {len(answer.readers)}",
        ("subject", "verbs", "direct", "of"),
        (
            (
                str(reader.subject),
                ", ".join(reader.verbs),
                "yes" if reader.direct else "no",
                str(reader.secret),
            )
            for reader in answer.readers
        ),
    )
    _print_owners(answer.owners, parts)
    if answer.opens:
        print_table(
            f"What it opens: {len(answer.opens)}",
            ("ref", "path"),
            ((str(opened.ref), " → ".join(opened.path)) for opened in answer.opens),
        )
    print_gaps(gap_rows(answer.gaps))


def gap_rows(gaps: Iterable[Gap]) -> list[tuple[str, str, str]]:
    return [(f"{gap.source} {gap.scope}", _with_age(gap), gap.do_now) for gap in gaps]


def _with_age(gap: Gap) -> str:
    if gap.since is None or gap.reason.startswith("Stale since"):
        return gap.reason
    return f"{gap.reason} (since {gap.since:%Y-%m-%d %H:%M} UTC)"
