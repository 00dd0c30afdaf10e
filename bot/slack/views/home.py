"""App Home: what waits for me first, a search, my secrets, how ready they are, what is open."""

from collections.abc import Sequence

from bot.slack.views.approval import request_value
from bot.slack.views.blocks import (
    Block,
    actions,
    button,
    context,
    divider,
    header,
    search_input,
    section,
)
from bot.slack.views.forms import problem_text
from bot.slack.views.names import STATE_WORDS, incident_name, owner_name, who
from bot.slack.views.text import code, joined, said, top
from graph.refs import Ref
from graph.words import counted
from responders.incident import Case
from responders.mine import Lack, Mine, Wait

SHOWN = 10  # of each list; Slack takes 100 blocks
REFS = 8
LACKING = 5


def home_view(mine: Mine) -> Block:
    """Draw the tab; who may do something is checked again when somebody does."""
    report = button("Report a leak", "leak_report_open", "form", style="primary")
    blocks: list[Block | None] = [
        *_waiting(mine.waiting),
        divider(),
        search_input(
            "home_search",
            "Look up a secret",
            "A part of its name, such as payments/gateway; then Enter",
        ),
        context("Who uses it, who can read it, who did, what a leak would reach. Only you see it."),
        actions("home", report),
        divider(),
        *_secrets(mine),
        divider(),
        *_cases(mine.cases),
    ]
    return {"type": "home", "blocks": [block for block in blocks if block is not None]}


def refused_home(happened: str, means: str, do_now: str) -> Block:
    """Draw the tab of somebody who may not act here, with the reason and who can."""
    words = section(problem_text(happened, means, do_now))
    return {"type": "home", "blocks": [header("Locksmith"), words]}


def _waiting(waiting: Sequence[tuple[Case, Wait]]) -> list[Block]:
    if not waiting:
        return [header("Waiting for me"), section("Nothing. 🎉")]
    blocks = [header(f"Waiting for me ({len(waiting)})")]
    for case, wait in waiting[:SHOWN]:
        words = f"{_line(case)}\n→ *{wait.words}*"
        blocks.append(section(words, accessory=_button(case, wait)))
    if len(waiting) > SHOWN:
        blocks.append(context(f"… and {len(waiting) - SHOWN} more: /leak status"))
    return blocks


def _button(case: Case, wait: Wait) -> Block:
    if wait is Wait.APPROVAL and case.approval is not None:
        value = request_value(case, case.approval)
        aloud = f"Review and approve {case.id}"
        return button("Review & approve", "approval_review", value, aloud=aloud)
    if wait is Wait.REVIEW:
        return button("Review", "glass_review_open", case.id, aloud=f"Review {case.id}")
    if wait is Wait.LEAD:
        return button("Hand over", "assign_open", case.id, aloud=f"Hand over {case.id}")
    return _radius_button(case)


def _radius_button(case: Case) -> Block:
    return button("Blast radius", "blast_radius_show", case.id, aloud=f"Blast radius of {case.id}")


def _secrets(mine: Mine) -> list[Block]:
    if not mine.teams:
        words = "You are in no team that owns a secret Locksmith knows of."
        return [header("My secrets"), section(words)]
    names = ", ".join(said(owner_name(team), 60) for team in mine.teams[:REFS])
    lead = f"*{counted(len(mine.secrets), 'secret')}* of {names}"
    if mine.used:
        lead += f"; *{len(mine.used)}* used by services of yours"
    blocks = [header("My secrets"), section(joined([f"{lead}:", *_refs(mine.secrets, REFS)], 2800))]
    blocks.append(header("Readiness of my services"))
    lacking = [_lack(lack, refs) for lack, refs in mine.lacks.items()]
    blocks += lacking or [section("✅ Every one has an owner, a playbook, and was rotated once.")]
    return blocks


def _lack(lack: Lack, refs: Sequence[Ref]) -> Block:
    title = f"⚠️ *{counted(len(refs), 'secret')}*: {lack}"
    return section(joined([title, *_refs(refs, LACKING)], 2800))


def _refs(refs: Sequence[Ref], most: int) -> list[str]:
    return top([f"• {code(ref, 200)}" for ref in refs], most, "secret")


def _cases(cases: Sequence[Case]) -> list[Block]:
    blocks = [header(counted(len(cases), "open incident"))]
    blocks += [section(_line(each), accessory=_radius_button(each)) for each in cases[:SHOWN]]
    if len(cases) > SHOWN:
        blocks.append(context(f"… and {len(cases) - SHOWN} more: /leak status"))
    return blocks


def _line(case: Case) -> str:
    lead = f" · 👤 {who(case.lead.person)}" if case.lead else ""
    return f"{incident_name(case)}\n{STATE_WORDS[case.state]}{lead} · {said(case.next_action, 250)}"
