"""
Finds the Secrets that a PersistentVolume names, and the claim whose pods therefore use them.

Complete with respect to Kubernetes' `VisitPVSecretNames` (pkg/api/v1/persistentvolume/util.go) and
the newer `nodeExpandSecretRef`. What a controller uses to attach or grow a volume never reaches a
node, so pods do not use it. Pure; what becomes of it in the graph is in `inventory.py`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from graph.fields import Object, mapping, pairs, text
from graph.kubernetes.references import PickUp, Reference
from graph.model import PicksUp

# Drivers in the tree of Kubernetes. Where they name no namespace, it is that of the claim; for the
# last two it is not.
_IN_TREE = ("cephfs", "flexVolume", "rbd", "scaleIO", "iscsi", "cinder", "storageos")
_WITHOUT_FALLBACK = frozenset({"cinder", "storageos"})
_CSI_NODE = ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef")
_CSI_CONTROLLER = ("controllerPublishSecretRef", "controllerExpandSecretRef")
_DELETION = "volume.kubernetes.io/provisioner-deletion-secret"

_BY_CONTROLLER = PickUp(
    PicksUp.POLL,
    "The controller of the driver is given it with each call for the volume.",
    by_itself=True,
)


def claim_of(volume: Object) -> tuple[str, str] | None:
    """Name the claim that holds the volume, as (namespace, name); None: it is free."""
    claim = mapping(volume, "spec", "claimRef")
    namespace, name = text(claim, "namespace"), text(claim, "name")
    return (namespace, name) if namespace and name else None


def volume_references(volume: Object) -> Iterator[Reference]:
    """Yield each use of a Secret by a PersistentVolume; without a namespace none is known."""
    home = text(volume, "spec", "claimRef", "namespace")
    share = mapping(volume, "spec", "azureFile")
    if name := text(share, "secretName"):
        namespace = text(share, "secretNamespace") or home
        yield _node(name, "spec.azureFile.secretName", namespace)
    for kind in _IN_TREE:
        ref = mapping(volume, "spec", kind, "secretRef")
        if name := text(ref, "name"):
            fallback = "" if kind in _WITHOUT_FALLBACK else home
            yield _node(name, f"spec.{kind}.secretRef", text(ref, "namespace") or fallback)
    for field in (*_CSI_NODE, *_CSI_CONTROLLER):
        ref = mapping(volume, "spec", "csi", field)
        if name := text(ref, "name"):
            use = _node(name, f"spec.csi.{field}", text(ref, "namespace"))
            yield replace(use, follows=_BY_CONTROLLER) if field in _CSI_CONTROLLER else use
    said = pairs(volume, "metadata", "annotations")
    if name := said.get(f"{_DELETION}-name", ""):
        use = _node(name, f"metadata.annotations['{_DELETION}-name']", "")
        namespace = said.get(f"{_DELETION}-namespace", "")
        yield replace(use, namespace=namespace, follows=_BY_CONTROLLER)


def for_pods(uses: Iterable[Reference]) -> Iterator[Reference]:
    """Keep those that the kubelet of the pod's node is given; without a namespace it is not."""
    return (use for use in uses if use.namespace and use.follows is not _BY_CONTROLLER)


def _node(name: str, field: str, namespace: str) -> Reference:
    return Reference(name, "persistentVolume", field, namespace=namespace)
