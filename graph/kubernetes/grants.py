"""
Who holds which power over Secrets: bindings joined with roles, as `can_read` and `opens` edges.

A `can_read` edge leads from the subject to the Secret where the rule names it, to the namespace
where a RoleBinding grants it, to the cluster where a ClusterRoleBinding does; a rule that is bound
cluster-wide but limited by resourceNames has these as `names` on its edge. An `opens` edge says
whose rights the subject can take over, with `target`: one account, user or group, or all of a
namespace or cluster. So the readers of one Secret are a few look-ups and never a scan of all
bindings; who can become whom is followed when somebody asks (`graph/queries/identities.py`).

`kind` of an edge is a word of `detours.py`; `running`: only what pods that run there hold. A
group's members live in the identity provider: the cluster does not know them. Pure.
"""

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import unquote

from graph import refs
from graph.fields import Object, entries, group_of, name_of, namespace_of, text
from graph.gathered import Gathered
from graph.kubernetes.detours import (
    ACCOUNT,
    ALWAYS,
    DIRECT,
    EVERYTHING,
    NODE,
    USER,
    USERS_GROUP,
)
from graph.kubernetes.rbac import (
    ACCOUNT_PREFIX,
    GROUP,
    Power,
    PowerKind,
    aggregated,
    circles,
    powers,
    roles_by_name,
    rules_of,
)
from graph.kubernetes.two_rights import Grant, Holder, by_two_rights
from graph.model import AttributeValue, EdgeKind, NodeKind
from graph.refs import Ref

_SHOWN = 5  # names in a gap; the rest is counted
# Operators whose accounts read Secrets by design, by a part of the account's name.
_OPERATORS = (
    "argocd",
    "cert-manager",
    "external-secrets",
    "helm-controller",
    "kube-state-metrics",
    "kustomize-controller",
    "kyverno",
    "reloader",
    "sealed-secrets",
    "secrets-store-csi-driver",
    "vault-secrets-operator",
    "velero",
)


