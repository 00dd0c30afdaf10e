"""Every message and form stays within Slack's limits, whatever names a cluster comes up with."""

import csv
import dataclasses
import io
import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.sandbox.workspace.rules import check_message, check_view
from bot.slack.views import (
    answers,
    approval,
    blast_radius,
    charge,
    choosing,
    emergency,
    forms,
    home,
    incident,
    spill,
    whole_list,
)
from bot.slack.views.blocks import Block, Message
from bot.slack.wanted import around
from graph.queries.consumers import Consumers
from graph.queries.readers import Readers
from graph.refs import Ref
from responders.incident import (
    ApprovalState,
    Breakage,
    Case,
    Emergency,
    IncidentState,
    Lead,
    Person,
    TimelineEntry,
)
from responders.mine import Lack, Mine, Wait
from tests.bot.cases import GATEWAY, NOW, make_case, make_consumers

HOSTILE = [
    "<!channel> <@U0SUE> <https://evil.example|click>",
    "\u202egnp.exe\u2066\u200b\u200dname",
    "`code` *bold* _it_ ~no~ >quote",
    "&" * 400,
    "\n\n# heading\n" * 30,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 80,
    "",
]
UPDATE_BYTES = 4000
names = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=300))


def crowded(case: Case) -> Mine:
    refs = (Ref(f"vault://main/kv/{quote(case.title[:200])}"),) * 400
    return Mine(
        waiting=((case, Wait.APPROVAL), (case, Wait.STEP), (case, Wait.LEAD)) * 40,
        teams=(f"team:{case.title}",) * 30,
        secrets=refs,
        used=refs,
        lacks=dict.fromkeys(Lack, refs),
        cases=(case,) * 40,
    )


def messages(case: Case) -> list[Message]:
    radius = case.blast_radius
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
        answers.uses_answer(Consumers(GATEWAY, radius.consumers, radius.gaps)),
        answers.readers_answer(Readers(GATEWAY, radius.readers, radius.gaps)),
        answers.blast_answer(GATEWAY, radius),
        answers.status_answer(case),
        answers.incidents_answer([case] * 60),
        answers.ambiguous_answer(case.title, [case.title] * 50),
        answers.problem_answer(case.title, case.title, case.title),
        answers.help_answer(unknown=case.title),
        spill.reporter_receipt([(case, "opened"), (case, "joined")], remark=case.title),
        spill.nothing_found(where_name=case.title, remark=case.title),
        spill.command_spill([case.id]),
        spill.thread_unread(),
        choosing.choice([("t:C0:1-2:", case.title)] * 10, remark=case.title),
        *(spill.author_thanks(how) for how in ("verified", "claimed", "edited", "standing")),
        *(each for author in ("", "U0AUTHOR") for each in about_a_spill(case, author)),
    ]
    if case.approval is not None:
        found.append(approval.approval_card(case, case.approval, direct=True))
    return found


def about_a_spill(case: Case, author: str) -> list[Message]:
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


def views(case: Case) -> list[Block]:
    found = [
        blast_radius.blast_radius_modal(case),
        forms.report_form(warning=case.title),
        forms.taken_view(),
        forms.busy_view(case.title),
        forms.skip_form(case.title, "INC-7:rotate"),
        forms.confirm_form(case.title, case.title, "INC-7:rotate"),
        forms.waiver_form(case.id, case.title),
        forms.dismiss_form(case.id),
        charge.assign_form(case, "U0SUE"),
        charge.severity_form(case),
        home.home_view(crowded(case)),
        approval.deny_form(case, "req-1"),
        emergency.glass_form(case),
        emergency.review_form(
            replace(case, emergency=Emergency(case.reporter, case.title, NOW, "f"))
        ),
    ]
    if case.approval is not None:
        found.append(approval.approve_form(case, case.approval))
    return found


@pytest.mark.parametrize("state", IncidentState)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_and_300_consumers_fit_every_message_and_form(
    state: IncidentState, name: str
) -> None:
    case = make_case(state=state, consumers=300, name=name, approval=ApprovalState.PENDING)
    for message in messages(case):
        check_message(list(message.blocks))
        assert message.text
        assert len(message.text.encode()) < UPDATE_BYTES
    for view in views(case):
        check_view(view)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(name=names, state=st.sampled_from(IncidentState), count=st.integers(0, 40))
def test_no_name_can_mention_anybody_or_hide(name: str, state: IncidentState, count: int) -> None:
    case = make_case(state=state, consumers=count, name=name, approval=ApprovalState.PENDING)
    for message in messages(case):
        check_message(list(message.blocks))
        for text in [message.text, *mrkdwn_in(list(message.blocks))]:
            controls = re.findall(r"<[^>]*>?", text)
            assert all(each.startswith(("<!date^", "<@U0AUTHOR>")) for each in controls)
            assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f]", text)


def test_the_card_groups_and_counts_what_it_does_not_show() -> None:
    case = make_case(consumers=300)
    words = "\n".join(mrkdwn_in(list(incident.incident_card(case).blocks)))
    assert "(300)" in words
    assert words.count("💥") == 10
    assert "*payments* · `demo/ns0` (18, 18 would break), such as" in words
    assert "… and 192 consumers in 11 more groups" in words
    assert "All of them: in the thread" in words
    linked = incident.incident_card(case, whole_list="https://acme.slack.com/archives/C1/p1")
    shown = "\n".join(mrkdwn_in(list(linked.blocks)))
    assert "<https://acme.slack.com/archives/C1/p1|All 300, by owner and one by one>" in shown
    few = "\n".join(mrkdwn_in(list(incident.incident_card(make_case(consumers=9)).blocks)))
    assert "All of them" not in few


