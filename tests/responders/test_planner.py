"""Plans: order, waves, placeholders, forecasts, the hash; on the graph of the demo's story."""

from dataclasses import replace

import pytest

from graph.errors import BadInputError
from graph.model import Match, PicksUp
from graph.queries.blast_radius import BlastRadius, blast_radius
from graph.queries.consumers import Consumer, Use
from graph.refs import Ref
from graph.snapshot import Snapshot
from responders.forecast import forecast
from responders.incident import Plan
from responders.placeholders import (
    LeakFacts,
    fill,
    fill_text,
    homes,
    store_kind_of,
    values_for,
)
from responders.planner import waves_of
from tests.responders.room import COPY, FALLBACK, PLAYBOOK, SECRET, Room, observation, playbook

FACTS = LeakFacts(
    incident_id="inc-1",
    detector="generic",
    credential="credential:5a5a",
    store_kind="vault_kv",
    matches=(Match(SECRET, "token", 3, current=True, form="as_is"),),
    issuer="payments-api",
    where="#general",
    current_versions={str(SECRET): 3},
)


def radius_of(**more: bool) -> BlastRadius:
    seen = observation(**more)
    snapshot = Snapshot.of(seen.nodes, seen.edges)
    return blast_radius(snapshot, [(SECRET, "token")])


def drafted(room: Room, facts: LeakFacts = FACTS, order: str | None = None) -> Plan:
    return room.planner.draft(facts, radius_of(), order=order)[0]


def test_the_plan_of_the_story(room: Room) -> None:
    plan = drafted(room)
    assert [(step.id, step.title) for step in plan.steps] == [
        ("rotate", "New value in vault://main/kv/payments/gateway"),
        ("refresh:1", "Copy to k8s://prod/legacy/Secret/gateway"),
        ("refresh:2", "Copy to k8s://prod/payments/Secret/gateway"),
        ("restart:1", "Wave 1 of 3"),
        ("restart:2", "Wave 2 of 3"),
        ("restart:3", "Wave 3 of 3"),
        ("revoke", "Old value dead"),
    ]
    waves = [step.settings["workloads"] for step in plan.steps if step.phase == "reload"]
    assert [[str(ref).rpartition("/")[2] for ref in wave] for wave in waves] == [  # type: ignore[attr-defined]
        ["web"],
        ["api", "batch", "queue"],
        ["ledger"],
    ]
    assert plan.steps[-1].settings["version"] == 3
    assert plan.steps[1].settings["target_key"] == "token"
    assert plan.order == "rotate-first"
    assert [each.order for each in plan.forecasts] == ["rotate-first", "revoke-first"]
    assert plan.forecasts[0].sentence == (
        "Rotating first breaks 1 of 9 consumers when the old value is revoked: "
        "prod/payments/Pod/bare must be seen to first."
    )
    assert plan.forecasts[1].sentence == (
        "Revoking now breaks 7 of 9 consumers at once, until they run on a new value."
    )


def test_both_orders_have_the_same_steps(room: Room) -> None:
    first, second = drafted(room), drafted(room, order="revoke-first")
    assert second.steps[0].id == "revoke"
    assert {step.id for step in first.steps} == {step.id for step in second.steps}
    assert first.hash != second.hash
    with pytest.raises(BadInputError, match="has no order"):
        drafted(room, order="sideways")


def test_the_hash_is_steady_and_moves_with_the_facts(room: Room) -> None:
    plan = drafted(room)
    assert drafted(room).hash == plan.hash
    assert room.planner.draft(FACTS, radius_of(more=True))[0].hash != plan.hash
    newer = replace(FACTS, current_versions={str(SECRET): 4})
    assert drafted(room, newer).hash != plan.hash


def test_a_playbook_that_lacks_a_fact_gives_way_to_the_manual_one(room: Room) -> None:
    book = playbook(PLAYBOOK.replace("line: rotate}", 'line: "{issuer}", secret_two: x}'))
    with pytest.raises(BadInputError, match=r"lacks secret_two"):
        room.planner.apply(book, FACTS, radius_of())
    room.planner._playbooks = {book.name: book, "by-hand": playbook(FALLBACK)}
    plan, note = room.planner.draft(FACTS, radius_of())
    assert plan.playbook == "by-hand"
    assert "cannot be used here" in note


