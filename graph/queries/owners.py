"""
Who answers for a secret: every claim of ownership that the graph knows, the nearest first.

A claim is an `owned_by` edge or an attribute `owner`. Near to far: the secret itself, where its
value comes from, its namespace, the workloads that use it, their namespaces.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from graph.model import EdgeKind
from graph.queries.copies import origins, spread
from graph.refs import Ref, namespace_of, split_key
from graph.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class OwnerClaim:
    """`owner` ("team:payments"), who says so (`source`, a few words) and of which thing (`ref`)."""

    owner: str
    source: str
    ref: Ref


def owners(snapshot: Snapshot, ref: Ref) -> tuple[OwnerClaim, ...]:
    """Return one claim per owner, nearest first; empty where nobody is named."""
    found: dict[str, OwnerClaim] = {}
    for at, what in _near_to_far(snapshot, ref):
        for owner, how in claims(snapshot, at):
            found.setdefault(owner, OwnerClaim(owner, f"{how} of {what}", at))
    return tuple(found.values())


def owner_of(snapshot: Snapshot, ref: Ref) -> str:
    """Return the owner of one thing or, failing that, of its namespace; "" if none is named."""
    namespace = namespace_of(ref)
    return own_owner(snapshot, ref) or (own_owner(snapshot, namespace) if namespace else "")


def own_owner(snapshot: Snapshot, ref: Ref) -> str:
    """Return the first owner that is named for exactly this thing; "" if none is."""
    declared = snapshot.uses_from(ref, EdgeKind.OWNED_BY)
    if declared:
        return str(min(declared))
    node = snapshot.node(ref)
    return str((node.attributes.get("owner") if node else "") or "")


def claims(snapshot: Snapshot, ref: Ref) -> Iterator[tuple[str, str]]:
    """Yield (owner, in which words it is said) for exactly this thing."""
    declared = snapshot.uses_from(ref, EdgeKind.OWNED_BY)
    for head in sorted(declared):
        for attributes in declared[head].values():
            said = attributes.get("note") or attributes.get("how") or "declared owner"
            yield str(head), str(said)
    node = snapshot.node(ref)
    owner = node.attributes.get("owner") if node else None
    if owner:
        yield str(owner), "owner label"


def _near_to_far(snapshot: Snapshot, ref: Ref) -> Iterator[tuple[Ref, str]]:
    place = split_key(ref)
    above = dict.fromkeys(secret for secret, _ in origins(snapshot, [place]))
    secrets = {place[0]: "the secret"} | {
        secret: "the secret it is copied from" for secret in above if secret != place[0]
    }
    yield from secrets.items()
    for secret, what in secrets.items():
        namespace = namespace_of(secret)
        if namespace:
            yield namespace, f"the namespace of {what}"
    using = {
        workload
        for reached in spread(snapshot, [place])
        for workload, joined in snapshot.uses_into(reached.secret, EdgeKind.CONSUMES).items()
        if not reached.key
        or any(said.get("key") in {"", None, reached.key} for said in joined.values())
    }
    workloads = sorted(using)
    for workload in workloads:
        yield workload, "a consumer"
    for namespace in dict.fromkeys(map(namespace_of, workloads)):
        if namespace:
            yield namespace, "the namespace of a consumer"
