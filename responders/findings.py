"""
What is left to do after an incident, and what is wrong without one: findings, each with an owner.

Most follow from what the rows and the graph say, so they go away when it is done: a copy that
nothing uses, a message that was not removed, a step that was skipped, a consumer that follows by
nobody's doing, an owner that nobody knows. People add their own. A derived finding has a row only
once somebody closed it, with a reason. Pure; the rows are `follow_ups.py`'s.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from graph.model import NodeKind, PicksUp
from graph.queries.owners import owners
from graph.refs import with_key
from graph.snapshot import Snapshot
from responders.incident import Case, IncidentState, StepState

_OVER = frozenset({IncidentState.CLOSED})


@dataclass(frozen=True, slots=True)
class Finding:
    """`incident_id` "" where there is none. `id` is the same as long as the thing is the same."""

    id: str
    kind: str
    title: str
    owner: str
    incident_id: str = ""
    opened_at: datetime | None = None


def follow_ups(case: Case, default_owner: str) -> tuple[Finding, ...]:
    """Return what an incident leaves behind; nothing while it runs, or for a false alarm."""
    if case.state not in _OVER:
        return ()
    first = next((claim.owner for claim in case.blast_radius.owners), default_owner)
    return tuple(
        Finding(_id(kind, case.id, title), kind, title, owner or first, case.id, case.closed_at)
        for kind, title, owner in _left_behind(case, default_owner)
    )


def ownerless(snapshot: Snapshot, default_owner: str) -> Iterator[Finding]:
    """Name every secret that is used and that nobody answers for."""
    for node in snapshot.nodes(NodeKind.SECRET):
        if node.attributes.get("missing") or owners(snapshot, node.ref):
            continue
        title = f"Nobody is named as the owner of {node.ref}."
        yield Finding(_id("no_owner", "", title), "no_owner", title, default_owner)


def _left_behind(case: Case, default_owner: str) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, title, owner); an empty owner is that of what leaked."""
    yield from _of_owners(case, default_owner)
    yield from _of_places(case)
    for consumer in case.blast_radius.consumers:
        if consumer.picks_up in {PicksUp.NEVER, PicksUp.UNKNOWN}:
            why = consumer.reason or "unknown how"
            title = f"Let {consumer.workload} pick up new values: {why}."
            yield "no_pick_up", title, consumer.owner
    for each in case.progress:
        if each.state is StepState.SKIPPED:
            yield "skipped_step", f"Make up for “{each.step.title}”: {each.sentence}", ""
    if case.pages and not any(page.confirmed for page in case.pages):
        yield "nobody_paged", "No pager took a page: run `locksmith pager test`.", default_owner


def _of_owners(case: Case, default_owner: str) -> Iterator[tuple[str, str, str]]:
    if not case.blast_radius.owners:
        yield "no_owner", f"Say who owns what leaked in {case.id}.", default_owner
    for claim in case.blast_radius.owners:
        if claim.disagrees:
            title = f"Settle who owns {claim.ref}: {claim.owner} ({claim.source}), but "
            yield "owner_conflict", title + f"{claim.disagrees}.", claim.owner


def _of_places(case: Case) -> Iterator[tuple[str, str, str]]:
    for copy in case.blast_radius.copies:
        if copy.idle:
            ref = with_key(copy.secret, copy.key)
            yield "idle_copy", f"Remove {ref}: it holds a copy and nothing uses it.", ""
    for sighting in case.sightings:
        if not sighting.removed:
            place = sighting.where_name or sighting.where or "an unnamed place"
            yield "not_removed", f"Remove what was seen in {place}.", ""


def _id(kind: str, incident_id: str, title: str) -> str:
    named = f"{kind}|{incident_id}|{title}"
    return f"f-{hashlib.sha256(named.encode()).hexdigest()[:8]}"


def own_id(incident_id: str, title: str) -> str:
    """Name a finding that a person adds."""
    return _id("person", incident_id, title)


def still_open(found: Iterable[Finding], closed: Iterable[str]) -> tuple[Finding, ...]:
    gone = set(closed)
    return tuple(one for one in found if one.id not in gone)
