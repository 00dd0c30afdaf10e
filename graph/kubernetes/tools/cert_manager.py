"""
cert-manager: Secrets that it writes for Certificates, and those that its issuers log in with.

A Certificate's Secret is renewed in place; with `rotationPolicy: Never` a renewal keeps the private
key, so a leaked key stays in use. References of a ClusterIssuer lie in the "cluster resource
namespace", which is an option of the controller: by default its own, `cert-manager`.
Source: the API reference of cert-manager.io; annotations of its CA injector.
"""

from typing import ClassVar

from graph.fields import Object, pairs, text
from graph.kubernetes.references import PickUp, Reference
from graph.kubernetes.tool import AT_RECONCILE, Coded, Here, Kind, Named, Tool, selector
from graph.model import NodeKind, PicksUp

_GROUP = "cert-manager.io"
_RENEWED = PickUp(
    PicksUp.POLL,
    "cert-manager writes a new certificate and key when the old one ends, or when the Secret is "
    "deleted.",
    by_itself=True,
)
_KEPT_KEY = PickUp(
    PicksUp.NEVER,
    "rotationPolicy is Never: a renewal keeps the private key. Delete the Secret or set Always.",
)
_INJECTED = PickUp(
    PicksUp.POLL, "cert-manager's CA injector copies the CA from it as it changes.", by_itself=True
)
_HOME = "cert-manager"


def _issuer(kind: str, fallback: str) -> tuple[Named, ...]:
    names = (
        ("spec.acme.privateKeySecretRef.name", "spec.acme.privateKeySecretRef.key"),
        ("spec.acme.externalAccountBinding.keySecretRef.name", ""),
        (
            "spec.acme.solvers[*].dns01..*SecretRef.name",
            "spec.acme.solvers[*].dns01..*SecretRef.key",
        ),
        ("spec.acme.solvers[*].http01..imagePullSecrets[*].name", ""),
        ("spec.ca.secretName", ""),
        ("spec.vault.auth.tokenSecretRef.name", "spec.vault.auth.tokenSecretRef.key"),
        ("spec.vault.auth.appRole.secretRef.name", "spec.vault.auth.appRole.secretRef.key"),
        ("spec.vault.auth.clientCertificate.secretName", ""),
        ("spec.vault.auth.kubernetes.secretRef.name", "spec.vault.auth.kubernetes.secretRef.key"),
        ("spec.vault.caBundleSecretRef.name", "spec.vault.caBundleSecretRef.key"),
        ("spec.vault.clientCertSecretRef.name", "spec.vault.clientCertSecretRef.key"),
        ("spec.vault.clientKeySecretRef.name", "spec.vault.clientKeySecretRef.key"),
        ("spec.venafi.tpp.credentialsRef.name", ""),
        ("spec.venafi.tpp.caBundleSecretRef.name", "spec.venafi.tpp.caBundleSecretRef.key"),
        ("spec.venafi.cloud.apiTokenSecretRef.name", "spec.venafi.cloud.apiTokenSecretRef.key"),
    )
    return tuple(
        Named(kind, name, "issuer", AT_RECONCILE, key=key, fallback=fallback) for name, key in names
    )


class CertManager(Tool):
    """Reads Certificates, issuers, and the annotations of the CA injector."""

    name: ClassVar[str] = "cert_manager"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind(_GROUP, "Certificate", "certificates", NodeKind.SYNC),
        Kind(_GROUP, "Issuer", "issuers", NodeKind.STORE),
        Kind(_GROUP, "ClusterIssuer", "clusterissuers", NodeKind.STORE, namespaced=False),
        Kind(
            "admissionregistration.k8s.io",
            "MutatingWebhookConfiguration",
            "mutatingwebhookconfigurations",
            namespaced=False,
        ),
        Kind(
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
            namespaced=False,
        ),
        Kind("apiregistration.k8s.io", "APIService", "apiservices", namespaced=False),
        Kind(
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            "",  # each is large: not listed for the one annotation, but read in manifests
            namespaced=False,
        ),
    )
    named: ClassVar[tuple[Named, ...]] = (
        selector("Certificate", "spec.keystores.*.passwordSecretRef", "keystore"),
        Named("Certificate", "status.nextPrivateKeySecretName", "certificate", _RENEWED),
        *_issuer("Issuer", ""),
        *_issuer("ClusterIssuer", _HOME),
        *(
            Named(
                kind,
                f"metadata.annotations['{_GROUP}/inject-ca-from-secret']",
                "inject",
                _INJECTED,
                slashed=True,
            )
            for kind in (
                "MutatingWebhookConfiguration",
                "ValidatingWebhookConfiguration",
                "APIService",
                "CustomResourceDefinition",
            )
        ),
    )
    coded: ClassVar[tuple[Coded, ...]] = (
        Coded("Certificate", "spec.secretName", "certificate"),
        *(
            Coded(kind, f"metadata.annotations['{_GROUP}/inject-ca-from']", "inject")
            for kind in (
                "MutatingWebhookConfiguration",
                "ValidatingWebhookConfiguration",
                "APIService",
                "CustomResourceDefinition",
            )
        ),
    )

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], str] = {}  # Certificate -> its Secret
        self._injected: list[tuple[Object, Kind, str, str]] = []

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        if kind.kind == "Certificate":
            name = text(obj, "spec", "secretName")
            policy = text(obj, "spec", "privateKey", "rotationPolicy") or "Always"
            here.define(obj, kind, rotation_policy=policy)
            self._made[here.home(obj, kind), text(obj, "metadata", "name")] = name
            if name:
                follows = _KEPT_KEY if policy == "Never" else _RENEWED
                use = Reference(name, "certificate", "spec.secretName", follows=follows)
                here.uses(obj, kind, use)
        elif kind.group != _GROUP:
            said = pairs(obj, "metadata", "annotations").get(f"{_GROUP}/inject-ca-from", "")
            namespace, separator, name = said.partition("/")
            if separator:
                self._injected.append((obj, kind, namespace, name))

    def finish(self, here: Here) -> None:
        """Follow each `inject-ca-from: namespace/certificate` to the Secret of that Certificate."""
        field = f"metadata.annotations['{_GROUP}/inject-ca-from']"
        for obj, kind, namespace, name in self._injected:
            # A Certificate that was not seen: its Secret is mostly called as it is.
            made = self._made.get((namespace, name))
            use = Reference(
                made or name,
                "inject",
                field,
                namespace=namespace,
                follows=_INJECTED,
                inferred=not made,
            )
            here.uses(obj, kind, use)
