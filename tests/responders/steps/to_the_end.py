"""A playbook planned from what a collector saw, and carried out step by step."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from graph.connections import Connections
from graph.model import Match
from graph.queries.blast_radius import blast_radius
from graph.refs import Ref
from graph.snapshot import Snapshot
from responders.planner import Planner
from responders.playbook import load_playbooks
from responders.reporting import facts_of
from responders.step import Receipt, VerdictKind
from tests.responders.steps.databases import STEPS
from tests.responders.steps.parts import context

MEMBERS: Any = {name: member() for name, member in STEPS.items()}
PLAYBOOKS = load_playbooks()


def drafted(
    snapshot: Snapshot,
    secret: str,
    field: str,
    order: str,
    *,
    detector: str = "generic",
    **identity: str,
) -> Any:
    ref = Ref(secret)
    node = snapshot.node(ref) if secret else None
    version = node.attributes.get("version") if node else None
    match = (Match(ref, field, version, current=True, form="as_is"),) if version else ()
    case = SimpleNamespace(
        id="inc-1",
        credential="credential:5a5a",
        matches=match,
        identity_facts=identity,
        sightings=(),
    )
    underlying = SimpleNamespace(detector=detector, named_ref=secret)
    radius = blast_radius(snapshot, [(ref, field)] if secret else [])
    facts = facts_of(case, underlying, snapshot, radius)  # type: ignore[arg-type]
    return Planner(PLAYBOOKS, MEMBERS).draft(facts, radius, order=order)


def carry_out(
    plan: Any, connections: Connections, person: Callable[[str], None] = lambda _: None
) -> list[str]:
    """Do the steps one after the other; `person` does those that wait for one. Returns these."""
    receipts: dict[str, Receipt] = {}
    waiting = []
    for planned in plan.steps:
        member = MEMBERS[planned.use]
        settings = member.Settings.model_validate(dict(planned.settings))
        given = context(connections, f"inc-1:plan:{planned.id}", receipts=dict(receipts))
        receipts[planned.id] = member.apply(settings, given)
        verdict = member.verify(settings, receipts[planned.id], given)
        if planned.use == "manual.confirm":
            waiting.append(planned.id)
            person(planned.id)
        else:
            assert verdict.kind is VerdictKind.CONFIRMED, f"{planned.id}: {verdict}"
    return waiting
