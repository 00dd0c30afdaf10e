"""
The contract of a collector: read one kind of source, say what is there and what was not readable.

A member is one file in `graph/collectors/` with one subclass. A refusal is not an absence: a
scope that could not be read becomes a `Gap`, never a missing node.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from graph.connections import Connections
from graph.endpoints import CatalogSettings
from graph.fingerprints import Fingerprinter
from graph.kubernetes.toolbox import Declared
from graph.model import Observation


@dataclass(frozen=True, slots=True)
class Permission:
    """What a member needs at the other side: `where` ("kubernetes", "vault"), `rule`, `why`."""

    where: str
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class CollectContext:
    """
    What a collector is given. `fingerprinter` is None where values must not be read.

    `references` are declared for custom resources that no tool knows; `infer`: guess the others.
    `owner_rules` are pairs of a glob over refs and an owner (None: not to be looked at);
    `catalogs` name software catalogues.
    """

    connections: Connections
    fingerprinter: Fingerprinter | None
    references: tuple[Declared, ...] = ()
    infer: bool = False
    owner_rules: tuple[tuple[str, str], ...] | None = None
    catalogs: Mapping[str, CatalogSettings] = field(default_factory=dict)


class Collector(ABC):
    """
    Reads every configured endpoint of its kind.

    `name` equals the module's name; `permissions` lists what it needs, for `check` and the docs.
    A member that needs nothing but a cluster, whose sources are `NAME/CLUSTER`, is kept live by
    watches; it says `by_namespace` if all rows that an object causes depend on nothing outside of
    the object's own namespace (objects of the whole cluster: on nothing but such objects).
    """

    name: ClassVar[str]
    permissions: ClassVar[tuple[Permission, ...]]
    by_namespace: ClassVar[bool] = False

    @abstractmethod
    def sources(self, context: CollectContext) -> tuple[str, ...]:
        """Name the sources that the configuration gives to this collector ("vault/main")."""

    @abstractmethod
    def collect(self, source: str, context: CollectContext) -> Iterator[Observation]:
        """
        Read one source.

        Raises:
            AccessDeniedError, UnavailableError: nothing of the source could be read at all; the
                caller keeps what was known and records the gap.
        """
