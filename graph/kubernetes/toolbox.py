"""
All tools at once: hands each object of a cluster to those who read its kind.

Live collection and manifests come through here alike. Objects of kinds that no tool knows are read
by what the configuration declares of them (`Declared`), else, where `infer` says so, by guessing.
`add` looks at one object and nothing else; `finish` joins what has to be joined.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from graph.errors import BadInputError
from graph.fields import Object, group_of, name_of, text
from graph.kubernetes.inferred import inferred_references
from graph.kubernetes.paths import parse
from graph.kubernetes.references import CARRIERS
from graph.kubernetes.tool import UNKNOWN, Here, Kind, Named, Tool, kinds_by_name, references
from graph.kubernetes.workloads import PodReader
from graph.model import NodeKind
from graph.plugins import discover

# Groups of Kubernetes itself and of what other readers know: nothing there is guessed.
_KNOWN_GROUPS = frozenset(
    {"", "apps", "extensions", "batch", "policy", "autoscaling", "external-secrets.io"}
)


def _is_path(text_of_path: str) -> str:
    if text_of_path:
        try:
            parse(text_of_path)
        except BadInputError as error:
            raise ValueError(error.happened) from None
    return text_of_path


Path = Annotated[str, AfterValidator(_is_path)]


class Declared(BaseModel):
    """
    A reference in a custom resource that no tool knows: `graph.references` of the configuration.

    `name` leads to the name of the Secret, `key` and `namespace` to what stands beside it; without
    `namespace` it is the object's own. `plural` is what `kubectl api-resources` shows; empty: the
    kind in lower case with an s.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = Field(min_length=1)
    group: str = Field(min_length=1)
    name: Annotated[Path, Field(min_length=1)]
    key: Path = ""
    namespace: Path = ""
    plural: str = ""
    cluster_scoped: bool = False

    def as_kind(self) -> Kind:
        plural = self.plural or f"{self.kind.lower()}s"
        return Kind(self.group, self.kind, plural, namespaced=not self.cluster_scoped)

    def as_named(self) -> Named:
        return Named(
            self.kind, self.name, "declared", UNKNOWN, key=self.key, namespace=self.namespace
        )


def found_tools() -> dict[str, type[Tool]]:
    """Return the class of each tool that is installed, by name."""
    return discover(Tool, "graph.kubernetes.tools")


class Toolbox:
    """
    The tools at work on the objects of one cluster.

    `infer`: guess the references of custom resources that nobody knows.
    """

    def __init__(
        self, here: Here, *, declared: tuple[Declared, ...] = (), infer: bool = False
    ) -> None:
        self._here = here
        self._infer = infer
        self._tools = tuple(tool() for tool in found_tools().values())
        self._readers: dict[tuple[str, str], list[tuple[Tool, Kind, tuple[Named, ...]]]] = {}
        for tool in self._tools:
            for key, kind in kinds_by_name(tool.kinds).items():
                rows = tuple(
                    row
                    for row in tool.named
                    if row.kind == kind.kind and row.group in {"", kind.group}
                )
                self._readers.setdefault(key, []).append((tool, kind, rows))
        for one in declared:
            kind, nobody = one.as_kind(), Tool()
            self._readers.setdefault((kind.group, kind.kind), []).append(
                (nobody, kind, (one.as_named(),))
            )

    def pod_readers(self) -> Iterator[PodReader]:
        """Yield what finds the additions of tools to any pod; see `carrier_of`."""
        for tool in self._tools:
            if type(tool).pod is not Tool.pod:
                yield tool.pod

    def add(self, obj: Object) -> bool:
        """Read one object; False where no tool and no declaration knows its kind."""
        group, kind_name = group_of(obj), text(obj, "kind")
        if not name_of(obj) or not kind_name:
            return False
        readers = self._readers.get((group, kind_name))
        if readers is None:
            return self._infer and self._guess(obj, group, kind_name)
        for tool, kind, rows in readers:
            for row in rows:
                for use in references(obj, row):
                    self._here.uses(obj, kind, use)
            tool.read(obj, kind, self._here)
        return True

    def finish(self) -> None:
        """Join what tools remembered; to be called once, when every object was added."""
        for tool in self._tools:
            tool.finish(self._here)

    def _guess(self, obj: Object, group: str, kind_name: str) -> bool:
        if not may_be_guessed(group) or group in CARRIERS.get(kind_name, (frozenset(),))[0]:
            return False
        kind = Kind(group, kind_name, "", NodeKind.WORKLOAD)
        for use in inferred_references(obj):
            self._here.uses(obj, kind, use)
        return True


def listed_kinds(declared: tuple[Declared, ...] = ()) -> Mapping[tuple[str, str], Kind]:
    """Name every kind that is to be listed of a live cluster, by (group, plural)."""
    kinds = [kind for tool in found_tools().values() for kind in tool.kinds if kind.plural]
    kinds += [one.as_kind() for one in declared]
    return {(kind.group, kind.plural): kind for kind in kinds}


def may_be_guessed(group: str) -> bool:
    """Say whether objects of an API group may be custom resources that nobody described."""
    return group not in _KNOWN_GROUPS and not group.endswith(".k8s.io")
