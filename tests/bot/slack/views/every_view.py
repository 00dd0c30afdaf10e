"""Every message and every form that the bot can draw, of one case whose names may be anything."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

from bot.slack.views import (
    answers,
    approval,
    asking,
    blast_radius,
    charge,
    choosing,
    emergency,
    forms,
    home,
    incident,
    spill,
    whole_answer,
    withdrawn,
)
from bot.slack.views.blocks import Block, Message
from bot.slack.wanted import around
from graph.queries.access import Access, Accesses
from graph.queries.consumers import Consumers
from graph.queries.readers import Readers
from graph.refs import Ref
from responders.incident import Case, Emergency, IncidentState, Lead, Person
from responders.mine import Lack, Mine, Wait
from tests.bot.cases import GATEWAY, NOW


def messages(case: Case) -> list[Message]:
    """Draw each kind of message."""
    lead = Lead(Person("a@example.com", case.title), case.reporter, NOW, case.title)
    found = [
        charge.lead_note(case, lead),
        charge.lead_notice(case, lead),
        incident.incident_card(replace(case, lead=lead)),
        incident.incident_card(case),
        *(
            wanted.message
            for wanted in around(
                case,
                approvers=["U0SUE"],
                owners=["U0ANA"],
                checkpoint="audit checkpoint 1 ab",
                attaching=True,
                now=NOW + timedelta(hours=7, minutes=50),
            )
        ),
        *_answers(case),
        spill.reporter_receipt([(case, "opened"), (case, "joined")], remark=case.title),
        spill.nothing_found(where_name=case.title, remark=case.title),
        spill.command_spill([case.id]),
        spill.thread_unread(),
        choosing.choice([(f"t{n}:C0:1-2:", f"{n} {case.title}") for n in range(10)], remark="x"),
        *(spill.author_thanks(how) for how in ("verified", "claimed", "edited", "standing")),
        *(each for author in ("", "U0AUTHOR") for each in _about_a_spill(case, author)),
        approval.superseded_card(case),
        withdrawn.withdrawn_note(case),
    ]
    if case.approval is not None:
        found.append(approval.approval_card(case, case.approval, direct=True))
        link = "https://locksmith.example/step-up/1"
        found.append(approval.sign_in_message(case, case.approval, link))
    return found


def views(case: Case) -> list[Block]:
    """Draw each form, each view that only shows something, and App Home."""
    broken_alone = Emergency(case.reporter, case.title, NOW, "f")
    found = [
        blast_radius.blast_radius_modal(case),
        forms.report_form(warning=case.title),
        forms.taken_view(),
        forms.busy_view(case.title),
        *forms_of(case),
        asking.share_form("uses:0123456789abcdef"),
        home.home_view(crowded(case)),
        home.refused_home(case.title, case.title, case.title),
        emergency.review_form(replace(case, emergency=broken_alone)),
    ]
    if case.approval is not None:
        found.append(approval.approve_form(case, case.approval))
    return found


def forms_of(case: Case) -> list[Block]:
    """Draw each form in which somebody decides about this incident."""
    value = f"{case.id}:rotate"
    return [
        forms.skip_form(case, case.title, value),
        forms.although_form(case, [case.title] * 50, f"{value}:0123abcd"),
        forms.confirm_form(case, case.title, case.title, value),
        forms.waiver_form(case, case.title),
        forms.dismiss_form(case),
        charge.assign_form(case, "U0SUE"),
        charge.severity_form(case),
        approval.deny_form(case, "req-1"),
        emergency.glass_form(case),
        emergency.review_form(case),
    ]


def crowded(case: Case) -> Mine:
    """Give a person more of everything than a page has room for."""
    refs = (Ref(f"vault://main/kv/{quote(case.title[:200])}"),) * 400
    cases = [replace(case, id=f"INC-{number}") for number in range(40)]
    return Mine(
        waiting=tuple((one, wait) for one in cases for wait in Wait),
        teams=(f"team:{case.title}",) * 30,
        secrets=refs,
        used=refs,
        lacks=dict.fromkeys(Lack, refs),
        cases=tuple(cases),
    )


def is_over(case: Case) -> bool:
    return case.state in {IncidentState.CLOSED, IncidentState.FALSE_ALARM}


def _answers(case: Case) -> list[Message]:
    radius = case.blast_radius
    reads = tuple(
        Access(case.title, "", GATEWAY, ("get",), (case.title,), (), (3,), 2, NOW, NOW, n % 2 == 0)
        for n in range(len(radius.consumers))
    )
    found: dict[str, whole_answer.Found] = {
        "uses": Consumers(GATEWAY, radius.consumers, radius.gaps),
        "readers": Readers(GATEWAY, radius.readers, radius.gaps),
        "access": Accesses(GATEWAY, reads, radius.gaps),
        "blast": radius,
    }
    drawn = []
    for verb, each in found.items():
        for sendable in (False, True):
            about = answers.drawn(GATEWAY, each, sendable=sendable)
            drawn += [
                asking.with_buttons(about, verb, GATEWAY, sendable=sendable),
                asking.shared(about, case.title, verb, GATEWAY, sendable=sendable),
            ]
        drawn.append(whole_answer.whole_note(whole_answer.whole(verb, GATEWAY, each)))
    return [
        *drawn,
        answers.status_answer(case),
        answers.incidents_answer([case] * 60),
        answers.ambiguous_answer(case.title, [case.title] * 50),
        answers.problem_answer(case.title, case.title, case.title),
        answers.done_answer(case.title, case.id),
        answers.help_answer(unknown=case.title),
    ]


def _about_a_spill(case: Case, author: str) -> list[Message]:
    spilled = spill.Spilled(
        token="t",
        where="https://x.example/p",
        where_name=case.title,
        kinds=case.title,
        incident_id=case.id,
        author=author,
        file=True,
        minutes=15,
    )
    return [
        spill.author_request(spilled),
        spill.author_reminder(spilled, last=True),
        spill.still_standing(spilled, asked=3),
        spill.stands_no_more(spilled, "claimed"),
        spill.reporter_receipt([(case, "known")], spilled=spilled),
        spill.reporter_receipt([(case, "opened")], spilled=spilled, is_author=True),
    ]


def mrkdwn_in(value: object) -> list[str]:
    """Collect what Slack reads as mrkdwn."""
    if isinstance(value, list | tuple):
        return [text for item in value for text in mrkdwn_in(item)]
    if isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            return [str(value["text"])]
        return [text for item in value.values() for text in mrkdwn_in(item)]
    return []
