"""
The whole graph, live: every configured source followed by somebody, here or in another process.

Collectors that need nothing but a cluster are put together per cluster and watched; the others are
polled. Who follows what is decided by leases, one per endpoint; the processes that follow nothing
see the same graph, because all of them read it from the database.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Thread
from time import monotonic
from typing import Protocol

from structlog import get_logger

from graph.collect import found_collectors
from graph.collector import CollectContext, Collector
from graph.errors import LocksmithError
from graph.leases import Leases
from graph.live.cluster import LiveCluster
from graph.live.pace import Pace
from graph.live.polled import PolledSource
from graph.model import Gap
from graph.repository import GraphRepository

log = get_logger()

_LONGEST_REST = 600.0  # seconds
_OUR_FAULT = "Locksmith itself failed while it read this; what was known is kept."
_REPORT_IT = "Report the error in Locksmith's log; it tries again by itself."
_RENEWALS = 4  # in the life of a lease, so that one that fails is no loss


class Part(Protocol):
    """What follows one endpoint. `settled`: it was read, or could not be, for the first time."""

    settled: bool

    @property
    def alive(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self, seconds: float = 10.0) -> None: ...


@dataclass(slots=True)
class _Endpoint:
    make: Callable[[], Part]
    sources: tuple[str, ...]
    part: Part | None = None
    elsewhere: bool = False  # another process follows it
    deaths: int = 0
    not_before: float = 0.0  # when it may be begun again


@dataclass(slots=True)
class _Members:
    clusters: dict[str, list[tuple[Collector, str]]] = field(default_factory=dict)
    polled: list[tuple[Collector, str]] = field(default_factory=list)


class LiveGraph:
    """
    Keeps every source of `context` current until it is stopped.

    `collected_once` is set when each source was read, refused, or left to another process.
    """

    def __init__(
        self,
        repository: GraphRepository,
        context: CollectContext,
        *,
        leases: Leases,
        clock: Callable[[], datetime],
        pace: Pace | None = None,
        collectors: Mapping[str, Collector] | None = None,
    ) -> None:
        self._repository = repository
        self._context = context
        self._leases = leases
        self._clock = clock
        self._pace = pace or Pace()
        self._ended = Event()
        self._look = Event()
        self._thread = Thread(target=self._run, name="live graph", daemon=True)
        self.collected_once = Event()
        members = _divided(found_collectors() if collectors is None else collectors, context)
        self._endpoints: dict[str, _Endpoint] = {
            f"cluster/{cluster}": _Endpoint(
                self._cluster_maker(cluster, its), tuple(source for _, source in its)
            )
            for cluster, its in members.clusters.items()
        }
        for collector, source in members.polled:
            self._endpoints[source] = _Endpoint(self._poller_maker(collector, source), (source,))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End every part and give the leases back."""
        self._ended.set()
        self._look.set()
        self._thread.join()

    def followed_here(self) -> tuple[str, ...]:
        """Name the endpoints that this process follows ("cluster/prod", "vault/main")."""
        return tuple(name for name, one in self._endpoints.items() if one.part is not None)

    def _run(self) -> None:
        while not self._ended.is_set():
            for name, endpoint in self._endpoints.items():
                self._take_turns(name, endpoint)
            if all(_settled(endpoint) for endpoint in self._endpoints.values()):
                self.collected_once.set()
            self._look.wait(self._leases.seconds / _RENEWALS)
            self._look.clear()
        running = [one.part for one in self._endpoints.values() if one.part is not None]
        stopping = [Thread(target=part.stop, daemon=True) for part in running]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()
        for name, endpoint in self._endpoints.items():
            if endpoint.part is not None:
                self._give_back(name)

    def _take_turns(self, name: str, endpoint: _Endpoint) -> None:
        try:
            holds = self._leases.hold(name)
        except LocksmithError as error:  # without a database nobody else can take it either
            log.warning("lease.not_renewed", endpoint=name, happened=error.happened)
            return
        endpoint.elsewhere = not holds
        if endpoint.part is not None and not endpoint.part.alive:
            self._died(name, endpoint)
        if holds and endpoint.part is None and monotonic() >= endpoint.not_before:
            endpoint.part = endpoint.make()
            endpoint.part.start()
            log.info("endpoint.followed", endpoint=name)
        elif not holds and endpoint.part is not None:
            log.warning("endpoint.lost", endpoint=name)
            endpoint.part.stop(0)
            endpoint.part = None

    def _died(self, name: str, endpoint: _Endpoint) -> None:
        """Say that a part ended by a fault of our own, and begin it again, ever less often."""
        endpoint.part = None
        endpoint.deaths += 1
        wait = min(self._leases.seconds * 2.0 ** min(endpoint.deaths, 10), _LONGEST_REST)
        endpoint.not_before = monotonic() + wait
        log.error("endpoint.died", endpoint=name, deaths=endpoint.deaths, again_in=round(wait))
        gaps = [Gap(source, source, _OUR_FAULT, _REPORT_IT) for source in endpoint.sources]
        try:
            for gap in gaps:
                self._repository.record_gaps(gap.source, (gap,), now=self._clock())
        except LocksmithError as error:
            log.warning("database.not_reached", happened=error.happened)

    def _give_back(self, name: str) -> None:
        try:
            self._leases.release(name)
        except LocksmithError as error:
            log.warning("lease.not_released", endpoint=name, happened=error.happened)

    def _cluster_maker(
        self, cluster: str, members: list[tuple[Collector, str]]
    ) -> Callable[[], Part]:
        return lambda: LiveCluster(
            cluster,
            members,
            context=self._context,
            repository=self._repository,
            clock=self._clock,
            pace=self._pace,
            holds=lambda: self._leases.surely(f"cluster/{cluster}"),
            on_settled=self._look.set,
        )

    def _poller_maker(self, collector: Collector, source: str) -> Callable[[], Part]:
        return lambda: PolledSource(
            collector,
            source,
            context=self._context,
            repository=self._repository,
            clock=self._clock,
            pace=self._pace,
            holds=lambda: self._leases.surely(source),
            on_settled=self._look.set,
        )


def _divided(collectors: Mapping[str, Collector], context: CollectContext) -> _Members:
    members = _Members()
    clusters = set(context.connections.cluster_names)
    for collector in collectors.values():
        only_clusters = {each.where for each in collector.permissions} == {"kubernetes"}
        for source in collector.sources(context):
            cluster = source.partition("/")[2]
            if only_clusters and cluster in clusters:
                members.clusters.setdefault(cluster, []).append((collector, source))
            else:
                members.polled.append((collector, source))
    return members


def _settled(endpoint: _Endpoint) -> bool:
    if endpoint.elsewhere or endpoint.deaths:
        return True
    return endpoint.part is not None and endpoint.part.settled
