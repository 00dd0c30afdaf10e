"""
Classes of volumes and snapshots: Secrets that drivers are given, named in their parameters.

Names may be templates such as `${pvc.namespace}`: they are kept as they are, on a Secret marked
`template`, since each volume fills them in differently; what came of it stands in the
PersistentVolume. Keys of parameters are matched as their drivers match them: without case.
Source: kubernetes-csi.github.io, "StorageClass Secrets"; pkg/volume of Kubernetes for the drivers
in its tree. A literal `restuserkey` (GlusterFS) is a secret in plain sight: said, never kept.
"""

import re
from collections.abc import Iterator
from typing import ClassVar

from graph.fields import Object, name_of, pairs
from graph.kubernetes.references import PickUp, Reference
from graph.kubernetes.tool import Coded, Here, Kind, Tool
from graph.model import PicksUp

_CSI = re.compile(
    r"csi\.storage\.k8s\.io/(?P<what>provisioner|controller-publish|node-stage|node-publish"
    r"|controller-expand|node-expand|snapshotter|snapshotter-list|group-snapshotter)-secret-name"
)
# Drivers in the tree: parameter of the name -> parameter and default of the namespace.
_IN_TREE = {
    "adminsecretname": ("adminsecretnamespace", "default"),
    "usersecretname": ("usersecretnamespace", ""),
    "secretname": ("secretnamespace", "default"),
    # Names before CSI had a prefix of its own.
    "csiprovisionersecretname": ("csiprovisionersecretnamespace", ""),
    "csicontrollerpublishsecretname": ("csicontrollerpublishsecretnamespace", ""),
    "csinodestagesecretname": ("csinodestagesecretnamespace", ""),
    "csinodepublishsecretname": ("csinodepublishsecretnamespace", ""),
}
_AT_CALL = PickUp(
    PicksUp.POLL,
    "The driver is given it with each call; mounted volumes keep theirs.",
    by_itself=True,
)


class Storage(Tool):
    """Reads StorageClasses and the classes of snapshots."""

    name: ClassVar[str] = "storage"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind("storage.k8s.io", "StorageClass", "storageclasses", namespaced=False),
        Kind(
            "snapshot.storage.k8s.io",
            "VolumeSnapshotClass",
            "volumesnapshotclasses",
            namespaced=False,
        ),
        Kind(
            "groupsnapshot.storage.k8s.io",
            "VolumeGroupSnapshotClass",
            "volumegroupsnapshotclasses",
            namespaced=False,
        ),
    )
    coded: ClassVar[tuple[Coded, ...]] = (
        *(
            Coded(
                "StorageClass",
                f"parameters['csi.storage.k8s.io/{what}-secret-name']",
                "storageClass",
            )
            for what in (
                "provisioner",
                "controller-publish",
                "node-stage",
                "node-publish",
                "controller-expand",
                "node-expand",
            )
        ),
        *(
            Coded("StorageClass", f"parameters.{name}", "storageClass")
            for name in ("adminSecretName", "userSecretName", "secretName")
        ),
        Coded(
            "VolumeSnapshotClass",
            "parameters['csi.storage.k8s.io/snapshotter-secret-name']",
            "storageClass",
        ),
        Coded(
            "VolumeGroupSnapshotClass",
            "parameters['csi.storage.k8s.io/group-snapshotter-secret-name']",
            "storageClass",
        ),
    )

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        for use in class_references(obj):
            here.uses(obj, kind, use)
            if "${" in f"{use.namespace}{use.name}":
                secret = here.gathered.refer_secret(use.namespace, use.name)
                here.gathered.note(secret, template=True)
        if any(name.lower() == "restuserkey" for name in pairs(obj, "parameters")):
            here.gathered.miss(
                f"{kind.kind} {name_of(obj)}",
                "Its parameter restuserkey is a password in plain text, in no Secret.",
                do_now="Move it to a Secret (secretName, secretNamespace) and rotate it.",
            )


def class_references(obj: Object) -> Iterator[Reference]:
    """Yield the Secrets that the parameters of a class name. Pure."""
    said = pairs(obj, "parameters")
    lower = {name.lower(): value for name, value in said.items()}
    for name, value in said.items():
        if not value:
            continue
        field = f"parameters['{name}']" if "/" in name or "." in name else f"parameters.{name}"
        csi = _CSI.fullmatch(name.lower())
        if csi:
            namespace = lower.get(f"csi.storage.k8s.io/{csi['what']}-secret-namespace", "")
        elif name.lower() in _IN_TREE:
            place, default = _IN_TREE[name.lower()]
            namespace = lower.get(place, "") or default
            # RBD's user secret lies in the namespace of each claim, where nothing else is said.
            namespace = namespace or "${pvc.namespace}"
        else:
            continue
        yield Reference(value, "storageClass", field, namespace=namespace, follows=_AT_CALL)
