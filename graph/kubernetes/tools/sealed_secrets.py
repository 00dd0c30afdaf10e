"""
Sealed Secrets (bitnami-labs): a Secret whose values lie encrypted in a SealedSecret, mostly in git.

The controller writes the unsealed values again whenever the SealedSecret changes or the Secret
drifts, so a rotation that does not seal the new value is undone. Sealing keys are Secrets too: old
ones are not deleted, and whoever reads them can unseal what lies in git.
"""

from typing import ClassVar

from graph import refs
from graph.fields import Object, name_of, pairs, text
from graph.kubernetes.references import PickUp, Reference
from graph.kubernetes.tool import Coded, Here, Kind, Tool
from graph.model import EdgeKind, NodeKind, PicksUp

_SCOPE = "sealedsecrets.bitnami.com"
_MUST_SEAL = PickUp(
    PicksUp.NEVER,
    "The SealedSecret holds the old value and its controller writes it again: seal the new one.",
)


class SealedSecrets(Tool):
    """Reads SealedSecrets, and the label of the keys that unseal them."""

    name: ClassVar[str] = "sealed_secrets"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind("bitnami.com", "SealedSecret", "sealedsecrets", NodeKind.SYNC),
        Kind("", "Secret", ""),
    )
    coded: ClassVar[tuple[Coded, ...]] = (
        Coded("SealedSecret", "metadata.name", "sealed"),
        Coded("Secret", f"metadata.labels['{_SCOPE}/sealed-secrets-key']", "opens"),
    )

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        if kind.kind == "Secret":
            if f"{_SCOPE}/sealed-secrets-key" in pairs(obj, "metadata", "labels"):
                key = here.gathered.refer_secret(here.home(obj, kind), name_of(obj))
                everything = refs.k8s(here.gathered.cluster, "", "SealedSecrets", "all")
                here.gathered.define(everything, NodeKind.STORE)
                here.gathered.connect(key, everything, EdgeKind.OPENS)
            return
        said = pairs(obj, "metadata", "annotations")
        scope = next(
            (name for name in ("cluster-wide", "namespace-wide") if said.get(f"{_SCOPE}/{name}")),
            "strict",
        )
        here.define(obj, kind, scope=scope)
        made = text(obj, "spec", "template", "metadata", "name") or name_of(obj)
        here.uses(obj, kind, Reference(made, "sealed", "metadata.name", follows=_MUST_SEAL))
