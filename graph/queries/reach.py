"""
Second order: what a credential opens, and what that opens in turn, by shortest explained paths.

A Vault token opens policies and they open paths; a Secret that holds an account's token opens the
account, its groups, everybody it can act as and all that they read; one that a SecretStore logs in
with opens what the store reads. A workload starts with the Secrets that it mounts. The walk is
breadth first, so that each thing is reached by a shortest path, once; circles end by themselves.
Depth and breadth are bounded, and a gap says where it was cut.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from graph.model import Attributes, EdgeKind, Gap, NodeKind
from graph.queries.answer import answer
from graph.queries.identities import MOUNTS, implied_groups, lent
from graph.queries.rules import secret_applies, secrets_below
from graph.refs import Ref, split_key
from graph.snapshot import Snapshot
from graph.words import counted

DEPTH = 8
BREADTH = 2_000


@answer
class Opened:
    """
    Something that the credential gives access to; `path` leads there, both ends included.

    `kind`: how the last step is gone, as of a `Reader`.
    """

    ref: Ref
    path: tuple[Ref, ...]
    depth: int
    note: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Reach:
    """The answer, nearest first. `start` is the ref as asked."""

    start: Ref
    opens: tuple[Opened, ...]
    gaps: tuple[Gap, ...] = ()


def reach(snapshot: Snapshot, ref: Ref, *, depth: int = DEPTH, breadth: int = BREADTH) -> Reach:
    """Answer what whoever holds `ref` (a credential, secret, subject, workload) gets at."""
    start, _ = split_key(ref)
    opens, cut = opened(snapshot, [start], depth=depth, breadth=breadth, source="reach")
    return Reach(ref, opens, (*snapshot.gaps, *cut))


def opened(
    snapshot: Snapshot, starts: Sequence[Ref], *, depth: int, breadth: int, source: str
) -> tuple[tuple[Opened, ...], tuple[Gap, ...]]:
    """Walk from all of `starts` at once, which are left out; return what was cut as gaps."""
    seen = set(starts)
    queue = [Opened(start, (start,), 0) for start in dict.fromkeys(starts)]
    first = len(queue)
    too_deep = False
    for at in queue:  # grows while it is walked
        if at.depth == depth:
            too_deep = too_deep or any(head not in seen for head, _ in _next(snapshot, at))
            continue
        for head, attributes in sorted(_next(snapshot, at), key=_order):
            if head in seen:
                continue
            if len(queue) - first == breadth:
                return tuple(queue[first:]), (_cut(source, f"after {breadth} things"),)
            seen.add(head)
            kind = str(attributes.get("kind") or "")
            queue.append(Opened(head, (*at.path, head), at.depth + 1, _note(attributes), kind))
    cut = (_cut(source, f"after {counted(depth, 'step')}"),) if too_deep else ()
    return tuple(queue[first:]), cut


def _next(snapshot: Snapshot, at: Opened) -> Iterator[tuple[Ref, Attributes]]:
    """Yield what one thing gives access to; a namespace or a cluster gives its secrets."""
    ref = at.ref
    node = snapshot.node(ref)
    kind = node.kind if node else None
    if kind in {NodeKind.NAMESPACE, NodeKind.STORE}:
        yield from ((secret, {}) for secret in secrets_below(snapshot, ref))
    groups = implied_groups(ref)
    for step in lent(snapshot, ref):
        if step.whom not in groups or _has_rights(snapshot, step.whom):
            yield step.whom, step.attributes
    yield from _readable(snapshot, ref)
    if at.depth == 0 and kind is NodeKind.WORKLOAD:
        for secret in snapshot.uses_from(ref, EdgeKind.CONSUMES):
            yield secret, {"kind": MOUNTS, "note": "It mounts this Secret."}


def _readable(snapshot: Snapshot, ref: Ref) -> Iterator[tuple[Ref, Attributes]]:
    for head, attributes in snapshot.heads(ref, EdgeKind.CAN_READ):
        if not attributes.get("names") and not attributes.get("running"):
            yield head, attributes
            continue
        for secret in secrets_below(snapshot, head):
            if secret_applies(snapshot, secret, attributes):
                yield secret, attributes


def _has_rights(snapshot: Snapshot, group: Ref) -> bool:
    kinds: Iterable[EdgeKind] = (EdgeKind.CAN_READ, EdgeKind.OPENS)
    return any(snapshot.uses_from(group, kind) for kind in kinds)


def _note(attributes: Attributes) -> str:
    return str(attributes.get("note") or attributes.get("verb") or "")


def _order(found: tuple[Ref, Attributes]) -> tuple[Ref, str, str]:
    head, attributes = found
    return head, _note(attributes), str(attributes.get("kind") or "")


def _cut(source: str, where: str) -> Gap:
    return Gap(
        source=source,
        scope="opens",
        reason=f"What the credential opens was followed no further than {where}.",
        do_now="Ask for the reach of one of the things listed to see more.",
    )
