"""The forms that people fill in, and the views that stand there while Locksmith looks."""

from collections.abc import Sequence

from bot.slack.views.blocks import Block, modal, section, text_input
from bot.slack.views.names import incident_name
from bot.slack.views.text import joined, said
from responders.incident import Case

VALUE, NAMED, WHERE, NOTE, REASON, CHOICE = "value", "named", "where", "note", "reason", "choice"


def report_form(*, warning: str = "") -> Block:
    """Ask for a leak; every field is optional, but one of value and name must be given."""
    return modal(
        "Report a leak",
        [
            section(f"⚠️ {said(warning, 600)}") if warning else None,
            text_input(
                VALUE,
                "The leaked value",
                hint="It goes to Locksmith only, to be recognised, and is not kept.",
                placeholder="Paste it here rather than in a channel",
                multiline=True,
            ),
            text_input(
                NAMED,
                "Or: which secret you think it is",
                hint="A part of its name serves, such as payments/gateway.",
                most=300,
            ),
            text_input(WHERE, "Where it was seen", placeholder="A link or a place", most=1000),
            text_input(
                NOTE,
                "What else should be known?",
                hint="Never write the value here: others read this.",
                multiline=True,
                most=1000,
            ),
        ],
        callback_id="leak_report_form",
        submit="Report",
    )


def taken_view() -> Block:
    """Stand in place of the form while the worker looks."""
    return modal(
        "Taken",
        [
            section(
                "🔎 *Taken; looking.*\nLocksmith recognises the value now and opens an incident."
            )
        ],
        callback_id="shown",
    )


def busy_view(title: str) -> Block:
    return modal(title, [section("🔎 Looking…")], callback_id="shown")


def skip_form(case: Case, step_title: str, value: str) -> Block:
    """`value` is "INCIDENT:STEP", opaque to Slack."""
    return _reason_form(
        "Skip a step",
        case,
        f"*{said(step_title, 150)}* will not be done, and what it should have proven is not.",
        callback_id="step_skip_reason",
        submit="Skip it",
        metadata=value,
    )


def although_form(case: Case, copies: Sequence[str], value: str) -> Block:
    """Ask why it is revoked while these may need it; `value` names step and list."""
    listed = joined([f"• {said(copy, 300)}" for copy in copies], 2000)
    return _reason_form(
        "Revoke all the same",
        case,
        f"The old value may still be needed:\n{listed}\nWho is named may break. It counts for"
        " these only: another copy, reader or user holds it back again.",
        callback_id="step_although_reason",
        submit="Revoke, my name",
        metadata=value,
        question="Why may it be revoked all the same?",
    )


def confirm_form(case: Case, step_title: str, instructions: str, value: str) -> Block:
    """Ask what a person saw that proves a step; `value` is "INCIDENT:STEP"."""
    return _reason_form(
        "Confirm a step",
        case,
        f"*{said(step_title, 150)}*\n{said(instructions, 1200)}",
        callback_id="step_confirm_evidence",
        submit="Confirm",
        metadata=value,
        question="What did you see that proves it?",
    )


def dismiss_form(case: Case) -> Block:
    """Ask why it is no leak."""
    return _reason_form(
        "False alarm",
        case,
        "The incident will be closed, and nothing else is changed.",
        callback_id="incident_dismiss_reason",
        submit="It is no leak",
        metadata=case.id,
    )


def waiver_form(case: Case, missing: str) -> Block:
    """Close without all evidence: a named person and a reason stand in for it."""
    return _reason_form(
        "Close without proof",
        case,
        f"The evidence is not complete:\n{said(missing, 1200)}",
        callback_id="incident_waive",
        submit="Close with my name",
        metadata=case.id,
    )


def problem_text(happened: str, means: str, do_now: str) -> str:
    """Say an error in its three parts."""
    lines = [f"*{said(happened, 600)}*"]
    if means:
        lines.append(said(means, 600))
    if do_now:
        lines.append(f"→ {said(do_now, 600)}")
    return "\n".join(lines)


def _reason_form(
    title: str,
    case: Case,
    words: str,
    *,
    callback_id: str,
    submit: str,
    metadata: str,
    question: str = "Why?",
) -> Block:
    return modal(
        title,
        [
            section(incident_name(case)),
            section(words),
            text_input(
                REASON,
                question,
                hint="It is kept in the record under your name. Never write a secret here.",
                multiline=True,
                optional=False,
                most=500,
                least=3,
            ),
        ],
        callback_id=callback_id,
        submit=submit,
        metadata=metadata,
    )
