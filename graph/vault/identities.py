"""
Entities and groups of the identity store: whose policies add to those of a token, and to what.

An entity is one person or program, whatever it logs in with; its aliases are those logins. It reads
with its own policies and those of its groups, of their groups too, all together: so a policy with
`{{identity.…}}` in a path can be filled in for it. A Kubernetes account that logged in once has an
alias with its name, which joins the two planes.
Source: https://openbao.org/docs/concepts/identity/ and .../policies/ ("Templated policies").
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from graph import refs
from graph.errors import AccessDeniedError, BadInputError, NotFoundError
from graph.model import EdgeKind, NodeKind
from graph.refs import Ref
from graph.vault.access import Holder, VaultAccess
from graph.vault_api import stanza

_USERS = frozenset({"userpass", "ldap"})

Named = Mapping[str, Any]


class Identities:
    """Reads the identity store of one vault; `clusters`: the cluster of each kubernetes mount."""

    def __init__(self, access: VaultAccess, clusters: Mapping[str, str]) -> None:
        self._access = access
        self._gathered = access.gathered
        self._clusters = clusters
        self._groups: dict[str, Named] = {}

    def read(self) -> None:
        """Gather groups, entities and their logins; to be called after `VaultAccess.read`."""
        self._groups = {str(group.get("id")): group for group in self._all("group")}
        reads: dict[str, set[Ref]] = {}
        for identity, group in self._groups.items():
            holder = Holder(self._ref("group", group), self._inherited([identity]), {})
            self._gathered.define(holder.ref, NodeKind.SUBJECT, type="identity group")
            reads[identity] = self._access.connect_holder(holder)
        for entity in self._all("entity"):
            self._entity(entity, reads)

    def _entity(self, entity: Named, reads: Mapping[str, set[Ref]]) -> None:
        if entity.get("disabled"):
            return
        ref = self._ref("entity", entity)
        groups = [str(one) for one in entity.get("group_ids") or ()]
        policies = tuple(dict.fromkeys((*_policies(entity), *self._inherited(groups))))
        self._gathered.define(ref, NodeKind.SUBJECT, type="identity entity", policies=policies)
        holder = Holder(ref, policies, {})
        found = self._access.connect_holder(holder, self._values(entity, groups))
        for group in groups:
            if group in self._groups and reads[group] <= found:  # else one denies what it allows
                head = self._ref("group", self._groups[group])
                self._gathered.connect(ref, head, EdgeKind.OPENS, verb="member")
        for alias in _listed(entity.get("aliases")):
            for login in self._logins(alias):
                self._gathered.refer(login, NodeKind.SUBJECT)
                self._gathered.connect(login, ref, EdgeKind.OPENS, verb="logs in as")

    def _logins(self, alias: Named) -> Iterator[Ref]:
        """Name what an alias stands for, where the graph has a name for it."""
        mount = str(alias.get("mount_path") or "").removeprefix("auth/").strip("/")
        method, name = str(alias.get("mount_type") or ""), str(alias.get("name") or "")
        known = alias.get("metadata")
        metadata: Named = known if isinstance(known, dict) else {}
        if method in _USERS and name:
            yield refs.vault(self._access.store, "auth", f"{mount}/users/{name}")
        elif method == "approle" and metadata.get("role_name"):
            role = metadata["role_name"]
            yield refs.vault(self._access.store, "auth", f"{mount}/role/{role}")
        elif method == "kubernetes" and mount in self._clusters:
            account = str(metadata.get("service_account_name") or "")
            home = str(metadata.get("service_account_namespace") or "")
            if account and home:
                yield refs.k8s(self._clusters[mount], home, "ServiceAccount", account)

    def _inherited(self, groups: Sequence[str]) -> tuple[str, ...]:
        """Add up the policies of groups and of all groups that these are members of."""
        policies: dict[str, None] = {}
        queue, seen = list(groups), set(groups)
        for identity in queue:
            policies.update(dict.fromkeys(_policies(self._groups.get(identity, {}))))
            for above, group in self._groups.items():
                if above not in seen and identity in (group.get("member_group_ids") or ()):
                    seen.add(above)
                    queue.append(above)
        return tuple(policies)

    def _values(self, entity: Named, groups: Sequence[str]) -> dict[str, str]:
        """List what the templates of policies may say of one entity."""
        values = {
            "identity.entity.id": entity.get("id"),
            "identity.entity.name": entity.get("name"),
        }
        values |= _each("identity.entity.metadata", entity.get("metadata"))
        for alias in _listed(entity.get("aliases")):
            start = f"identity.entity.aliases.{alias.get('mount_accessor')}"
            values |= {f"{start}.id": alias.get("id"), f"{start}.name": alias.get("name")}
            values |= _each(f"{start}.metadata", alias.get("metadata"))
            values |= _each(f"{start}.custom_metadata", alias.get("custom_metadata"))
        for group in (self._groups[one] for one in groups if one in self._groups):
            by_id = f"identity.groups.ids.{group.get('id')}"
            by_name = f"identity.groups.names.{group.get('name')}"
            values |= {f"{by_id}.name": group.get("name"), f"{by_name}.id": group.get("id")}
            values |= _each(f"{by_id}.metadata", group.get("metadata"))
            values |= _each(f"{by_name}.metadata", group.get("metadata"))
        return {name: str(value) for name, value in values.items() if value}

    def _ref(self, sort: str, found: Named) -> Ref:
        name = str(found.get("name") or found.get("id") or "")
        return refs.vault(self._access.store, "identity", f"{sort}/{name}")

    def _all(self, sort: str) -> Iterator[Named]:
        base, store = f"identity/{sort}/id", self._access.store
        try:
            for name in self._access.names(base, f"list {base} in vault {store}"):
                path = f"{base}/{quote(name, safe='')}"
                try:
                    yield self._access.get(path, f"read {path} in vault {store}")
                except NotFoundError:  # removed since it was listed
                    continue
        except (AccessDeniedError, BadInputError) as error:
            rules = f"{stanza(base, 'list')} {stanza(f'{base}/+', 'read', 'list')}"
            self._access.miss(base, error, rule=rules)


def _policies(found: Named) -> tuple[str, ...]:
    return tuple(str(policy) for policy in found.get("policies") or ())


def _listed(found: object) -> list[Named]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _each(start: str, found: object) -> dict[str, Any]:
    return {f"{start}.{key}": one for key, one in found.items()} if isinstance(found, dict) else {}
