"""
Rights that are harmless one by one, together not: bind, escalate, token Secrets, groups, logins.

To impersonate a group takes being somebody too: the API server refuses a group without a user.

Who may create bindings without `bind`, or label roles without `escalate`, can only hand on what he
holds himself: the API server compares (pkg/registry/rbac, escalation_check.go). That makes nobody a
reader by himself, so it is no way here. Pure.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from graph.kubernetes.detours import (
    ACCOUNT,
    AGGREGATE,
    BIND,
    ESCALATE,
    EVERYTHING,
    IMPERSONATE,
    TOKEN_SECRET,
    USERS_GROUP,
    VAULT_AUTH,
)
from graph.kubernetes.rbac import Power, PowerKind
from graph.refs import Ref


@dataclass(frozen=True, slots=True)
class Grant:
    """A power in a place: `namespace` is "" for the whole cluster."""

    power: Power
    namespace: str
    path: tuple[Ref, ...]


@dataclass(slots=True)
class Holder:
    """A subject's grants; `gathering`: (namespace, path) of roles that gather others by label."""

    grants: list[Grant] = field(default_factory=list)
    gathering: list[tuple[str, tuple[Ref, ...]]] = field(default_factory=list)


Rights = Callable[[str, str, str], tuple[Ref, tuple[Power, ...]]]  # of (kind, namespace, name)

_BINDS = "Can bind itself to a role that reads Secrets."
_WRITES_RULES = "Can write any right into a role."
_LABELS = "Can make a role that is gathered by its label into one that it holds."
_MASTERS = "Can act as a member of system:masters, which is always allowed."
_ACTS = "Acts as a member of it by impersonation."
_SENT = "A VaultAuth may name any account; its token goes to the address of its connection."
_FILLED = "A Secret of the type for account tokens is filled with a token."

# first right, second right, both cluster-wide, kind, note
_PAIRS: tuple[tuple[tuple[str, str], tuple[str, str], bool, str, str], ...] = (
    (("bind", "roles"), ("write", "rolebindings"), False, BIND, _BINDS),
    (("bind", "clusterroles"), ("write", "rolebindings"), False, BIND, _BINDS),
    (("bind", "clusterroles"), ("write", "clusterrolebindings"), True, BIND, _BINDS),
    (("escalate", "roles"), ("change", "roles"), False, ESCALATE, _WRITES_RULES),
    (("escalate", "clusterroles"), ("change", "clusterroles"), True, ESCALATE, _WRITES_RULES),
    (("escalate", "clusterroles"), ("create", "clusterroles"), True, AGGREGATE, _LABELS),
)


Parts = dict[tuple[str, str], list[Grant]]


def by_two_rights(holder: Holder, rights: Rights) -> Iterator[Grant]:
    """Yield what a subject can give himself; `rights` finds the powers of a role by its name."""
    parts = _parts(holder.grants)
    reads = [grant for grant in holder.grants if grant.power.kind is PowerKind.READS]
    for one, other, everywhere, kind, note in _PAIRS:
        for first, second in _together(parts.get(one, []), parts.get(other, [])):
            place = first.namespace or second.namespace
            if everywhere and (first.namespace or second.namespace):
                continue
            path = tuple(dict.fromkeys((*first.path, *second.path)))
            said = " ".join(one)
            if kind == BIND and first.power.names:
                yield from _bound(first, place, path, rights)
            elif kind == AGGREGATE:
                for where, by in holder.gathering:
                    yield from _anything(where, said, kind, note, (*path, *by))
            else:
                yield from _anything(place, said, kind, note, path)
    yield from _token_secrets(parts.get(("create", "secrets"), []), reads)
    yield from _sent_tokens(parts)
    yield from _memberships(parts)


def _parts(grants: Iterable[Grant]) -> Parts:
    parts: Parts = {}
    for grant in grants:
        if grant.power.kind is PowerKind.PART:
            parts.setdefault((grant.power.verb, grant.power.target), []).append(grant)
    return parts


def _memberships(parts: Parts) -> Iterator[Grant]:
    somebody = parts.get(("impersonate", "one"), [])[:1]
    for first, second in _together(parts.get(("impersonate", "groups"), []), somebody):
        names = first.power.names
        path = tuple(dict.fromkeys((*first.path, *second.path)))
        verb = "impersonate groups"
        if not names or "system:masters" in names:
            yield from _anything("", verb, IMPERSONATE, _MASTERS, path)
        power = Power(PowerKind.BECOMES, verb, names, _ACTS, USERS_GROUP, way=IMPERSONATE)
        yield Grant(power, "", path)


def _token_secrets(makes: list[Grant], reads: list[Grant]) -> Iterator[Grant]:
    for first, second in _together(makes, reads):
        verb = f"create secrets, {second.power.verb} secrets"
        power = Power(PowerKind.BECOMES, verb, (), _FILLED, ACCOUNT, way=TOKEN_SECRET)
        path = tuple(dict.fromkeys((*first.path, *second.path)))
        yield Grant(power, first.namespace or second.namespace, path)


def _sent_tokens(parts: Parts) -> Iterator[Grant]:
    logins, addresses = (
        parts.get(("write", what), []) for what in ("vaultauths", "vaultconnections")
    )
    for first, second in _together(logins, addresses):
        verb = "write vaultauths, write vaultconnections"
        power = Power(PowerKind.BECOMES, verb, (), _SENT, ACCOUNT, way=VAULT_AUTH)
        path = tuple(dict.fromkeys((*first.path, *second.path)))
        yield Grant(power, first.namespace or second.namespace, path)


def _together(firsts: list[Grant], seconds: list[Grant]) -> Iterator[tuple[Grant, Grant]]:
    """Pair rights that hold in one place; a cluster-wide one holds in every namespace."""
    if not firsts or not seconds:
        return
    by_place: dict[str, Grant] = {}
    for second in seconds:
        by_place.setdefault(second.namespace, second)
    done: set[tuple[str, tuple[str, ...]]] = set()
    for first in firsts:
        if first.namespace:
            near = [by_place[one] for one in ("", first.namespace) if one in by_place][:1]
        elif "" in by_place:
            near = [by_place[""]]
        else:
            near = list(by_place.values())
        if (first.namespace, first.power.names) not in done:
            done.add((first.namespace, first.power.names))
            yield from ((first, second) for second in near)


def _bound(first: Grant, place: str, path: tuple[Ref, ...], rights: Rights) -> Iterator[Grant]:
    """Lend what the roles that may be bound give: nothing where they are harmless."""
    of_cluster = first.power.target == "clusterroles"
    for name in first.power.names:
        kind, home = ("ClusterRole", "") if of_cluster else ("Role", place)
        role, powers = rights(kind, home, name)
        given = [
            Grant(power, place, (*path, role))
            for power in powers
            if not (power.cluster_only and place)
        ]
        for grant in (*given, *_memberships(_parts(given))):
            if grant.power.kind is not PowerKind.PART:
                note = f"Can bind itself to {name}: {grant.power.verb}."
                yield replace(grant, power=replace(grant.power, way=BIND, note=note))


def _anything(
    place: str, verb: str, kind: str, note: str, path: tuple[Ref, ...]
) -> Iterator[Grant]:
    """Yield all that whoever may do anything in a place gets out of it."""
    whole = Power(PowerKind.REACHES, verb, (), note, way=kind)
    yield Grant(whole, place, path)
    for target in EVERYTHING:
        yield Grant(replace(whole, kind=PowerKind.BECOMES, target=target), place, path)
