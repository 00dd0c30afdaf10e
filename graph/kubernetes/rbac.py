"""
What a rule of Kubernetes RBAC allows, and which of it lets somebody obtain Secrets.

The rule test is Kubernetes' own (plugin/pkg/auth/authorizer/rbac RuleAllows): verb, group,
resource and name must match inside one rule; `*` covers subresources, `*/sub` one of them, and
`pods/*` matches nothing. Disclosure has five verbs: besides get, list and watch, an empty `patch`
answers the whole object and a `deletecollection` answers the list, both even as a dry run. A list
or watch limited by resourceNames reveals as well, by way of `fieldSelector=metadata.name=…`.

Ways around reading are in `detours.py`. RBAC has no deny. Grants of webhook authorizers (cloud
IAM) are in no object and so not here. Who holds a role is in `grants.py`. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

import networkx as nx

from graph.fields import Object, entries, mapping, name_of, pairs, texts
from graph.kubernetes.detours import (
    ACCOUNT,
    CHANGES,
    DETOURS,
    DIRECT,
    EPHEMERAL,
    IMPERSONATE,
    MINT_TOKEN,
    USER,
    VSO,
    WRITES,
)
from graph.kubernetes.selectors import selects

GROUP = "rbac.authorization.k8s.io"
ACCOUNT_PREFIX = "system:serviceaccount:"
READ_VERBS = ("get", "list", "watch", "patch", "deletecollection")

# The name of a request is empty for these, so that resourceNames can only name "".
_NAMELESS = frozenset({"create", "deletecollection"})
_NAMEABLE = frozenset({"list", "watch"})  # with a field selector, else nameless


@dataclass(frozen=True, slots=True)
class Rule:
    """One PolicyRule; `names` empty means any name."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    names: tuple[str, ...] = ()

    def covers(self, verb: str, group: str, resource: str) -> bool:
        """Apply all but the names; `resource` may be `pods/exec`."""
        return (
            ("*" in self.verbs or verb in self.verbs)
            and ("*" in self.groups or group in self.groups)
            and any(_matches(own, resource) for own in self.resources)
        )

    def allows(self, verb: str, group: str, resource: str, name: str = "") -> bool:
        """Decide one request; `name` is "" where the request names none."""
        return self.covers(verb, group, resource) and (not self.names or name in self.names)


class PowerKind(StrEnum):
    READS = "reads"  # the API answers values
    REACHES = "reaches"  # a detour to the Secrets of the place
    BECOMES = "becomes"  # acts as another subject, or with what a store may read
    PART = "part"  # harmless alone; see `grants.py`


@dataclass(frozen=True, slots=True)
class Power:
    """
    What a role gives towards Secrets, where it is bound.

    `names`: only these (Secrets, accounts, users or groups; () = any). `target`, of `BECOMES`:
    "ServiceAccount", "User", "Group", "SecretStore" or "VaultAuth"; of `PART`: what can be done.
    `cluster_only`: only a ClusterRoleBinding makes it work, as the resource lies in no namespace.
    `way`: a kind of `detours.py`. `running`: only what pods that run there hold.
    """

    kind: PowerKind
    verb: str
    names: tuple[str, ...] = ()
    note: str = ""
    target: str = ""
    cluster_only: bool = False
    way: str = DIRECT
    running: bool = False


_READ_NOTES = {
    "patch": "An empty patch, even as a dry run, answers the whole Secret.",
    "deletecollection": "A deletecollection as a dry run answers the list and deletes nothing.",
}
_BY_SELECTOR = "{} works only with the field selector metadata.name."
_PARTS = (
    ("bind", "roles"),
    ("bind", "clusterroles"),
    ("escalate", "roles"),
    ("escalate", "clusterroles"),
)
_WRITTEN = (
    ("write", WRITES, GROUP, ("rolebindings", "clusterrolebindings")),
    ("change", CHANGES, GROUP, ("roles", "clusterroles")),
    ("create", ("create",), GROUP, ("roles", "clusterroles")),
    ("create", ("create",), "", ("secrets",)),
    ("write", WRITES, VSO, ("vaultauths", "vaultconnections")),
)
_MINTS = "Mints a token of the account."
_ACTS = "Acts as it by impersonation."


