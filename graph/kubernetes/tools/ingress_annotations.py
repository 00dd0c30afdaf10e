"""
Annotations by which an Ingress names Secrets beside its TLS: those of ingress-nginx and Traefik.

`auth-secret` and the `*-ssl-secret` annotations are "namespace/name" or a name alone.
Source: the annotation references of the two controllers.
"""

from typing import ClassVar

from graph.kubernetes.references import PickUp
from graph.kubernetes.tool import Kind, Named, Tool
from graph.model import PicksUp

_WATCHED = PickUp(PicksUp.POLL, "The ingress controller watches the Secret.", by_itself=True)
_ANNOTATIONS = (
    "nginx.ingress.kubernetes.io/auth-secret",
    "nginx.ingress.kubernetes.io/auth-tls-secret",
    "nginx.ingress.kubernetes.io/proxy-ssl-secret",
    "nginx.ingress.kubernetes.io/secure-verify-ca-secret",
)
_TRAEFIK = ("traefik.io", "traefik.containo.us")


class IngressAnnotations(Tool):
    """Reads Ingresses and the kinds that Traefik has in their place."""

    name: ClassVar[str] = "ingress_annotations"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind("networking.k8s.io", "Ingress", ""),
        Kind("extensions", "Ingress", ""),
        *(
            Kind(group, kind, plural)
            for group in _TRAEFIK
            for kind, plural in (
                ("IngressRoute", "ingressroutes"),
                ("IngressRouteTCP", "ingressroutetcps"),
                ("Middleware", "middlewares"),
                ("ServersTransport", "serverstransports"),
                ("TLSStore", "tlsstores"),
                ("TLSOption", "tlsoptions"),
            )
        ),
    )
    named: ClassVar[tuple[Named, ...]] = (
        *(
            Named(
                "Ingress", f"metadata.annotations['{name}']", "ingressAuth", _WATCHED, slashed=True
            )
            for name in _ANNOTATIONS
        ),
        Named("IngressRoute", "spec.tls.secretName", "ingressTls", _WATCHED),
        Named("IngressRouteTCP", "spec.tls.secretName", "ingressTls", _WATCHED),
        Named("Middleware", "spec.basicAuth.secret", "ingressAuth", _WATCHED),
        Named("Middleware", "spec.digestAuth.secret", "ingressAuth", _WATCHED),
        Named("Middleware", "spec.forwardAuth.tls.caSecret", "ingressAuth", _WATCHED),
        Named("Middleware", "spec.forwardAuth.tls.certSecret", "ingressAuth", _WATCHED),
        Named("ServersTransport", "spec.rootCAsSecrets[*]", "ingressTls", _WATCHED),
        Named("ServersTransport", "spec.certificatesSecrets[*]", "ingressTls", _WATCHED),
        Named("TLSStore", "spec.defaultCertificate.secretName", "ingressTls", _WATCHED),
        Named("TLSStore", "spec.certificates[*].secretName", "ingressTls", _WATCHED),
        Named("TLSOption", "spec.clientAuth.secretNames[*]", "ingressTls", _WATCHED),
    )