class Grants:
    """Roles and bindings of one cluster on their way into `gathered`."""

    def __init__(
        self, gathered: Gathered, *, namespace: str = "default", live: bool = True
    ) -> None:
        self._gathered = gathered
        self._namespace = namespace
        self._live = live
        self._cluster_roles: list[Object] = []
        self._gathering: set[str] = set()
        self._roles: dict[tuple[str, str], tuple[Power, ...]] = {}
        self._bindings: list[tuple[str, str, str, Object, tuple[Object, ...]]] = []
        self._holders: dict[Ref, Holder] = {}
        self._odd: dict[str, list[str]] = {}

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
        self._gathering = {name for name, role in roles.items() if "aggregationRule" in role}
        for name in roles:
            self._roles["", name] = powers(rules[name])
            self._policy("ClusterRole", "", name)
        for circle in circles(roles):
            self._note_odd("ClusterRoles that gather each other in a circle", " and ".join(circle))
        for binding in self._bindings:
            self._bind(*binding)
        for subject, holder in self._holders.items():
            plain = {(grant.path, grant.namespace) for grant in holder.grants if _reads_all(grant)}
            for grant in [*holder.grants, *by_two_rights(holder, self._rights)]:
                reaches = grant.power.kind is PowerKind.REACHES
                # Where the same rule path reads the place directly, a detour adds nothing.
                if not (reaches and (grant.path, grant.namespace) in plain):
                    self._connect(subject, grant)
        self._always_allowed()
        for what, names in self._odd.items():
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            self._gathered.miss(f"rbac of {self._gathered.cluster}", _sentence(what, names, more))

    def _bind(
        self, kind: str, place: str, name: str, role: Object, subjects: tuple[Object, ...]
    ) -> None:
        binding = refs.k8s(self._gathered.cluster, place, kind, name)
        role_name, of_cluster = text(role, "name"), text(role, "kind") == "ClusterRole"
        found = self._roles.get(("" if of_cluster else place, role_name))
        attributes: dict[str, AttributeValue] = {"role_missing": True} if found is None else {}
        self._gathered.define(binding, NodeKind.BINDING, **attributes)
        self._gathered.place(binding, place)
        if found is None:
            self._note_odd("Bindings to a role that does not exist, which give nothing", binding)
        home = "" if of_cluster else place
        policy = refs.k8s(self._gathered.cluster, home, text(role, "kind") or "Role", role_name)
        for entry in subjects:
            subject = self._subject(entry, place, binding)
            if subject is None or found is None:
                continue
            holder = self._holders.setdefault(subject, Holder())
            path = (binding, policy)
            if of_cluster and role_name in self._gathering:
                holder.gathering.append((place, path))
            for power in found:
                if not (power.cluster_only and place):
                    holder.grants.append(Grant(power, place, path))

    def _subject(self, entry: Object, place: str, binding: Ref) -> Ref | None:
        kind, name = text(entry, "kind"), text(entry, "name")
        namespace = ""
        if kind == "ServiceAccount":
            namespace = text(entry, "namespace") or place
            if not namespace:
                self._note_odd(
                    "ServiceAccounts without a namespace, to which a ClusterRoleBinding never"
                    " applies",
                    f"{name} in {binding}",
                )
                return None
        if kind not in {USER, USERS_GROUP, ACCOUNT} or not name:
            return None
        if not name.isascii():
            self._note_odd("Subjects whose name may look like another one", f"{name} in {binding}")
        subject = self._named(kind, namespace, name)
        if not self._referred(subject):
            self._gathered.define(subject, NodeKind.SUBJECT)
        return subject

    def _referred(self, subject: Ref) -> bool:
        """Add a subject that is spoken of; True for an account, which is an object elsewhere."""
        self._gathered.refer(subject, NodeKind.SUBJECT)
        *_, home, kind, name = subject.split("/")
        if kind != ACCOUNT:
            return False
        self._gathered.place(subject, unquote(home))
        operator = next((one for one in _OPERATORS if one in name), "")
        if operator:
            self._gathered.note(subject, operator=operator)
        return True

    def _named(self, kind: str, namespace: str, name: str) -> Ref:
        """Name a subject; a user who is spelled like an account is that account."""
        if kind == USER and name.startswith(ACCOUNT_PREFIX):
            home, _, account = name.removeprefix(ACCOUNT_PREFIX).partition(":")
            if home and account:
                return refs.k8s(self._gathered.cluster, home, ACCOUNT, account)
        return refs.k8s(self._gathered.cluster, namespace, kind, name)

    def _connect(self, subject: Ref, grant: Grant) -> None:
        power = grant.power
        if power.kind is PowerKind.BECOMES:
            self._becomes(subject, grant)
        elif power.kind is PowerKind.READS:
            head = self._place(grant.namespace)
            if grant.namespace and power.names:
                for name in power.names:
                    head = self._gathered.refer_secret(grant.namespace, name)
                    self._reads(subject, head, replace(grant, power=replace(power, names=())))
            else:
                self._reads(subject, head, grant)
        elif power.kind is PowerKind.REACHES:
            self._reads(subject, self._place(grant.namespace), grant)

    def _reads(self, subject: Ref, head: Ref, grant: Grant) -> None:
        power = grant.power
        direct = power.kind is PowerKind.READS and power.way in {DIRECT, ALWAYS}
        self._gathered.connect(
            subject, head, EdgeKind.CAN_READ, direct=direct, **_said(power, grant.path)
        )

    def _becomes(self, subject: Ref, grant: Grant) -> None:
        """Say whose rights can be taken over: one by one where the rule names them."""
        power = grant.power
        said = {**_said(power, grant.path), "target": power.target, "direct": False}
        one_by_one = power.names and (grant.namespace or power.target != ACCOUNT)
        heads = [self._place(grant.namespace)]
        if one_by_one:
            said.pop("names", None)
            home = grant.namespace if power.target == ACCOUNT else ""
            heads = [self._named(power.target, home, name) for name in power.names]
            for head in heads:
                self._referred(head)
        for head in heads:
            if head != subject:
                self._gathered.connect(subject, head, EdgeKind.OPENS, **said)

    def _rights(self, kind: str, home: str, name: str) -> tuple[Ref, tuple[Power, ...]]:
        """Find a role by its name: what it gives towards Secrets."""
        role = refs.k8s(self._gathered.cluster, home, kind, name)
        return role, self._roles.get((home, name), ())

    def _place(self, namespace: str) -> Ref:
        if not namespace:
            return self._gathered.store()
        home = self._gathered.namespace(namespace)
        self._gathered.refer(home, NodeKind.NAMESPACE)
        return home

    def _policy(self, kind: str, namespace: str, name: str) -> None:
        ref = refs.k8s(self._gathered.cluster, namespace, kind, name)
        self._gathered.define(ref, NodeKind.POLICY)
        self._gathered.place(ref, namespace)

    def _note_odd(self, what: str, name: str) -> None:
        self._odd.setdefault(what, []).append(name)

    def _always_allowed(self) -> None:
        """Add who reads Secrets without any rule: the API server asks no rule for these."""
        if not self._live:
            return
        masters = self._named(USERS_GROUP, "", "system:masters")
        nodes = self._named(USERS_GROUP, "", "system:nodes")
        for subject in (masters, nodes):
            self._gathered.define(subject, NodeKind.SUBJECT)
        note = "Always allowed; no rule can take it away."
        reads = Power(PowerKind.READS, "*", note=note, way=ALWAYS)
        self._reads(masters, self._place(""), Grant(reads, "", ()))
        for target in EVERYTHING:
            lent = replace(reads, kind=PowerKind.BECOMES, target=target)
            self._becomes(masters, Grant(lent, "", ()))
        note = "Each kubelet reads what the pods of its node mount, and mints their tokens."
        mounted = Power(PowerKind.REACHES, "get", note=note, way=NODE, running=True)
        self._reads(nodes, self._place(""), Grant(mounted, "", ()))
        minted = replace(mounted, kind=PowerKind.BECOMES, target=ACCOUNT)
        self._becomes(nodes, Grant(minted, "", ()))


def _said(power: Power, path: Iterable[Ref]) -> dict[str, AttributeValue]:
    said: dict[str, AttributeValue] = {
        "verb": power.verb,
        "path": tuple(str(ref) for ref in path),
        "note": power.note,
        "kind": power.way,
    }
    if power.names:
        said["names"] = power.names
    if power.running:
        said["running"] = True
    return said


def _reads_all(grant: Grant) -> bool:
    power = grant.power
    return power.kind is PowerKind.READS and power.way == DIRECT and not power.names


def _sentence(what: str, names: list[str], more: str) -> str:
    return f"{what}: {', '.join(names[:_SHOWN])}{more}."
