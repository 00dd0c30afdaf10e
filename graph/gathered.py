"""
What a collector gathers on its way through one source, until it becomes an `Observation`.

Several objects speak of one node: the Secret itself, the workloads that refer to it, the sync that
writes it. Here they become one node: who defines it wins over who merely refers to it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from graph import refs
from graph.model import (
    AttributeValue,
    Edge,
    EdgeKind,
    Gap,
    Node,
    NodeKind,
    Observation,
    StoredFingerprint,
)
from graph.owners import Said
from graph.refs import Ref

# Letters that end a text in PostgreSQL, or a line in a log: names of strangers may have them.
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(slots=True)
class Gathered:
    """Nodes by ref, edges without doubles, in the order of their arrival."""

    source: str
    cluster: str
    complete: bool = True
    gaps: list[Gap] = field(default_factory=list)
    fingerprints: list[StoredFingerprint] = field(default_factory=list)
    _nodes: dict[Ref, tuple[NodeKind, dict[str, AttributeValue]]] = field(default_factory=dict)
    _edges: dict[tuple[object, ...], Edge] = field(default_factory=dict)

    def define(self, ref: Ref, kind: NodeKind, **attributes: AttributeValue) -> None:
        """Add a node that was seen itself; what was said of it before is kept."""
        _, known = self._nodes.get(ref, (kind, {}))
        known.update(attributes)
        known.pop("exists", None)
        self._nodes[ref] = (kind, known)

    def refer(self, ref: Ref, kind: NodeKind) -> None:
        """Add a node that is only spoken of; says nothing of one that is known already."""
        self._nodes.setdefault(ref, (kind, {"exists": False}))

    def knows(self, ref: Ref) -> bool:
        return ref in self._nodes

    def note(self, ref: Ref, **attributes: AttributeValue) -> None:
        """Add what is said of a node by one that only refers to it."""
        self._nodes[ref][1].update(attributes)

    def connect(
        self, tail: Ref, head: Ref, kind: EdgeKind, /, **attributes: AttributeValue
    ) -> None:
        edge = Edge(tail, head, kind, attributes)
        self._edges.setdefault((tail, head, kind, *sorted(attributes.items(), key=_first)), edge)

    def miss(self, scope: str, reason: str, *, do_now: str = "", complete: bool = True) -> None:
        """Record a gap, once; `complete=False` where rows of an earlier look must be kept."""
        scope, reason = (
            _UNPRINTED.sub("\N{REPLACEMENT CHARACTER}", one) for one in (scope, reason)
        )
        gap = Gap(self.source, scope, reason, do_now)
        if gap not in self.gaps:
            self.gaps.append(gap)
        self.complete = self.complete and complete

    def refer_secret(self, namespace: str, name: str) -> Ref:
        """Add a Kubernetes Secret that is spoken of, with the namespace and cluster it lies in."""
        secret = refs.k8s(self.cluster, namespace, "Secret", name)
        self.refer(secret, NodeKind.SECRET)
        self.place(secret, namespace)
        self.connect(secret, self.store(), EdgeKind.STORED_IN)
        return secret

    def only_referred(self) -> Iterator[tuple[str, str]]:
        """Yield (namespace, name) of the Kubernetes Secrets that were not seen themselves."""
        for ref, (kind, known) in self._nodes.items():
            if kind is NodeKind.SECRET and known.get("exists") is False:
                parts = refs.parse(ref)
                if parts.scheme == "k8s" and parts.path[2] == "Secret":
                    yield parts.path[1], parts.path[3]

    def place(self, ref: Ref, namespace: str) -> None:
        """Say in which namespace a thing lies; nothing for what is cluster-scoped."""
        if namespace:
            home = self.namespace(namespace)
            self.refer(home, NodeKind.NAMESPACE)
            self.connect(ref, home, EdgeKind.IN_NAMESPACE)

    def own(
        self,
        ref: Ref,
        claims: Iterable[Said],
        *,
        said_by: str = "kubernetes",
    ) -> None:
        """Record each team or person that is named as the owner, once, with by whom."""
        first: dict[Ref, Said] = {}
        for claim in claims:
            first.setdefault(claim.owner, claim)
        for said in first.values():
            kind = NodeKind.TEAM if said.owner.startswith("team:") else NodeKind.PERSON
            self.define(said.owner, kind)
            self._nodes[ref][1].setdefault("owner", said.owner)
            self.connect(
                ref,
                said.owner,
                EdgeKind.OWNED_BY,
                how=said.how,
                said_by=said_by,
                source=self.source,
            )

    def namespace(self, name: str) -> Ref:
        return refs.k8s(self.cluster, "", "Namespace", name)

    def store(self) -> Ref:
        """Name the cluster itself as the place where its Secrets lie."""
        ref = refs.k8s(self.cluster, "", "Cluster", self.cluster)
        self.define(ref, NodeKind.STORE)
        return ref

    def observation(self) -> Observation:
        return Observation(
            source=self.source,
            nodes=tuple(Node(ref, kind, known) for ref, (kind, known) in self._nodes.items()),
            edges=tuple(self._edges.values()),
            gaps=tuple(self.gaps),
            fingerprints=tuple(self.fingerprints),
            complete=self.complete,
        )


def _first(item: tuple[str, AttributeValue]) -> str:
    return item[0]
