"""
One cluster, live: one thread that turns what its followers bring into rows.

It waits for changes, lets those that belong together arrive, and has each source of the cluster
look again at what changed. A cluster that does not answer is tried again, and its sources are
marked; other clusters have their own threads and notice nothing.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from threading import Event, Thread
from time import monotonic

from structlog import get_logger

from graph.collect import stale
from graph.collector import CollectContext, Collector
from graph.errors import ConflictError, LocksmithError, UnavailableError
from graph.kubernetes.reduced import reduced
from graph.live.cluster_cache import Changed, ClusterCache
from graph.live.collections import Collections
from graph.live.pace import Pace
from graph.live.source import LiveSource
from graph.model import Gap
from graph.repository import GraphRepository

log = get_logger()

_NOTHING = Changed(frozenset(), frozenset())
_LONGEST_GATHER = 5.0
_LOOK_SECONDS = 1.0  # between two looks at the clock, where nothing happens


class LiveCluster:
    """
    The sources of one cluster; `members` are pairs of a collector and its source's name.

    `holds` says whether this process may write, as others may have taken its place; `on_settled` is
    called once, when each source was read, or could not be, for the first time.
    """

    def __init__(
        self,
        cluster: str,
        members: Sequence[tuple[Collector, str]],
        *,
        context: CollectContext,
        repository: GraphRepository,
        clock: Callable[[], datetime],
        pace: Pace,
        holds: Callable[[], bool],
        on_settled: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._members = members
        self._context = context
        self._repository = repository
        self._clock = clock
        self._pace = pace
        self._holds = holds
        self._on_settled = on_settled
        self._cache = ClusterCache()
        self._sources: list[LiveSource] = []
        self._failures = 0
        self._told = ""
        self._failing_since: datetime | None = None
        self._ended = Event()
        self._thread = Thread(target=self._run, name=f"live {cluster}", daemon=True)
        self.settled = False

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        self._ended.set()
        self._cache.wake()
        self._thread.join(seconds)

    def _run(self) -> None:
        collections: Collections | None = None
        while collections is None and not self._ended.is_set():
            try:
                collections = self._connect()
            except LocksmithError as error:
                self._refused(error)
        if collections is not None:
            try:
                self._keep_current(collections)
            finally:
                collections.stop()

    def _connect(self) -> Collections:
        api = self._context.connections.kubernetes(self._cluster)
        self._sources = [
            LiveSource(
                collector,
                name,
                api=api,
                cache=self._cache,
                context=self._context,
                repository=self._repository,
                clock=self._clock,
                pace=self._pace,
            )
            for collector, name in self._members
        ]
        collections = Collections(
            api,
            self._cache,
            reduce=partial(reduced, fingerprinter=self._context.fingerprinter),
            clock=self._clock,
            pace=self._pace,
        )
        collections.discover()
        return collections

    def _refused(self, error: LocksmithError) -> None:
        """Mark every source of a cluster that could not be reached at all, and wait."""
        log.warning("cluster.not_reached", cluster=self._cluster, happened=error.happened)
        self._failing_since = self._failing_since or self._clock()
        reason = stale(error.happened, self._failing_since)
        try:
            for _, name in self._members if reason != self._told else ():
                gap = Gap(name, name, reason, error.do_now)
                self._repository.record_gaps(name, (gap,), now=self._clock())
            self._told = reason
        except UnavailableError as trouble:
            log.warning("database.not_reached", happened=trouble.happened)
        self._settle(anyway=True)
        self._ended.wait(self._pace.wait_after(error, self._failures))
        self._failures += 1

    def _keep_current(self, collections: Collections) -> None:
        changed = _NOTHING
        busy = 0.0
        while not self._ended.is_set():
            began = monotonic()
            anew = collections.changed()
            if anew:
                for source in self._sources:
                    source.look_at_everything()
            try:
                if not self._holds():
                    raise ConflictError("Another process may follow this cluster by now.")
                self._update(changed, collections)
            except LocksmithError as error:
                self._cache.take_back(changed)
                log.warning("cluster.not_updated", cluster=self._cluster, happened=error.happened)
                self._ended.wait(self._pace.first_wait)
            if changed.objects and self.settled and not anew:
                busy = monotonic() - began
            self._settle()
            # A large cluster is written less often rather than all the time.
            gather = min(max(self._pace.gather, busy), _LONGEST_GATHER)
            changed = self._cache.changes(wait=_LOOK_SECONDS, gather=gather)

    def _update(self, changed: Changed, collections: Collections) -> None:
        wanted: set[str] = set()
        for source in self._sources:
            wanted |= source.update(changed, collections.served)
            collections.follow(source.asked)
        collections.keep_only(frozenset(wanted))

    def _settle(self, *, anyway: bool = False) -> None:
        if not self.settled and (anyway or all(source.settled for source in self._sources)):
            self.settled = True
            self._on_settled()
