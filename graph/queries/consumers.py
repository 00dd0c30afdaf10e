"""
Who uses a secret: every workload that consumes it or any copy of it, with every single use.

Not here: who could read it (`readers`), and what breaks when (the planner's forecast).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from graph.adjacency import NOBODY
from graph.model import EdgeKind, Gap, PicksUp
from graph.queries.accounts import unsure
from graph.queries.answer import answer
from graph.queries.copies import Reached, by_secret, origins, spread
from graph.queries.owners import own_owners
from graph.refs import Ref, namespace_of, split_key
from graph.snapshot import Snapshot

# The worst first. A restart also cures what is unknown, so unknown stands behind it.
WORST_FIRST = (
    PicksUp.NEVER,
    PicksUp.RESTART,
    PicksUp.UNKNOWN,
    PicksUp.NEXT_RUN,
    PicksUp.POLL,
    PicksUp.SYNC,
)
_RANK = {picks_up: rank for rank, picks_up in enumerate(WORST_FIRST)}
_PLACE = attrgetter("secret", "container", "how", "key", "field")
_PICKS_UP: Mapping[object, PicksUp] = {picks_up.value: picks_up for picks_up in PicksUp}


@answer
class Use:
    """
    One place in a workload that names the secret; `key` "" means all keys.

    `secret` is the copy that it names and `syncs` the chain of syncs from the origin to it;
    `picks_up` and `reason` hold for this use alone.
    """

    how: str
    container: str
    key: str
    field: str
    secret: Ref
    optional: bool = False
    picks_up: PicksUp = PicksUp.UNKNOWN
    reason: str = ""
    syncs: tuple[Ref, ...] = ()


@answer
class Consumer:
    """A workload with all its uses; `picks_up` is the worst of them and `reason` its reason."""

    workload: Ref
    via: tuple[Use, ...]
    picks_up: PicksUp
    reason: str = ""
    replicas: int | None = None
    owner: str = ""  # "team:payments"; "" where nobody is named


@dataclass(frozen=True, slots=True)
class Consumers:
    """
    The answer, sorted by workload. `secret` is the ref as asked (with its key).

    `origins` name where the value comes from when a copy was asked for; else empty.
    """

    secret: Ref
    consumers: tuple[Consumer, ...]
    gaps: tuple[Gap, ...] = ()
    origins: tuple[Ref, ...] = ()


def consumers(snapshot: Snapshot, ref: Ref) -> Consumers:
    """Answer for `ref` (a secret, `#key` narrows it) and for everything that derives from it."""
    return snapshot.once(("consumers", ref), lambda: _consumers(snapshot, ref))


def _consumers(snapshot: Snapshot, ref: Ref) -> Consumers:
    place = split_key(ref)
    above = tuple(secret for secret, _ in origins(snapshot, [place]) if secret != place[0])
    places = spread(snapshot, [place])
    gaps = (*snapshot.gaps, *unsure(snapshot, (*above, *(one.secret for one in places))))
    found = consumers_of(snapshot, places)
    return Consumers(ref, found, gaps, tuple(dict.fromkeys(above)))


def consumers_of(snapshot: Snapshot, places: Iterable[Reached]) -> tuple[Consumer, ...]:
    """Collect the workloads that use any of `places`, sorted by ref."""
    uses: dict[Ref, list[Use]] = {}
    consumed = snapshot.inward(EdgeKind.CONSUMES)
    for place, keys in by_secret(places):
        every = "" in keys
        made: dict[int, Use] = {}  # the snapshot shares what is equal, and outlives this
        for workload, joined in consumed.get(place.secret, NOBODY).items():
            for said in joined.values():
                if every or not (key := said.get("key")) or key in keys:
                    use = made.get(id(said))
                    if use is None:
                        use = made[id(said)] = _use(said, place)
                    if workload in uses:
                        uses[workload].append(use)
                    else:
                        uses[workload] = [use]
    owner_of = _owners(snapshot)
    return tuple([_consumer(snapshot, one, uses[one], owner_of(one)) for one in sorted(uses)])


def _use(said: Mapping[str, Any], place: Reached) -> Use:
    get = said.get
    return Use(
        get("how") or "",
        get("container") or "",
        get("key") or "",
        get("field") or "",
        place.secret,
        bool(get("optional")),
        _PICKS_UP.get(get("picks_up"), PicksUp.UNKNOWN),
        get("reason") or "",
        place.syncs,
    )


def _consumer(snapshot: Snapshot, workload: Ref, uses: list[Use], owner: str) -> Consumer:
    worst = uses[0]
    if len(uses) > 1:
        uses.sort(key=_PLACE)
        worst = min(uses, key=_badness)
    node = snapshot.node(workload)
    replicas = node.attributes.get("replicas") if node else None
    return Consumer(
        workload,
        tuple(uses),
        worst.picks_up,
        worst.reason,
        replicas if isinstance(replicas, int) else None,
        owner,
    )


def _owners(snapshot: Snapshot) -> Callable[[Ref], str]:
    """Return what names the owner of a workload, else that of its namespace, looked up once."""
    own = own_owners(snapshot)
    of_places: dict[str, str] = {}

    def named(workload: Ref) -> str:
        owner = own(workload)
        if not owner:
            place = workload.rsplit("/", 2)[0]  # all of one namespace begin alike
            if place not in of_places:
                namespace = namespace_of(workload)
                of_places[place] = own(namespace) if namespace else ""
            owner = of_places[place]
        return owner

    return named


def _badness(use: Use) -> int:
    return _RANK[use.picks_up]
