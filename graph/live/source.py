"""
One source of one cluster, kept current: looks again where something changed, writes what differs.

The collector is the one that `collect` runs; here it reads remembered objects. Until the first look
is complete nothing is taken away (`GraphRepository.merge`); from then on only differences are
written. What was said counts as said when it is written, so a database that is away loses nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic

from structlog import get_logger

from graph.amending import Amendment
from graph.collect import stale
from graph.collector import CollectContext, Collector
from graph.errors import (
    AccessDeniedError,
    ConflictError,
    LocksmithError,
    NotFoundError,
    UnavailableError,
)
from graph.kubernetes_api import KubernetesApi
from graph.live.cluster_cache import WHOLE, Changed, ClusterCache
from graph.live.ledger import Ledger, Looks, whole
from graph.live.pace import Pace
from graph.live.view import CachedApi, Served
from graph.model import Gap, Observation
from graph.repository import GraphRepository

log = get_logger()


@dataclass(slots=True)
class _Asked:
    """What a round of looks asked for, and what of it nobody has tried to read yet."""

    paths: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)


class LiveSource:
    """The rows of `collector` for one cluster. Used by one thread (`cluster.py`)."""

    def __init__(
        self,
        collector: Collector,
        name: str,
        *,
        api: KubernetesApi,
        cache: ClusterCache,
        context: CollectContext,
        repository: GraphRepository,
        clock: Callable[[], datetime],
        pace: Pace,
    ) -> None:
        self.name = name
        self._collector = collector
        self._api = api
        self._cache = cache
        self._context = context
        self._repository = repository
        self._clock = clock
        self._pace = pace
        self._ledger: Ledger | None = None
        self._everything = True  # the next look is at all scopes
        self._partial = False  # it was written before all collections had been read
        self._refused: str | None = None
        self._told: tuple[tuple[Gap, ...], bool] = ((), True)
        self._written_at = monotonic()
        self._patient_until = monotonic() + pace.patience
        self.asked: frozenset[str] = frozenset()
        self.settled = False

    def look_at_everything(self) -> None:
        """Look at all scopes next time: what is served has changed, or what is asked for."""
        self._everything = True
        self._patient_until = monotonic() + self._pace.patience

    def update(self, changed: Changed, served: Served) -> frozenset[str]:
        """
        Bring the rows up to date with the cache; return the collections that must be followed.

        Raises:
            UnavailableError: the database does not answer; the same changes must be told again.
        """
        scopes = {scope for path, scope in changed.objects if path in self.asked}
        partial = self._partial or (self._ledger is not None and not self._ledger.complete)
        more = partial and not changed.states.isdisjoint(self.asked)
        if self._everything or more or (scopes and self._ledger is None):
            self._everything = True
            return self._whole(served)
        if scopes:
            wanted = frozenset(scopes) if self._collector.by_namespace else frozenset({WHOLE})
            self._some(wanted, served)
        elif self.settled and self._ledger is not None:
            self._only_state(self._ledger)
        return self.asked

    def _whole(self, served: Served) -> frozenset[str]:
        asked = _Asked()
        first = self.asked if self._ledger is None else ()
        if self._waits_for(path for path in first if not self._cache.state(path).settled):
            return self.asked
        try:
            looks = self._looks(self._all_scopes(served, asked), served, asked)
        except (AccessDeniedError, ConflictError, NotFoundError, UnavailableError) as error:
            self.asked = self.asked | asked.paths
            if not self._waits_for(asked.unread):
                self._say_refused(error)
            return self.asked
        if self._waits_for(asked.unread):
            self.asked = self.asked | asked.paths
            return self.asked
        self.asked = frozenset(asked.paths)
        gaps, fresh = self._state_of_collections()
        observation = whole(self.name, looks, gaps)
        changes = self._repository.merge(observation, now=self._clock())
        ledger = Ledger(self.name)
        ledger.say(looks)
        self._ledger, self._refused = ledger, None
        self._everything, self._partial = False, bool(asked.unread)
        self._told = (observation.gaps, observation.complete)
        self._wrote(len(changes), len(looks))
        if not fresh:
            self._only_state(ledger)
        return self.asked

    def _some(self, scopes: frozenset[str], served: Served) -> None:
        asked = _Asked()
        looks = self._looks(scopes, served, asked)
        if asked.paths - self.asked:  # what came asks for more than before
            self.look_at_everything()
            self.asked = self.asked | asked.paths
            return
        ledger = self._ledger or Ledger(self.name)
        gaps, fresh = self._state_of_collections()
        amendment = ledger.amendment(looks, gaps, fresh=fresh)
        if amendment.complete and not ledger.complete:
            self._everything = True  # now that all is seen, what is left of older looks can go
            self._cache.wake()
            return
        self._write(amendment, len(looks))
        ledger.say(looks)

    def _only_state(self, ledger: Ledger) -> None:
        """Say how fresh the source is, when that changes and from time to time."""
        gaps, fresh = self._state_of_collections()
        amendment = ledger.amendment({}, gaps, fresh=fresh)
        due = monotonic() - self._written_at > self._pace.interval
        if due or self._told != (amendment.gaps, amendment.fresh):
            self._write(amendment, 0)

    def _write(self, amendment: Amendment, scopes: int) -> None:
        changes = self._repository.amend(amendment, now=self._clock())
        self._told = (amendment.gaps, amendment.fresh)
        self._wrote(len(changes), scopes)

    def _wrote(self, changes: int, scopes: int) -> None:
        self._written_at = monotonic()
        self.settled = True
        if changes:
            log.info("source.updated", source=self.name, changes=changes, scopes=scopes)

    def _waits_for(self, unread: Iterable[str]) -> bool:
        return any(unread) and monotonic() < self._patient_until

    def _all_scopes(self, served: Served, asked: _Asked) -> frozenset[str]:
        if not self._collector.by_namespace:
            return frozenset({WHOLE})
        if not self.asked:  # a look at the empty cache: it tells what to follow
            self._look("", served, asked)
        paths = self.asked | asked.paths
        return self._cache.scopes(paths) | {""}

    def _looks(self, scopes: Iterable[str], served: Served, asked: _Asked) -> Looks:
        return {scope: self._look(scope, served, asked) for scope in sorted(scopes)}

    def _look(self, scope: str, served: Served, asked: _Asked) -> tuple[Observation, ...]:
        view = CachedApi(self._api, self._cache, served=served, scope=scope)
        connections = self._context.connections.reading_from({self._api.cluster: view})
        context = replace(self._context, connections=connections)
        try:
            return tuple(self._collector.collect(self.name, context))
        finally:
            asked.paths |= view.asked
            asked.unread |= view.unread

    def _say_refused(self, error: LocksmithError) -> None:
        """Say, once for each reason, that nothing of the source could be read; its rows stay."""
        self._everything, self._partial = False, True
        if self._refused != error.happened:
            gap = Gap(self.name, self.name, error.happened, error.do_now)
            self._repository.record_gaps(self.name, (gap,), now=self._clock())
            self._refused = error.happened
        self.settled = True

    def _state_of_collections(self) -> tuple[tuple[Gap, ...], bool]:
        """Return the gaps of collections that are out of date, and whether there are none."""
        states = {path: self._cache.state(path) for path in sorted(self.asked)}
        gaps = [
            Gap(
                self.name,
                _shown(path),
                f"It may be listed but not watched, so it is up to {self._pace.interval:g} s old.",
                state.polled.do_now,
            )
            for path, state in states.items()
            if state.polled is not None
        ]
        late = {
            path: (state.error, state.failing_since)
            for path, state in states.items()
            if state.error is not None and state.good_at is not None
        }
        if not late:
            return tuple(gaps), True
        since = min(moment for _, moment in late.values() if moment is not None)
        away = [error for error, _ in late.values() if isinstance(error, UnavailableError)]
        if len(away) == len(states):  # all of the cluster: said once
            gaps.append(Gap(self.name, self.name, stale(away[0].happened, since), away[0].do_now))
        else:
            gaps += [
                Gap(self.name, _shown(path), stale(error.happened, moment), error.do_now)
                for path, (error, moment) in late.items()
            ]
        return tuple(gaps), False


def _shown(path: str) -> str:
    """Name a collection as `listing.py` does: "pods", "secrets of payments"."""
    parts = path.partition("?")[0].split("/")
    if "namespaces" in parts[:-1]:
        return f"{parts[-1]} of {parts[parts.index('namespaces') + 1]}"
    return parts[-1]
