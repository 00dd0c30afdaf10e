"""
Crossplane: credentials of providers, and the Secrets into which resources write their connection.

Every provider has a group and kinds of its own, so only the packages' own kinds are read here; the
others are found by the inferred walk, or declared in the configuration.
Source: the API reference of pkg.crossplane.io.
"""

from typing import ClassVar

from graph.kubernetes.tool import Kind, Named, Tool, selector

_PACKAGES = ("Provider", "Configuration", "Function")
_PLURALS = ("providers", "configurations", "functions")


class Crossplane(Tool):
    """Reads the pull secrets of packages; they lie in the namespace of Crossplane itself."""

    name: ClassVar[str] = "crossplane"
    kinds: ClassVar[tuple[Kind, ...]] = (
        *(
            Kind("pkg.crossplane.io", kind, plural, namespaced=False)
            for kind, plural in zip(_PACKAGES, _PLURALS, strict=True)
        ),
        *(
            Kind(group, "ProviderConfig", "providerconfigs", namespaced=False)
            for group in (
                "aws.upbound.io",
                "aws.crossplane.io",
                "azure.upbound.io",
                "gcp.upbound.io",
                "gcp.crossplane.io",
                "kubernetes.crossplane.io",
                "helm.crossplane.io",
                "vault.upbound.io",
            )
        ),
    )
    named: ClassVar[tuple[Named, ...]] = (
        *(
            Named(
                kind, "spec.packagePullSecrets[*].name", "imagePull", fallback="crossplane-system"
            )
            for kind in _PACKAGES
        ),
        selector("ProviderConfig", "spec.credentials.secretRef", "provider", crosses=True),
        selector("ProviderConfig", "spec.identity.secretRef", "provider", crosses=True),
    )
