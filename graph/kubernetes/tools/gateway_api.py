"""
Gateway API beside the certificates of listeners: client authorities and policies for backends.

A reference into another namespace holds only with a ReferenceGrant there; it is followed all the
same, since the grant may come at any time. Listeners are read in `inventory.py`.
Source: the API reference of gateway.networking.k8s.io.
"""

from typing import ClassVar

from graph.kubernetes.tool import AT_RECONCILE, Kind, Named, Tool

_GROUP = "gateway.networking.k8s.io"
_TRIED = "gateway.networking.x-k8s.io"  # where kinds are before they are promoted


def _certificates(kind: str, at: str) -> Named:
    return Named(
        kind,
        f"{at}.name",
        "ingressTls",
        AT_RECONCILE,
        namespace=f"{at}.namespace",
        only_kind=f"{at}.kind",
    )


class GatewayApi(Tool):
    """Reads Gateways (all but their listeners' certificates), policies, sets of listeners."""

    name: ClassVar[str] = "gateway_api"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind(_GROUP, "Gateway", ""),
        Kind(_GROUP, "BackendTLSPolicy", "backendtlspolicies"),
        Kind(_GROUP, "ListenerSet", "listenersets"),
        Kind(_TRIED, "XListenerSet", "xlistenersets"),
    )
    named: ClassVar[tuple[Named, ...]] = (
        _certificates("Gateway", "spec.listeners[*].tls.frontendValidation.caCertificateRefs[*]"),
        _certificates("Gateway", "spec.tls.frontend..caCertificateRefs[*]"),
        _certificates("Gateway", "spec.tls.backend.clientCertificateRef"),
        _certificates("Gateway", "spec.backendTLS.clientCertificateRef"),
        _certificates("BackendTLSPolicy", "spec.validation.caCertificateRefs[*]"),
        _certificates("ListenerSet", "spec.listeners[*].tls.certificateRefs[*]"),
        _certificates("XListenerSet", "spec.listeners[*].tls.certificateRefs[*]"),
    )
