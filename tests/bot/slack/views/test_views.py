"""What the card and its notes say: grouped, counted, the worst first, and short once it is over."""

import csv
import dataclasses
import io
from dataclasses import replace
from datetime import timedelta

from bot.slack.views import (
    approval,
    blast_radius,
    incident,
    sheets,
    whole_list,
)
from graph.refs import Ref
from responders.incident import (
    ApprovalState,
    Breakage,
    Case,
    Emergency,
    IncidentState,
    TimelineEntry,
)
from tests.bot.cases import NOW, make_case, make_consumers
from tests.bot.slack.views.every_view import mrkdwn_in


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
    assert not [cell for row in rows for cell in row if cell.startswith(sheets.FORMULA)]
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


def test_what_would_break_is_not_said_of_a_value_that_is_dead() -> None:
    def says(case: Case) -> bool:
        drawn = mrkdwn_in(list(incident.incident_card(case).blocks))
        return any("if revoked now" in text for text in drawn)

    done = make_case(state=IncidentState.VERIFIED)
    assert not says(done)
    assert says(replace(done, clocks=replace(done.clocks, proven_dead=None)))
    assert says(replace(done, state=IncidentState.RUNNING))


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


def test_a_plan_with_no_way_back_asks_for_the_id_to_be_typed() -> None:
    case = make_case(approval=ApprovalState.PENDING)
    assert case.approval is not None
    form = approval.approve_form(case, case.approval)
    assert "confirmation" in str(form["blocks"])
    assert NOW.year == 2026
