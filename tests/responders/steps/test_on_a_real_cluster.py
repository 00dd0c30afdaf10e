"""The whole way of a value on a real cluster: store, issuer, copies, restarts, death of the old."""

from datetime import UTC, datetime

import hvac
import pytest

from bot.sandbox.objects import ClusterObjects
from bot.sandbox.world import World
from graph.connections import Connections, KubernetesSettings, VaultSettings
from responders.step import AnyStep, Receipt, StepSettings, Verdict, VerdictKind
from responders.steps.external_secret import Refresh, RefreshSettings
from responders.steps.http_token import Revoke, RevokeSettings, Rotate, RotateSettings
from responders.steps.vault_kv import DestroyVersion, DestroyVersionSettings
from responders.steps.workload_restart import (
    Confirm,
    ConfirmSettings,
    Restart,
    RestartSettings,
)
from tests.responders.steps.parts import POLICY, context, paygate

SECRET = "vault://main/kv/payments/gateway"
NAMESPACES = ("payments", "shop", "reporting")
COPIES = tuple(f"k8s://demo/{name}/Secret/payments-gateway#token" for name in NAMESPACES)
WAVE = (
    "k8s://demo/payments/Deployment/api",
    "k8s://demo/payments/Deployment/worker",
    "k8s://demo/payments/Deployment/webhook",
)
WATCHED = (
    *WAVE,
    "k8s://demo/payments/StatefulSet/ledger",
    "k8s://demo/payments/CronJob/settlement",
    "k8s://demo/payments/Pod/debug-shell",
    "k8s://demo/shop/Deployment/checkout",
    "k8s://demo/shop/Deployment/refunds",
)


def connect(world: World) -> Connections:
    """Log in to the world's servers with no more than the steps declare."""
    root = hvac.Client(world.openbao.address, token=world.openbao.root_token)
    root.sys.create_or_update_acl_policy("steps", POLICY.format(mount="kv"), pretty_print=False)
    token = root.auth.token.create(policies=["steps"])["auth"]["client_token"]
    vault = VaultSettings.model_validate({"address": world.openbao.address, "token": token})
    cluster = KubernetesSettings(
        kubeconfig=str(world.kubeconfig), mode="fingerprint", volume_sync_seconds=6
    )
    return Connections({"main": vault}, {"demo": cluster}, {"paygate": paygate(world.issuer)})


@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_rotate_refresh_restart_confirm_revoke_destroy(real_world: World) -> None:
    connections = connect(real_world)
    receipts: dict[str, Receipt] = {}

    def run(step_id: str, step: AnyStep, settings: StepSettings) -> Verdict:
        given = context(connections, f"inc:plan:{step_id}", receipts=receipts, seconds=120)
        receipts[step_id] = step.apply(settings, given)
        assert step.apply(settings, given).facts.keys() == receipts[step_id].facts.keys()
        verdict = step.verify(settings, receipts[step_id], given)
        assert verdict.kind is VerdictKind.CONFIRMED, (step_id, verdict)
        return verdict

    started = datetime.now(UTC)
    token = {"issuer": "paygate", "secret": SECRET, "field": "token"}
    run("rotate", Rotate(), RotateSettings.model_validate(token))
    for number, copy in enumerate(COPIES, start=1):
        target = copy.split("#")[0]
        settings = RefreshSettings(
            sync=target.replace("/Secret/", "/ExternalSecret/"),
            target=target,
            target_key="token",
            secret=SECRET,
            field="token",
        )
        verdict = run(f"refresh:{number}", Refresh(), settings)
        assert "digest equals" in verdict.sentence
    run("restart:1", Restart(), RestartSettings(workloads=WAVE, copies=COPIES))
    confirmed = run("consumers", Confirm(), ConfirmSettings(workloads=WATCHED, copies=COPIES))
    assert confirmed.facts["workloads"] == list(WATCHED)
    assert real_world.issuer.accepts(real_world.leaked_token)
    proof = run("revoke", Revoke(), RevokeSettings.model_validate({**token, "version": 1}))
    assert proof.facts["old_value_refused"] is True
    assert not real_world.issuer.accepts(real_world.leaked_token)
    assert real_world.issuer.accepts(real_world.read_secret("payments/gateway")["token"])
    run("destroy", DestroyVersion(), DestroyVersionSettings(secret=SECRET, version=1))
    assert (datetime.now(UTC) - started).total_seconds() < 240
    connections.close()


@pytest.mark.cluster
def test_stuck_and_hand_driven_rollouts_are_told_apart_by_a_real_controller(
    real_world: World,
) -> None:
    objects, connections = ClusterObjects(real_world.kubeconfig), connect(real_world)
    group = f"external-secrets.io/{_version(objects)}"
    synced = objects.get(group, "ExternalSecret", "payments-db", namespace="payments")
    assert synced is not None
    objects.delete({"apiVersion": group, "kind": "ExternalSecret", **synced})
    copy = objects.get("v1", "Secret", "payments-db", namespace="payments")
    if copy is not None:  # the garbage collector may have been first: the copy is owned
        objects.delete({"apiVersion": "v1", "kind": "Secret", **copy})
    ledger = objects.get("apps/v1", "StatefulSet", "ledger", namespace="payments")
    assert ledger is not None
    by_hand = {"type": "OnDelete", "rollingUpdate": None}
    objects.patch(ledger, {"spec": {"updateStrategy": by_hand}})
    asked = RestartSettings(
        workloads=(WAVE[0], "k8s://demo/payments/StatefulSet/ledger"), wait_seconds=8
    )
    given = context(connections)
    try:
        receipt = Restart().apply(asked, given)
        verdict = Restart().verify(asked, receipt, given)
    finally:
        # The next build of the world leaves alone what its manifests do not name.
        objects.patch(ledger, {"spec": {"updateStrategy": {"type": "RollingUpdate"}}})
    each = verdict.facts["each"]
    assert isinstance(each, list)
    assert verdict.kind is VerdictKind.REFUTED
    assert "stuck: CreateContainerConfigError" in each[0]
    assert "OnDelete" in each[1]
    assert receipt.facts["restarted"] == []
    objects.close()
    connections.close()


def _version(objects: ClusterObjects) -> str:
    return "v1" if "v1" in objects.versions("external-secrets.io") else "v1beta1"
