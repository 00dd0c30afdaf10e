"""
One object of a cluster, named by its ref: read, changed under a precondition, deleted by its uid.

Why here: every step that changes a Kubernetes object needs the same three guards. A change names
the resourceVersion that it was decided on, so that it loses against somebody else's; a deletion
names the uid, so that a successor of the same name is never hit; and what another controller keeps
as it wants it is told beforehand, because it would put the former value back.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/ (resourceVersion, uid),
https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/, and
https://argo-cd.readthedocs.io/en/stable/user-guide/diffing/ (ignoreDifferences).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph import refs
from graph.connections import Connections, KubernetesApi
from graph.errors import AccessDeniedError, BadInputError, NotFoundError

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_TRACKED_BY_ID = "argocd.argoproj.io/tracking-id"
_TRACKED_BY_LABEL = "argocd.argoproj.io/instance"
_FLUX = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")
_MANAGED_BY_ESO = "reconcile.external-secrets.io/managed"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class KubernetesObject:
    """`path` is where the API serves it; made by `find`, which makes one call at most."""

    ref: str
    cluster: str
    namespace: str
    kind: str
    name: str
    api: KubernetesApi
    path: str

    def read(self) -> Json:
        return self.api.get(self.path)

    def exists(self) -> bool:
        try:
            self.read()
        except NotFoundError:
            return False
        return True

    def merge(self, change: Mapping[str, Any], *, seen: Json, subresource: str = "") -> Json:
        """
        Merge `change` into it, if it is still as it was `seen`.

        Raises:
            ConflictError: it has changed since.
        """
        version = {"resourceVersion": seen["metadata"]["resourceVersion"]}
        body = {**change, "metadata": {**(change.get("metadata") or {}), **version}}
        return self.api.patch(self.path + (f"/{subresource}" if subresource else ""), body)

    def annotate(self, annotations: Mapping[str, str | None]) -> Json:
        return self.api.patch(self.path, {"metadata": {"annotations": dict(annotations)}})

    def delete(self, uid: str) -> None:
        """
        Delete it, if it is still the one of this uid; gone already is as good.

        Raises:
            ConflictError: another one lives under the name.
        """
        options: Json = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        try:
            self.api.delete(self.path, options)
        except NotFoundError:
            return


def find(connections: Connections, ref: str, *kinds: str, group: str = "") -> KubernetesObject:
    """
    Say where the object is served; it need not exist.

    Raises:
        BadInputError: the ref names none of these kinds.
        NotFoundError: the cluster does not serve the kind.
    """
    parts = refs.parse(refs.split_key(ref)[0])
    if parts.scheme != "k8s" or len(parts.path) != 4 or parts.path[2] not in kinds:  # noqa: PLR2004 - cluster, namespace, kind, name
        raise BadInputError(
            f"{ref} is not a {' or '.join(kinds)}.",
            do_now=f"Name one: k8s://CLUSTER/NAMESPACE/{kinds[0]}/NAME.",
        )
    cluster, namespace, kind, name = parts.path
    api = connections.kubernetes(cluster)
    path = api.resource_path(kind, group, namespace=namespace, item=name)
    if path is None:
        raise NotFoundError(
            f"Cluster {cluster} serves no {kind} ({group or 'core'}).",
            means="What makes such objects is not installed there (any more).",
        )
    return KubernetesObject(ref, cluster, namespace, kind, name, api, path)


def beside(one: KubernetesObject, name: str, *, kind: str = "") -> KubernetesObject:
    """Name another object of the same namespace, of the core group."""
    kind = kind or one.kind
    path = one.api.resource_path(kind, "", namespace=one.namespace, item=name)
    if path is None:
        raise NotFoundError(f"Cluster {one.cluster} serves no {kind}.")
    ref = refs.k8s(one.cluster, one.namespace, kind, name)
    return KubernetesObject(ref, one.cluster, one.namespace, kind, name, one.api, path)


def put_back_by(one: KubernetesObject, found: Json) -> str:
    """Name who would undo a change of the object's data, and why; "" if nobody is known to."""
    metadata = found["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            return f"{owner['kind']} {owner['name']} writes it"
    if labels.get(_MANAGED_BY_ESO) == "true":
        return "External Secrets Operator writes it"
    application = annotations.get(_TRACKED_BY_ID, "").partition(":")[0]
    application = application or labels.get(_TRACKED_BY_LABEL, "")
    if application and not _let_be(one, application.rpartition("_")[2]):
        return f"Argo CD keeps it as git says (Application {application})"
    for label in _FLUX:
        if label in labels:
            return f"Flux keeps it as git says ({labels[label]})"
    if labels.get("app.kubernetes.io/managed-by") == "Helm":
        release = annotations.get("meta.helm.sh/release-name", "")
        return f"Helm writes it at the next upgrade of {release or 'its release'}"
    return ""


def _let_be(one: KubernetesObject, application: str) -> bool:
    """
    Whether Argo CD was told to leave the data of this Secret alone: `ignoreDifferences`.

    That only hides a difference, and a sync still overwrites, unless the Application says
    `RespectIgnoreDifferences=true`. What cannot be read counts as not told.
    """
    path = one.api.resource_path("Application", "argoproj.io")
    try:
        found = list(one.api.list(path)) if path else []
    except AccessDeniedError:
        return False
    for each in found:
        if each["metadata"]["name"] == application:
            spec = each.get("spec") or {}
            options = (spec.get("syncPolicy") or {}).get("syncOptions") or ()
            rules: Sequence[Json] = spec.get("ignoreDifferences") or ()
            respected = "RespectIgnoreDifferences=true" in options
            return respected and any(_covers(rule, one) for rule in rules)
    return False


def _covers(rule: Mapping[str, Any], one: KubernetesObject) -> bool:
    pointers = [*(rule.get("jsonPointers") or ()), *(rule.get("jqPathExpressions") or ())]
    return (
        rule.get("kind") in {one.kind, "*"}
        and rule.get("name") in {None, "", one.name}
        and rule.get("namespace") in {None, "", one.namespace}
        and any(pointer.lstrip("/.").startswith("data") for pointer in pointers)
    )
