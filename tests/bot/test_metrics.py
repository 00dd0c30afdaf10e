"""/metrics: the rows as Prometheus reads them, without the name of a secret."""

from datetime import UTC, datetime
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bot.metrics import Metrics
from bot.outbox import Outbox
from responders.switchboard import PagerRoute, Switchboard
from tests.responders.room import ANA, SECRET, START, NotePager, Room, observation, report


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
    assert found["locksmith_incidents_total", ()] == 1
    assert found["locksmith_pages_total", (("provider", "duty"), ("result", "taken"))] == 1
    assert found["locksmith_pages_total", (("provider", "dead"), ("result", "not_taken"))] == 1
    acked = "locksmith_time_to_ack_seconds"
    assert found[acked, (("credential_type", ""), ("team", ""))] >= 0
    assert (acked, (("credential_type", ""), ("team", "team:payments"))) in found
    assert (acked, (("credential_type", "Payments API token"), ("team", ""))) in found
    assert found["locksmith_graph_age_seconds", (("source", "test"),)] >= 0
    assert found["locksmith_audit_sequence", ()] > 3
    assert SECRET not in text
    assert "gateway" not in text
