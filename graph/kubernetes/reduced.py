"""
Reduces an object of a live cluster to what the graph is made from, before it is remembered.

What goes: who wrote which field, the manifest that was applied last (of a Secret it holds the
values once more), moments and counters that change without any meaning here. Values of a Secret
become fingerprints at once, where values may be read, and otherwise nothing; its keys stay. To
reduce twice is to reduce once. What is left is not looked into here: see the readers of each kind.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from graph.fields import Object, entries, flag, group_of, mapping, name_of, namespace_of, text
from graph.fingerprints import Fingerprinter
from graph.kubernetes.openings import OPENS, openings
from graph.model import Fingerprint, StoredFingerprint
from graph.refs import k8s
from graph.secret_value import SecretValue

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_METADATA = ("managedFields", "resourceVersion", "generation", "selfLink", "uid")
# What the readers of these kinds take from their status; the rest of it changes all the time.
_STATUS: dict[str, tuple[str, ...]] = {
    "Pod": ("phase",),
    "Job": ("conditions",),
    "DaemonSet": ("desiredNumberScheduled",),
    "Deployment": (),
    "ReplicaSet": (),
    "StatefulSet": (),
    "ReplicationController": (),
    "CronJob": (),
    "Ingress": (),
}
_CONDITION = ("type", "status", "reason")
_RESTLESS = ("Time", "observedGeneration", "syncedResourceVersion")
_PRINTS = "fingerprints"  # no field of a Secret: where its values were


def reduced(obj: Object, fingerprinter: Fingerprinter | None) -> dict[str, Any]:
    """Return a smaller copy of `obj`; `fingerprinter` None: values are left out altogether."""
    small = dict(obj)
    metadata = {name: value for name, value in mapping(obj, "metadata").items() if _stays(name)}
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict) and _APPLIED in annotations:
        metadata["annotations"] = {
            name: value for name, value in annotations.items() if name != _APPLIED
        }
    small["metadata"] = metadata
    if "status" in small:
        small["status"] = _status(obj)
    if (text(obj, "kind"), group_of(obj)) == ("Secret", ""):
        _without_values(small, fingerprinter)
    return small


def stored_fingerprints(secret: Object, cluster: str) -> Iterator[StoredFingerprint]:
    """Yield the fingerprints of a reduced Secret, each with the key that it is from."""
    ref = k8s(cluster, namespace_of(secret), "Secret", name_of(secret))
    for key in mapping(secret, _PRINTS):
        for entry in entries(secret, _PRINTS, key):
            digest, form = text(entry, "digest"), text(entry, "form")
            known = Fingerprint(digest, form, text(entry, "key_id"), flag(entry, "weak"))
            yield StoredFingerprint(known, ref, key)


def _stays(name: str) -> bool:
    return name not in _METADATA


def _status(obj: Object) -> dict[str, Any]:
    status = mapping(obj, "status")
    wanted = _STATUS.get(text(obj, "kind"))
    return {
        name: _conditions(status) if name == "conditions" else value
        for name, value in status.items()
        if (name in wanted if wanted is not None else not name.endswith(_RESTLESS))
    }


def _conditions(status: Object) -> list[dict[str, Any]]:
    """Keep whether each condition is met: messages and moments change without a meaning."""
    return [
        {name: entry[name] for name in _CONDITION if name in entry}
        for entry in entries(status, "conditions")
    ]


def _without_values(secret: dict[str, Any], fingerprinter: Fingerprinter | None) -> None:
    """Put fingerprints in the place of values; `stringData` only exists on the way to a server."""
    values = {**mapping(secret, "data"), **mapping(secret, "stringData")}
    prints = {
        key: [
            {
                "digest": one.digest,
                "form": one.form,
                "key_id": one.key_id,
                "weak": one.weak,
            }
            for one in fingerprinter.of_stored(_value(value))
        ]
        for key, value in values.items()
        if fingerprinter is not None and isinstance(value, str)
    }
    if fingerprinter is not None:
        secret[OPENS] = openings(secret)
    secret.pop("stringData", None)
    secret["data"] = dict.fromkeys(values)
    if prints or _PRINTS not in secret:
        secret[_PRINTS] = prints


def _value(encoded: str) -> SecretValue:
    """Decode one value; what is not text leaks as the base64 that it is stored as."""
    try:
        return SecretValue(base64.b64decode(encoded, validate=True).decode())
    except (binascii.Error, UnicodeDecodeError):
        return SecretValue(encoded)
