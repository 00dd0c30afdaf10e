"""
Break-glass: the form of who runs a plan alone, and that of who reviews it afterwards.

The banner on the card is the incident's next action; see `responders/next_action.py`.
"""

import orjson

from bot.slack.views.blocks import Block, modal, section, text_input
from bot.slack.views.names import incident_name, order_words
from bot.slack.views.steps import forecast_text, plan_lines
from bot.slack.views.text import code, joined, said
from responders.incident import Case


def glass_form(case: Case) -> Block:
    """Show what would run, and ask why without approval; the id is typed: it runs at once."""
    words = (
        "*Nobody has approved this.* The plan runs at once, under your name. On call is paged, the "
        "card says so, and another approver has to review it before the incident can close."
    )
    return modal(
        "Break glass",
        [
            section(incident_name(case)),
            section(f"🚨 {words}"),
            *_plan(case),
            text_input(
                "reason",
                "Why can it not wait?",
                hint="A sentence. It is kept in the record. Never write a secret here.",
                multiline=True,
                optional=False,
                most=500,
                least=10,
            ),
            text_input(
                "confirmation",
                f"Type {case.id} to confirm",
                hint="It runs as soon as you send this.",
                optional=False,
                most=60,
            ),
        ],
        callback_id="glass_break",
        submit="Run it alone",
        metadata=orjson.dumps(
            {"incident": case.id, "confirm": case.id, "plan": case.plan.hash if case.plan else ""}
        ).decode(),
    )


def _plan(case: Case) -> list[Block]:
    """Show the plan as an approver would see it: nobody else has looked."""
    plan = case.plan
    if plan is None:
        return []
    chosen = [forecast for forecast in plan.forecasts if forecast.order == plan.order]
    lines = joined(plan_lines(plan, brief=True), 2400)
    return [
        section(f"*What will run: {said(order_words(plan.order), 60)}*\n{lines}"),
        *(section(forecast_text(forecast, chosen=False)) for forecast in chosen),
    ]


def review_form(case: Case) -> Block:
    """Ask another approver what is to be said about a run that nobody had approved."""
    emergency = case.emergency
    words = "There is no break-glass run."
    if emergency is not None:
        name = said(emergency.person.name or emergency.person.identity, 100)
        words = (
            f"{name} ran plan {code(emergency.plan_hash[:8])} alone. The reason that was given:\n"
            f"“{said(emergency.reason, 500)}”\nWithout your review the incident stays open."
        )
    return modal(
        "Review a break-glass run",
        [
            section(incident_name(case)),
            section(words),
            text_input(
                "reason",
                "What did you find?",
                hint="Was it right, and what is to be done about it? Kept under your name.",
                multiline=True,
                optional=False,
                most=500,
                least=3,
            ),
        ],
        callback_id="glass_review",
        submit="Reviewed",
        metadata=orjson.dumps({"incident": case.id}).decode(),
    )
