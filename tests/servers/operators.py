"""
Operators that no test cluster runs: small reconcilers that follow what each documents.

`CertManager`: where `Issuing` is true it makes a key (rotationPolicy: Always) or keeps it (Never),
raises `revision` and ends `Issuing`.
"""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.sandbox.objects import ClusterObjects, Manifest

CERTIFICATES = "cert-manager.io/v1"
_PACE = 0.2  # seconds between two looks


def serve_kind(
    objects: ClusterObjects, version: str, kind: str, plural: str = "", *, status: bool = True
) -> Manifest | None:
    """Have the API server serve a kind with an open schema; None where it does already."""
    if objects.serves(version, kind):
        return None
    group, _, name = version.partition("/")
    plural = plural or f"{kind.lower()}s"
    open_schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {
        "name": name,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": open_schema},
        "subresources": {"status": {}} if status else {},
    }
    names = {"kind": kind, "plural": plural, "singular": kind.lower()}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [served]},
    }
    objects.create(definition)
    deadline = time.monotonic() + 60
    while not objects.serves(version, kind):
        assert time.monotonic() < deadline, f"{kind} is not served"
        time.sleep(0.1)  # between two looks at the condition
    return definition


@contextmanager
def reconciling(act: Callable[[], None]) -> Iterator[None]:
    ended = Event()

    def loop() -> None:
        while not ended.wait(_PACE):
            act()

    thread = Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def put_secret(objects: ClusterObjects, name: str, namespace: str, data: dict[str, str]) -> None:
    body: Manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }
    if objects.patch(body, {"data": data}) is None:
        objects.create(body)


@dataclass
class CertManager:
    """`look` once does what the operator does; `policy` is its rotationPolicy where none is set."""

    objects: ClusterObjects
    namespace: str = ""
    policy: str = "Always"

    def look(self) -> None:
        for found in self.objects.list(CERTIFICATES, "Certificate", self.namespace or None):
            conditions = found.get("status", {}).get("conditions", ())
            if any(one["type"] == "Issuing" and one["status"] == "True" for one in conditions):
                self._issue(found)

    def issued(self, namespace: str, name: str, secret: str) -> Manifest:
        """Make a Certificate that has had its first revision, with its Secret."""
        metadata = {"name": name, "namespace": namespace}
        body = {"apiVersion": CERTIFICATES, "kind": "Certificate", "metadata": metadata}
        found = self.objects.create({**body, "spec": {"secretName": secret}})
        self._issue({**body, **found})
        return found

    def _issue(self, found: Manifest) -> None:
        namespace, secret = found["metadata"]["namespace"], found["spec"]["secretName"]
        policy = found["spec"].get("privateKey", {}).get("rotationPolicy", self.policy)
        held = self.objects.get("v1", "Secret", secret, namespace=namespace)
        keeps = policy == "Never" and held is not None
        key = _key_in(held) if keeps and held else ec.generate_private_key(ec.SECP256R1())
        put_secret(self.objects, secret, namespace, _certificate(key))
        status = {
            "revision": found.get("status", {}).get("revision", 0) + 1,
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        self.objects.patch(found, {"status": status}, subresource="status")


def _key_in(secret: Manifest) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(base64.b64decode(secret["data"]["tls.key"]), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _certificate(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
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
