"""
Who holds which power over Secrets: bindings joined with roles, as `can_read` edges.

An edge leads from the subject to the Secret where the rule names it, to the namespace where a
RoleBinding grants it, to the cluster where a ClusterRoleBinding does; a rule that is bound
cluster-wide but limited by resourceNames has these as `names` on its edge. So the readers of one
Secret are three look-ups, and never a scan of all bindings.

Besides its own powers a subject has those of every account, user and group that it can become: by
a minted token, by impersonation, by a pod that runs as the account. That is followed to the end,
shortest way first, and only where it adds something.

A group's members live in the identity provider: the cluster does not know them. Pure.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from graph import refs
from graph.fields import Object, entries, group_of, name_of, namespace_of, text
from graph.gathered import Gathered
from graph.kubernetes.rbac import (
    GROUP,
    Power,
    PowerKind,
    aggregated,
    powers,
    roles_by_name,
    rules_of,
)
from graph.model import AttributeValue, EdgeKind, NodeKind
from graph.refs import Ref

_ACCOUNT = "system:serviceaccount:"
_ANY_ACCOUNT = "system:serviceaccounts"


@dataclass(frozen=True, slots=True)
class _Grant:
    """A power in a place: `namespace` is "" for the whole cluster."""

    power: Power
    namespace: str
    path: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class _Way:
    """One edge to be: `head` with its `names`."""

    head: Ref
    names: tuple[str, ...]
    verb: str
    path: tuple[Ref, ...]
    note: str


@dataclass(slots=True)
class _Holder:
    """A subject with all its grants, and the ways they open."""

    grants: list[_Grant] = field(default_factory=list)
    ways: list[_Way] = field(default_factory=list)


class Grants:
    """Roles and bindings of one cluster on their way into `gathered`."""

    def __init__(
        self, gathered: Gathered, *, namespace: str = "default", live: bool = True
    ) -> None:
        self._gathered = gathered
        self._namespace = namespace
        self._live = live
        self._cluster_roles: list[Object] = []
        self._roles: dict[tuple[str, str], tuple[Power, ...]] = {}
        self._bindings: list[tuple[str, str, str, Object, tuple[Object, ...]]] = []
        self._holders: dict[Ref, _Holder] = {}
        self._accounts: dict[str, set[Ref]] = {}  # by namespace, those that hold something

    def add(self, obj: Object) -> bool:
        """Take one object; False where it is neither role nor binding."""
        kind, name = text(obj, "kind"), name_of(obj)
        if group_of(obj) not in {GROUP, "authorization.openshift.io"} or not name:
            return False
        home = namespace_of(obj) or self._namespace
        if kind == "ClusterRole":
            self._cluster_roles.append(obj)
        elif kind == "Role":
            self._roles[home, name] = powers(rules_of(obj))
            self._policy("Role", home, name)
        elif kind in {"RoleBinding", "ClusterRoleBinding"}:
            place = home if kind == "RoleBinding" else ""
            role, subjects = obj.get("roleRef"), tuple(entries(obj, "subjects"))
            self._bindings.append((kind, place, name, role or {}, subjects))
        else:
            return False
        return True

    def finish(self) -> None:
        """Add everything to the graph; to be called once."""
        roles = roles_by_name(self._cluster_roles)
        rules = (
            {name: rules_of(role) for name, role in roles.items()}
            if self._live
            else aggregated(roles)
        )
        for name in roles:
            self._roles["", name] = powers(rules[name])
            self._policy("ClusterRole", "", name)
        for binding in self._bindings:
            self._bind(*binding)
        for subject, holder in self._holders.items():
            self._own_ways(subject, holder)
        for subject, holder in self._holders.items():
            self._borrowed_ways(subject, holder)
        self._always_allowed()

    def _bind(
        self, kind: str, place: str, name: str, role: Object, subjects: tuple[Object, ...]
    ) -> None:
        binding = refs.k8s(self._gathered.cluster, place, kind, name)
        role_name, of_cluster = text(role, "name"), text(role, "kind") == "ClusterRole"
        found = self._roles.get(("" if of_cluster else place, role_name))
        attributes: dict[str, AttributeValue] = {"role_missing": True} if found is None else {}
        self._gathered.define(binding, NodeKind.BINDING, **attributes)
        self._gathered.place(binding, place)
        home = "" if of_cluster else place
        policy = refs.k8s(self._gathered.cluster, home, text(role, "kind") or "Role", role_name)
        for entry in subjects:
            subject = self._subject(entry, place)
            if subject is None or not found:
                continue
            holder = self._holders.setdefault(subject, _Holder())
            path = (binding, policy)
            for power in found:
                if not (power.cluster_only and place):
                    holder.grants.append(_Grant(power, place, path))

    def _subject(self, entry: Object, place: str) -> Ref | None:
        kind, name = text(entry, "kind"), text(entry, "name")
        namespace = ""
        if kind == "User" and name.startswith(_ACCOUNT):  # the same identity, spelled out
            namespace, _, name = name.removeprefix(_ACCOUNT).partition(":")
            kind = "ServiceAccount"
        elif kind == "ServiceAccount":
            namespace = text(entry, "namespace") or place
            if not namespace:  # in a ClusterRoleBinding such a subject never applies
                return None
        if kind not in {"User", "Group", "ServiceAccount"} or not name:
            return None
        subject = refs.k8s(self._gathered.cluster, namespace, kind, name)
        if kind == "ServiceAccount":
            self._gathered.refer(subject, NodeKind.SUBJECT)
            self._gathered.place(subject, namespace)
            self._accounts.setdefault(namespace, set()).add(subject)
        else:
            self._gathered.define(subject, NodeKind.SUBJECT)
        return subject

    def _own_ways(self, subject: Ref, holder: _Holder) -> None:
        for grant in holder.grants:
            power = grant.power
            if power.kind is PowerKind.READS:
                for way in self._heads(grant):
                    holder.ways.append(way)
                    self._connect(subject, way, direct=True)
            elif power.kind is PowerKind.REACHES:
                way = self._detour(grant.namespace, power.verb, grant.path, power.note)
                holder.ways.append(way)
                self._connect(subject, way, direct=False)
        for way in self._by_changing_roles(holder):
            holder.ways.append(way)
            self._connect(subject, way, direct=False)

    def _heads(self, grant: _Grant) -> Iterator[_Way]:
        power = grant.power
        if grant.namespace and power.names:
            for name in power.names:
                head = self._gathered.refer_secret(grant.namespace, name)
                yield _Way(head, (), power.verb, grant.path, power.note)
        else:
            head = self._place(grant.namespace)
            yield _Way(head, power.names, power.verb, grant.path, power.note)

    def _by_changing_roles(self, holder: _Holder) -> Iterator[_Way]:
        """Find who may give himself any right: two powers, which are harmless one by one."""
        parts = [grant for grant in holder.grants if grant.power.kind is PowerKind.PART]
        writes = [grant for grant in parts if grant.power.verb == "write"]
        for first in parts:
            verb, resource = first.power.verb, first.power.target
            if verb == "bind" and self._worth_binding(first):
                wanted = {"rolebindings", "clusterrolebindings"}
                note = "Can bind itself to a role that reads Secrets."
            elif verb == "escalate":
                wanted = {resource}
                note = "Can write any right into a role."
            else:
                continue
            for second in writes:
                # A cluster-wide grant holds in every namespace, never the other way round.
                fits = not first.namespace or second.namespace in {"", first.namespace}
                fits = fits and second.power.target in wanted
                if second.power.target == "clusterrolebindings" and second.namespace:
                    fits = False
                if fits:
                    place = first.namespace or second.namespace
                    path = tuple(dict.fromkeys((*first.path, *second.path)))
                    yield self._detour(place, f"{verb} {resource}", path, note)

    def _worth_binding(self, grant: _Grant) -> bool:
        """Look whether the roles that may be bound disclose anything, where they are named."""
        place = grant.namespace if grant.power.target == "roles" else ""
        return not grant.power.names or any(
            power.kind is not PowerKind.PART
            for name in grant.power.names
            for power in self._roles.get((place, name), ())
        )

    def _borrowed_ways(self, subject: Ref, holder: _Holder) -> None:
        """Walk through the identities that the subject can become, nearest first."""
        known = {way.head for way in holder.ways if not way.names}
        seen = {subject}
        start: tuple[Ref, ...] = ()
        queue = deque([(holder, start)])
        while queue and self._gathered.store() not in known:
            current, path = queue.popleft()
            for grant in current.grants:
                if grant.power.kind is not PowerKind.BECOMES:
                    continue
                for other in self._identities(grant):
                    if other in seen:
                        continue
                    seen.add(other)
                    way_here = (*path, *grant.path, other)
                    self._take_over(subject, other, way_here, grant.power, known)
                    queue.append((self._holders[other], way_here))

    def _take_over(
        self, subject: Ref, other: Ref, path: tuple[Ref, ...], power: Power, known: set[Ref]
    ) -> None:
        cluster = self._gathered.store()
        for way in self._holders[other].ways:
            inside = refs.namespace_of(way.head)
            if way.head in known or cluster in known or inside in known:
                continue
            if not way.names:
                known.add(way.head)
            note = f"Can act as {other}: {power.verb}."
            taken = _Way(way.head, way.names, way.verb, (*path, *way.path), note)
            self._connect(subject, taken, direct=False)

    def _identities(self, grant: _Grant) -> Iterable[Ref]:
        """List the subjects with grants of their own that this power makes available."""
        power, cluster = grant.power, self._gathered.cluster
        if power.target == "ServiceAccount":
            places = [grant.namespace] if grant.namespace else list(self._accounts)
            found = {one for place in places for one in self._accounts.get(place, ())}
            found &= self._holders.keys()
            groups = [_ANY_ACCOUNT, *(f"{_ANY_ACCOUNT}:{place}" for place in places)]
            implied = [refs.k8s(cluster, "", "Group", group) for group in groups]
            if power.names:
                wanted = {
                    refs.k8s(cluster, place, "ServiceAccount", name)
                    for place in places
                    for name in power.names
                }
                found &= wanted
            return sorted(found) + [one for one in implied if one in self._holders]
        kind = f"k8s://{refs.encode(cluster)}/-/{power.target}/"
        names = {refs.encode(name) for name in power.names}
        return sorted(
            ref
            for ref in self._holders
            if ref.startswith(kind) and (not names or ref.removeprefix(kind) in names)
        )

    def _detour(self, namespace: str, verb: str, path: tuple[Ref, ...], note: str) -> _Way:
        return _Way(self._place(namespace), (), verb, path, note)

    def _place(self, namespace: str) -> Ref:
        if not namespace:
            return self._gathered.store()
        home = self._gathered.namespace(namespace)
        self._gathered.refer(home, NodeKind.NAMESPACE)
        return home

    def _connect(self, subject: Ref, way: _Way, *, direct: bool) -> None:
        extra: Mapping[str, AttributeValue] = {"names": way.names} if way.names else {}
        self._gathered.connect(
            subject,
            way.head,
            EdgeKind.CAN_READ,
            verb=way.verb,
            direct=direct,
            path=tuple(str(ref) for ref in way.path),
            note=way.note,
            **extra,
        )

    def _policy(self, kind: str, namespace: str, name: str) -> None:
        ref = refs.k8s(self._gathered.cluster, namespace, kind, name)
        self._gathered.define(ref, NodeKind.POLICY)
        self._gathered.place(ref, namespace)

    def _always_allowed(self) -> None:
        """Add who reads Secrets without any rule: the API server asks no rule for these."""
        if not self._live:
            return
        for group, verb, direct, note in (
            ("system:masters", "*", True, "Always allowed; no rule can take it away."),
            ("system:nodes", "get", False, "Each kubelet reads what the pods of its node mount."),
        ):
            subject = refs.k8s(self._gathered.cluster, "", "Group", group)
            self._gathered.define(subject, NodeKind.SUBJECT)
            self._connect(subject, self._detour("", verb, (), note), direct=direct)