def rules_of(role: Object) -> tuple[Rule, ...]:
    """Read the rules of a Role or ClusterRole; what has the wrong shape allows nothing."""
    return tuple(
        Rule(
            texts(rule, "verbs"),
            texts(rule, "apiGroups"),
            texts(rule, "resources"),
            texts(rule, "resourceNames"),
        )
        for rule in entries(role, "rules")
    )


def powers(rules: Iterable[Rule]) -> tuple[Power, ...]:
    """
    Return what the rules of one role give towards Secrets, without doubles.

    Detours of one sort are one power, with all its verbs: a role that may change every kind of
    workload is one way to make pods, not twenty.
    """
    return _united(tuple(dict.fromkeys(rules)))


def aggregated(roles: Mapping[str, Object]) -> dict[str, tuple[Rule, ...]]:
    """
    Compute the rules of ClusterRoles that gather others by label, to the fixpoint.

    A live cluster has done so itself; manifests have not. The controller overwrites what such a
    role says of its own. Only in a circle may that survive, depending on who comes first, and so
    it counts: there all end up with the same rules.
    """
    gathers = _gathers(roles)
    in_circle = {name for circle in circles(roles) for name in circle}
    rules = {
        name: () if name in gathers and name not in in_circle else rules_of(role)
        for name, role in roles.items()
    }
    changed = True
    while changed:
        changed = False
        for name, others in gathers.items():
            united = dict.fromkeys(rules[name])
            for other in others:
                united.update(dict.fromkeys(rules[other]))
            if len(united) > len(rules[name]):
                rules[name] = tuple(united)
                changed = True
    return rules


def circles(roles: Mapping[str, Object]) -> list[tuple[str, ...]]:
    """List the groups of ClusterRoles that gather each other in a circle."""
    gathers = _gathers(roles)
    graph: nx.DiGraph[str] = nx.DiGraph(
        (name, other) for name, others in gathers.items() for other in others if other in gathers
    )
    return sorted(
        tuple(sorted(group)) for group in nx.strongly_connected_components(graph) if len(group) > 1
    )


def _gathers(roles: Mapping[str, Object]) -> dict[str, list[str]]:
    """Say which roles an aggregated role is made of; it never gathers itself."""
    selecting = {
        name: list(entries(mapping(role, "aggregationRule"), "clusterRoleSelectors"))
        for name, role in roles.items()
        if mapping(role, "aggregationRule")
    }
    labels = {name: pairs(role, "metadata", "labels") for name, role in roles.items()}
    return {
        name: [
            other
            for other in roles
            if other != name and any(selects(selector, labels[other]) for selector in selectors)
        ]
        for name, selectors in selecting.items()
    }


def roles_by_name(roles: Iterable[Object]) -> dict[str, Object]:
    return {name_of(role): role for role in roles if name_of(role)}


@lru_cache(maxsize=65536)  # many roles are alike, one per namespace
def _united(rules: tuple[Rule, ...]) -> tuple[Power, ...]:
    alone: dict[Power, None] = {}
    alike: dict[tuple[object, ...], list[Power]] = {}
    for power in (power for rule in rules for power in _powers_of(rule)):
        if power.kind in {PowerKind.REACHES, PowerKind.BECOMES}:
            sort = (
                power.kind,
                power.way,
                power.note,
                power.target,
                power.names,
                power.cluster_only,
            )
            alike.setdefault(sort, []).append(power)
        else:
            alone[power] = None
    ways = (
        replace(sort[0], verb=", ".join(dict.fromkeys(power.verb for power in sort)))
        for sort in alike.values()
    )
    return (*alone, *ways)


