"""
Copies of Secrets between namespaces: Reflector (emberstack), replicator (mittwald) and Kyverno.

Annotations say it, on the copy or on the original; they are read where Secrets are. A pattern of
namespaces cannot be followed from one object, so it is a gap.
Source: the READMEs of the two controllers; "Generate rules" of Kyverno.
"""

import re
from typing import ClassVar

from graph import refs
from graph.fields import Object, name_of, pairs
from graph.kubernetes.references import PickUp
from graph.kubernetes.tool import Coded, Here, Kind, Named, Tool
from graph.model import NodeKind, PicksUp
from graph.refs import Ref

_FROM = ("reflector.v1.k8s.emberstack.com/reflects", "replicator.v1.mittwald.de/replicate-from")
_TO = (
    "reflector.v1.k8s.emberstack.com/reflection-auto-namespaces",
    "replicator.v1.mittwald.de/replicate-to",
)
_PLAIN = re.compile(r"[a-z0-9-]+")
_CLONED = PickUp(
    PicksUp.POLL,
    "Kyverno copies it into namespaces; copies follow only with `synchronize: true`.",
)


class SecretCopies(Tool):
    """Reads the annotations of replicated Secrets, and Kyverno's clones."""

    name: ClassVar[str] = "secret_copies"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind("", "Secret", ""),
        Kind("kyverno.io", "ClusterPolicy", "clusterpolicies", namespaced=False),
        Kind("kyverno.io", "Policy", "policies"),
    )
    named: ClassVar[tuple[Named, ...]] = tuple(
        Named(
            kind,
            "spec.rules[*].generate.clone.name",
            "clone",
            _CLONED,
            namespace="spec.rules[*].generate.clone.namespace",
            only_kind="spec.rules[*].generate.kind",
        )
        for kind in ("ClusterPolicy", "Policy")
    )
    coded: ClassVar[tuple[Coded, ...]] = tuple(
        Coded("Secret", f"metadata.annotations['{name}']", "copies") for name in (*_FROM, *_TO)
    )

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        if kind.kind != "Secret":
            return
        home, name = here.home(obj, kind), name_of(obj)
        said = pairs(obj, "metadata", "annotations")
        for annotation in _FROM:
            namespace, separator, original = said.get(annotation, "").partition("/")
            if separator and original:
                _copy(here, (namespace, original), (home, name), _controller(here, annotation))
        for annotation in _TO:
            for place in filter(
                None, (part.strip() for part in said.get(annotation, "").split(","))
            ):
                if _PLAIN.fullmatch(place):
                    _copy(here, (home, name), (place, name), _controller(here, annotation))
                else:
                    here.gathered.miss(
                        f"copies of {home}/{name}",
                        f"It is copied into the namespaces that “{place}” fits.",
                        do_now="Look for Secrets of this name in them.",
                    )


def _copy(here: Here, original: tuple[str, str], copy: tuple[str, str], sync: Ref) -> None:
    tail = here.gathered.refer_secret(*original)
    here.copies(tail, here.gathered.refer_secret(*copy), sync, refresh_interval=1)


def _controller(here: Here, annotation: str) -> Ref:
    name = "reflector" if annotation.startswith("reflector") else "replicator"
    sync = refs.k8s(here.gathered.cluster, "", "Controller", name)
    here.gathered.define(sync, NodeKind.SYNC)
    return sync
