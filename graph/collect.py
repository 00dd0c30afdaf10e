"""
One run over every collector and source: what was seen goes into the graph, what was not is a gap.

A source that refuses or does not answer keeps its rows and is marked stale; the others go on.
Not here: how a source is read (`collectors/`), and when a run takes place (`bot/worker`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from structlog import get_logger

from graph.collector import CollectContext, Collector
from graph.errors import AccessDeniedError, NotFoundError, UnavailableError
from graph.model import Gap
from graph.plugins import discover
from graph.repository import GraphRepository

log = get_logger()


@dataclass(frozen=True, slots=True)
class CollectedSource:
    """
    What came of one source. `changes` counts lines of the change feed; `seconds` it took.

    `refused` is the sentence of a source that could not be read at all; "" where it could.
    """

    source: str
    nodes: int
    edges: int
    fingerprints: int
    changes: int
    gaps: tuple[Gap, ...]
    seconds: float
    refused: str = ""


def collect(
    repository: GraphRepository,
    context: CollectContext,
    *,
    now: datetime,
    collectors: Mapping[str, Collector] | None = None,
) -> Iterator[CollectedSource]:
    """
    Read every configured source, one after the other, and yield what came of each.

    `collectors` None: all members of `graph.collectors`. `now` is the moment of the run.
    """
    members = found_collectors() if collectors is None else collectors
    for collector in members.values():
        for source in collector.sources(context):
            result = collect_source(repository, collector, source, context=context, now=now)
            log.info(
                "source.collected",
                source=source,
                nodes=result.nodes,
                edges=result.edges,
                changes=result.changes,
                gaps=len(result.gaps),
                refused=bool(result.refused),
            )
            yield result


def found_collectors() -> dict[str, Collector]:
    """Make one of each collector that is installed, by name."""
    # A member needs nothing to be made: all it works with is in the context.
    return {name: member() for name, member in discover(Collector, "graph.collectors").items()}


def collect_source(
    repository: GraphRepository,
    collector: Collector,
    source: str,
    *,
    context: CollectContext,
    now: datetime,
    failing_since: datetime | None = None,
) -> CollectedSource:
    """
    Read one source into the graph; a refusal is an answer, not an exception.

    `failing_since`: what to call the age of what is known, if this look is refused again.
    """
    began = monotonic()
    nodes = edges = fingerprints = changes = 0
    gaps: list[Gap] = []
    seen: set[str] = set()
    complete = True
    refused = ""
    try:
        for observation in collector.collect(source, context):
            changes += len(repository.merge(observation, now=now))
            seen.add(observation.source)
            complete = complete and observation.complete and not observation.gaps
            nodes += len(observation.nodes)
            edges += len(observation.edges)
            fingerprints += len(observation.fingerprints)
            gaps += observation.gaps
    except (AccessDeniedError, UnavailableError, NotFoundError) as error:
        refused = error.happened
        gap = Gap(source, source, stale(error.happened, failing_since), error.do_now)
        gaps.append(gap)
        changes += len(repository.record_gaps(source, (gap,), now=now))
    else:
        changes += len(repository.finish(source, seen, complete=complete, now=now))
    return CollectedSource(
        source, nodes, edges, fingerprints, changes, tuple(gaps), monotonic() - began, refused
    )


def stale(happened: str, since: datetime | None) -> str:
    """Say since when a source could not be read, in front of why; None: this very look."""
    return f"Stale since {since:%Y-%m-%d %H:%M} UTC: {happened}" if since else happened
