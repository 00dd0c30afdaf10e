"""Who is in charge and how bad it is: the two forms, and what is said of a change of hands."""

import orjson

from bot.slack.views.blocks import (
    Block,
    Message,
    actions,
    button,
    choice_input,
    message,
    modal,
    person_input,
    section,
    text_input,
)
from bot.slack.views.forms import REASON
from bot.slack.views.names import SEVERITY_ICON, incident_name, who
from bot.slack.views.text import said, when
from responders.escalation import acknowledged
from responders.incident import OPEN_STATES, Case, Lead, Severity

NEW_LEAD, LEVEL = "lead", "level"
_KEPT = "It is kept in the record under your name. Never write a secret here."


def charge_buttons(case: Case, *, acknowledged: bool) -> list[Block | None]:
    """Offer what anybody may press; the desk decides who may do it."""
    if case.state not in OPEN_STATES:
        return []
    taken = button("I am on it", "incident_ack", case.id)
    return [
        None if acknowledged else taken,
        button("Assign" if case.lead is None else "Hand over", "assign_open", case.id),
        button("Severity", "severity_open", case.id),
    ]


def in_charge(case: Case) -> list[tuple[str, str]]:
    """Say who leads it and who took it on; nothing of one that ended without a lead."""
    taken = acknowledged(case)
    on_it = f"\n{said(taken.actor, 60)} is on it, {when(taken.at)}" if taken else ""
    if case.lead is not None:
        words = f"👤 {who(case.lead.person)}, since {when(case.lead.at)}"
        own = taken is not None and taken.actor == case.lead.person.name
        return [("Lead", words + ("" if own else on_it))]
    if case.state not in OPEN_STATES:
        return []
    return [("Lead", f"nobody yet: *Assign*{on_it}")]


def assign_form(case: Case, slack_user: str) -> Block:
    """Ask who leads from now on; whoever opens it stands there first, unless they lead already."""
    lead = case.lead
    words = "Nobody leads it yet."
    if lead is not None:
        words = f"{who(lead.person)} leads it since {when(lead.at)}."
    mine = lead is not None and lead.person.slack_user == slack_user
    return modal(
        "Assign" if lead is None else "Hand over",
        [
            section(incident_name(case)),
            section(f"{words} The new lead is told personally."),
            person_input(NEW_LEAD, "Who leads it from now on?", first="" if mine else slack_user),
            text_input(
                REASON,
                "What do they have to know?",
                hint=f"What is done, what is open, whom to ask. {_KEPT}",
                multiline=True,
                most=500,
            ),
        ],
        callback_id="incident_assign",
        submit="Assign",
        metadata=orjson.dumps({"incident": case.id, "seen": lead.mark if lead else ""}).decode(),
    )


def severity_form(case: Case) -> Block:
    """Ask how bad it really is, and why."""
    reasons = "\n".join(f"• {said(reason, 160)}" for reason in case.severity_reasons[:5])
    others = [level for level in Severity if level is not case.severity]
    return modal(
        "Severity",
        [
            section(incident_name(case)),
            section(f"It is *{case.severity}* now:\n{reasons or 'no rule applied'}"),
            choice_input(
                LEVEL,
                "What is it really?",
                [(level, f"{SEVERITY_ICON[level]} {level}") for level in others],
            ),
            text_input(
                REASON, "Why?", hint=_KEPT, multiline=True, optional=False, most=500, least=3
            ),
        ],
        callback_id="severity_change",
        submit="Change it",
        metadata=orjson.dumps({"incident": case.id}).decode(),
    )


def lead_note(case: Case, lead: Lead) -> Message:
    """Tell the thread who leads now, with what was handed over."""
    own = lead.person.identity == lead.by.identity
    by = "" if own else f", says {who(lead.by)}"
    note = f"\n“{said(lead.note, 500)}”" if lead.note else ""
    return message(
        f"{case.id}: {lead.person.name or lead.person.identity} leads it now.",
        [section(f"👤 *{who(lead.person)} leads it now*{by}.{note}")],
    )


def lead_notice(case: Case, lead: Lead) -> Message:
    """Tell the new lead personally what they were given, why, and what is next."""
    lines = [
        f"👤 *You lead this incident now*, says {who(lead.by)}.",
        f"{incident_name(case)} ({case.severity})",
        f"*They say:* “{said(lead.note, 500)}”" if lead.note else "",
        f"*Next:* {said(case.next_action, 300)}",
        "If it cannot be you, hand it over.",
    ]
    return message(
        f"You lead {case.id} now: {case.title}",
        [
            section("\n".join(line for line in lines if line)),
            actions(
                "lead",
                button("I am on it", "incident_ack", case.id, style="primary"),
                button("Hand over", "assign_open", case.id),
                button("Blast radius", "blast_radius_show", case.id),
            ),
        ],
    )
