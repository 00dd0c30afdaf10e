"""
Who could obtain a secret: subjects with a rule that grants it, and workloads that mount it.

In Kubernetes a rule reaches one Secret, all of a namespace or all of a cluster; an edge to a
namespace or cluster may be narrowed to `names` (resourceNames of the rule). In Vault a policy
reads paths, and who holds the policy reads with it. Only what lies on the way to the one secret is
walked, never all bindings. Not here: who uses it as intended (`consumers`), and who did read it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote

from graph.model import Attributes, EdgeKind, Gap, Node, NodeKind
from graph.queries.copies import Reached, by_secret, spread
from graph.refs import Ref, cluster_of, k8s, namespace_of, split_key
from graph.snapshot import Snapshot

MOUNTS = "mounts it"
_MAX_HOLDERS_DEEP = 4  # policy <- group <- entity <- alias; deeper nesting is cut off

# What tells one way from another, in the order of the answer: (indirect, mounts, subject, secret,
# path, note). Plain tuples until verbs are joined: a hub has thousands of ways.
_Path = tuple[Ref, ...]
_Identity = tuple[bool, bool, Ref, Ref, _Path, str]
_Way = tuple[_Identity, str]


@dataclass(frozen=True, slots=True)
class Reader:
    """
    One way to one copy of the secret.

    `verbs` in the words of the side that grants them; `direct`: the API answers the value itself;
    `path`: refs of bindings, roles or policies that grant it; `secret`: the copy that is read.
    """

    subject: Ref
    verbs: tuple[str, ...]
    direct: bool
    path: tuple[Ref, ...]
    secret: Ref
    note: str = ""


@dataclass(frozen=True, slots=True)
class Readers:
    """The answer, direct readers first. `secret` is the ref as asked."""

    secret: Ref
    readers: tuple[Reader, ...]
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Readable:
    """The reverse answer: every secret that one subject can obtain, direct ones first."""

    subject: Ref
    secrets: tuple[Reader, ...]
    gaps: tuple[Gap, ...] = ()


def readers(snapshot: Snapshot, ref: Ref) -> Readers:
    """Answer for `ref` and all its copies."""
    return Readers(ref, readers_of(snapshot, spread(snapshot, [split_key(ref)])), snapshot.gaps)


def readers_of(snapshot: Snapshot, places: Iterable[Reached]) -> tuple[Reader, ...]:
    """Collect the ways to any of `places`: direct ones first, then by subject."""
    ways: list[_Way] = []
    for place, keys in by_secret(places):
        ways.extend(_granted(snapshot, place.secret))
        ways.extend(_mounting(snapshot, place.secret, keys))
    return _joined(ways)


def readable_by(snapshot: Snapshot, subject: Ref) -> Readable:
    """Answer which secrets `subject` can obtain, by its own rules and by what it holds."""
    ways: list[_Way] = []
    own = {head for head, _ in snapshot.heads(subject, EdgeKind.CAN_READ)}
    for grant, path in _held(snapshot, subject):
        for head, attributes in snapshot.heads(grant, EdgeKind.CAN_READ):
            if grant != subject and head in own and _is(snapshot.node(grant), NodeKind.POLICY):
                continue
            ways.extend(
                _way(subject, secret, attributes, before=path)
                for secret in secrets_below(snapshot, head)
                if _named(secret, attributes)
            )
    ways += [
        (_mount(subject, secret), "") for secret, _ in snapshot.heads(subject, EdgeKind.CONSUMES)
    ]
    return Readable(subject, _joined(ways), snapshot.gaps)


def secrets_below(snapshot: Snapshot, ref: Ref) -> Iterator[Ref]:
    """Yield the secrets that `ref` stands for: itself, those of a namespace or of a cluster."""
    node = snapshot.node(ref)
    kind = node.kind if node else None
    if kind is NodeKind.NAMESPACE:
        inside = snapshot.tails(ref, EdgeKind.IN_NAMESPACE)
    elif kind is NodeKind.STORE:
        inside = snapshot.tails(ref, EdgeKind.STORED_IN)
    else:
        if kind in {NodeKind.SECRET, None}:
            yield ref
        return
    for tail, _ in inside:
        if _is(snapshot.node(tail), NodeKind.SECRET):
            yield tail


def _granted(snapshot: Snapshot, secret: Ref) -> Iterator[_Way]:
    for scope in (secret, namespace_of(secret), cluster_of(secret)):
        if scope is None:
            continue
        named = {tail for tail, _ in snapshot.tails(scope, EdgeKind.CAN_READ)}
        for tail, attributes in snapshot.tails(scope, EdgeKind.CAN_READ):
            if not _named(secret, attributes):
                continue
            if not _is(snapshot.node(tail), NodeKind.POLICY):
                yield _way(tail, secret, attributes)
                continue
            # A holder with an edge of its own has all its policies joined in that one already.
            for holder, path in _holders(snapshot, tail):
                if holder == tail or holder not in named:
                    yield _way(holder, secret, attributes, before=path)


def _holders(snapshot: Snapshot, policy: Ref) -> Iterator[tuple[Ref, tuple[Ref, ...]]]:
    """
    Yield who holds a policy, with the refs in between; the policy itself if nobody is known to.

    Somebody may always be given the policy: that it reads the path must not get lost.
    """
    reached: dict[Ref, tuple[Ref, ...]] = {policy: ()}
    queue = [policy]
    for at in queue:
        path = reached[at]
        if len(path) >= _MAX_HOLDERS_DEEP:
            continue
        for tail in sorted({tail for tail, _ in snapshot.tails(at, EdgeKind.OPENS)}):
            if tail not in reached:
                reached[tail] = (at, *path)
                queue.append(tail)
    held = [(ref, path) for ref, path in reached.items() if ref != policy]
    yield from held or [(policy, ())]


def _held(snapshot: Snapshot, subject: Ref) -> Iterator[tuple[Ref, tuple[Ref, ...]]]:
    """Yield the subject and what it belongs to or opens, with the refs on the way there."""
    reached: dict[Ref, tuple[Ref, ...]] = {subject: ()}
    reached |= {group: (group,) for group in _groups(subject)}
    queue = list(reached)
    for at in queue:
        path = reached[at]
        yield at, path
        if len(path) >= _MAX_HOLDERS_DEEP:
            continue
        for head in sorted({head for head, _ in snapshot.heads(at, EdgeKind.OPENS)}):
            if head not in reached and not _is(snapshot.node(head), NodeKind.SECRET):
                reached[head] = (*path, head)
                queue.append(head)


def _groups(subject: Ref) -> Iterator[Ref]:
    """Name the groups that Kubernetes puts a user or service account into by itself."""
    cluster, namespace = cluster_of(subject), namespace_of(subject)
    if cluster is None:
        return
    kind = subject.split("/")[-2]
    name = unquote(cluster.rpartition("/")[2])
    if kind in {"User", "ServiceAccount"}:
        yield k8s(name, "", "Group", "system:authenticated")
    if kind == "ServiceAccount" and namespace is not None:
        home = unquote(namespace.rpartition("/")[2])
        yield k8s(name, "", "Group", "system:serviceaccounts")
        yield k8s(name, "", "Group", f"system:serviceaccounts:{home}")


def _mounting(snapshot: Snapshot, secret: Ref, keys: frozenset[str]) -> Iterator[_Way]:
    every = "" in keys
    for workload, attributes in snapshot.tails(secret, EdgeKind.CONSUMES):
        key = attributes.get("key")
        if every or not key or key in keys:
            yield _mount(workload, secret), ""


def _mount(workload: Ref, secret: Ref) -> _Identity:
    return True, True, workload, secret, (), MOUNTS


def _way(
    subject: Ref, secret: Ref, attributes: Attributes, *, before: tuple[Ref, ...] = ()
) -> _Way:
    get = attributes.get
    said = get("path")
    path = before
    if isinstance(said, tuple):
        path = tuple(dict.fromkeys((*before, *map(Ref, said)))) if before else cast("_Path", said)
    indirect = get("direct") is False
    return (indirect, False, subject, secret, path, str(get("note") or "")), str(get("verb") or "")


def _named(secret: Ref, attributes: Attributes) -> bool:
    names = attributes.get("names")
    if not isinstance(names, tuple) or not names:
        return True
    return unquote(secret.rpartition("/")[2]) in names


def _is(node: Node | None, kind: NodeKind) -> bool:
    return node is not None and node.kind is kind


def _joined(ways: Iterable[_Way]) -> tuple[Reader, ...]:
    """Join what differs only in its verb; direct ways first, mounts last, then by subject."""
    verbs: dict[_Identity, set[str]] = {}
    for identity, verb in ways:
        known = verbs.setdefault(identity, set())
        if verb:
            known.add(verb)
    return tuple(
        Reader(subject, tuple(sorted(said)), not indirect, path, secret, note)
        for (indirect, _, subject, secret, path, note), said in sorted(verbs.items())
    )
