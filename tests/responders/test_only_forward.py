"""
What has no way back says so before it is approved; a wave that fails later is finished forwards.

A real PostgreSQL and a real OpenBao: setting the leaked password again would un-revoke it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from graph.model import Match, Node, NodeKind, Observation
from graph.queries.blast_radius import blast_radius
from graph.refs import Ref
from graph.secret_value import SecretValue
from graph.snapshot import Snapshot
from responders.incident import Case, IncidentState, LeakReport, StepState
from responders.placeholders import LeakFacts
from responders.planner import Planner
from responders.playbook import load_playbooks
from responders.step import VerdictKind
from responders.way_back import words
from tests.responders.room import ANA, REPORTER, START, Room
from tests.responders.steps.conftest import asks_for_passwords, orders, postgres_server, vault
from tests.responders.steps.databases import STEPS, Orders, Vault
from tests.responders.steps.parts import FINGERPRINTER

__all__ = ["asks_for_passwords", "orders", "postgres_server", "vault"]

ONLY_FORWARD = "point of no return: from here only forward"
BOOK = """
name: one-role
title: A password of one role, and a wave after it
matches: {named: true}
answers: {owner: o, stored: s, consumers: c, reload: r, verify: v, roll_back: b}
steps:
  rotate: {use: postgres.rotate_password, title: New password, phase: rotate,
           with: {database: orders, secret: "{secret}", field: "{field}"}}
  restart: {use: lines.write, title: A wave, phase: reload, with: {line: wave}}
  sessions: {use: postgres.end_sessions, title: Old sessions ended, phase: revoke,
             with: {database: orders, secret: "{secret}", field: "{field}",
                    version: "{leaked_version}"}}
orders: {revoke-first: [rotate, restart, sessions]}
"""


def test_a_wave_that_fails_after_one_role_was_rotated_is_finished_forwards(
    vault: Vault, orders: Orders, make_room: Callable[..., Room], until: Callable[..., Case]
) -> None:
    role = orders.make_role("shop", "leaked-password")
    vault.put("shop/db", username=role, password="leaked-password")
    played: dict[str, list[Any]] = {"verify wave": [VerdictKind.REFUTED]}
    room = make_room(
        now=lambda: datetime.now(UTC),
        playbooks=(BOOK,),
        script=played,
        real_steps={name: member() for name, member in STEPS.items()},
        connections=vault.connections(
            ("postgres.rotate_password", "postgres.end_sessions"),
            databases={"orders": orders.settings()},
        ),
        fingerprinter=FINGERPRINTER,
    )
    room.engine.launch()
    ref = Ref(vault.ref("shop/db"))
    known = {"version": 1, "keys": ("password", "username"), "playbook": "one-role"}
    room.graph.merge(Observation("kv", (Node(ref, NodeKind.SECRET, known),), ()), now=START)
    opened = room.desk.report(
        LeakReport(
            fingerprints=FINGERPRINTER.of_leaked(SecretValue("leaked-password")),
            matches=(Match(ref, "password", 1, current=True, form="as_is"),),
            detector="generic",
            detector_name="Password",
            reporter=REPORTER,
            reported_at=datetime.now(UTC),
        )
    )
    plan = room.desk.plan(opened.incident_id)
    assert words(plan) == {
        "rotate": ONLY_FORWARD,
        "restart": "only forward",
        "sessions": "no way back",
    }
    request = room.desk.ask_approval(opened.incident_id, REPORTER)
    room.desk.vote(request.id, ANA, approve=True)
    done = (IncidentState.STOPPED, IncidentState.VERIFIED, IncidentState.CLOSED)
    case = until(room, opened.incident_id, *done)
    assert case.state is IncidentState.STOPPED
    assert "Past “New password” there is no way back, only forward." in case.next_action
    assert "retry it" in case.next_action
    assert {each.state for each in case.progress} == {
        StepState.CONFIRMED,
        StepState.REFUTED,
        StepState.WAITING,
    }
    new = vault.read("shop/db")["password"]
    assert (orders.logs_in(role, new), orders.logs_in(role, "leaked-password")) == (True, False)
    room.desk.retry(case.id, ANA)
    case = until(room, case.id, *done)
    assert case.state is not IncidentState.STOPPED, case.next_action
    assert vault.read("shop/db")["password"] == new


@pytest.mark.parametrize(
    ("playbook", "first", "home"),
    [
        ("postgres-password", "rotate", "vault://main/kv/shop/db"),
        ("vault-database-static", "rotate", "vault://main/database/static-creds/shop"),
        ("kubernetes-generated", "rotate", "k8s://prod/shop/Secret/session"),
    ],
)
def test_the_shipped_plans_without_a_way_back_say_so(playbook: str, first: str, home: str) -> None:
    members = {name: member() for name, member in STEPS.items()}
    facts = LeakFacts(
        incident_id="inc-1",
        detector="generic",
        credential="credential:1",
        store_kind="vault_kv",
        matches=(Match(Ref(home), "password", 1, current=True, form="as_is"),),
        metadata={"playbook_database": "orders", "playbook_role": "shop"},
    )
    node = Node(Ref(home), NodeKind.SECRET, {"keys": ("password",)})
    radius = blast_radius(Snapshot.of([node], []), [(Ref(home), "password")])
    book = load_playbooks()[playbook]
    for order in book.orders:
        plan = Planner({playbook: book}, members).apply(book, facts, radius, order=order)
        assert words(plan)[first] == ONLY_FORWARD
