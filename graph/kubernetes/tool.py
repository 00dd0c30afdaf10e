"""
The contract of a tool that uses Secrets: an operator, an injector, a driver, a kind with pods.

A member is one file in `graph/kubernetes/tools/` with one subclass. It says which kinds of objects
it reads (`kinds`) and where in them a Secret is named (`named`); that is all for most. What takes
more than a path, such as YAML inside of a string, is code in `read`, and then listed in `coded`;
what it adds to pods of others by annotations or volumes is found by `pod`. All of them are pure
and see one object at a time, in any order; only `finish` may join what was remembered.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from graph import refs
from graph.fields import Object, group_of, name_of, namespace_of, text
from graph.gathered import Gathered
from graph.kubernetes.paths import Way, beside, find, written
from graph.kubernetes.references import PickUp, PodTemplate, Reference
from graph.kubernetes.uses import Vaults, connect_use, vault_secret
from graph.model import AttributeValue, EdgeKind, NodeKind, PicksUp
from graph.owners import owners_said
from graph.refs import Ref

AT_RECONCILE = PickUp(
    PicksUp.POLL, "Its controller reads the Secret each time it reconciles.", by_itself=True
)
UNKNOWN = PickUp(
    PicksUp.UNKNOWN, "How its controller follows a new value is not known to Locksmith."
)


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A kind of object; `plural` "" means: not listed for its own sake, but read where it is.

    `node` is what it is in the graph; `namespaced` False: it lies in the cluster itself.
    """

    group: str
    kind: str
    plural: str
    node: NodeKind = NodeKind.WORKLOAD
    namespaced: bool = True


@dataclass(frozen=True, slots=True)
class Named:
    """
    A place in objects of `kind` where the text of a Secret's name stands (`name`, a path).

    `key`, `namespace` and `optional` are paths to what belongs to it. Where there is no namespace
    it is `fallback`, else the object's own. `only_kind` is a path to a text that must be "Secret"
    where it is there. `slashed`: the text is "namespace/name", or a name alone.
    """

    kind: str
    name: str
    how: str
    follows: PickUp = AT_RECONCILE
    key: str = ""
    namespace: str = ""
    optional: str = ""
    only_kind: str = ""
    fallback: str = ""
    slashed: bool = False
    group: str = ""  # needed where two groups of the tool have a kind of this name


@dataclass(frozen=True, slots=True)
class Coded:
    """A place that `read` or `pod` looks at by itself: a line of docs/references.md."""

    kind: str
    where: str
    how: str


def selector(
    kind: str, at: str, how: str, *, follows: PickUp = AT_RECONCILE, crosses: bool = False
) -> Named:
    """
    Say that a map with `name`, perhaps `key` and `optional`, stands at the path `at`.

    `crosses`: it may have a `namespace` too, which its controller honours.
    """
    return Named(
        kind,
        f"{at}.name",
        how,
        follows,
        key=f"{at}.key",
        optional=f"{at}.optional",
        namespace=f"{at}.namespace" if crosses else "",
    )


@dataclass(slots=True)
class Here:
    """Where a tool's findings go: the graph of one cluster, and how its objects are named."""

    gathered: Gathered
    namespace: str = "default"
    vaults: Vaults = field(default_factory=dict)

    def home(self, obj: Object, kind: Kind) -> str:
        return (namespace_of(obj) or self.namespace) if kind.namespaced else ""

    def define(self, obj: Object, kind: Kind, **attributes: AttributeValue) -> Ref:
        """Add the object itself, with its namespace and owner."""
        home = self.home(obj, kind)
        ref = refs.k8s(self.gathered.cluster, home, kind.kind, name_of(obj))
        self.gathered.define(ref, kind.node, **attributes)
        self.gathered.place(ref, home)
        self.gathered.own(ref, owners_said(obj))
        return ref

    def uses(self, obj: Object, kind: Kind, use: Reference) -> None:
        """Add one use of a secret by the object."""
        ref = self.define(obj, kind)
        connect_use(self.gathered, ref, kind.kind, use, self.home(obj, kind), vaults=self.vaults)

    def copies(self, tail: Ref, head: Ref, sync: Ref, **attributes: AttributeValue) -> None:
        """Add a copy that `sync` makes: `key` at the head, `from_key` at the tail, "" for all."""
        known: dict[str, AttributeValue] = {"key": "", "from_key": "", "refresh_interval": 0}
        self.gathered.connect(tail, head, EdgeKind.COPIES, sync=sync, **(known | attributes))

    def vault(
        self,
        key: str,
        *,
        server: str = "",
        vault_namespace: str = "",
        mount: str = "",
        version: str = "v2",
    ) -> Ref | None:
        """Add a secret of a Vault; see `vault_secret`."""
        return vault_secret(
            self.gathered,
            key,
            self.vaults,
            server=server,
            vault_namespace=vault_namespace,
            mount=mount,
            version=version,
        )

    def runs_as(self, obj: Object, kind: Kind, account: str) -> None:
        """Record the service account that pods of the object run as."""
        home = self.home(obj, kind)
        subject = refs.k8s(self.gathered.cluster, home, "ServiceAccount", account)
        self.gathered.refer(subject, NodeKind.SUBJECT)
        self.gathered.connect(self.define(obj, kind), subject, EdgeKind.RUNS_AS)


class Tool:
    """
    Reads the objects of one tool; `name` equals the module's name.

    Made anew for each look at a cluster, so that it may remember objects until `finish`.
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]
    named: ClassVar[tuple[Named, ...]] = ()
    coded: ClassVar[tuple[Coded, ...]] = ()

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        """Add what takes more than a path; `named` was read already."""

    def pod(self, template: PodTemplate) -> Iterator[Reference]:
        """Yield what the tool adds to a pod of any workload."""
        return iter(())

    def finish(self, here: Here) -> None:
        """Join what was remembered, when every object was read."""


def references(obj: Object, named: Named) -> Iterator[Reference]:
    """Yield the Secrets that `obj` names at one declared place. Pure."""
    for way, found in find(obj, named.name):
        if not isinstance(found, str) or not found:
            continue
        said = _beside(obj, named.only_kind, named, way)
        if said and said != "Secret":
            continue
        namespace, name = _beside(obj, named.namespace, named, way) or named.fallback, found
        if named.slashed and "/" in found:
            namespace, _, name = found.partition("/")
        if not name:
            continue
        optional = beside(obj, named.optional, named.name, way) if named.optional else None
        yield Reference(
            name,
            named.how,
            written(way),
            key=_beside(obj, named.key, named, way),
            optional=optional is True,
            namespace=namespace,
            follows=named.follows,
        )


def kinds_by_name(kinds: tuple[Kind, ...]) -> Mapping[tuple[str, str], Kind]:
    return {(kind.group, kind.kind): kind for kind in kinds}


def is_of(obj: Object, kind: Kind) -> bool:
    return text(obj, "kind") == kind.kind and group_of(obj) == kind.group


def _beside(obj: Object, path: str, named: Named, way: Way) -> str:
    found = beside(obj, path, named.name, way) if path else None
    return found if isinstance(found, str) else ""
