"""
Going on with a run that stands still, and ending an incident: what the buttons do, from the shell.

So that a night without Slack has a way out: the same desk, the same policy, the same record.
"""

from typing import Annotated

import typer

from bot.cli.app import app
from bot.cli.incidents import AsPerson, IncidentArgument, acting, in_words, incidents, response
from bot.cli.output import say
from bot.cli.running import follow

StepArgument = Annotated[
    str, typer.Argument(help="A step's id, as in the plan; empty: the first that is not done.")
]


@app.command("retry")
def retry_command(
    context: typer.Context,
    incident: IncidentArgument,
    step: StepArgument = "",
    although: Annotated[
        str,
        typer.Option("--although", help="Why it may be revoked while the silence gate holds it."),
    ] = "",
    person: AsPerson = "",
) -> None:
    """Go on with a stopped run at a step, and follow it to its end. For approvers."""
    who = acting(person)
    with response(context, launch=True) as parts:
        incident_id = parts.desk.find_id(incident)
        if although:
            waived = parts.desk.waivers.waive(incident_id, who, step, in_words(parts, although))
            say(f"Revoked all the same, under your name: {', '.join(each.copy for each in waived)}")
        parts.desk.retry(incident_id, who, step)
        follow(parts, incident_id)


@app.command("skip")
def skip_command(
    context: typer.Context,
    incident: IncidentArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why it may be left out. Required.")],
    step: StepArgument = "",
    person: AsPerson = "",
) -> None:
    """Leave a step out and go on; the incident then closes only with a reason. For approvers."""
    who = acting(person)
    with response(context, launch=True) as parts:
        incident_id = parts.desk.find_id(incident)
        parts.desk.skip(incident_id, who, step, in_words(parts, reason))
        follow(parts, incident_id)


@app.command("confirm")
def confirm_command(
    context: typer.Context,
    incident: IncidentArgument,
    evidence: Annotated[
        str, typer.Option("--evidence", help="How you know: a link, a ticket. Required.")
    ],
    step: StepArgument = "",
    person: AsPerson = "",
) -> None:
    """Confirm, in your name, a step that waits for a person's word, and go on."""
    who = acting(person)
    with response(context, launch=True) as parts:
        incident_id = parts.desk.find_id(incident)
        parts.desk.confirm(incident_id, who, step, in_words(parts, evidence))
        follow(parts, incident_id)


@app.command("stop")
def stop_command(
    context: typer.Context,
    incident: IncidentArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    person: AsPerson = "",
) -> None:
    """Stop a run after the step that is in flight. Anybody may."""
    who = acting(person)
    with response(context) as parts:
        incident_id = parts.desk.find_id(incident)
        parts.desk.stop(incident_id, who, in_words(parts, reason))
        case = parts.desk.case(incident_id)
    say(f"{incident_id} is {case.state}. {case.next_action}")


@app.command("undo")
def undo_command(context: typer.Context, incident: IncidentArgument, person: AsPerson = "") -> None:
    """Take back what can be taken back, the last step first. For approvers."""
    who = acting(person)
    with response(context, launch=True) as parts:
        incident_id = parts.desk.find_id(incident)
        parts.desk.undo(incident_id, who)
        follow(parts, incident_id)


@app.command("break-glass")
def break_glass_command(
    context: typer.Context,
    incident: IncidentArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why it cannot wait. Required.")],
    person: AsPerson = "",
) -> None:
    """Run the plan alone, without approval, and follow it; on call is paged, a review follows."""
    who = acting(person)
    with response(context, launch=True) as parts:
        incident_id = parts.desk.find_id(incident)
        parts.desk.glass.run_alone(incident_id, who, in_words(parts, reason))
        follow(parts, incident_id)


@incidents.command("review")
def review_command(
    context: typer.Context,
    incident: IncidentArgument,
    finding: Annotated[str, typer.Option("--finding", help="What you found. Required.")],
    person: AsPerson = "",
) -> None:
    """Review a break-glass run of somebody else; before that the incident does not close."""
    who = acting(person)
    with response(context, launch=True) as parts:
        incident_id = parts.desk.find_id(incident)
        parts.desk.glass.review(incident_id, who, in_words(parts, finding))
        case = parts.desk.case(incident_id)
        say(f"{incident_id} is {case.state}. {case.next_action}")


@incidents.command("close")
def close_command(
    context: typer.Context,
    incident: IncidentArgument,
    waiver: Annotated[
        str, typer.Option("--waiver", help="Why it may close without full proof. For approvers.")
    ] = "",
    person: AsPerson = "",
) -> None:
    """Close an incident: with its proof, or with an approver's reason past it."""
    who = acting(person)
    with response(context, launch=True) as parts:
        incident_id = parts.desk.find_id(incident)
        parts.desk.close(incident_id, who, in_words(parts, waiver))
        say(f"{incident_id} is {parts.desk.case(incident_id).state}.")


@incidents.command("dismiss")
def dismiss_command(
    context: typer.Context,
    incident: IncidentArgument,
    reason: Annotated[str, typer.Option("--reason", help="How you know. Required.")],
    person: AsPerson = "",
) -> None:
    """Close an incident as a false alarm, with a reason. For approvers."""
    who = acting(person)
    with response(context, launch=True) as parts:
        incident_id = parts.desk.find_id(incident)
        parts.desk.dismiss(incident_id, who, in_words(parts, reason))
        say(f"{incident_id} is {parts.desk.case(incident_id).state}.")