def test_a_large_team_hides_no_small_one() -> None:
    crowd = make_consumers(40)
    alone = replace(crowd[0], workload=Ref("k8s://demo/tiny/Deployment/one"), owner="team:tiny")
    text = blast_radius.consumers_text((*crowd, alone), {})
    assert "*tiny* · `demo/tiny`" not in blast_radius.consumers_text(crowd, {})
    broken = {alone.workload: Breakage(alone.workload, True, "breaks at once")}  # noqa: FBT003
    text = blast_radius.consumers_text((*crowd, alone), broken)
    assert text.startswith("*tiny* · `demo/tiny` (1, 1 would break)\n"), "who breaks comes first"


def test_the_whole_list_names_everybody_and_holds_no_formula() -> None:
    case = make_case(consumers=300)
    odd = replace(case.blast_radius.consumers[0], owner="team:=HYPERLINK(1)", reason="+1\u202e")
    radius = replace(case.blast_radius, consumers=(odd, *case.blast_radius.consumers[1:]))
    text = whole_list.list_file(replace(case, blast_radius=radius))
    head, *rows = csv.reader(io.StringIO(text))
    assert tuple(head) == whole_list.COLUMNS
    assert len(rows) == 300
    assert not [cell for row in rows for cell in row if cell.startswith(whole_list.FORMULA)]
    assert "\u202e" not in text
    note = "\n".join(mrkdwn_in(list(whole_list.list_note(case, attached=True).blocks)))
    assert note.count("would break") == 17, "every group is counted"
    alone = mrkdwn_in(list(whole_list.list_note(case, attached=False).blocks))
    assert "locksmith incident show" in "\n".join(alone)


def test_what_to_do_stands_above_what_is_known_and_a_card_that_is_over_is_short() -> None:
    def kinds(state: IncidentState) -> list[str]:
        blocks = incident.incident_card(make_case(state=state, consumers=300)).blocks
        return [str(block["type"]) for block in blocks]

    for state in (IncidentState.PLANNED, IncidentState.RUNNING, IncidentState.STOPPED):
        assert kinds(state)[:4] == ["header", "context", "section", "actions"]
    stopped = mrkdwn_in(list(incident.incident_card(make_case(state=IncidentState.STOPPED)).blocks))
    heads = [text.partition("\n")[0] for text in stopped]
    assert heads.index("*Steps · Rotate first · 2 of 4 steps*") < heads.index("*What leaked*")
    end = TimelineEntry(9, NOW + timedelta(hours=1), "closed", "locksmith", "Closed with proof.")
    closed = replace(make_case(state=IncidentState.CLOSED), timeline=(end,))
    over = mrkdwn_in(list(incident.incident_card(closed).blocks))
    assert not [text for text in over if "Who consumes it" in text or "CRITICAL" in text]
    assert "Closed with proof. That was 59 min after the report." in "\n".join(over)
    broke = Emergency(closed.reporter, "the others sleep", NOW, "f00dfeed")
    alone = replace(make_case(state=IncidentState.STOPPED), emergency=broke)
    heads = mrkdwn_in(list(incident.incident_card(alone).blocks))
    assert heads[1].startswith("🚨 *BREAK-GLASS: Rita ran plan f00dfeed alone")
    assert heads[2].startswith("*Next*")
    assert len(kinds(IncidentState.CLOSED)) < len(kinds(IncidentState.RUNNING))


def test_the_card_says_that_nobody_was_paged() -> None:
    case = make_case()
    assert "NOBODY WAS PAGED" not in " ".join(mrkdwn_in(list(incident.incident_card(case).blocks)))
    unpaged = dataclasses.replace(
        case, pages=tuple(dataclasses.replace(page, confirmed=False) for page in case.pages)
    )
    assert "NOBODY WAS PAGED" in " ".join(mrkdwn_in(list(incident.incident_card(unpaged).blocks)))


def test_each_state_offers_what_can_be_done_in_it() -> None:
    def offered(state: IncidentState) -> set[str]:
        card = incident.incident_card(make_case(state=state))
        return {
            str(element["action_id"])
            for block in card.blocks
            if block["type"] == "actions"
            for element in block["elements"]  # type: ignore[attr-defined]
        }

    assert {"plan_rotate_first", "plan_revoke_first", "approval_ask"} <= offered(
        IncidentState.PLANNED
    )
    assert "approval_review" in offered(IncidentState.WAITING)
    assert "run_stop" in offered(IncidentState.RUNNING)
    assert {"step_retry", "step_skip", "step_confirm"} <= offered(IncidentState.STOPPED)
    assert "incident_close" in offered(IncidentState.VERIFIED)
    assert offered(IncidentState.CLOSED) == {"blast_radius_show"}


def test_buttons_carry_only_opaque_ids() -> None:
    case = make_case(state=IncidentState.STOPPED, approval=ApprovalState.PENDING)
    for message in messages(case):
        for block in message.blocks:
            for element in block.get("elements", []):  # type: ignore[attr-defined]
                if element["type"] == "button" and "value" in element:
                    assert re.fullmatch(r"[\w:-]{1,80}", element["value"])


def test_a_plan_with_no_way_back_asks_for_the_id_to_be_typed() -> None:
    case = make_case(approval=ApprovalState.PENDING)
    assert case.approval is not None
    form = approval.approve_form(case, case.approval)
    assert "confirmation" in str(form["blocks"])
    assert NOW.year == 2026


def mrkdwn_in(value: object) -> list[str]:
    if isinstance(value, list | tuple):
        return [text for item in value for text in mrkdwn_in(item)]
    if isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            return [str(value["text"])]
        return [text for item in value.values() for text in mrkdwn_in(item)]
    return []
