"""Refreshing an ExternalSecret: against the stand-in operator, and where the operator is deaf."""

from collections.abc import Iterator

import pytest

from bot.sandbox.objects import ClusterObjects, Manifest
from bot.sandbox.world import World
from graph.connections import Connections, KubernetesSettings, VaultSettings
from graph.errors import BadInputError, NotFoundError, RefusedError
from responders.step import VerdictKind
from responders.steps.external_secret import Refresh, RefreshSettings
from tests.responders.steps.parts import context

SYNC = "k8s://demo/payments/ExternalSecret/payments-gateway"
TARGET = "k8s://demo/payments/Secret/payments-gateway"
STEP = Refresh()
SETTINGS = RefreshSettings(
    sync=SYNC,
    target=TARGET,
    target_key="webhook-secret",
    secret="vault://main/kv/payments/gateway",
    field="webhook_secret",
    wait_seconds=20,
)


def connect(world: World, mode: str = "fingerprint", **more: object) -> Connections:
    vault = VaultSettings.model_validate(
        {"address": world.openbao.address, "token": world.openbao.root_token}
    )
    cluster = KubernetesSettings.model_validate(
        {"kubeconfig": str(world.kubeconfig), "mode": mode, **more}
    )
    return Connections({"main": vault}, {"demo": cluster}, {})


@pytest.fixture
def connections(fresh_world: World) -> Iterator[Connections]:
    opened = connect(fresh_world)
    yield opened
    opened.close()


@pytest.fixture
def objects(fresh_world: World) -> Iterator[ClusterObjects]:
    opened = ClusterObjects(fresh_world.kubeconfig)
    yield opened
    opened.close()


def external_secret(objects: ClusterObjects) -> Manifest:
    found = objects.get(
        "external-secrets.io/v1", "ExternalSecret", "payments-gateway", namespace="payments"
    )
    assert found is not None
    return found


def write(connections: Connections, value: str) -> None:
    connections.vault("main").adapter.request(
        "patch",
        "/v1/kv/data/payments/gateway",
        headers={"Content-Type": "application/merge-patch+json"},
        json={"data": {"webhook_secret": value}},
    )


def test_a_new_version_reaches_the_copy_and_the_digests_agree(connections: Connections) -> None:
    write(connections, "whsec_new-value-of-the-webhook")
    given = context(connections)
    receipt = STEP.apply(SETTINGS, given)
    verdict = STEP.verify(SETTINGS, receipt, given)
    assert verdict.kind is VerdictKind.CONFIRMED
    assert "digest equals" in verdict.sentence
    assert verdict.facts["copies"] == [f"{TARGET}#webhook-secret"]
    assert receipt.facts["target"] == TARGET
    assert receipt.facts["refreshed_at"]
    assert "whsec_new" not in f"{receipt}{verdict}"


def test_a_repeat_under_one_key_asks_the_operator_once(
    connections: Connections, objects: ClusterObjects
) -> None:
    first = STEP.apply(SETTINGS, context(connections))
    version = external_secret(objects)["metadata"]["annotations"]
    assert STEP.apply(SETTINGS, context(connections)) == first
    assert external_secret(objects)["metadata"]["annotations"] == version


def test_a_copy_that_holds_another_value_is_refuted(connections: Connections) -> None:
    given = context(connections)
    receipt = STEP.apply(SETTINGS, given)
    write(connections, "whsec_written-after-the-copy")
    assert STEP.verify(SETTINGS, receipt, given).kind is VerdictKind.REFUTED


def test_where_values_may_not_be_read_it_says_so(
    fresh_world: World, connections: Connections
) -> None:
    receipt = STEP.apply(SETTINGS, context(connections))
    for settings in ({"mode": "references"}, {"namespaces": ["shop"]}):
        narrow = connect(fresh_world, **settings)
        verdict = STEP.verify(SETTINGS, receipt, context(narrow))
        assert verdict.kind is VerdictKind.CONFIRMED
        assert "the value was not read" in verdict.sentence
        narrow.close()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"refreshPolicy": "CreatedOnce"}, "CreatedOnce"),
        ({"refreshInterval": "0"}, "refreshInterval is 0"),
        ({"refreshInterval": "0h0m0s"}, "refreshInterval is 0"),
        ({"target": {"immutable": True}}, "immutable"),
        ({"target": {"creationPolicy": "None"}}, "writes no Secret"),
        (
            {
                "data": [
                    {
                        "secretKey": "webhook-secret",
                        "remoteRef": {"key": "payments/gateway", "version": "1"},
                    }
                ]
            },
            "pinned to version 1",
        ),
    ],
)
def test_an_operator_that_would_not_listen_is_not_asked(
    connections: Connections, objects: ClusterObjects, change: Manifest, why: str
) -> None:
    objects.patch(external_secret(objects), {"spec": change})
    with pytest.raises(RefusedError, match=why) as refused:
        STEP.apply(SETTINGS, context(connections))
    assert refused.value.do_now
    assert "force-sync" not in (external_secret(objects)["metadata"].get("annotations") or {})


def test_a_copy_that_does_not_come_in_time_is_unknown_or_refuted(
    connections: Connections, objects: ClusterObjects
) -> None:
    broken = {"secretStoreRef": {"name": "missing", "kind": "ClusterSecretStore"}}
    objects.patch(external_secret(objects), {"spec": broken})
    hasty = SETTINGS.model_copy(update={"wait_seconds": 1.5})
    receipt = STEP.apply(hasty, context(connections))
    assert "had not copied" in receipt.sentence
    verdict = STEP.verify(hasty, receipt, context(connections))
    assert verdict.kind is VerdictKind.REFUTED
    assert "SecretSyncedError" in verdict.sentence


def test_what_is_no_external_secret_or_is_gone_has_a_clear_error(
    connections: Connections,
) -> None:
    other = SETTINGS.model_copy(update={"sync": "k8s://demo/payments/Secret/x"})
    with pytest.raises(BadInputError):
        STEP.apply(other, context(connections))
    gone = SETTINGS.model_copy(update={"sync": "k8s://demo/payments/ExternalSecret/gone"})
    with pytest.raises(NotFoundError):
        STEP.apply(gone, context(connections))
