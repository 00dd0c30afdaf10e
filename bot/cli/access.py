"""Who did read it: `access`, from the audit logs of Vault, OpenBao and Kubernetes."""

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer

from bot.cli.app import app, configuration
from bot.cli.ask import AsJson, gap_rows
from bot.cli.output import print_gaps, print_json, say, text_from_stdin
from bot.cli.reads import print_reads, reads_of
from bot.graph_parts import GraphParts, graph_parts
from graph.audit_hash import seek_text
from graph.errors import BadInputError
from graph.ingest import ingest, log_gaps
from graph.queries.access import Accesses, accesses
from graph.queries.blast_radius import to_json
from graph.queries.search import resolve
from graph.refs import Ref, split_key

_SINCE = re.compile(r"(\d+)(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@app.command("access")
def access_command(
    context: typer.Context,
    ref: Annotated[str, typer.Argument(help="A ref, or a unique part such as payments/db.")] = "",
    since: Annotated[
        str, typer.Option("--since", help="How far back: 30m, 24h, 7d. Left out: all of it.")
    ] = "",
    value_stdin: Annotated[
        bool,
        typer.Option("--value-stdin", help="Who was served the very value on standard input."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show who did read a secret: when, from where, how often, and what is not known of it."""
    if bool(ref) == value_stdin:
        raise BadInputError("Give either a ref or --value-stdin.", do_now="See access --help.")
    parts = graph_parts(configuration(context))
    begin = _begin(since, parts.now())
    for _ in ingest(parts.reads, parts.connections, now=parts.now()):
        pass
    answer = _of_value(parts, begin) if value_stdin else _of_secret(parts, ref, begin)
    if as_json:
        print_json(to_json(answer))
        return
    say(f"{answer.secret} was read {sum(one.times for one in answer.reads if one.sure)} times.")
    print_reads(answer.reads)
    print_gaps(gap_rows(answer.gaps))


def _of_secret(parts: GraphParts, ref: str, since: datetime | None) -> Accesses:
    secret = resolve(parts.repository.snapshot(), ref)
    gaps = log_gaps(parts.reads, parts.connections, since=since)
    return Accesses(secret, reads_of(parts, [split_key(secret)], since), gaps)


def _of_value(parts: GraphParts, since: datetime | None) -> Accesses:
    text = text_from_stdin().strip()
    sought = seek_text(text, parts.connections, parts.fingerprinter, parts.reads)
    if not sought.fingerprints:
        raise BadInputError(
            "This value is too common to be looked for.",
            means="Many others may have the same.",
            do_now="Ask by the ref of the secret.",
        )
    found = accesses(parts.reads.served(sought.fingerprints, since=since))
    gaps = (*sought.gaps, *log_gaps(parts.reads, parts.connections, since=since))
    return Accesses(Ref(f"credential:{sought.fingerprints[0][:8]}"), found, gaps)


def _begin(since: str, now: datetime) -> datetime | None:
    if not since:
        return None
    found = _SINCE.fullmatch(since)
    if found is None:
        raise BadInputError(
            f"“{since}” is no stretch of time.", do_now="Write --since 30m, 24h or 7d."
        )
    return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
