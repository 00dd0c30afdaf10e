"""App Home: what waits for a decision, and the incidents that are open."""

from collections.abc import Sequence

from bot.slack.views.approval import request_value
from bot.slack.views.blocks import Block, actions, button, context, divider, header, section
from bot.slack.views.names import SEVERITY_ICON, STATE_WORDS
from bot.slack.views.text import code, counted, said
from responders.incident import Case

SHOWN = 15


def home_view(cases: Sequence[Case], waiting: Sequence[Case]) -> Block:
    """Draw the tab; who may decide is checked when somebody does."""
    report = button("Report a leak", "leak_report_open", "form", style="primary")
    blocks: list[Block | None] = [header("Locksmith"), actions("home", report)]
    if waiting:
        blocks.append(header(f"Waiting for approval ({len(waiting)})"))
    for case in waiting[:SHOWN]:
        if case.approval is not None:
            review = button(
                "Review & approve", "approval_review", request_value(case, case.approval)
            )
            blocks.append(section(_line(case), accessory=review))
    blocks += [divider(), header(counted(len(cases), "open incident"))]
    for case in cases[:SHOWN]:
        show = button("Blast radius", "blast_radius_show", case.id)
        blocks.append(section(_line(case), accessory=show))
    if len(cases) > SHOWN:
        blocks.append(context(f"… and {len(cases) - SHOWN} more: /leak status"))
    return {"type": "home", "blocks": [block for block in blocks if block is not None]}


def _line(case: Case) -> str:
    return (
        f"{SEVERITY_ICON[case.severity]} {code(case.id)} *{said(case.title, 150)}*\n"
        f"{STATE_WORDS[case.state]} · {said(case.next_action, 250)}"
    )
