"""
What the boxes on the way of the value say: cards and rows, with everything counted.

A card shows the first few rows and then one that counts the others. Texts are cleaned here and
made to fit later, by `svg`, which knows the fonts; `layout` decides where a card stands; readers,
owners, legend and gaps are in `around`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from graph.model import PicksUp
from graph.pictures.labels import name, printable
from graph.queries.blast_radius import BlastRadius
from graph.queries.consumers import WORST_FIRST, Consumer
from graph.queries.copies import Copy
from graph.refs import Ref, cluster_of, namespace_of

MOST_ORIGINS = 6
MOST_COPIES = 12
MOST_KEYS = 4
MOST_GROUPS = 8
MOST_IN_GROUP = 12
MOST_IN_MANY_GROUPS = 6
FEW_GROUPS = 4
MOST_OWNERS = 10

WORDS: Mapping[PicksUp, str] = {
    PicksUp.NEVER: "never",
    PicksUp.RESTART: "restart",
    PicksUp.UNKNOWN: "unknown",
    PicksUp.NEXT_RUN: "next run",
    PicksUp.POLL: "poll",
    PicksUp.SYNC: "sync",
}
_HOUR, _MINUTE = 3600, 60


@dataclass(frozen=True, slots=True)
class Row:
    """
    One line of a box; all texts are harmless but not yet shortened.

    `stands_for` counts the consumers that it names or counts; `title` is the text in full for who
    points at it; `prose` is a sentence and no name; `quiet` rows count or explain.
    """

    text: str
    note: str = ""
    badge: PicksUp | None = None
    title: str = ""
    stands_for: int = 0
    prose: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    heading: str
    note: str = ""
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Group(Card):
    """The consumers of one namespace; `uses` are the secrets that they name."""

    uses: frozenset[Ref] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyCard(Card):
    """One copy with all its keys; `parent` is the copy that it was made of, `depth` from 0."""

    secret: Ref
    parent: Ref | None = None
    depth: int = 0
    idle: bool = False


NOBODY = Group("No workload is known to use it")


def homes(answer: BlastRadius) -> tuple[Ref, ...]:
    return tuple(dict.fromkeys(secret for secret, _ in answer.secrets))


def copied(answer: BlastRadius) -> tuple[Ref, ...]:
    return tuple(dict.fromkeys(copy.secret for copy in answer.copies))


def tally(consumers: Iterable[Consumer]) -> dict[PicksUp, int]:
    """Count by how a new value is picked up, the worst first."""
    found = Counter(consumer.picks_up for consumer in consumers)
    return {picks_up: found[picks_up] for picks_up in WORST_FIRST if found[picks_up]}


def title(answer: BlastRadius) -> str:
    secrets = homes(answer)
    if not secrets:
        return "Blast radius: nothing that Locksmith has read"
    keys = [key for _, key in answer.secrets]
    field = f" · {printable(keys[0])}" if len(keys) == 1 and keys[0] else ""
    more = f" and {len(secrets) - 1} more" if len(secrets) > 1 else ""
    return f"Blast radius of {name(secrets[0]).name}{field}{more}"


def summary(answer: BlastRadius) -> str:
    secrets, idle = copied(answer), _idle(answer.copies)
    spaces = {_group_key(consumer.workload) for consumer in answer.consumers}
    parts = [
        f"{count(len(answer.consumers), 'workload')} in {count(len(spaces), 'namespace')}"
        if answer.consumers
        else "no known consumer",
        count(len(secrets), "copy", "copies") if secrets else "no copy",
    ]
    if idle:
        parts[-1] += f", {len(idle)} without a consumer"
    parts.append(count(len(direct_readers(answer)), "direct reader"))
    if answer.opens:
        parts.append(f"opens {count(len(answer.opens), 'thing')}")
    if answer.gaps:
        parts.append(count(len(answer.gaps), "gap"))
    return "  ·  ".join(parts)


def description(answer: BlastRadius) -> str:
    """Say what the picture shows to who cannot see it."""
    counted = ", ".join(f"{many} {WORDS[kind]}" for kind, many in tally(answer.consumers).items())
    owners = ", ".join(printable(claim.owner) for claim in answer.owners[:MOST_OWNERS])
    return (
        f"{title(answer)}. {summary(answer)}."
        + (f" How consumers pick up a new value: {counted}." if counted else "")
        + (f" Owners: {owners}." if owners else "")
    )


def origins(answer: BlastRadius) -> list[Card]:
    keys: dict[Ref, list[str]] = {}
    for secret, key in answer.secrets:
        keys.setdefault(secret, []).append(key)
    cards = []
    for secret, known in list(keys.items())[:MOST_ORIGINS]:
        named = name(secret)
        rows = (Row(named.name, title=printable(secret)), *_keys(dict.fromkeys(known)))
        cards.append(Card(named.where or named.kind, named.kind if named.where else "", rows))
    if len(keys) > MOST_ORIGINS:
        cards.append(Card(f"+ {len(keys) - MOST_ORIGINS} more places", "not drawn"))
    return cards or [Card("No secret matches")]


def copies(answer: Sequence[Copy], groups: Sequence[Group]) -> tuple[list[CopyCard], Card | None]:
    """Make a card of each copy in the order of `groups`, and one that counts what is too much."""
    by_secret: dict[Ref, list[Copy]] = {}
    for copy in answer:
        by_secret.setdefault(copy.secret, []).append(copy)
    chains = {kept[0].syncs: secret for secret, kept in reversed(by_secret.items())}
    parents = {
        secret: chains.get(kept[0].syncs[:-1]) if len(kept[0].syncs) > 1 else None
        for secret, kept in by_secret.items()
    }
    idle = _idle(answer)
    rank = {secret: len(groups) - i for i, group in enumerate(groups) for secret in group.uses}

    def order(secret: Ref) -> tuple[bool, int, Ref]:
        return (secret in idle, -rank.get(secret, 0), secret)

    below: dict[Ref | None, list[Ref]] = {}
    for secret in sorted(by_secret, key=order):
        below.setdefault(parents[secret], []).append(secret)
    cards: list[CopyCard] = []
    waiting = [(secret, 0) for secret in reversed(below.get(None, []))]
    while waiting:
        secret, depth = waiting.pop()
        idle_one = secret in idle
        cards.append(_copy(secret, by_secret[secret], parents[secret], depth, idle=idle_one))
        waiting += [(one, depth + 1) for one in reversed(below.get(secret, []))]
    shown = cards if len(cards) <= MOST_COPIES + 1 else cards[:MOST_COPIES]
    hidden = cards[len(shown) :]
    if not hidden:
        return shown, None
    unused = sum(card.idle for card in hidden)
    return shown, Card(f"+ {len(hidden)} more copies", f"{unused} without a consumer")


def _copy(
    secret: Ref, kept: Sequence[Copy], parent: Ref | None, depth: int, *, idle: bool
) -> CopyCard:
    named, first = name(secret), kept[0]
    via = name(first.via) if first.via else None
    waits = _every(first.refresh_interval)
    made = f"by {via.kind} {via.name}" if via else "by hand or by a sync that is not known"
    rows = (
        Row(named.name, note=named.kind, title=printable(secret)),
        *_keys({one.key: one.idle and not idle for one in kept}),
        Row(made, note=waits, title=printable(first.via or made), prose=True, quiet=True),
    )
    return CopyCard(
        named.where or named.kind,
        "no consumer" if idle else "",
        rows,
        secret=secret,
        parent=parent,
        depth=depth,
        idle=idle,
    )


def _keys(keys: Mapping[str, bool | None]) -> list[Row]:
    """Name fields; those that alone have no consumer say so."""
    shown = [
        Row(
            f"#{printable(key)}" if key else "all fields",
            note="no consumer" if idle else "",
            title=printable(key, otherwise="all fields"),
            quiet=True,
            prose=not key,
        )
        for key, idle in keys.items()
    ]
    if len(shown) <= MOST_KEYS + 1:
        return shown
    more = len(shown) - MOST_KEYS
    return [*shown[:MOST_KEYS], Row(f"+ {more} more fields", prose=True, quiet=True)]


def groups(consumers: Sequence[Consumer]) -> tuple[list[Group], Card | None]:
    """Gather consumers by namespace: those with the worst first, then the largest."""
    found: dict[str, list[Consumer]] = {}
    for consumer in consumers:
        found.setdefault(_group_key(consumer.workload), []).append(consumer)
    for members in found.values():
        members.sort(key=lambda one: (_rank(one), one.workload))
    ordered = sorted(found, key=lambda key: (_rank(found[key][0]), -len(found[key]), key))
    most = MOST_IN_GROUP if len(found) <= FEW_GROUPS else MOST_IN_MANY_GROUPS
    shown = ordered if len(ordered) <= MOST_GROUPS + 1 else ordered[:MOST_GROUPS]
    hidden = [one for key in ordered[len(shown) :] for one in found[key]]
    cards = [_group(found[key], most) for key in shown]
    if not hidden:
        return cards, None
    row = Row(
        f"+ {count(len(hidden), 'workload')}",
        note=_counted(hidden),
        stands_for=len(hidden),
        prose=True,
        quiet=True,
    )
    return cards, Card(f"+ {len(ordered) - len(shown)} more namespaces", "", (row,))


def _group(members: Sequence[Consumer], most: int) -> Group:
    named = name(members[0].workload)
    owners = {member.owner for member in members}
    owner = printable(owners.pop(), otherwise="no owner known") if len(owners) == 1 else ""
    shown = members if len(members) <= most + 1 else members[:most]
    rows = [_consumer(member) for member in shown]
    if hidden := members[len(shown) :]:
        rows.append(
            Row(
                f"+ {len(hidden)} more",
                note=_counted(hidden),
                stands_for=len(hidden),
                prose=True,
                quiet=True,
            )
        )
    uses = frozenset(use.secret for member in members for use in member.via)
    note = "  ·  ".join(filter(None, (count(len(members), "workload"), owner)))
    return Group(named.where or "Elsewhere", note, tuple(rows), uses)


def _consumer(consumer: Consumer) -> Row:
    named = name(consumer.workload)
    pods = "" if consumer.replicas is None else f"{consumer.replicas} \N{MULTIPLICATION SIGN} "
    hows = ", ".join(dict.fromkeys(printable(use.how, otherwise="") for use in consumer.via))
    told = (consumer.workload, hows, consumer.reason, consumer.owner)
    return Row(
        named.name,
        note=f"{pods}{named.kind}",
        badge=consumer.picks_up,
        title=" — ".join(printable(one) for one in told if one),
        stands_for=1,
    )


def direct_readers(answer: BlastRadius) -> dict[Ref, set[str]]:
    found: dict[Ref, set[str]] = {}
    for reader in answer.readers:
        if reader.direct:
            found.setdefault(reader.subject, set()).update(reader.verbs)
    return found


def _idle(answer: Iterable[Copy]) -> set[Ref]:
    found: dict[Ref, bool] = {}
    for copy in answer:
        found[copy.secret] = found.get(copy.secret, True) and copy.idle
    return {secret for secret, idle in found.items() if idle}


def _group_key(workload: Ref) -> str:
    return namespace_of(workload) or cluster_of(workload) or name(workload).where


def _rank(consumer: Consumer) -> int:
    return WORST_FIRST.index(consumer.picks_up)


def _counted(consumers: Iterable[Consumer]) -> str:
    return " · ".join(f"{many} {WORDS[kind]}" for kind, many in tally(consumers).items())


def count(many: int, one: str, several: str = "") -> str:
    return f"{many} {one if many == 1 else several or one + 's'}"


def _every(seconds: int | None) -> str:
    if not seconds:
        return ""
    if seconds % _HOUR == 0:
        return f"every {seconds // _HOUR} h"
    return f"every {seconds // _MINUTE} min" if seconds >= _MINUTE else f"every {seconds} s"
