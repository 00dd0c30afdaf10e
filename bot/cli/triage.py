"""`incident ack`, `severity` and `assign`: what people say of an incident and who leads it."""

from typing import Annotated

import typer

from bot.cli.ask import AsJson
from bot.cli.incidents import AsPerson, IncidentArgument, acting, in_words, incidents, response
from bot.cli.output import print_json, say
from responders.export import as_json as case_as_json
from responders.incident import Person, Severity


@incidents.command("ack")
def ack_command(context: typer.Context, incident: IncidentArgument, person: AsPerson = "") -> None:
    """Take an incident on: nobody further is called, and the pagers learn of it."""
    who = acting(person)
    with response(context, launch=True) as parts:
        case = parts.desk.triage.acknowledge(parts.desk.find_id(incident), who)
    say(f"{case.id} is yours. {case.next_action}")


@incidents.command("severity")
def severity_command(
    context: typer.Context,
    incident: IncidentArgument,
    level: Annotated[Severity, typer.Argument(help="critical, high, medium or low.")],
    reason: Annotated[str, typer.Option("--reason", help="Why. Required.")],
    person: AsPerson = "",
    as_json: AsJson = False,
) -> None:
    """Raise or lower the severity, with a reason. To lower it is for approvers."""
    who = acting(person)
    with response(context, launch=True) as parts:
        incident_id = parts.desk.find_id(incident)
        words = in_words(parts, reason)
        case = parts.desk.triage.change_severity(incident_id, who, level, words)
    if as_json:
        print_json(case_as_json(case))
        return
    say(f"{case.id} is {case.severity}: {'; '.join(case.severity_reasons)}")


@incidents.command("assign")
def assign_command(
    context: typer.Context,
    incident: IncidentArgument,
    to: Annotated[str, typer.Option("--to", help="The e-mail address of who leads it now.")],
    note: Annotated[str, typer.Option("--note", help="What they have to know.")] = "",
    person: AsPerson = "",
    as_json: AsJson = False,
) -> None:
    """Say who leads an incident, or hand it over with a note: an approver or an owner."""
    who = acting(person)
    with response(context) as parts:
        words = in_words(parts, note)
        incident_id = parts.desk.find_id(incident)
        new = Person(identity=to.strip().lower())
        case = parts.desk.triage.assign(incident_id, who, new, words)
    if as_json:
        print_json(case_as_json(case))
        return
    say(f"{to.strip().lower()} leads {case.id}. {case.next_action}")
