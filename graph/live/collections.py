"""
Which collections of a cluster are followed, by whom they were asked for, and what is served.

Discovery is asked again and again: a kind that appears (a CRD was installed) makes the collectors
ask for it, one that is really gone takes its objects along. A group that merely does not answer
keeps what it served. A server that has no trustworthy watch is listed at the interval.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from threading import Event, Thread
from types import MappingProxyType
from typing import Any

from structlog import get_logger

from graph.errors import AccessDeniedError, LocksmithError, NotFoundError
from graph.fields import Object
from graph.kubernetes_api import KubernetesApi, Resource
from graph.live.cluster_cache import ClusterCache
from graph.live.follower import Follower
from graph.live.pace import Pace
from graph.live.view import Served

log = get_logger()

# kmock's emulator numbers versions, but has no history: what happens between a list and a watch is
# lost without a 410, and no bookmark says so. It names itself in its version.
_NO_WATCH = re.compile(r"\+kmock$")
_PATH = re.compile(r"/(?:api|apis/([^/]+))/[^/]+(?:/namespaces/[^/]+)?/([^/?]+)(?:\?.*)?")
_STOP_SECONDS = 2.0


class Collections:
    """The followers of one cluster. `discover` comes first."""

    def __init__(
        self,
        api: KubernetesApi,
        cache: ClusterCache,
        *,
        reduce: Callable[[Object], dict[str, Any]],
        clock: Callable[[], datetime],
        pace: Pace,
    ) -> None:
        self._api = api
        self._cache = cache
        self._reduce = reduce
        self._clock = clock
        self._pace = pace
        self._followers: dict[str, Follower] = {}
        self._watches = True
        self._silent: frozenset[str] = frozenset()  # group versions that did not answer
        self._found: tuple[Served, frozenset[str]] | None = None
        self._ended = Event()
        self._thread = Thread(target=self._ask_again, name=f"discover {api.cluster}", daemon=True)
        self.served: Served = MappingProxyType({})

    def discover(self) -> None:
        """
        Ask what is served, and go on asking from now on.

        Raises:
            AccessDeniedError, UnavailableError: the cluster does not answer.
        """
        try:
            version = str(self._api.get("/version").get("gitVersion") or "")
        except (AccessDeniedError, NotFoundError):  # not needed, except for the emulator
            version = ""
        self._watches = not _NO_WATCH.search(version)
        self.served, self._silent = self._ask()
        self._thread.start()

    def changed(self) -> bool:
        """Take over what discovery has found since; False: nothing else than before."""
        found, self._found = self._found, None
        if found is None:
            return False
        self.served, self._silent = found
        for path in list(self._followers):
            if self._resource(path) is None:
                self._drop(path)
        return True

    def _ask(self) -> tuple[Served, frozenset[str]]:
        found = dict(self._api.rediscover())
        silent = frozenset(self._api.undiscovered)
        for key, resource in self.served.items():
            if _group_version(resource) in silent:
                found.setdefault(key, resource)
        return MappingProxyType(found), silent

    def _ask_again(self) -> None:
        """Discovery takes many calls: in a thread of its own, so that changes need not wait."""
        while not self._ended.wait(self._pace.discovery):
            try:
                served, silent = self._ask()
            except LocksmithError as error:  # the followers notice for themselves
                log.debug("discovery.failed", cluster=self._api.cluster, happened=error.happened)
                continue
            if (dict(served), silent) != (dict(self.served), self._silent):
                self._found = served, silent
                self._cache.wake()

    def follow(self, paths: Iterable[str]) -> None:
        for path in paths:
            known = self._followers.get(path)
            if known is not None and known.alive:
                continue
            resource = self._resource(path)
            follower = Follower(
                self._api,
                path,
                self._cache,
                reduce=self._reduce,
                clock=self._clock,
                pace=self._pace,
                live=self._watches and resource is not None and "watch" in resource.verbs,
            )
            self._followers[path] = follower
            follower.start()

    def keep_only(self, paths: frozenset[str]) -> None:
        """Stop following what nobody asks for any more, such as an older version of an API."""
        for path in self._followers.keys() - paths:
            self._drop(path)

    def stop(self) -> None:
        self._ended.set()
        for follower in self._followers.values():
            follower.stop()
        for follower in self._followers.values():
            follower.join(_STOP_SECONDS)
        self._followers.clear()

    def _drop(self, path: str) -> None:
        follower = self._followers.pop(path)
        follower.stop()
        follower.join(_STOP_SECONDS)
        self._cache.forget(path)
        log.info("collection.dropped", cluster=self._api.cluster, path=path)

    def _resource(self, path: str) -> Resource | None:
        found = _PATH.fullmatch(path)
        return self.served.get((found[1] or "", found[2])) if found else None


def _group_version(resource: Resource) -> str:
    return f"{resource.group}/{resource.version}" if resource.group else resource.version
