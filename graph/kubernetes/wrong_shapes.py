"""
Names the fields of a manifest that have not the type of Kubernetes, so that nobody reads them.

A cluster refuses such objects; a file does not. What is passed over in a file must be said, because
a reference or a right may stand in it. The fields of pod specs are in `references.malformed`. Pure.
"""

from collections.abc import Iterator, Mapping

from graph.fields import Object, name_of, text
from graph.kubernetes.paths import find, written
from graph.kubernetes.references import CARRIERS, carries_pods

_MAP, _LIST = dict, list
Shapes = Mapping[str, type]

_ANY: Shapes = {"metadata": _MAP, "metadata.labels": _MAP, "metadata.annotations": _MAP}
_RULES: Shapes = {
    "rules": _LIST,
    "rules[*]": _MAP,
    **{
        f"rules[*].{field}": _LIST for field in ("verbs", "apiGroups", "resources", "resourceNames")
    },
    "aggregationRule": _MAP,
    "aggregationRule.clusterRoleSelectors": _LIST,
}
_BINDING: Shapes = {"roleRef": _MAP, "subjects": _LIST, "subjects[*]": _MAP}
_SYNC: Shapes = {
    "spec.secretStoreRef": _MAP,
    "spec.target": _MAP,
    "spec.data": _LIST,
    "spec.data[*]": _MAP,
    "spec.dataFrom": _LIST,
    "spec.dataFrom[*]": _MAP,
}
_STORE: Shapes = {"spec.provider": _MAP, "spec.provider.*": _MAP}
_BY_KIND: Mapping[str, Shapes] = {
    "Role": _RULES,
    "ClusterRole": _RULES,
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
    "ExternalSecret": {"spec": _MAP, **_SYNC},
    "ClusterExternalSecret": {"spec": _MAP, "spec.externalSecretSpec": _MAP},
    "PushSecret": {"spec": _MAP, "spec.secretStoreRefs": _LIST, "spec.data": _LIST},
    "SecretStore": {"spec": _MAP, **_STORE},
    "ClusterSecretStore": {"spec": _MAP, **_STORE},
    "Secret": {"data": _MAP, "stringData": _MAP},
    "ServiceAccount": {"secrets": _LIST, "imagePullSecrets": _LIST},
    "Ingress": {"spec": _MAP, "spec.tls": _LIST, "spec.tls[*]": _MAP},
    "Gateway": {"spec": _MAP, "spec.listeners": _LIST, "spec.listeners[*]": _MAP},
    "PersistentVolume": {"spec": _MAP},
    "SecretProviderClass": {"spec": _MAP, "spec.parameters": _MAP, "spec.secretObjects": _LIST},
    "SealedSecret": {"spec": _MAP, "spec.encryptedData": _MAP},
}


def wrong_shapes(obj: Object) -> Iterator[str]:
    """Yield the paths of fields of the wrong type; null is as good as absent, but not in a list."""
    shapes = _shapes(obj)
    if shapes and not name_of(obj):
        yield "metadata.name"
    for path, expected in {**_ANY, **shapes}.items():
        for way, value in find(obj, path):
            nothing = value is None and not path.endswith("[*]")
            if not nothing and not isinstance(value, expected):
                yield written(way)


def _shapes(obj: Object) -> Shapes:
    kind = text(obj, "kind")
    if not carries_pods(obj):
        return _BY_KIND.get(kind, {})
    way = (*CARRIERS[kind][1], "spec")
    return {".".join(way[: end + 1]): _MAP for end in range(len(way))}
