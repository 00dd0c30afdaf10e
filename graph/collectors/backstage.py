"""
Backstage: who owns which component, from its catalogue's API or from `catalog-info.yaml` files.

Example: `backstage/main` is the catalogue `main` of the settings. An entity with an owner speaks
for workloads labelled with its `backstage.io/kubernetes-id` (else its name), for the namespace in
`backstage.io/kubernetes-namespace`, and for the Vault paths below `vault.io/secrets-path`. A user
counts as the person of the e-mail address in its profile.
Source: https://backstage.io/docs/features/kubernetes/configuration/#surfacing-your-kubernetes-components-as-part-of-an-entity
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from graph import refs
from graph.catalog_api import Entity, entities_of_api, entities_of_file, files_of
from graph.collector import CollectContext, Collector, Permission
from graph.endpoints import CatalogSettings
from graph.errors import BadInputError
from graph.fields import pairs, text
from graph.gathered import Gathered
from graph.model import NodeKind, Observation
from graph.owners import Rule, rules_node
from graph.refs import Ref


class BackstageCollector(Collector):
    """Reads every configured catalogue."""

    name: ClassVar[str] = "backstage"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "backstage", "read on catalog-entity", "To know who owns a component; with `url` only."
        ),
    )

    def sources(self, context: CollectContext) -> tuple[str, ...]:
        return tuple(f"{self.name}/{catalog}" for catalog in context.catalogs)

    def collect(self, source: str, context: CollectContext) -> Iterator[Observation]:
        name = source.removeprefix(f"{self.name}/")
        gathered = Gathered(source, "")
        entities = list(_entities(name, context.catalogs[name], gathered))
        rules = tuple(dict.fromkeys(_rules(entities)))
        for rule in rules:
            kind = NodeKind.TEAM if rule.owner.startswith("team:") else NodeKind.PERSON
            gathered.define(rule.owner, kind)
        node = rules_node(source, "backstage", rules)
        gathered.define(node.ref, node.kind, **node.attributes)
        yield gathered.observation()


def _entities(name: str, settings: CatalogSettings, gathered: Gathered) -> Iterator[Entity]:
    if settings.url:
        yield from entities_of_api(name, settings)
    files = files_of(settings)
    if settings.files and not files:
        gathered.miss(", ".join(settings.files), "No file fits.", do_now=f"See catalogs.{name}.")
    for file in files:
        try:
            yield from entities_of_file(file)
        except BadInputError as error:
            gathered.miss(str(file), error.happened, do_now=error.do_now, complete=False)


def _rules(entities: Iterable[Entity]) -> Iterator[Rule]:
    known = list(entities)
    mails = {
        _full_name(entity): text(entity, "spec", "profile", "email")
        for entity in known
        if text(entity, "kind") == "User"
    }
    for entity in known:
        owner = _owner(entity, mails)
        if owner is None:
            continue
        kind, name = text(entity, "kind"), text(entity, "metadata", "name")
        how = f"Backstage {kind.lower()} {name}"
        said = pairs(entity, "metadata", "annotations")
        for pattern in _patterns(name, said):
            yield Rule(pattern, owner, how)


def _patterns(name: str, said: Mapping[str, str]) -> Iterator[str]:
    """Say what an entity speaks for, as patterns over refs."""
    yield f"component:{said.get('backstage.io/kubernetes-id') or name}"
    if namespace := said.get("backstage.io/kubernetes-namespace", ""):
        cluster = said.get("backstage.io/kubernetes-cluster", "") or "*"
        yield f"k8s://{cluster}/-/Namespace/{refs.encode(namespace)}"
    if path := said.get("vault.io/secrets-path", "").strip("/"):
        mount = said.get("vault.io/secrets-engine", "").strip("/") or "*"
        below = "/".join(map(refs.encode, path.split("/")))
        yield f"vault://*/{mount}/{below}"
        yield f"vault://*/{mount}/{below}/*"


def _owner(entity: Entity, mails: Mapping[str, str]) -> Ref | None:
    said: Any = text(entity, "spec", "owner").strip().lower()
    if not said or text(entity, "kind") in {"User", "Group"}:
        return None
    kind, _, rest = said.rpartition(":")
    namespace, _, name = rest.rpartition("/")
    if kind == "user":
        home = namespace or text(entity, "metadata", "namespace").lower() or "default"
        return refs.person(mails.get(f"{home}/{name}") or name)
    return refs.team(name)


def _full_name(entity: Entity) -> str:
    namespace = text(entity, "metadata", "namespace") or "default"
    return f"{namespace}/{text(entity, 'metadata', 'name')}".lower()