def _matches(own: str, resource: str) -> bool:
    if own in {"*", resource}:
        return True
    _, slash, sub = resource.partition("/")
    return bool(slash) and own == f"*/{sub}"


@lru_cache(maxsize=65536)  # most roles of a cluster are made of the same few rules
def _powers_of(rule: Rule) -> tuple[Power, ...]:
    return (*_reads(rule), *_detours(rule), *_mints(rule), *_impersonates(rule), *_parts(rule))


def _reads(rule: Rule) -> Iterator[Power]:
    for verb in READ_VERBS:
        if not rule.covers(verb, "", "secrets"):
            continue
        note = _READ_NOTES.get(verb, "")
        named = tuple(name for name in rule.names if name)
        if not rule.names or ("" in rule.names and verb in _NAMEABLE | _NAMELESS):
            yield Power(PowerKind.READS, verb, note=note)
        elif named and verb not in _NAMELESS:
            if verb in _NAMEABLE:
                note = _BY_SELECTOR.format(verb)
            yield Power(PowerKind.READS, verb, named, note)


def _detours(rule: Rule) -> Iterator[Power]:
    for row in DETOURS:
        verb = next((v for v in row.verbs if _applies(rule, v, row.group, row.resource)), "")
        if not verb:  # one verb of a row is enough to go this way
            continue
        made = Power(
            PowerKind.REACHES,
            f"{verb} {row.resource}",
            note=row.note,
            cluster_only=row.cluster_only,
            way=row.kind,
            running=row.running,
        )
        if row.reaches:
            yield made
        if row.becomes:
            # A debug container is put into a pod that runs, so it has that pod's account.
            running = row.running or row.kind == EPHEMERAL
            yield replace(made, kind=PowerKind.BECOMES, target=row.becomes, running=running)


def _mints(rule: Rule) -> Iterator[Power]:
    if rule.covers("create", "", "serviceaccounts/token"):  # the name is the account's here
        verb = "create serviceaccounts/token"
        yield Power(PowerKind.BECOMES, verb, rule.names, _MINTS, ACCOUNT, way=MINT_TOKEN)


def _impersonates(rule: Rule) -> Iterator[Power]:
    """Yield whom the rule lets act as; a group only together with one of these."""
    if rule.covers("impersonate", "", "serviceaccounts"):
        verb = "impersonate serviceaccounts"
        yield Power(PowerKind.BECOMES, verb, rule.names, _ACTS, ACCOUNT, way=IMPERSONATE)
        yield Power(PowerKind.PART, "impersonate", target="one")
    # Who is spelled like an account is asked for as one, not as a user.
    users = tuple(name for name in rule.names if not name.startswith(ACCOUNT_PREFIX))
    if rule.covers("impersonate", "", "users") and (users or not rule.names):
        one = Power(PowerKind.PART, "impersonate", target="one", cluster_only=True)
        yield one
        yield replace(
            one,
            kind=PowerKind.BECOMES,
            verb="impersonate users",
            names=users,
            note=_ACTS,
            target=USER,
            way=IMPERSONATE,
        )
    if rule.covers("impersonate", "", "groups"):
        yield Power(PowerKind.PART, "impersonate", rule.names, target="groups", cluster_only=True)


def _parts(rule: Rule) -> Iterator[Power]:
    for verb, resource in _PARTS:
        if rule.covers(verb, GROUP, resource):
            yield Power(PowerKind.PART, verb, rule.names, target=resource)
    for word, verbs, group, resources in _WRITTEN:
        for resource in resources:
            if any(_applies(rule, verb, group, resource) for verb in verbs):
                yield Power(PowerKind.PART, word, target=resource)


def _applies(rule: Rule, verb: str, group: str, resource: str) -> bool:
    if not rule.covers(verb, group, resource):
        return False
    # Subresources of a named pod carry its name even when the verb is create.
    nameless = verb == "create" and "/" not in resource
    return not (nameless and rule.names and "" not in rule.names)
