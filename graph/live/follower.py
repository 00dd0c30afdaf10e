"""
Follows one collection of one cluster: lists it, watches it, and goes on after every trouble.

A broken or silent watch goes on from the last version that was seen, so nothing is read twice;
only where the server keeps that version no longer (410) is this collection, and no other, listed
again. Where there is no watch, or none is allowed, it is listed at the interval. What was read goes
to the cache at once; a trouble is noted beside it and takes nothing away.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from threading import Event as Flag
from threading import Lock, Thread
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

from structlog import get_logger
from urllib3 import BaseHTTPResponse

from graph.errors import (
    AccessDeniedError,
    BadInputError,
    ConflictError,
    LocksmithError,
    NotFoundError,
    UnavailableError,
)
from graph.fields import Object, name_of
from graph.kubernetes_api import Json, KubernetesApi
from graph.live.cluster_cache import ClusterCache
from graph.live.events import Event, read_events
from graph.live.pace import Pace

log = get_logger()

_SHORT = 1.0  # a watch that ends sooner than this, with nothing said, is no watch
_REPORTED = 2  # troubles in a row until one is told: a single cut heals by itself
_DOUBTS = 4  # watches in a row that broke off at once, until the collection is listed again


class Follower:
    """One thread for one collection; `path` may carry a query. `live` False: there is no watch."""

    def __init__(
        self,
        api: KubernetesApi,
        path: str,
        cache: ClusterCache,
        *,
        reduce: Callable[[Object], dict[str, Any]],
        clock: Callable[[], datetime],
        pace: Pace,
        live: bool,
    ) -> None:
        self._api = api
        self._key = path
        self._path, _, query = path.partition("?")
        self._query = dict(parse_qsl(query))
        self._cache = cache
        self._reduce = reduce
        self._clock = clock
        self._pace = pace
        self._live = live
        self._failures = 0
        self._doubted = False  # the last watch broke off as soon as it was opened
        self._opened: float | None = None
        self._ended = Flag()
        self._turn = Lock()
        self._answer: BaseHTTPResponse | None = None
        self._thread = Thread(target=self._run, name=f"follow {api.cluster}{path}", daemon=True)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End it; a read that waits for the server is broken off."""
        self._ended.set()
        with self._turn:
            if self._answer is not None:
                with suppress(OSError, ValueError):  # it may have ended this very moment
                    self._answer.shutdown()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                version = self._list()
                if self._live and version:
                    self._follow(version)
                else:
                    self._ended.wait(self._pace.interval)
            except ConflictError as error:
                self._trouble(error, tell=self._failures >= _REPORTED)
            except LocksmithError as error:
                self._trouble(error, tell=True)

    def _trouble(self, error: LocksmithError, *, tell: bool) -> None:
        if self._ended.is_set():
            return
        if tell:
            self._cache.failed(self._key, error, now=self._clock())
        log.debug("watch.interrupted", path=self._key, happened=error.happened)
        self._ended.wait(self._pace.wait_after(error, self._failures))
        self._failures += 1

    def _list(self) -> str:
        """Read the whole collection; return the version to watch from, "" if there is none."""
        versions: list[str] = []
        self._cache.replace(
            self._key, (self._reduce(obj) for obj in self._listed(versions)), now=self._clock()
        )
        self._doubted = False
        return versions[-1] if versions else ""

    def _listed(self, versions: list[str]) -> Iterator[Object]:
        for page in self._api.pages(self._path, **self._query):
            kind = str(page.get("kind") or "")
            items = page.get("items")
            if not isinstance(items, list) and not (items is None and kind.endswith("List")):
                # Believed, this would delete everything that is known.
                raise UnavailableError(
                    f"Could not list {self._path} in cluster {self._api.cluster}: the answer is "
                    "not a list."
                )
            metadata = page.get("metadata")
            if isinstance(metadata, dict):
                versions.append(str(metadata.get("resourceVersion") or ""))
            for item in items or ():
                if isinstance(item, dict) and name_of(item):
                    yield self._completed(item, kind, page)

    @staticmethod
    def _completed(item: Json, kind: str, page: Json) -> Json:
        item.setdefault("kind", kind.removesuffix("List"))
        item.setdefault("apiVersion", page.get("apiVersion", ""))
        return item

    def _follow(self, version: str) -> None:
        """Watch until the end; returns where the collection must be listed again."""
        while not self._ended.is_set():
            self._opened = None
            try:
                for event in self._events(version):
                    version = event.version
                    self._failures, self._doubted = 0, False
                    self._take(event)
                self._check_that_it_lasted()
                self._failures, self._doubted = 0, False
            except ConflictError:
                # All collections of a cluster may hear this at one moment: not in step.
                self._ended.wait(random.uniform(0, self._pace.first_wait))  # noqa: S311
                if not self._failures:
                    self._failures = 1
                    return
                raise
            except (AccessDeniedError, BadInputError, NotFoundError) as error:
                if isinstance(error, AccessDeniedError):
                    self._cache.polled(self._key, error)
                self._ended.wait(self._pace.interval)
                return
            except UnavailableError as error:
                self._doubted = self._opened is not None and not self._lasted()
                self._trouble(error, tell=self._failures + 1 >= _REPORTED)
                if self._doubted and self._failures > _DOUBTS:
                    return  # something after this version cannot be read: begin with a new list

    def _check_that_it_lasted(self) -> None:
        if not self._lasted():
            raise UnavailableError(self._where("the watch ended at once."))

    def _lasted(self) -> bool:
        return self._opened is not None and monotonic() - self._opened >= _SHORT

    def _events(self, version: str) -> Iterator[Event]:
        seconds = max(1, round(self._pace.watch * random.uniform(0.8, 1.2)))  # noqa: S311
        with self._api.watch(
            self._path,
            # A watch that broke off at once before is believed when it lasts, event or not.
            inactivity_seconds=_SHORT if self._doubted else self._pace.inactivity,
            resourceVersion=version,
            allowWatchBookmarks=True,
            timeoutSeconds=seconds,
            **self._query,
        ) as answer:
            self._hold(answer)
            try:
                self._opened = monotonic()
                if not self._doubted:
                    self._cache.watched(self._key, now=self._clock())
                yield from read_events(answer, self._where("the watch broke off"))
            finally:
                self._hold(None)

    def _take(self, event: Event) -> None:
        if event.kind == "DELETED":
            self._cache.remove(self._key, event.obj)
        elif event.kind != "BOOKMARK":
            self._cache.put(self._key, self._reduce(event.obj))
        self._cache.watched(self._key, now=self._clock())

    def _hold(self, answer: BaseHTTPResponse | None) -> None:
        with self._turn:
            self._answer = answer
            if self._ended.is_set() and answer is not None:
                answer.shutdown()

    def _where(self, what: str) -> str:
        return f"Could not watch {self._path} in cluster {self._api.cluster}: {what}"
