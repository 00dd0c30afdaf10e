"""
Incidents from the command line: the same desk as Slack, under the same policy.

Who acts is `--as EMAIL` (or LOCKSMITH_PERSON). The audit log records it together with the account
of the operating system: whoever holds the database and the key could act anyway.
"""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from bot.cli.app import app, configuration
from bot.cli.ask import AsJson
from bot.cli.output import print_json, print_table, say
from bot.cli.running import await_decision, follow, ways_on
from bot.graph_parts import graph_parts, intake_of
from bot.intake.wording import without_secret
from bot.wiring import ResponseParts, response_parts, sign_in_links
from graph.errors import BadInputError, RefusedError
from graph.words import counted
from responders.export import as_json as case_as_json
from responders.export import markdown
from responders.history import expected_of
from responders.incident import ApprovalState, IncidentState, Person
from responders.way_back import words

incidents = typer.Typer(help="Look at incidents.", no_args_is_help=True)
app.add_typer(incidents, name="incident")

IncidentArgument = Annotated[str, typer.Argument(help="An incident's id, or a unique part of it.")]
AsPerson = Annotated[
    str, typer.Option("--as", envvar="LOCKSMITH_PERSON", help="Your e-mail address.")
]


@contextmanager
def response(context: typer.Context, *, launch: bool = False) -> Iterator[ResponseParts]:
    """Wire the desk for one command; `launch` also starts the engine, and stops it at the end."""
    parts = response_parts(graph_parts(configuration(context)))
    if launch:
        parts.engine.launch()
    try:
        yield parts
    finally:
        if launch:
            parts.engine.stop()
        parts.graph.close()


def in_words(parts: ResponseParts, text: str) -> str:
    """Return what was typed for the record; raises BadInputError: a secret stands in it."""
    return without_secret(text, intake_of(parts.graph).holds_secret)


def acting(email: str) -> Person:
    if not email:
        raise BadInputError(
            "Who are you?",
            means="Every decision is recorded with a name.",
            do_now="Add --as you@example.com, or set LOCKSMITH_PERSON.",
        )
    return Person(identity=email.lower(), name=f"{email} (command line, {getpass.getuser()})")


