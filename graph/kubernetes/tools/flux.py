"""
Flux: Secrets that decrypt, fill in, fetch and notify.

Each controller reads them when it reconciles. A changed `valuesFrom` makes a new release of the
chart, but pods restart only where the chart puts a checksum of its values into the template.
Source: the API references of the Flux controllers.
"""

from typing import ClassVar

from graph.kubernetes.references import PickUp
from graph.kubernetes.tool import Kind, Named, Tool, selector
from graph.model import PicksUp

_KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
_HELM = "helm.toolkit.fluxcd.io"
_SOURCE = "source.toolkit.fluxcd.io"
_NOTIFY = "notification.toolkit.fluxcd.io"
_IMAGE = "image.toolkit.fluxcd.io"
_SOURCES = ("GitRepository", "HelmRepository", "OCIRepository", "Bucket")
_FOLLOWS = PickUp(
    PicksUp.POLL,
    "Flux applies it at its next reconciliation; pods restart only where the template changes with "
    "it.",
    by_itself=True,
)


class Flux(Tool):
    """Reads Kustomizations, HelmReleases, sources, notifications and image repositories."""

    name: ClassVar[str] = "flux"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind(_KUSTOMIZE, "Kustomization", "kustomizations"),
        Kind(_HELM, "HelmRelease", "helmreleases"),
        Kind(_SOURCE, "GitRepository", "gitrepositories"),
        Kind(_SOURCE, "HelmRepository", "helmrepositories"),
        Kind(_SOURCE, "OCIRepository", "ocirepositories"),
        Kind(_SOURCE, "Bucket", "buckets"),
        Kind(_NOTIFY, "Provider", "providers"),
        Kind(_NOTIFY, "Receiver", "receivers"),
        Kind(_IMAGE, "ImageRepository", "imagerepositories"),
    )
    named: ClassVar[tuple[Named, ...]] = (
        selector("Kustomization", "spec.decryption.secretRef", "decrypt", follows=_FOLLOWS),
        Named(
            "Kustomization",
            "spec.postBuild.substituteFrom[*].name",
            "values",
            _FOLLOWS,
            only_kind="spec.postBuild.substituteFrom[*].kind",
            optional="spec.postBuild.substituteFrom[*].optional",
        ),
        selector("Kustomization", "spec.kubeConfig.secretRef", "kubeconfig"),
        Named(
            "HelmRelease",
            "spec.valuesFrom[*].name",
            "values",
            _FOLLOWS,
            key="spec.valuesFrom[*].valuesKey",
            only_kind="spec.valuesFrom[*].kind",
            optional="spec.valuesFrom[*].optional",
        ),
        selector("HelmRelease", "spec.kubeConfig.secretRef", "kubeconfig"),
        selector("HelmRelease", "spec.chart.spec.verify.secretRef", "verify"),
        *(
            selector(kind, f"spec.{field}", how)
            for kind in _SOURCES
            for field, how in (
                ("secretRef", "fetch"),
                ("certSecretRef", "fetch"),
                ("proxySecretRef", "fetch"),
                ("verify.secretRef", "verify"),
            )
        ),
        selector("Bucket", "spec.sts.secretRef", "fetch"),
        selector("Bucket", "spec.sts.certSecretRef", "fetch"),
        selector("Provider", "spec.secretRef", "notify"),
        selector("Provider", "spec.certSecretRef", "notify"),
        selector("Provider", "spec.proxySecretRef", "notify"),
        selector("Receiver", "spec.secretRef", "webhook"),
        selector("ImageRepository", "spec.secretRef", "fetch"),
        selector("ImageRepository", "spec.certSecretRef", "fetch"),
        selector("ImageRepository", "spec.proxySecretRef", "fetch"),
    )
