"""
Who can act as whom: one step of taking over rights, backwards (`takers`) and forwards (`lent`).

An `opens` edge lends rights: a minted token, a login, a policy that is held, a store that fetches.
Where it leads to a namespace or a cluster, it lends those of everything there that is a `target`.
Kubernetes puts accounts into groups by itself, a Secret may hold an account's token, a store logs
in with a Secret: these are steps as well. Both directions must agree; a test holds them to it.
How far to go is for `readers` and `reach`. Costs what is found: everything is looked up by the
namespace or cluster that it lies in.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from graph.model import EMPTY, Attributes, EdgeKind, NodeKind
from graph.queries.rules import Lending, Rules, lenders
from graph.refs import Ref, cluster_of, k8s, namespace_of
from graph.snapshot import Snapshot

ACCOUNTS = "system:serviceaccounts"
EVERYBODY = "system:authenticated"
NOBODY = "system:anonymous"
STORE_LOGIN = "storeAuth"  # `how` of a Secret that a store logs in with

# Kinds of ways that no rule of RBAC grants.
LOGS_IN = "store-login"
HOLDS_TOKEN = "token-in-secret"  # noqa: S105 - a word
RUNS_AS = "runs-as"
MOUNTS = "mounts"
HOLDS = "holds"  # a policy, a membership

# What a target means, the one first that other namespaces may use as well.
_MEANS = {"SecretStore": ("ClusterSecretStore", "SecretStore"), "VaultAuth": ("VaultAuth",)}
_STORES = frozenset(kind for kinds in _MEANS.values() for kind in kinds)
_SHARED = {kinds[0]: target for target, kinds in _MEANS.items()}
_SCOPES = frozenset({"Namespace", "Cluster"})


class Lent(NamedTuple):
    """`who` can act as `whom`, by the edge with these `attributes`."""

    who: Ref
    whom: Ref
    attributes: Attributes


@lru_cache(maxsize=65536)
def sort_of(ref: Ref) -> tuple[str, str]:
    """Return kind and name of a Kubernetes ref, decoded; ("", "") of any other."""
    if not ref.startswith("k8s:"):
        return "", ""
    *_, kind, name = ref.split("/")
    return unquote(kind), unquote(name)


def takers(snapshot: Snapshot, whom: Ref, done: set[tuple[Ref, str]]) -> Iterator[Lent]:
    """
    Yield who can act as `whom`, or as a member of it, in one step.

    A rule for all of a namespace is told only once: `done` remembers which were, between calls.
    """
    kind, _ = sort_of(whom)
    if snapshot.inward(EdgeKind.OPENS).get(whom):
        yield from _by_own_edges(snapshot, whom)
    for place in lending(snapshot, whom):
        rules = lenders(snapshot, place[0]).get(place[1])
        if rules and (place not in done or rules.named or rules.running):
            yield from _from_place(snapshot, whom, rules, place, done)
    if kind == "Group" and (members := _scope_of(whom)) is not None:
        for account in _inside(snapshot, members, "ServiceAccount"):
            if sort_of(account)[0] == "ServiceAccount":
                yield from (s._replace(whom=whom) for s in takers(snapshot, account, done))
    if kind in _STORES:
        for secret, attributes in snapshot.heads(whom, EdgeKind.CONSUMES):
            if attributes.get("how") == STORE_LOGIN:
                yield Lent(secret, whom, {"kind": LOGS_IN, "direct": False})


def lent(snapshot: Snapshot, who: Ref) -> Iterator[Lent]:
    """Yield as whom, or with what, `who` can act in one step; the reverse of `takers`."""
    if sort_of(who)[0] in _SCOPES:
        return
    for group in implied_groups(who):
        yield Lent(who, group, EMPTY)
    yield from _by_patterns(snapshot, who)
    for head, attributes in snapshot.heads(who, EdgeKind.OPENS):
        if "target" not in attributes or sort_of(head)[0] not in _SCOPES:
            yield Lent(who, head, attributes)
            continue
        for inside in _inside(snapshot, head, str(attributes["target"])):
            if inside != who and _applies(snapshot, inside, attributes):
                yield Lent(who, inside, attributes)
    for store, attributes in snapshot.tails(who, EdgeKind.CONSUMES):
        if attributes.get("how") == STORE_LOGIN:
            yield Lent(who, store, {"kind": LOGS_IN, "direct": False})
    for account in snapshot.uses_from(who, EdgeKind.RUNS_AS):
        yield Lent(who, account, {"kind": RUNS_AS, "direct": False})


def lending(snapshot: Snapshot, whom: Ref) -> Iterator[tuple[Ref, str]]:
    """Yield (place, target) of the rules for whole places that may be about `whom`."""
    kind, _ = sort_of(whom)
    home, cluster = namespace_of(whom), cluster_of(whom)
    if cluster is None:
        return
    if kind in {"ServiceAccount", "SecretStore"} and home is not None:
        yield home, kind
        yield cluster, kind
    elif kind == "User":
        yield cluster, kind
    elif kind == "Group":
        yield cluster, kind
        members = _scope_of(whom)
        if members is not None:
            inside = _spaces(snapshot, whom) if members == cluster else (members,)
            yield from ((scope, "ServiceAccount") for scope in (*inside, cluster))
    elif kind in _SHARED:
        for scope in _open_to(snapshot, whom):
            yield scope, _SHARED[kind]


def implied_groups(subject: Ref) -> tuple[Ref, ...]:
    """Name the groups that Kubernetes puts a user or service account into by itself."""
    kind, name = sort_of(subject)
    if kind not in {"User", "ServiceAccount"}:
        return ()
    _, _, cluster, home, *_ = subject.split("/")
    cluster = unquote(cluster)
    if name == NOBODY and kind == "User":
        return (k8s(cluster, "", "Group", "system:unauthenticated"),)
    everybody = k8s(cluster, "", "Group", EVERYBODY)
    if kind == "User":
        return (everybody,)
    return (
        everybody,
        k8s(cluster, "", "Group", ACCOUNTS),
        k8s(cluster, "", "Group", f"{ACCOUNTS}:{unquote(home)}"),
    )


def fits_member(who: Ref, attributes: Attributes) -> bool:
    """Look whether an edge from a whole place, bound to patterns of names, holds for `who`."""
    kind, name = sort_of(who)
    accounts, namespaces = attributes.get("accounts"), attributes.get("namespaces")
    if kind == "Group" and name.startswith(ACCOUNTS):  # stands for any account, known or not
        home = name.removeprefix(ACCOUNTS).removeprefix(":") or "*"
        return _fits(accounts, "*") and _fits(namespaces, home)
    if kind != "ServiceAccount":
        return False
    return _fits(accounts, name) and _fits(namespaces, sort_of(namespace_of(who) or who)[1])


def _by_own_edges(snapshot: Snapshot, whom: Ref) -> Iterator[Lent]:
    for tail, attributes in snapshot.tails(whom, EdgeKind.OPENS):
        if sort_of(tail)[0] in _SCOPES:
            for account in _bound(snapshot, tail, attributes):
                yield Lent(account, whom, attributes)
        else:
            yield Lent(tail, whom, attributes)


def _by_patterns(snapshot: Snapshot, who: Ref) -> Iterator[Lent]:
    members = _scope_of(who)
    for scope in (namespace_of(who), cluster_of(who)) if members is None else (members,):
        for head, attributes in snapshot.heads(scope, EdgeKind.OPENS) if scope else ():
            if fits_member(who, attributes):
                yield Lent(who, head, attributes)


def _from_place(
    snapshot: Snapshot,
    whom: Ref,
    rules: Rules[Lending],
    place: tuple[Ref, str],
    done: set[tuple[Ref, str]],
) -> Iterator[Lent]:
    if place not in done:
        themselves = False
        for tail, attributes in rules.wide:
            if tail == whom:  # nobody takes over himself; but for the next one it must be told
                themselves = True
            else:
                yield Lent(tail, whom, attributes)
        if not themselves:
            done.add(place)
    kind, name = sort_of(whom)
    any_member = kind == "Group" and place[1] == "ServiceAccount"
    for tail, attributes in rules.narrowed() if any_member else rules.about(name):
        if tail != whom and (any_member or _applies(snapshot, whom, attributes)):
            yield Lent(tail, whom, attributes)


def _applies(snapshot: Snapshot, whom: Ref, attributes: Attributes) -> bool:
    """Look whether a rule for all of a place holds for this one; of a group, for any member."""
    kind, name = sort_of(whom)
    if kind == "Group" and attributes.get("target") == "ServiceAccount":
        return True
    names = attributes.get("names")
    if isinstance(names, tuple) and names and name not in names:
        return False
    return not attributes.get("running") or bool(snapshot.uses_into(whom, EdgeKind.RUNS_AS))


def _bound(snapshot: Snapshot, scope: Ref, attributes: Attributes) -> Iterator[Ref]:
    """Name the accounts of a place, known ones and their groups, that an edge is bound to."""
    cluster = unquote(scope.split("/")[2])
    kind, name = sort_of(scope)
    group = ACCOUNTS if kind == "Cluster" else f"{ACCOUNTS}:{name}"
    found = [*_inside(snapshot, scope, "ServiceAccount"), k8s(cluster, "", "Group", group)]
    for account in dict.fromkeys(found):
        inside = _scope_of(account) in {None, scope} or kind == "Cluster"
        if inside and fits_member(account, attributes):
            yield account


def _scope_of(group: Ref) -> Ref | None:
    """Return the place whose accounts a group of accounts has as members; None: it is none."""
    kind, name = sort_of(group)
    if kind != "Group" or not name.startswith(ACCOUNTS):
        return None
    home = name.removeprefix(ACCOUNTS)
    return _namespace(group, home[1:]) if home else cluster_of(group)


def _inside(snapshot: Snapshot, scope: Ref, target: str) -> tuple[Ref, ...]:
    """Return what a target means in a place: accounts with their groups, stores, users, groups."""
    return snapshot.part(
        ("inside", scope, target), lambda: tuple(_look_inside(snapshot, scope, target))
    )


def _look_inside(snapshot: Snapshot, scope: Ref, target: str) -> Iterator[Ref]:
    kind, name = sort_of(scope)
    of_cluster = f"k8s://{scope.split('/')[2]}/"
    if kind == "Namespace":
        for tail in snapshot.uses_into(scope, EdgeKind.IN_NAMESPACE):
            if f"/{target}/" in tail:
                yield tail
        if target == "ServiceAccount":
            cluster = unquote(scope.split("/")[2])
            yield k8s(cluster, "", "Group", f"{ACCOUNTS}:{name}")
            yield k8s(cluster, "", "Group", ACCOUNTS)
        elif target in _MEANS:
            shared = f"/{_MEANS[target][0]}/"
            for node in snapshot.nodes(NodeKind.STORE):
                elsewhere = shared in node.ref and namespace_of(node.ref) != scope
                if elsewhere and scope in _open_to(snapshot, node.ref):
                    yield node.ref
        return
    among = NodeKind.STORE if target in _MEANS else NodeKind.SUBJECT
    wanted = _MEANS.get(target, (target,))
    for node in snapshot.nodes(among):
        inside = node.ref.startswith(of_cluster)
        if inside and (sort_of(node.ref)[0] in wanted or _is_implied(node.ref, target)):
            yield node.ref


def _is_implied(ref: Ref, target: str) -> bool:
    return target == "ServiceAccount" and _scope_of(ref) is not None


def _open_to(snapshot: Snapshot, store: Ref) -> tuple[Ref, ...]:
    """Name the places whose syncs may use a store that is not of their namespace alone."""
    node = snapshot.node(store)
    limited = node.attributes.get("namespaces") if node else None
    cluster = cluster_of(store)
    if cluster is None:
        return ()
    if isinstance(limited, tuple) and limited:
        return (*(_namespace(store, name) for name in limited), cluster)
    return (*_spaces(snapshot, store), cluster)


def _spaces(snapshot: Snapshot, near: Ref) -> tuple[Ref, ...]:
    """Return the namespaces of a cluster."""
    start = f"k8s://{near.split('/')[2]}/"
    namespaces = (node.ref for node in snapshot.nodes(NodeKind.NAMESPACE))
    return snapshot.part(
        ("namespaces", start), lambda: tuple(one for one in namespaces if one.startswith(start))
    )


def _namespace(near: Ref, name: str) -> Ref:
    return k8s(unquote(near.split("/")[2]), "", "Namespace", name)


def _fits(patterns: object, name: str) -> bool:
    if not isinstance(patterns, tuple):
        return True
    return any(fnmatchcase(name, str(pattern)) for pattern in patterns)
