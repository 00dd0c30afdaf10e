"""The record: facts as they were, follow-ups with owners, statistics."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graph.errors import NotFoundError, RefusedError
from graph.model import Gap, Node, NodeKind, Observation
from graph.queries.access import Access
from graph.refs import Ref
from responders.findings import follow_ups, ownerless, still_open
from responders.follow_ups import the_one
from responders.mine import Lack
from responders.personal import Personal
from responders.post_mortem import Record, as_json, markdown
from responders.standing import Standing
from responders.stats import Lived, stats
from responders.switchboard import PagerRoute, Switchboard
from tests.responders.room import (
    ANA,
    IDLE,
    SECRET,
    START,
    NotePager,
    Room,
    observation,
    report,
)


def record(room: Room, incident: str) -> Record:
    case = room.desk.case(incident)
    return Record(
        case,
        room.records.frozen(incident),
        follow_ups(case, "team:security"),
        {1: "https://acme.slack.com/archives/C1/p1"},
    )


def test_facts_stay_as_they_were_when_the_graph_moves_on(room: Room) -> None:
    incident = room.desk.report(report()).incident_id
    room.graph.merge(observation(more=True), now=START)
    room.desk.plan(incident, anew=True)
    first, last = room.records.frozen(incident)
    assert (first.why, last.why) == ("opened", "planned")
    assert len(last.blast_radius.consumers) == len(first.blast_radius.consumers) + 1
    text = markdown(record(room, incident))
    assert f"## What was known at {first.at:%Y-%m-%d %H:%M:%S} UTC (opened)" in text
    assert "- new consumer: `k8s://prod/payments/Deployment/newcomer`" in text
    room.desk.plan(incident, anew=True)
    assert len(room.records.frozen(incident)) == 2  # nothing changed, nothing is kept twice
    before = markdown(record(room, incident))
    room.graph.merge(Observation("test"), now=START)  # everything is gone from the graph
    assert room.graph.snapshot().node(SECRET) is None
    assert markdown(record(room, incident)) == before


def test_outside_text_draws_nothing_in_the_post_mortem(room: Room) -> None:
    hostile = "[all good](https://evil.example) <img src=x> ![x](y)\n# Proven | \u202edaed"
    opened = room.desk.report(replace(report(), where_name=hostile))
    incident = opened.incident_id
    room.desk.close(incident, ANA, waiver=hostile)
    text = markdown(record(room, incident))
    assert text.count("all good") > 3, "the words stay"
    assert re.search(r"(?<!\\)\[(all good|x)\]", text) is None, "no link, no picture"
    for drawn in ("<img", "\n# Proven", "\u202e"):
        assert drawn not in text
    rows = [line for line in text.splitlines() if line.startswith("| ") and "all good" in line]
    assert rows
    assert all(line.replace("\\|", "").count("|") == 6 for line in rows), "no cell is broken out of"


def test_the_synopsis_says_it_all_in_a_few_lines(room: Room) -> None:
    incident = room.desk.report(report()).incident_id
    running = markdown(record(room, incident))
    assert "- **How it ended.** It is not over: planned." in running
    assert "- **Who was reached.** **Nobody was paged.**" in running
    routes = [PagerRoute("duty", NotePager())]
    board = Switchboard(room.records.journal.pages, routes)
    board.page(room.desk.case(incident), "team:payments")
    room.desk.triage.acknowledge(incident, ANA)
    room.desk.close(incident, ANA, waiver="the account is gone")
    text = markdown(record(room, incident))
    short = text.partition("## In short")[2].partition("## Clocks")[0]
    assert "payments/gateway#token leaked in #general" in short
    assert "**still there**" in short
    assert re.search(r"workloads? \(.+ \d", short)
    assert "Paged: payments within a second of the report." in short
    assert "Ana was the first to act" in short
    assert "the account is gone" in short
    assert "- **Left to do.** " in short
    assert "| intent |" not in text
    kinds = [entry["kind"] for entry in as_json(record(room, incident))["timeline"]]
    assert "intent" in kinds, "the JSON has all"


def test_every_key_of_the_json_is_documented(room: Room) -> None:
    incident = room.desk.report(report()).incident_id
    docs = (Path(__file__).parents[2] / "docs" / "record.md").read_text()
    assert [key for key in as_json(record(room, incident)) if f"`{key}`" not in docs] == []


def test_the_post_mortem_has_dates_links_decisions_and_what_is_left(room: Room) -> None:
    incident = room.desk.report(report()).incident_id
    room.desk.triage.acknowledge(incident, ANA)
    room.desk.close(incident, ANA, waiver="the account is gone")
    found = record(room, incident)
    text = markdown(found)
    assert text.startswith(f"# Post-mortem: {incident}, payments/gateway#token leaked in #general")
    assert "| [1](https://acme.slack.com/archives/C1/p1) | 2026-03-01 12:00:00 | reported |" in text
    assert "Ana: Ana works on it." in text
    decisions = text.partition("## Decisions")[2].partition("## Proof")[0]
    assert "the account is gone" in decisions, "a waiver is a decision"
    assert "| reported | Locksmith knew | 2026-03-01 12:00:00 UTC |  |" in text
    assert "| proven dead | the old value was seen to be refused | not yet |  |" in text
    assert "- **Nobody was paged.**" in text
    kinds = {one.kind: one for one in found.follow_ups}
    assert set(kinds) >= {"idle_copy", "not_removed"}
    assert kinds["idle_copy"].owner == "team:payments"
    assert str(IDLE) in kinds["idle_copy"].title
    assert f"({kinds['not_removed'].owner}, {kinds['not_removed'].id})" in text
    read = Access(
        who="ci",
        subject="vault://main/auth/approle/role/ci",
        secret=IDLE,
        verbs=("read",),
        addresses=("10.0.0.7",),
        agents=(),
        versions=(3,),
        times=2,
        first=START,
        last=START + timedelta(minutes=5),
        sure=True,
    )
    log = Gap("vault/main", "audit log of main", "it is not read")
    seen = replace(found, reads=(read,), unread=(log,))
    assert "- `vault://main/auth/approle/role/ci`: 2 times, first 2026-03-01" in markdown(seen)
    assert as_json(seen)["reads"][0]["times"] == 2
    assert "no read is known, and not all was seen:" in markdown(replace(seen, reads=()))
    assert "- not seen: audit log of main: it is not read" in markdown(seen)
    plain = as_json(found)
    assert plain["timeline"][0]["link"].endswith("/p1")
    assert plain["frozen"][0]["blast_radius"]["consumers"]
    assert plain["clock_seconds"]["reported"] == 0
    assert plain["follow_ups"][0]["id"].startswith("f-")


def test_a_finding_is_closed_with_a_reason_and_stays_closed(room: Room) -> None:
    incident = room.desk.report(report()).incident_id
    room.desk.close(incident, ANA, waiver="the account is gone")
    rows = room.records.follow_ups
    added = rows.add(incident, "Write a runbook", "team:payments", ANA)
    assert rows.add(incident, "Write a runbook", "team:payments", ANA).id == added.id
    assert len(rows.added()) == 1
    found = (*follow_ups(room.desk.case(incident), "team:security"), *rows.added())
    with pytest.raises(RefusedError, match="reason is needed"):
        rows.close(found[0], ANA, " ")
    rows.close(found[0], ANA, "removed it")
    rows.close(added, ANA, "written")
    left = still_open(found, rows.closed())
    assert [one.id for one in left] == [one.id for one in found[1:-1]]
    with pytest.raises(NotFoundError):
        the_one(left, added.id)
    kinds = [each.kind for each in room.desk.case(incident).timeline]
    assert kinds.count("follow_up_closed") == 2
    assert room.records.verify_audit().finding == "intact"


def test_an_open_incident_has_no_follow_ups_and_no_false_alarm_has(room: Room) -> None:
    incident = room.desk.report(report()).incident_id
    assert follow_ups(room.desk.case(incident), "team:security") == ()
    room.desk.dismiss(incident, ANA, "a test value")
    assert follow_ups(room.desk.case(incident), "team:security") == ()


def test_secrets_that_nobody_owns_are_findings_of_security(room: Room) -> None:
    lost = Ref("vault://main/kv/lost/key")
    seen = Observation(source="elsewhere", nodes=(Node(lost, NodeKind.SECRET),))
    room.graph.merge(seen, now=START)
    found = {one.title: one for one in ownerless(room.graph.snapshot(), "team:security")}
    assert any(lost in title for title in found)
    assert all(one.owner == "team:security" for one in found.values())
    standing = Standing(room.policy, lambda name: room.members.get(name, ()))
    first, *_, last = Personal(room.records, room.graph.snapshot, standing, ()).readiness()
    assert first.owner == "team:payments"
    assert last.owner == "", "what nobody owns comes last"
    assert lost in last.secrets
    assert lost in last.lacks[Lack.OWNER]
    assert not any("vault://main/kv/payments/gateway" in title for title in found)


def lived(name: str, minutes: int, *, team: str = "team:a", kind: str = "token") -> Lived:
    reported = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=minutes)
    contained = reported + timedelta(minutes=minutes) if minutes else None
    clocks = {"contained": contained, "exposed": reported - timedelta(hours=1)}
    return Lived(name, "high", "closed", kind, (team,) if team else (), reported, clocks)


def test_medians_leave_out_what_was_not_reached() -> None:
    found = stats([lived("a", 10), lived("b", 30, team="team:b"), lived("c", 0, team="")])
    assert found.all.incidents == 3
    assert found.all.clocks["contained"].seconds == 20 * 60
    assert found.all.clocks["contained"].of == 2
    assert found.all.clocks["exposed"].seconds == 3600
    assert "rotated" not in found.all.clocks
    assert found.per_team["team:b"].clocks["contained"].seconds == 30 * 60
    assert found.per_team["nobody"].incidents == 1
    assert set(found.per_credential_type) == {"token"}
    later = stats([lived("a", 10), lived("b", 30)], since=datetime(2026, 1, 20, tzinfo=UTC))
    assert later.all.incidents == 1


def test_the_rows_say_the_same_and_drills_and_false_alarms_do_not_count(room: Room) -> None:
    real = room.desk.report(report()).incident_id
    room.desk.triage.acknowledge(real, ANA)
    false = room.desk.report(report("44" * 32, matched=False)).incident_id
    room.desk.dismiss(false, ANA, "a test value")
    (one,) = room.records.lived()
    assert (one.id, one.teams, one.credential_type) == (
        real,
        ("team:payments",),
        "Payments API token",
    )
    assert one.clocks["acknowledged"] is not None
    assert one.clocks["contained"] is None
