"""/metrics: the rows as Prometheus reads them, without the name of a secret."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bot.metrics import Metrics
from bot.outbox import Outbox
from responders.stats import stats
from responders.switchboard import PagerRoute, Switchboard
from tests.responders.room import (
    ANA,
    SECRET,
    START,
    Clock,
    NotePager,
    Room,
    observation,
    report,
)


def test_incidents_clocks_pages_and_ages_are_there_and_no_secret_is(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.graph.merge(observation(), now=START)
    incident = room.desk.report(report()).incident_id
    room.desk.triage.acknowledge(incident, ANA)
    routes = [PagerRoute("duty", NotePager()), PagerRoute("dead", NotePager(takes=False))]
    board = Switchboard(room.records.journal.pages, routes)
    board.page(room.desk.case(incident), "team:payments")
    outbox = Outbox(room.database.engine, clock=lambda: datetime.now(UTC))
    text = Metrics(room.records, room.graph, outbox, now=room.now).text().decode()
    room.database.close()
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    opened = ("locksmith_incidents_open", (("severity", "critical"), ("state", "planned")))
    assert found[opened] == 1
    assert found["locksmith_incidents", ()] == 1
    assert found["locksmith_pages", (("provider", "duty"), ("result", "taken"))] == 1
    assert found["locksmith_pages", (("provider", "dead"), ("result", "not_taken"))] == 1
    acked = "locksmith_time_to_ack_seconds"
    assert found[acked, (("credential_type", ""), ("team", ""))] >= 0
    assert (acked, (("credential_type", ""), ("team", "team:payments"))) in found
    assert (acked, (("credential_type", "Payments API token"), ("team", ""))) in found
    assert found["locksmith_graph_age_seconds", (("source", "test"),)] >= 0
    assert found["locksmith_audit_sequence", ()] > 3
    assert SECRET not in text
    assert "gateway" not in text


def test_prometheus_and_stats_say_the_same_of_the_same_incidents(tmp_path: Path) -> None:
    clock = Clock()
    room = Room(tmp_path, now=clock)
    room.graph.merge(observation(), now=START)
    for number, minutes in enumerate((10, 30, 90)):
        digest, matched = f"{number:02}" * 32, number == 1
        reported = report(digest, matched=matched, at=clock.at, where=f"https://chat/{number}")
        shown = replace(reported, detector_name="token" if matched else "SSH key")
        incident = room.desk.report(shown).incident_id
        clock.at += timedelta(minutes=minutes)
        room.desk.triage.acknowledge(incident, ANA)
        clock.at += timedelta(minutes=minutes)
        if number:
            room.desk.close(incident, ANA, waiver="the account is gone")
    figures = stats(room.records.lived())
    outbox = Outbox(room.database.engine, clock=lambda: datetime.now(UTC))
    text = Metrics(room.records, room.graph, outbox, now=room.now).text().decode()
    room.database.close()
    scraped = {
        (sample.name, sample.labels["team"], sample.labels["credential_type"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "team" in sample.labels
    }
    groups = {("", ""): figures.all}
    groups |= {(name, ""): one for name, one in figures.per_team.items()}
    groups |= {("", name): one for name, one in figures.per_credential_type.items()}
    assert set(groups) > {("nobody", ""), ("team:payments", ""), ("", "SSH key"), ("", "token")}
    names = {"acknowledged": "to_ack", "closed": "to_close", "exposed": "exposed"}
    expected = {
        (f"locksmith_time_{names[clock]}_seconds", *group): found.seconds
        for group, one in groups.items()
        for clock, found in one.clocks.items()
    }
    assert scraped == expected
    assert 30 * 60 < scraped["locksmith_time_to_ack_seconds", "", ""] < 31 * 60
    assert 60 * 60 < scraped["locksmith_time_to_close_seconds", "team:payments", ""] < 61 * 60
    assert 120 * 60 < scraped["locksmith_time_to_close_seconds", "", ""] < 121 * 60