def test_a_step_that_is_not_installed_is_named(room: Room) -> None:
    book = playbook(PLAYBOOK.replace("lines.write", "lines.gone"))
    with pytest.raises(BadInputError, match=r"lines\.gone, which is not installed"):
        room.planner.apply(book, FACTS, radius_of())


def test_a_replaced_value_is_not_rotated(room: Room) -> None:
    old = replace(FACTS, matches=(Match(SECRET, "token", 2, current=False, form="as_is"),))
    plan = drafted(room, old)
    assert [step.id for step in plan.steps] == ["revoke"]
    assert not any(each.breaks for each in plan.forecasts[0].breakages)


def consumer(
    picks_up: PicksUp, *, kind: str = "Deployment", name: str = "x", replicas: int | None = 2
) -> Consumer:
    use = Use(how="env", container="app", key="token", field="", secret=COPY)
    ref = Ref(f"k8s://prod/payments/{kind}/{name}")
    return Consumer(ref, (use,), picks_up, replicas=replicas)


@pytest.mark.parametrize(
    ("given", "revoke_breaks", "rotate_breaks", "words"),
    [
        (consumer(PicksUp.RESTART), True, False, "until its restart"),
        (consumer(PicksUp.RESTART, kind="Pod"), True, True, "by hand"),
        (consumer(PicksUp.RESTART, replicas=0), False, False, "scaled to zero"),
        (consumer(PicksUp.SYNC), True, False, "within about 2 minutes"),
        (consumer(PicksUp.POLL), True, False, "by itself"),
        (consumer(PicksUp.NEXT_RUN, kind="CronJob", replicas=None), False, False, "run"),
        (consumer(PicksUp.NEVER), True, True, "by hand"),
        (consumer(PicksUp.UNKNOWN), True, True, "not known"),
    ],
)
def test_how_each_kind_of_consumer_breaks(
    *,
    given: Consumer,
    revoke_breaks: bool,
    rotate_breaks: bool,
    words: str,
) -> None:
    (now,) = forecast("revoke-first", [given], waves=1, stale=False).breakages
    (later,) = forecast("rotate-first", [given], waves=1, stale=False).breakages
    assert (now.breaks, later.breaks) == (revoke_breaks, rotate_breaks)
    assert words in now.sentence
    assert words in later.sentence


def test_when_it_is_safe_to_revoke() -> None:
    restarted = forecast("rotate-first", [consumer(PicksUp.RESTART)], waves=2, stale=False)
    assert restarted.sentence.endswith("safe to revoke after the last of 2 restart waves.")
    followed = forecast("rotate-first", [consumer(PicksUp.SYNC)], waves=0, stale=False)
    assert "at the earliest about 2 minutes after the copies changed" in followed.sentence
    assert "prod/payments/Deployment/x reads it as a file" in followed.sentence
    quick = {"prod": 10.0, "elsewhere": 1.0}
    (file,) = forecast(
        "revoke-first", [consumer(PicksUp.SYNC)], waves=0, stale=False, file_seconds=quick
    ).breakages
    assert (file.follows, file.seconds) == ("file", 10.0)
    assert "within 10 s after its copy changed" in file.sentence
    crowd = [consumer(PicksUp.SYNC)] * 300
    assert "Deployment/x and 297 more read it as a file" in (
        forecast("rotate-first", crowd, waves=0, stale=False).sentence
    ), "a few are named"
    nobody = forecast("revoke-first", [], waves=0, stale=False)
    assert "no consumer is known" in nobody.sentence


def test_waves_are_small_and_stay_in_one_namespace() -> None:
    here = [consumer(PicksUp.RESTART, name=f"a{number}") for number in range(4)]
    there = Consumer(
        Ref("k8s://prod/shop/Deployment/front"), here[0].via, PicksUp.RESTART, replicas=1
    )
    waves = waves_of([there, *here])
    assert [len(wave) for wave in waves] == [3, 1, 1]
    assert waves[2] == (there,)


def test_placeholders_keep_their_type_and_unknown_ones_are_left_out() -> None:
    values = values_for(FACTS, radius_of(), workloads=["a", "b"])
    filled = fill(
        {"version": "{leaked_version}", "who": "{accessor}", "all": "{workloads}", "n": 3}, values
    )
    assert filled == {"version": 3, "all": ["a", "b"], "n": 3}
    assert fill_text("{field} in {store} by {accessor}: {workloads}", values) == (
        "token in main by unknown: a, b"
    )


