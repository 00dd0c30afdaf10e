"""
Vault Secrets Operator, Secrets Store CSI and cert-manager, on a real control plane.

No operator runs there. The small reconcilers below follow what each documents, for what these tests
need: VSO copies when annotations change and shows another secretMAC for other data; the CSI driver
writes a SecretProviderClassPodStatus per pod; cert-manager, where `Issuing` is true, makes a key
(rotationPolicy: Always) or keeps it (Never), raises `revision` and ends `Issuing`.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.sandbox.objects import ClusterObjects, Manifest
from graph.errors import RefusedError
from responders.step import VerdictKind
from responders.steps.cert_manager import Renew, RenewSettings
from responders.steps.secrets_store_csi import Confirm, ConfirmSettings
from responders.steps.vault_static_secret import Refresh, RefreshSettings
from tests.responders.steps.parts import Store, context
from tests.responders.steps.test_kubernetes_sources import Home, encoded

pytestmark = pytest.mark.cluster
KINDS = {
    "VaultStaticSecret": ("secrets.hashicorp.com", "v1beta1"),
    "SecretProviderClass": ("secrets-store.csi.x-k8s.io", "v1"),
    "SecretProviderClassPodStatus": ("secrets-store.csi.x-k8s.io", "v1"),
    "Certificate": ("cert-manager.io", "v1"),
}
PLURALS = {"SecretProviderClass": "secretproviderclasses",
           "SecretProviderClassPodStatus": "secretproviderclasspodstatuses"}  # fmt: skip


@pytest.fixture
def kinds(real_cluster: Path, home: Home) -> Iterator[None]:
    """Serve the kinds of the three, with open schemas."""
    objects, made = home.objects, []
    for kind, (group, version) in KINDS.items():
        if objects.serves(f"{group}/{version}", kind):
            continue
        plural = PLURALS.get(kind, f"{kind.lower()}s")
        open_schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        served = {
            "name": version,
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": open_schema},
            "subresources": {} if plural in PLURALS.values() else {"status": {}},
        }
        names = {"kind": kind, "plural": plural, "singular": kind.lower()}
        spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [served]}
        definition = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": spec,
        }
        objects.create(definition)
        made.append(definition)
        home.until(lambda g=group, v=version, k=kind: objects.serves(f"{g}/{v}", k))  # type: ignore[misc]
    home.connections.kubernetes("real").rediscover()
    yield
    for definition in made:
        objects.delete(definition)
        objects.wait_until_gone(definition, seconds=30)


@contextmanager
def reconciling(act: Callable[[], None]) -> Iterator[None]:
    ended = Event()

    def loop() -> None:
        while not ended.wait(0.2):
            act()

    thread = Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def put(objects: ClusterObjects, name: str, namespace: str, data: dict[str, str]) -> None:
    body: Manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }
    if objects.patch(body, {"data": data}) is None:
        objects.create(body)


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
        put(home.objects, "db", home.namespace, {"token": encoded(value)})
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


def issued(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return {
        "tls.crt": base64.b64encode(pem).decode(),
        "tls.key": base64.b64encode(private).decode(),
    }


@pytest.mark.parametrize("keeps", [False, True])
def test_a_certificate_is_renewed_and_its_key_is_looked_at(
    home: Home, kinds: None, *, keeps: bool
) -> None:
    group, key = "cert-manager.io/v1", ec.generate_private_key(ec.SECP256R1())
    found = home.make(group, "Certificate", "shop", spec={"secretName": "shop-tls"})
    ready = {"type": "Ready", "status": "True"}
    status = {"revision": 1, "conditions": [ready]}
    home.objects.patch({"apiVersion": group, **found}, {"status": status}, subresource="status")
    put(home.objects, "shop-tls", home.namespace, issued(key))

    def cert_manager() -> None:
        (now,) = home.objects.list(group, "Certificate", home.namespace)
        conditions = now["status"]["conditions"]
        if any(one["type"] == "Issuing" and one["status"] == "True" for one in conditions):
            used = key if keeps else ec.generate_private_key(ec.SECP256R1())
            put(home.objects, "shop-tls", home.namespace, issued(used))
            after = {"revision": now["status"]["revision"] + 1, "conditions": [ready]}
            home.objects.patch(now, {"status": after}, subresource="status")

    asked = RenewSettings(secret=home.ref("Secret", "shop-tls"), wait_seconds=20)
    with reconciling(cert_manager):
        verdict = home.run("renew", Renew(), asked)
    assert verdict.kind is (VerdictKind.REFUTED if keeps else VerdictKind.CONFIRMED), verdict
    assert ("the same key" in verdict.sentence) is keeps
    (after,) = home.objects.list(group, "Certificate", home.namespace)
    assert after["status"]["revision"] == 2  # the repeat asked for no second one
    spec = {"privateKey": {"rotationPolicy": "Never"}}
    home.objects.patch(after, {"spec": spec})
    with pytest.raises(RefusedError, match="rotationPolicy: Never"):
        Renew().apply(asked, context(home.connections, "another"))
