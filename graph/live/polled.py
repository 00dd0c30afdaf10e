"""
One source that has no watch (a Vault, an OpenBao): looked at again and again, in its own thread.

A look that is refused is repeated sooner than the interval, ever less often, until it works; in
between the source keeps its rows and is marked with its age. What need not be read again because
it did not change is the collector's business.
"""

from collections.abc import Callable
from datetime import datetime
from threading import Event, Thread

from structlog import get_logger

from graph.collect import CollectedSource, collect_source
from graph.collector import CollectContext, Collector
from graph.errors import LocksmithError, UnavailableError
from graph.live.pace import Pace
from graph.repository import GraphRepository

log = get_logger()


class PolledSource:
    """`holds` and `on_settled` as in `LiveCluster`."""

    def __init__(
        self,
        collector: Collector,
        source: str,
        *,
        context: CollectContext,
        repository: GraphRepository,
        clock: Callable[[], datetime],
        pace: Pace,
        holds: Callable[[], bool],
        on_settled: Callable[[], None],
    ) -> None:
        self._collector = collector
        self._source = source
        self._context = context
        self._repository = repository
        self._clock = clock
        self._pace = pace
        self._holds = holds
        self._on_settled = on_settled
        self._failures = 0
        self._failing_since: datetime | None = None
        self._ended = Event()
        self._thread = Thread(target=self._run, name=f"poll {source}", daemon=True)
        self.settled = False

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        self._ended.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._ended.is_set():
            wait = self._pace.first_wait
            if self._holds():
                try:
                    wait = self._look()
                except LocksmithError as error:
                    log.warning("source.not_updated", source=self._source, happened=error.happened)
                if not self.settled:
                    self.settled = True
                    self._on_settled()
            self._ended.wait(wait)

    def _look(self) -> float:
        """Look once; return the seconds until the next look."""
        result: CollectedSource = collect_source(
            self._repository,
            self._collector,
            self._source,
            context=self._context,
            now=self._clock(),
            failing_since=self._failing_since,
        )
        if not result.refused:
            self._failures, self._failing_since = 0, None
            if result.changes:
                log.info("source.updated", source=self._source, changes=result.changes)
            return self._pace.interval
        log.info("source.refused", source=self._source, happened=result.refused)
        self._failing_since = self._failing_since or self._clock()
        wait = self._pace.wait_after(UnavailableError(result.refused), self._failures)
        self._failures += 1
        return min(wait, self._pace.interval)