def test_what_has_no_pods_and_follows_its_copy_is_not_looked_at() -> None:
    ingress = Ref("k8s://prod/shop/Ingress/front")
    pods, follows, unsure = (
        replace(consumer(picks_up, name="x"), workload=Ref(ref))
        for picks_up, ref in (
            (PicksUp.POLL, "k8s://prod/shop/Deployment/api"),
            (PicksUp.POLL, ingress),
            (PicksUp.UNKNOWN, "k8s://prod/shop/Widget/own"),
        )
    )
    radius = replace(radius_of(), consumers=(pods, follows, unsure))
    values = values_for(FACTS, radius, workloads=[])
    assert values["watched_workloads"] == [pods.workload, unsure.workload]
    assert values["consumers"] == [pods.workload, ingress, unsure.workload]


def test_what_a_secret_names_as_its_target_is_no_home_of_its_own() -> None:
    registry = Ref("k8s://prod/shop/Secret/registry")
    radius = replace(radius_of(), secrets=((SECRET, "token"), (registry, ".dockerconfigjson")))
    assert homes(FACTS, radius) == ((SECRET, "token"), (registry, ".dockerconfigjson"))
    told = replace(FACTS, metadata={"playbook_target": str(registry)})
    assert homes(told, radius) == ((SECRET, "token"),)


def test_a_store_is_known_by_the_ref() -> None:
    assert store_kind_of(str(SECRET)) == "vault_kv"
    assert store_kind_of(str(COPY)) == "kubernetes"
    assert store_kind_of("") == "unknown"
    assert store_kind_of("vault://main/database/static-creds/app") == "vault_database_static"
    assert store_kind_of("vault://main/database/creds/app") == "vault_database_dynamic"
    # What the collector saw in a KV mount is no database engine, whatever its path.
    assert store_kind_of("vault://main/kv/creds/app", "kv-v2") == "vault_kv"


ONLY = PLAYBOOK.replace("phase: rotate,", "phase: rotate, only: in_vault,", 1).replace(
    'title: "Old value dead", phase: revoke,', 'title: "By hand", phase: revoke, only: elsewhere,'
)


def test_a_step_for_values_in_a_vault_is_left_out_elsewhere_and_the_other_way_round(
    room: Room,
) -> None:
    book = playbook(ONLY)
    in_vault = room.planner.apply(book, FACTS, radius_of())
    elsewhere = room.planner.apply(book, replace(FACTS, store_kind="kubernetes"), radius_of())
    assert {"rotate"} == {s.id for s in in_vault.steps} - {s.id for s in elsewhere.steps}
    assert {"revoke"} == {s.id for s in elsewhere.steps} - {s.id for s in in_vault.steps}


def test_doubled_braces_are_for_the_step() -> None:
    settings = {"headers": {"Authorization": "Bearer {{admin}}"}, "values": {"a": "{secret}#x"}}
    filled = fill(settings, {"secret": "vault://main/kv/a"})  # type: ignore[arg-type]
    assert filled["headers"] == {"Authorization": "Bearer {admin}"}
    assert filled["values"] == {"a": "vault://main/kv/a#x"}


@pytest.mark.parametrize(
    ("stops", "goes_on", "revoked", "rotated"),
    [
        (0, 1, "does not break the only consumer at once.", "does not break the only consumer;"),
        (0, 3, "breaks none of 3 consumers at once.", "breaks none of 3 consumers;"),
        (1, 0, "breaks the only consumer at once, until it runs on a new value.", "the only"),
        (1, 2, "breaks 1 of 3 consumers at once, until it runs on", "breaks none of 3 consumers;"),
        (3, 0, "breaks all 3 consumers at once, until they run on", "breaks none of 3 consumers;"),
    ],
)
def test_one_none_and_all_are_said_as_people_say_them(
    stops: int, goes_on: int, revoked: str, rotated: str
) -> None:
    them = [consumer(PicksUp.RESTART)] * stops + [consumer(PicksUp.NEXT_RUN)] * goes_on
    assert revoked in forecast("revoke-first", them, waves=0, stale=False).sentence
    assert rotated in forecast("rotate-first", them, waves=0, stale=False).sentence
