"""
Generators of External Secrets: they log in somewhere and make a new credential at each refresh.

A generator stands in the graph for what it makes: an ExternalSecret copies from it. One that asks
Vault copies from that path to itself. What it logs in with is found as in stores.
Source: apis/generators/v1alpha1 of external-secrets/external-secrets.
"""

from typing import ClassVar

from graph.fields import Object, mapping, text
from graph.kubernetes.logins import login_references
from graph.kubernetes.tool import Coded, Here, Kind, Tool
from graph.model import NodeKind

_GROUP = "generators.external-secrets.io"
_KINDS = {
    "ACRAccessToken": "acraccesstokens",
    "BeyondtrustWorkloadCredentialsDynamicSecret": "beyondtrustworkloadcredentialsdynamicsecrets",
    "CloudsmithAccessToken": "cloudsmithaccesstokens",
    "ECRAuthorizationToken": "ecrauthorizationtokens",
    "Fake": "fakes",
    "GCRAccessToken": "gcraccesstokens",
    "GithubAccessToken": "githubaccesstokens",
    "GitlabDeployToken": "gitlabdeploytokens",
    "Grafana": "grafanas",
    "MFA": "mfas",
    "Password": "passwords",
    "QuayAccessToken": "quayaccesstokens",
    "SSHKey": "sshkeys",
    "STSSessionToken": "stssessiontokens",
    "UUID": "uuids",
    "VaultDynamicSecret": "vaultdynamicsecrets",
    "Webhook": "webhooks",
}


class ExternalSecretsGenerators(Tool):
    """Reads every kind of generator."""

    name: ClassVar[str] = "external_secrets_generators"
    kinds: ClassVar[tuple[Kind, ...]] = (
        *(Kind(_GROUP, kind, plural, NodeKind.SYNC) for kind, plural in _KINDS.items()),
        Kind(_GROUP, "ClusterGenerator", "clustergenerators", NodeKind.SYNC, namespaced=False),
    )
    coded: ClassVar[tuple[Coded, ...]] = (
        *(
            Coded(kind, "spec (any selector of a Secret)", "storeAuth")
            for kind in (*_KINDS, "ClusterGenerator")
        ),
        Coded("VaultDynamicSecret", "spec.path", "copies"),
    )

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        generator = here.define(obj, kind)
        spec, path = mapping(obj, "spec"), "spec"
        if kind.kind == "ClusterGenerator":
            inner = mapping(spec, "generator")
            name = str(next(iter(inner), ""))
            spec, path = mapping(inner, name), f"spec.generator.{name}"
        for use in login_references(spec, path):
            here.uses(obj, kind, use)
        vault = mapping(spec, "provider")
        if text(spec, "path") and text(vault, "server"):
            tail = here.vault(
                text(spec, "path"),
                server=text(vault, "server"),
                vault_namespace=text(vault, "namespace"),
                version="v1",
            )
            if tail is not None:
                here.copies(tail, generator, generator, refresh_interval=None)
