"""Restarting and confirming consumers: every kind of workload of the demo's company."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.sandbox.objects import ClusterObjects
from bot.sandbox.world import World
from graph.connections import Connections, KubernetesSettings
from graph.errors import BadInputError
from responders.rollouts import MARK
from responders.step import Receipt, VerdictKind
from responders.steps.workload_restart import (
    Confirm,
    ConfirmSettings,
    Restart,
    RestartSettings,
)
from tests.responders.steps.parts import context

API = "k8s://demo/payments/Deployment/api"
LEDGER = "k8s://demo/payments/StatefulSet/ledger"
REFUNDS = "k8s://demo/shop/Deployment/refunds"
SETTLEMENT = "k8s://demo/payments/CronJob/settlement"
DEBUG_SHELL = "k8s://demo/payments/Pod/debug-shell"
WEBHOOK = "k8s://demo/payments/Deployment/webhook"
COPIES = (
    "k8s://demo/payments/Secret/payments-gateway#token",
    "k8s://demo/shop/Secret/payments-gateway#token",
)


def connect(world: World, **more: object) -> Connections:
    cluster = KubernetesSettings.model_validate({"kubeconfig": str(world.kubeconfig), **more})
    return Connections({}, {"demo": cluster}, {})


@pytest.fixture
def connections(fresh_world: World) -> Iterator[Connections]:
    opened = connect(fresh_world, volume_sync_seconds=2)
    yield opened
    opened.close()


@pytest.fixture
def objects(fresh_world: World) -> Iterator[ClusterObjects]:
    opened = ClusterObjects(fresh_world.kubeconfig)
    yield opened
    opened.close()


def refreshed(at: datetime) -> dict[str, Receipt]:
    """Give what the refreshes before have left: when each copy changed."""
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        f"refresh:{number}": Receipt("", {"target": copy.split("#")[0], "refreshed_at": stamp})
        for number, copy in enumerate(COPIES, start=1)
    }


def restart(*workloads: str, wait_seconds: float = 30) -> RestartSettings:
    return RestartSettings(workloads=workloads, copies=COPIES, wait_seconds=wait_seconds)


def pods(objects: ClusterObjects, label: str) -> list[dict[str, Any]]:
    return objects.list("v1", "Pod", "payments", labels=f"app.kubernetes.io/name={label}")


def test_a_wave_is_rolled_pod_by_pod_with_progress_and_proven_by_its_pods(
    connections: Connections, objects: ClusterObjects
) -> None:
    before = {pod["metadata"]["uid"] for pod in pods(objects, "api")}
    said: list[str] = []
    given = context(connections, receipts=refreshed(datetime.now(UTC)), progress=said.append)
    asked = restart(API, LEDGER)
    receipt = Restart().apply(asked, given)
    assert receipt.facts["restarted"] == [API, LEDGER]
    verdict = Restart().verify(asked, receipt, given)
    assert verdict.kind is VerdictKind.CONFIRMED, verdict
    assert verdict.facts["workloads"] == [API, LEDGER]
    after = {pod["metadata"]["uid"] for pod in pods(objects, "api")}
    assert len(after) == 3
    assert not after & before
    assert "payments/Deployment/api: 3 of 3 pods new" in said[-1]


def test_a_repeat_under_one_key_restarts_nothing_again(
    connections: Connections, objects: ClusterObjects
) -> None:
    given = context(connections)
    Restart().apply(restart(API), given)
    after = {pod["metadata"]["uid"] for pod in pods(objects, "api")}
    Restart().apply(restart(API), given)
    assert {pod["metadata"]["uid"] for pod in pods(objects, "api")} == after


def test_nothing_restarted_is_refuted_by_the_old_pods(connections: Connections) -> None:
    later = datetime.now(UTC) + timedelta(seconds=2)
    given = context(connections, receipts=refreshed(later))
    verdict = Restart().verify(restart(API), Receipt("claimed"), given)
    assert verdict.kind is VerdictKind.REFUTED
    assert "0 of 3 pods started on the new value" in verdict.sentence


def test_scaled_to_zero_and_scheduled_ones_are_left_alone_and_accounted_for(
    connections: Connections, objects: ClusterObjects
) -> None:
    given = context(connections)
    asked = restart(REFUNDS, SETTLEMENT)
    receipt = Restart().apply(asked, given)
    verdict = Restart().verify(asked, receipt, given)
    assert verdict.kind is VerdictKind.CONFIRMED
    assert "scaled to zero" in verdict.sentence
    assert "next run" in verdict.sentence
    refunds = objects.get("apps/v1", "Deployment", "refunds", namespace="shop")
    assert refunds is not None
    assert MARK not in (refunds["spec"]["template"]["metadata"].get("annotations") or {})


def test_a_bare_pod_is_said_to_a_person_and_never_touched(
    connections: Connections, objects: ClusterObjects
) -> None:
    before = objects.get("v1", "Pod", "debug-shell", namespace="payments")
    given = context(connections)
    asked = restart(DEBUG_SHELL)
    verdict = Restart().verify(asked, Restart().apply(asked, given), given)
    assert verdict.kind is VerdictKind.UNKNOWN
    assert "delete it" in verdict.sentence
    assert objects.get("v1", "Pod", "debug-shell", namespace="payments") == before


@pytest.mark.parametrize(
    ("workload", "change", "said"),
    [
        (LEDGER, {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        (API, {"paused": True}, "paused"),
    ],
)
def test_what_does_not_roll_by_itself_is_not_waited_for_and_said(
    fresh_world: World, workload: str, change: dict[str, object], said: str
) -> None:
    objects, connections = ClusterObjects(fresh_world.kubeconfig), connect(fresh_world)
    kind, name = workload.split("/")[-2:]
    found = objects.get("apps/v1", kind, name, namespace="payments")
    assert found is not None
    objects.patch(found, {"spec": change})
    objects.close()
    later = datetime.now(UTC) + timedelta(hours=1)  # so that no pod counts as new by its start
    given = context(connections, receipts=refreshed(later))
    asked = restart(workload)
    started = datetime.now(UTC)
    receipt = Restart().apply(asked, given)
    assert datetime.now(UTC) - started < timedelta(seconds=10)
    verdict = Restart().verify(asked, receipt, given)
    assert verdict.kind is VerdictKind.UNKNOWN
    assert said in verdict.sentence
    connections.close()


def test_confirm_accounts_for_every_consumer_in_its_own_way(
    connections: Connections,
) -> None:
    receipts = refreshed(datetime.now(UTC))
    Restart().apply(restart(API, WEBHOOK), context(connections, "restart", receipts=receipts))
    asked = ConfirmSettings(
        workloads=(API, WEBHOOK, LEDGER, REFUNDS, SETTLEMENT, DEBUG_SHELL), copies=COPIES
    )
    given = context(connections, "confirm", receipts=receipts)
    receipt = Confirm().apply(asked, given)
    verdict = Confirm().verify(asked, receipt, given)
    assert verdict.kind is VerdictKind.CONFIRMED, verdict
    assert verdict.facts["workloads"] == list(asked.workloads)
    each = verdict.facts["each"]
    assert isinstance(each, list)
    assert "runs on 3 pods that all started after the copy had changed" in each[0]
    assert "mounts the value as a file" in each[2]
    assert "scaled to zero" in each[3]
    assert "next run" in each[4]
    assert "mounts the value as a file" in each[5]


def test_confirm_refutes_a_consumer_that_was_not_restarted(connections: Connections) -> None:
    later = datetime.now(UTC) + timedelta(seconds=1)
    given = context(connections, receipts=refreshed(later))
    asked = ConfirmSettings(workloads=(API, SETTLEMENT), copies=COPIES)
    verdict = Confirm().verify(asked, Receipt(""), given)
    assert verdict.kind is VerdictKind.REFUTED
    assert verdict.facts["workloads"] == [SETTLEMENT]


def test_confirm_does_not_guess_when_the_copy_changed(fresh_world: World) -> None:
    connections = connect(fresh_world)
    asked = ConfirmSettings(workloads=(LEDGER,), copies=COPIES)
    nothing_known = Confirm().verify(asked, Receipt(""), context(connections))
    assert nothing_known.kind is VerdictKind.UNKNOWN
    too_early = context(connections, receipts=refreshed(datetime.now(UTC)))
    verdict = Confirm().verify(asked, Receipt(""), too_early)
    assert verdict.kind is VerdictKind.UNKNOWN
    assert "of 120 s" in verdict.sentence
    connections.close()


def test_what_has_no_pods_to_look_at_waits_for_a_persons_word(connections: Connections) -> None:
    asked = ConfirmSettings(workloads=("k8s://demo/payments/Widget/own",), copies=COPIES)
    given = context(connections, receipts=refreshed(datetime.now(UTC)))
    verdict = Confirm().verify(asked, Confirm().apply(asked, given), given)
    assert verdict.kind is VerdictKind.UNKNOWN
    assert "payments/Widget/own has no pods that could be looked at" in verdict.sentence


def test_gone_and_foreign_workloads_have_a_clear_answer(connections: Connections) -> None:
    given = context(connections)
    asked = restart("k8s://demo/payments/Deployment/gone")
    verdict = Restart().verify(asked, Restart().apply(asked, given), given)
    assert verdict.kind is VerdictKind.UNKNOWN
    with pytest.raises(BadInputError):
        Restart().apply(restart("k8s://demo/payments/Service/api"), given)
