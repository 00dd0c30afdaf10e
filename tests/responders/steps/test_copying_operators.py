"""
Vault Secrets Operator, Secrets Store CSI and cert-manager, on a real control plane.

No operator runs there. Small reconcilers follow what each documents, for what these tests need: VSO
copies when annotations change and shows another secretMAC for other data; the CSI driver writes a
SecretProviderClassPodStatus per pod; cert-manager is in `tests/servers/operators.py`.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from graph.errors import RefusedError
from responders.step import VerdictKind
from responders.steps.cert_manager import Renew, RenewSettings
from responders.steps.secrets_store_csi import Confirm, ConfirmSettings
from responders.steps.vault_static_secret import Refresh, RefreshSettings
from tests.responders.steps.parts import Store, context
from tests.responders.steps.test_kubernetes_sources import Home, encoded
from tests.servers.operators import (
    CERTIFICATES,
    CertManager,
    put_secret,
    reconciling,
    serve_kind,
)

pytestmark = pytest.mark.cluster
KINDS = {
    "VaultStaticSecret": ("secrets.hashicorp.com/v1beta1", ""),
    "SecretProviderClass": ("secrets-store.csi.x-k8s.io/v1", "secretproviderclasses"),
    "SecretProviderClassPodStatus": (
        "secrets-store.csi.x-k8s.io/v1",
        "secretproviderclasspodstatuses",
    ),
    "Certificate": (CERTIFICATES, ""),
}


@pytest.fixture
def kinds(real_cluster: Path, home: Home) -> Iterator[None]:
    """Serve the kinds of the three, with open schemas."""
    made = [
        serve_kind(home.objects, version, kind, plural, status=not plural)
        for kind, (version, plural) in KINDS.items()
    ]
    home.connections.kubernetes("real").rediscover()
    yield
    for definition in filter(None, made):
        home.objects.delete(definition)
        home.objects.wait_until_gone(definition, seconds=30)


def test_a_vault_static_secret_copies_when_it_is_asked(
    home: Home, kinds: None, store: Store
) -> None:
    store.put("shop/db", token="leaked-value-1")
    spec: dict[str, Any] = {"mount": store.mount, "path": "shop/db", "type": "kv-v2"}
    spec["destination"] = {"name": "db"}
    home.make("secrets.hashicorp.com/v1beta1", "VaultStaticSecret", "db", spec=spec)
    seen: dict[str, Any] = {}

    def operator() -> None:
        (found,) = home.objects.list(
            "secrets.hashicorp.com/v1beta1", "VaultStaticSecret", home.namespace
        )
        asked = str(found["metadata"].get("annotations"))
        if seen.get("asked") == asked:
            return  # its refreshAfter is far away
        seen["asked"] = asked
        value = store.read("shop/db")["token"]
        put_secret(home.objects, "db", home.namespace, {"token": encoded(value)})
        mac = hashlib.sha256(value.encode()).hexdigest()
        home.objects.patch(found, {"status": {"secretMAC": mac}}, subresource="status")

    with reconciling(operator):
        home.until(lambda: home.get("Secret", "db") is not None)
        store.put("shop/db", token="the-new-value-2")
        asked = RefreshSettings(
            sync=home.ref("VaultStaticSecret", "db"),
            target=home.ref("Secret", "db"),
            target_key="token",
            secret=store.ref("shop/db"),
            field="token",
            wait_seconds=20,
        )
        verdict = home.run("refresh", Refresh(), asked)
    assert verdict.kind is VerdictKind.CONFIRMED, verdict
    assert "digest equals" in verdict.sentence
    store.put("shop/db", token="a-third-value-3")
    nobody = asked.model_copy(update={"wait_seconds": 1.0})
    receipt = Refresh().apply(nobody, context(home.connections, "another"))
    silent = Refresh().verify(nobody, receipt, context(home.connections, "another"))
    assert silent.kind is VerdictKind.UNKNOWN


def test_a_pinned_vault_static_secret_is_refused(home: Home, kinds: None, store: Store) -> None:
    spec = {"version": 3, "destination": {"name": "db"}}
    home.make("secrets.hashicorp.com/v1beta1", "VaultStaticSecret", "db", spec=spec)
    asked = RefreshSettings(
        sync=home.ref("VaultStaticSecret", "db"), target=home.ref("Secret", "db")
    )
    with pytest.raises(RefusedError, match="pinned to version 3"):
        Refresh().apply(asked, context(home.connections))


def test_csi_names_the_pods_that_were_not_given_the_new_version(
    home: Home, kinds: None, store: Store
) -> None:
    group = "secrets-store.csi.x-k8s.io/v1"

    def driver_writes(pod: str, version: str) -> None:
        status = {
            "podName": pod,
            "secretProviderClassName": "db",
            "mounted": True,
            "objects": [{"id": "token", "version": version}],
        }
        name = f"{pod}-{home.namespace}-db"
        body = {
            "apiVersion": group,
            "kind": "SecretProviderClassPodStatus",
            "metadata": {"name": name, "namespace": home.namespace},
        }
        path = f"/apis/{group}/namespaces/{home.namespace}/secretproviderclasspodstatuses"
        api = home.connections.kubernetes("real")
        if any(one["metadata"]["name"] == name for one in api.list(path)):
            api.delete(f"{path}/{name}")  # as for a pod that starts anew under its name
        api.post(path, {**body, "status": status})

    driver_writes("api-1", "v1")
    driver_writes("api-2", "v1")
    before = datetime.now(UTC)
    home.until(lambda: datetime.now(UTC) > before + timedelta(seconds=1))  # times are in seconds
    store.put("shop/db", token="the-new-value")
    made = datetime.now(UTC)
    home.until(lambda: datetime.now(UTC) > made + timedelta(seconds=1))
    driver_writes("api-1", "v2")
    bundle = home.ref("SecretProviderClass", "db")
    asked = ConfirmSettings(
        sync=bundle, target=bundle, target_key="token", secret=store.ref("shop/db"), wait_seconds=1
    )
    late = home.run("csi", Confirm(), asked)
    assert late.kind is VerdictKind.UNKNOWN
    assert "1 of 2 pods" in late.sentence
    assert "api-2" in late.sentence
    driver_writes("api-2", "v2")
    assert home.run("csi", Confirm(), asked).kind is VerdictKind.CONFIRMED


@pytest.mark.parametrize("keeps", [False, True])
def test_a_certificate_is_renewed_and_its_key_is_looked_at(
    home: Home, kinds: None, *, keeps: bool
) -> None:
    operator = CertManager(home.objects, home.namespace, policy="Never" if keeps else "Always")
    found = operator.issued(home.namespace, "shop", "shop-tls")
    asked = RenewSettings(secret=home.ref("Secret", "shop-tls"), wait_seconds=20)
    with reconciling(operator.look):
        verdict = home.run("renew", Renew(), asked)
    assert verdict.kind is (VerdictKind.REFUTED if keeps else VerdictKind.CONFIRMED), verdict
    assert ("the same key" in verdict.sentence) is keeps
    (after,) = home.objects.list(CERTIFICATES, "Certificate", home.namespace)
    assert after["status"]["revision"] == 2  # the repeat asked for no second one
    spec = {"privateKey": {"rotationPolicy": "Never"}}
    home.objects.patch(found, {"spec": spec})
    with pytest.raises(RefusedError, match="rotationPolicy: Never"):
        Renew().apply(asked, context(home.connections, "another"))
