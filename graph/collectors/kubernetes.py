"""
Kubernetes, live: namespaces, workloads, service accounts, Ingress and Gateway TLS, Secrets.

Example: `kubernetes/prod` is the cluster `prod` of the settings. In `references` mode (the
default) it needs no verb on Secrets at all: what Secrets there are follows from what refers to
them. In `fingerprint` mode it lists the Secrets of the chosen namespaces, keeps names, keys and
types, and turns each value into fingerprints in memory.
Which fields name a Secret is in `graph/kubernetes/references.py`.
Source: the Kubernetes API reference.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import ClassVar

from graph.collector import CollectContext, Collector, Permission
from graph.fields import Object, name_of, namespace_of, pairs
from graph.fingerprints import Fingerprinter
from graph.gathered import Gathered
from graph.kubernetes.inventory import Inventory
from graph.kubernetes.listing import Listing
from graph.model import Observation, StoredFingerprint
from graph.refs import k8s
from graph.secret_value import SecretValue

# (plural, the API groups that may serve it, newest first)
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("namespaces", ("",)),
    ("serviceaccounts", ("",)),
    ("deployments", ("apps", "extensions")),
    ("statefulsets", ("apps",)),
    ("daemonsets", ("apps", "extensions")),
    ("replicasets", ("apps", "extensions")),
    ("replicationcontrollers", ("",)),
    ("jobs", ("batch",)),
    ("cronjobs", ("batch",)),
    ("pods", ("",)),
    ("ingresses", ("networking.k8s.io", "extensions")),
    ("gateways", ("gateway.networking.k8s.io",)),
    ("rollouts", ("argoproj.io",)),
    ("services", ("serving.knative.dev",)),
    ("scaledjobs", ("keda.sh",)),
    ("deploymentconfigs", ("apps.openshift.io",)),
)


class KubernetesCollector(Collector):
    """Reads every configured cluster."""

    name: ClassVar[str] = "kubernetes"
    permissions: ClassVar[tuple[Permission, ...]] = (
        *(
            Permission(
                "kubernetes",
                f'apiGroups: ["{groups[0]}"], resources: ["{plural}"], verbs: ["list"]',
                "To see who uses which Secret, and who owns it.",
            )
            for plural, groups in _KINDS
        ),
        Permission(
            "kubernetes",
            'apiGroups: [""], resources: ["secrets"], verbs: ["list"] (fingerprint mode only)',
            "To recognise a leaked value; per namespace where `namespaces` is set.",
        ),
    )

    def sources(self, context: CollectContext) -> tuple[str, ...]:
        return tuple(f"{self.name}/{cluster}" for cluster in context.connections.cluster_names)

    def collect(self, source: str, context: CollectContext) -> Iterator[Observation]:
        cluster = source.removeprefix(f"{self.name}/")
        settings = context.connections.cluster_settings(cluster)
        gathered = Gathered(source, cluster)
        gathered.store()
        if settings.environment:
            gathered.note(gathered.store(), environment=settings.environment)
        listing = Listing(context.connections.kubernetes(cluster), gathered)
        inventory = Inventory(gathered)
        for plural, groups in _KINDS:
            for obj in listing.objects(plural, *groups):
                inventory.add(obj)
        if settings.mode == "fingerprint":
            for namespace in settings.namespaces or ("",):
                for secret in listing.objects("secrets", "", namespace=namespace):
                    inventory.add(secret)
                    if context.fingerprinter is not None:
                        gathered.fingerprints += _fingerprints(
                            secret, cluster, context.fingerprinter
                        )
        listing.finish()
        inventory.finish()
        yield gathered.observation()


def _fingerprints(
    secret: Object, cluster: str, fingerprinter: Fingerprinter
) -> Iterator[StoredFingerprint]:
    ref = k8s(cluster, namespace_of(secret), "Secret", name_of(secret))
    for key, encoded in pairs(secret, "data").items():
        for fingerprint in fingerprinter.of_stored(_value(encoded)):
            yield StoredFingerprint(fingerprint, ref, key)


def _value(encoded: str) -> SecretValue:
    """Decode one value; what is not text leaks as the base64 that it is stored as."""
    try:
        return SecretValue(base64.b64decode(encoded, validate=True).decode())
    except (binascii.Error, UnicodeDecodeError):
        return SecretValue(encoded)
