"""The record afterwards: `incident export`, `findings`, `stats`."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer
from slack_sdk.errors import SlackClientError

from bot.cli.app import app
from bot.cli.ask import AsJson
from bot.cli.incidents import AsPerson, IncidentArgument, acting, in_words, incidents, response
from bot.cli.output import print_json, print_table, say
from bot.cli.reads import reads_of
from bot.slack.links import links_of
from bot.slack.message_rows import MessageRows
from bot.slack_api import web_client
from bot.wiring import ResponseParts
from graph.errors import BadInputError
from graph.ingest import log_gaps
from graph.owners import owner_named
from graph.words import counted
from responders.findings import Finding, follow_ups, ownerless, still_open
from responders.follow_ups import the_one
from responders.post_mortem import Record, as_json, markdown
from responders.stats import CLOCKS, Medians, stats

_SPANS = {"d": 86_400, "h": 3600, "w": 7 * 86_400}
_LISTED = 200  # secrets without an owner that a list names

findings_commands = typer.Typer(help="What is left to do.", invoke_without_command=True)
app.add_typer(findings_commands, name="findings")


class ExportFormat(StrEnum):
    MARKDOWN = "markdown"
    JSON = "json"


@incidents.command("export")
def export_command(
    context: typer.Context,
    incident: IncidentArgument,
    form: Annotated[ExportFormat, typer.Option("--format", help="markdown or json.")] = (
        ExportFormat.MARKDOWN
    ),
    json_too: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Write the post-mortem: facts as they were, clocks, timeline. Holds no secret value."""
    with response(context) as parts:
        record = record_of(parts, parts.desk.find_id(incident))
    if json_too or form is ExportFormat.JSON:
        print_json(as_json(record))
    else:
        say(markdown(record))


def record_of(parts: ResponseParts, incident_id: str) -> Record:
    """Put together everything that belongs to the record; Slack is asked for its address only."""
    case = parts.desk.case(incident_id)
    rows = MessageRows(parts.graph.database.engine).of(case.id)
    url, remark = _workspace(parts) if rows else ("", "")
    found = [*follow_ups(case, parts.graph.config.default_owner)]
    found += [one for one in parts.records.follow_ups.added() if one.incident_id == case.id]
    since = case.clocks.exposed or case.clocks.reported
    graph = parts.graph
    return Record(
        case=case,
        frozen=parts.records.frozen(case.id),
        follow_ups=still_open(found, parts.records.follow_ups.closed()),
        links=links_of(case, rows, url),
        remark=remark,
        reads=reads_of(graph, case.blast_radius.secrets, since),
        unread=log_gaps(graph.reads, graph.connections, since=since),
    )


def _workspace(parts: ResponseParts) -> tuple[str, str]:
    settings = parts.graph.config.slack
    if settings.bot_token is None:
        return "", "Slack is not configured here: the entries have no links."
    client = web_client(settings.bot_token.get_secret_value(), base_url=settings.base_url)
    try:
        return str(client.auth_test().get("url") or ""), ""
    except (SlackClientError, OSError):
        return "", "Slack did not answer: the entries have no links."


@findings_commands.callback()
def findings_command(context: typer.Context, as_json: AsJson = False) -> None:
    """List what is left to do, with owners: after incidents, and secrets that nobody owns."""
    if context.invoked_subcommand is not None:
        return
    with response(context) as parts:
        found = _open_findings(parts)
    if as_json:
        print_json(found)
        return
    print_table(
        counted(len(found), "finding"),
        ("id", "owner", "incident", "what"),
        ((one.id, one.owner, one.incident_id, one.title) for one in found[:_LISTED]),
    )
    if len(found) > _LISTED:
        say(f"… and {len(found) - _LISTED} more; --json lists all.")


@findings_commands.command("add")
def add_command(
    context: typer.Context,
    incident: IncidentArgument,
    title: Annotated[str, typer.Argument(help="What is to be done, in a sentence.")],
    owner: Annotated[str, typer.Option("--owner", help="Who does it: a team or a person.")],
    person: AsPerson = "",
) -> None:
    """Add a follow-up to an incident."""
    who = acting(person)
    with response(context) as parts:
        incident_id = parts.desk.find_id(incident)
        named, words = str(owner_named(owner)), in_words(parts, title.strip())
        found = parts.records.follow_ups.add(incident_id, words, named, who)
    say(f"{found.id}: {found.title} ({found.owner})")


@findings_commands.command("close")
def close_command(
    context: typer.Context,
    finding: Annotated[str, typer.Argument(help="The id of a finding.")],
    reason: Annotated[str, typer.Option("--reason", help="What was done. Required.")],
    person: AsPerson = "",
) -> None:
    """Close a finding, with a reason."""
    who = acting(person)
    with response(context) as parts:
        found = the_one(_open_findings(parts), finding)
        parts.records.follow_ups.close(found, who, in_words(parts, reason))
    say(f"{found.id} is closed.")


def _open_findings(parts: ResponseParts) -> tuple[Finding, ...]:
    default = parts.graph.config.default_owner
    found = [one for case in parts.desk.cases() for one in follow_ups(case, default)]
    found += parts.records.follow_ups.added()
    found += ownerless(parts.graph.repository.snapshot(), default)
    return still_open(found, parts.records.follow_ups.closed())


@app.command("stats")
def stats_command(
    context: typer.Context,
    since: Annotated[
        str, typer.Option("--since", help="A date (2026-01-31) or a span (90d, 12w, 24h).")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show how fast incidents are dealt with: medians per clock, per team, per credential type."""
    with response(context) as parts:
        begin = _moment(since, parts.graph.now()) if since else None
        found = stats(parts.records.lived(), since=begin)
    if as_json:
        print_json({"since": begin, "stats": found})
        return
    rows = [("all", found.all)]
    rows += list(found.per_team.items())
    rows += list(found.per_credential_type.items())
    print_table(
        "Medians from the report (how many reached it); exposed: before the report",
        ("", "incidents", *(clock.replace("_", " ") for clock in CLOCKS)),
        ((name, str(one.incidents), *_cells(one)) for name, one in rows),
    )


def _cells(medians: Medians) -> list[str]:
    found = []
    for clock in CLOCKS:
        one = medians.clocks.get(clock)
        found.append(f"{_span(one.seconds)} ({one.of})" if one else "")
    return found


def _span(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _moment(said: str, now: datetime) -> datetime:
    if span := re.fullmatch(r"(\d{1,5})([hdw])", said.strip()):
        return now - timedelta(seconds=int(span[1]) * _SPANS[span[2]])
    try:
        found = datetime.fromisoformat(said.strip())
    except ValueError:
        raise BadInputError(
            f"“{said}” is no date and no span.",
            do_now="Write 2026-01-31, 90d, 12w or 24h.",
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
