"""
Argo CD: Secrets that open repositories and clusters, and `$secret:key` in its configuration.

A Secret with the label `argocd.argoproj.io/secret-type` is a credential of its own: for a
repository, for all that begin with its address, or for a whole other cluster. In `argocd-cm` a text
`$name:key` means a Secret of the same namespace, `$key` one of `argocd-secret`.
Source: argo-cd, docs/operator-manual/declarative-setup.md and user-management.
"""

import re
from typing import ClassVar

from graph import refs
from graph.fields import Object, name_of, pairs
from graph.kubernetes.references import PickUp, Reference
from graph.kubernetes.tool import Coded, Here, Kind, Tool
from graph.model import EdgeKind, NodeKind, PicksUp

_LABEL = "argocd.argoproj.io/secret-type"
_OPENS = {
    "cluster": "ArgoCDCluster",
    "repository": "ArgoCDRepository",
    "repo-creds": "ArgoCDRepositories",
}
_VARIABLE = re.compile(r"(?<![\w$])\$(?P<first>[A-Za-z0-9][\w.-]*)(?::(?P<key>[\w.-]+))?")
_DEFAULT = {
    "argocd-cm": "argocd-secret",
    "argocd-notifications-cm": "argocd-notifications-secret",
}
_WATCHED = PickUp(PicksUp.POLL, "Argo CD watches its Secrets and reads it again.", by_itself=True)


class ArgoCd(Tool):
    """Reads Argo CD's labelled Secrets, and its ConfigMaps where they are given."""

    name: ClassVar[str] = "argo_cd"
    kinds: ClassVar[tuple[Kind, ...]] = (Kind("", "Secret", ""), Kind("", "ConfigMap", ""))
    coded: ClassVar[tuple[Coded, ...]] = (
        Coded("Secret", f"metadata.labels['{_LABEL}']", "opens"),
        Coded("ConfigMap", "data ($secret:key in argocd-cm)", "config"),
        Coded("ConfigMap", "data ($key in argocd-cm)", "config"),
    )

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        home, name = here.home(obj, kind), name_of(obj)
        if kind.kind == "Secret":
            opened = _OPENS.get(pairs(obj, "metadata", "labels").get(_LABEL, ""))
            if opened:
                head = refs.k8s(here.gathered.cluster, home, opened, name)
                here.gathered.define(head, NodeKind.STORE)
                here.gathered.place(head, home)
                secret = here.gathered.refer_secret(home, name)
                here.gathered.connect(secret, head, EdgeKind.OPENS)
        elif name in _DEFAULT:
            for field, value in pairs(obj, "data").items():
                for found in _VARIABLE.finditer(value):
                    secret_name = found["first"] if found["key"] else _DEFAULT[name]
                    key = found["key"] or found["first"]
                    use = Reference(
                        secret_name, "config", f"data[{field}]", key=key, follows=_WATCHED
                    )
                    here.uses(obj, kind, use)