@incidents.command("list")
def list_command(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List incidents: state, severity, what happens next."""
    with response(context) as parts:
        cases = parts.desk.cases()
    done = {IncidentState.CLOSED, IncidentState.FALSE_ALARM}
    shown = [case for case in cases if everything or case.state not in done]
    if as_json:
        print_json([case_as_json(case) for case in shown])
        return
    print_table(
        counted(len(shown), "incident"),
        ("id", "severity", "state", "what", "next"),
        ((c.id, str(c.severity), str(c.state), c.title, c.next_action) for c in shown),
    )


@incidents.command("show")
def show_command(
    context: typer.Context, incident: IncidentArgument, as_json: AsJson = False
) -> None:
    """Show one incident as the Slack card does: what, where, who, plan, progress, next."""
    with response(context) as parts:
        case = parts.desk.case(parts.desk.find_id(incident))
    if as_json:
        print_json(case_as_json(case))
    else:
        say(markdown(case))


@incidents.command("timeline")
def timeline_command(
    context: typer.Context, incident: IncidentArgument, as_json: AsJson = False
) -> None:
    """Show what happened, in order, with the numbers of the audit log."""
    with response(context) as parts:
        case = parts.desk.case(parts.desk.find_id(incident))
    if as_json:
        print_json(list(case.timeline))
        return
    print_table(
        f"{case.id}: {case.title}",
        ("no.", "UTC", "kind", "who", "what"),
        (
            (str(e.sequence), f"{e.at:%Y-%m-%d %H:%M:%S}", e.kind, e.actor, e.sentence)
            for e in case.timeline
        ),
    )


@app.command("plan")
def plan_command(
    context: typer.Context,
    incident: IncidentArgument,
    order: Annotated[
        str | None, typer.Option("--order", help="rotate-first or revoke-first.")
    ] = None,
    person: AsPerson = "",
    as_json: AsJson = False,
) -> None:
    """Draft the plan anew from the live graph and show it, with both orders; nothing runs."""
    with response(context) as parts:
        incident_id = parts.desk.find_id(incident)
        plan = parts.desk.plan(incident_id, order=order, person=acting(person) if person else None)
    if as_json:
        print_json(plan)
        return
    say(f"Plan {plan.hash[:8]} for {incident_id}: playbook {plan.playbook}, {plan.order}")
    for forecast in plan.forecasts:
        say(f"  {forecast.order}: {forecast.sentence}")
    back = words(plan)
    print_table(
        "",
        ("step", "what", "expected", "way back"),
        ((s.id, s.sentence, expected_of(s), back[s.id]) for s in plan.steps),
    )
    say(plan.expected)
    if plan.use:
        say(plan.use)
    say(f"Nothing has run. To ask for approval: locksmith run {incident_id} --as YOUR-E-MAIL")


@app.command("approve")
def approve_command(
    context: typer.Context,
    incident: IncidentArgument,
    person: AsPerson = "",
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
) -> None:
    """
    Approve the plan as it stands now; with the last vote that is needed it runs, here.

    Look at it first: locksmith incident show ID. Exits with 1 where the run stopped.
    """
    _vote(context, incident, person, approve=True, reason=reason)


@app.command("deny")
def deny_command(
    context: typer.Context,
    incident: IncidentArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why. Required.")],
    person: AsPerson = "",
) -> None:
    """Deny the plan, with a reason."""
    _vote(context, incident, person, approve=False, reason=reason)


@app.command("run")
def run_command(
    context: typer.Context,
    incident: IncidentArgument,
    person: AsPerson = "",
    wait: Annotated[
        bool, typer.Option("--follow", help="Wait for the approval too, then follow the run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """
    Ask for approval if nobody did; run the approved plan here and follow it to its end.

    With --json each change is one line, an event. Exits with 1 where the run stopped before its
    end, with 4 where it may not run.
    """
    with response(context, launch=True) as parts:
        incident_id = parts.desk.find_id(incident)
        case = parts.desk.case(incident_id)
        if case.state in {IncidentState.OPEN, IncidentState.PLANNED}:
            asked = parts.desk.ask_approval(incident_id, acting(person))
            if not as_json:
                say(f"Asked for approval ({asked.needed} needed) of: {', '.join(asked.approvers)}")
                say(f"They run: locksmith approve {incident_id} --as THEIR-E-MAIL")
            if not wait:
                return
            case = parts.desk.case(incident_id)
        if wait and case.state == IncidentState.WAITING:
            case = await_decision(parts, incident_id)
        if case.state == IncidentState.WAITING:
            raise RefusedError(
                f"{incident_id} waits for approval.",
                means="Nothing changes without it.",
                do_now=f"{case.next_action} Or: locksmith approve {incident_id} --as YOUR-E-MAIL",
            )
        if case.state != IncidentState.RUNNING:
            raise RefusedError(
                f"{incident_id} is {case.state}: there is no approved run to go on with.",
                means="Nothing was changed.",
                do_now=case.next_action + ways_on(case),
            )
        follow(parts, incident_id, as_json=as_json)


def _vote(context: typer.Context, incident: str, email: str, *, approve: bool, reason: str) -> None:
    person = acting(email)
    with response(context, launch=approve) as parts:
        incident_id = parts.desk.find_id(incident)
        case = parts.desk.case(incident_id)
        if case.approval is None:
            raise RefusedError(
                f"Nobody has asked for approval of {incident_id} yet.",
                do_now=f"Ask first: locksmith run {incident_id} --as YOUR-E-MAIL",
            )
        if approve and (asked := parts.desk.step_up.ask(case.approval.id, person)):
            raise RefusedError(
                "This plan has steps without a way back: your approval counts when you have signed"
                " in.",
                means="Nothing runs yet.",
                do_now=f"Sign in here, by {asked.expires_at:%H:%M} UTC:"
                f" {sign_in_links(parts.graph.config).of(asked)}",
            )
        decided = parts.desk.vote(
            case.approval.id, person, approve=approve, reason=in_words(parts, reason)
        )
        agreed = sum(each.approve for each in decided.votes)
        say(f"{incident_id}: {decided.state} ({agreed} of {decided.needed} approvals)")
        if approve and decided.state is ApprovalState.APPROVED:
            follow(parts, incident_id)
