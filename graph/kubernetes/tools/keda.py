"""
KEDA: Secrets with which scalers ask a source how much work there is.

ScaledJob carries pods and is read as such. References of a ClusterTriggerAuthentication lie in the
namespace of the operator: by default `keda`.
Source: the API reference of keda.sh.
"""

from typing import ClassVar

from graph.fields import Object, entries, text
from graph.kubernetes.references import VAULT, Reference
from graph.kubernetes.tool import AT_RECONCILE, Coded, Here, Kind, Named, Tool

_KINDS = (("TriggerAuthentication", ""), ("ClusterTriggerAuthentication", "keda"))


class Keda(Tool):
    """Reads how scalers log in."""

    name: ClassVar[str] = "keda"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind("keda.sh", "TriggerAuthentication", "triggerauthentications"),
        Kind(
            "keda.sh",
            "ClusterTriggerAuthentication",
            "clustertriggerauthentications",
            namespaced=False,
        ),
    )
    named: ClassVar[tuple[Named, ...]] = tuple(
        Named(kind, f"{at}.name", "scaler", AT_RECONCILE, key=f"{at}.key", fallback=home)
        for kind, home in _KINDS
        for at in ("spec.secretTargetRef[*]", "spec..secretKeyRef")
    )
    coded: ClassVar[tuple[Coded, ...]] = tuple(
        Coded(kind, "spec.hashiCorpVault.secrets[*].path", "scaler") for kind, _ in _KINDS
    )

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        server = text(obj, "spec", "hashiCorpVault", "address")
        for index, secret in enumerate(entries(obj, "spec", "hashiCorpVault", "secrets")):
            if path := text(secret, "path"):
                use = Reference(
                    path,
                    "scaler",
                    f"spec.hashiCorpVault.secrets[{index}].path",
                    key=text(secret, "key"),
                    kind=VAULT,
                    server=server,
                    vault_namespace=text(obj, "spec", "hashiCorpVault", "namespace"),
                    follows=AT_RECONCILE,
                )
                here.uses(obj, kind, use)
