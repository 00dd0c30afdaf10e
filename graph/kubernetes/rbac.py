"""
What a rule of Kubernetes RBAC allows, and which of it lets somebody obtain Secrets.

The rule test is Kubernetes' own (plugin/pkg/auth/authorizer/rbac RuleAllows): verb, group,
resource and name must match inside one rule; `*` covers subresources, `*/sub` one of them, and
`pods/*` matches nothing. Disclosure has five verbs: besides get, list and watch, an empty `patch`
answers the whole object and a `deletecollection` answers the list, both even as a dry run. A list
or watch limited by resourceNames reveals as well, by way of `fieldSelector=metadata.name=…`.

RBAC has no deny. Grants of webhook authorizers (cloud IAM) are in no object and so not here. Who
holds a role is in `grants.py`. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from graph.fields import Object, entries, mapping, name_of, pairs, texts
from graph.kubernetes.selectors import selects

GROUP = "rbac.authorization.k8s.io"
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
    REACHES = "reaches"  # a detour to all Secrets of the place
    BECOMES = "becomes"  # acts as another subject
    PART = "part"  # harmless alone; see `grants.py`


@dataclass(frozen=True, slots=True)
class Power:
    """
    What a role gives towards Secrets, where it is bound.

    `names`: only these (Secrets, accounts, users or groups; () = any). `target`, of `BECOMES`:
    "ServiceAccount", "User" or "Group"; of `PART`: what can be done. `cluster_only`: only a
    ClusterRoleBinding makes it work, as the resource lies in no namespace.
    """

    kind: PowerKind
    verb: str
    names: tuple[str, ...] = ()
    note: str = ""
    target: str = ""
    cluster_only: bool = False


_POD = "A pod made this way can mount any Secret of the namespace and run as any account in it."
_RUNNING = "Gives what the running pods of the namespace hold, and the tokens of their accounts."
_STORE = "A SecretStore may name any Secret of the namespace and send it to any address."
_READ_NOTES = {
    "patch": "An empty patch, even as a dry run, answers the whole Secret.",
    "deletecollection": "As a dry run it answers the whole list and deletes nothing.",
}
_WRITES = ("create", "update", "patch")
_CHANGES = ("update", "patch")

# (verbs, API group, resource, note): field notes B5, each from the API server's own code or docs.
_DETOURS: tuple[tuple[tuple[str, ...], str, str, str], ...] = (
    (("create",), "", "pods", _POD),
    (_CHANGES, "", "pods", "A changed image runs with the Secrets that the pod has mounted."),
    (_WRITES, "apps", "deployments", _POD),
    (_WRITES, "apps", "statefulsets", _POD),
    (_WRITES, "apps", "daemonsets", _POD),
    (_WRITES, "apps", "replicasets", _POD),
    (_WRITES, "batch", "jobs", _POD),
    (_WRITES, "batch", "cronjobs", _POD),
    (_WRITES, "", "replicationcontrollers", _POD),
    (_WRITES, "argoproj.io", "rollouts", _POD),
    (_WRITES, "serving.knative.dev", "services", _POD),
    # `get` is enough over WebSocket before Kubernetes 1.35 (kubernetes/kubernetes#78741).
    (("create", "get"), "", "pods/exec", _RUNNING),
    (("create", "get"), "", "pods/attach", _RUNNING),
    (_CHANGES, "", "pods/ephemeralcontainers", "A debug container can refer to any Secret."),
    (_WRITES, "external-secrets.io", "secretstores", _STORE),
    (_WRITES, "external-secrets.io", "pushsecrets", "A PushSecret copies a Secret to a store."),
)
_CLUSTER_DETOURS = (
    (("get", "create"), "", "nodes/proxy", "The kubelet runs commands in any pod of its node."),
    (_WRITES, "external-secrets.io", "clustersecretstores", _STORE),
)
_MAKES_PODS = frozenset(resource for _, _, resource, note in _DETOURS if note == _POD)
_PARTS = (
    ("bind", "roles"),
    ("bind", "clusterroles"),
    ("escalate", "roles"),
    ("escalate", "clusterroles"),
)


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

    A live cluster has done so itself (the controller overwrites `rules`); manifests have not.
    Roles that gather each other in a circle end up with the same rules.
    """
    rules = {name: rules_of(role) for name, role in roles.items()}
    labels = {name: pairs(role, "metadata", "labels") for name, role in roles.items()}
    gathers = {
        name: [
            other
            for other in roles
            if other != name and any(selects(selector, labels[other]) for selector in selectors)
        ]
        for name, role in roles.items()
        if (selectors := list(entries(mapping(role, "aggregationRule"), "clusterRoleSelectors")))
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


def roles_by_name(roles: Iterable[Object]) -> dict[str, Object]:
    return {name_of(role): role for role in roles if name_of(role)}


@lru_cache(maxsize=65536)  # many roles are alike, one per namespace
def _united(rules: tuple[Rule, ...]) -> tuple[Power, ...]:
    alone: dict[Power, None] = {}
    alike: dict[tuple[object, ...], list[Power]] = {}
    for power in (power for rule in rules for power in _powers_of(rule)):
        if power.kind in {PowerKind.REACHES, PowerKind.BECOMES}:
            sort = (power.kind, power.note, power.target, power.names, power.cluster_only)
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
    return (*_reads(rule), *_detours(rule), *_becomes(rule), *_parts(rule))


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
                note = "Only with the field selector metadata.name."
            yield Power(PowerKind.READS, verb, named, note)


def _detours(rule: Rule) -> Iterator[Power]:
    for table, cluster_only in ((_DETOURS, False), (_CLUSTER_DETOURS, True)):
        for verbs, group, resource, note in table:
            for verb in verbs:
                if _applies(rule, verb, group, resource):
                    said = f"{verb} {resource}"
                    yield Power(PowerKind.REACHES, said, note=note, cluster_only=cluster_only)
                    if resource in _MAKES_PODS:
                        yield Power(PowerKind.BECOMES, said, target="ServiceAccount")
                    break  # one verb of a row is enough to go this way


def _becomes(rule: Rule) -> Iterator[Power]:
    if rule.covers("create", "", "serviceaccounts/token"):  # the name is the account's here
        yield Power(
            PowerKind.BECOMES,
            "create serviceaccounts/token",
            rule.names,
            "Mints a token of the account.",
            "ServiceAccount",
        )
    for resource, target in (
        ("serviceaccounts", "ServiceAccount"),
        ("users", "User"),
        ("groups", "Group"),
    ):
        if rule.covers("impersonate", "", resource):
            if target == "Group" and (not rule.names or "system:masters" in rule.names):
                note = "Can act as a member of system:masters, which is always allowed."
                verb = f"impersonate {resource}"
                yield Power(PowerKind.REACHES, verb, note=note, cluster_only=True)
            yield Power(
                PowerKind.BECOMES,
                f"impersonate {resource}",
                rule.names,
                "Acts as it by impersonation.",
                target,
                cluster_only=target != "ServiceAccount",
            )


def _parts(rule: Rule) -> Iterator[Power]:
    for verb, resource in _PARTS:
        if rule.covers(verb, GROUP, resource):
            yield Power(PowerKind.PART, verb, rule.names, target=resource)
    for resource in ("rolebindings", "clusterrolebindings", "roles", "clusterroles"):
        if any(_applies(rule, verb, GROUP, resource) for verb in _WRITES):
            yield Power(PowerKind.PART, "write", target=resource)


def _applies(rule: Rule, verb: str, group: str, resource: str) -> bool:
    if not rule.covers(verb, group, resource):
        return False
    # Subresources of a named pod carry its name even when the verb is create.
    nameless = verb == "create" and "/" not in resource
    return not (nameless and rule.names and "" not in rule.names)
