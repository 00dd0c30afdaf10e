"""
What is remembered of one cluster: its objects, reduced, as JSON text, by collection and namespace.

Text takes a fraction of the memory of parsed objects and equal text is an equal object, so a change
of nothing that matters is no change. A collection keeps what it holds whatever goes wrong: a fault
is noted beside it (`Listed.error`), never instead of it. One writer per collection (`follower.py`),
one reader (`cluster.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Condition
from time import monotonic

import orjson

from graph.errors import LocksmithError
from graph.fields import Object, name_of, namespace_of, text

WHOLE = "*"  # the scope of a source that is not divided by namespace


@dataclass(frozen=True, slots=True)
class Listed:
    """How one collection stands: `good_at`, when it was last known to be right; None: never."""

    good_at: datetime | None = None
    error: LocksmithError | None = None  # why it is not followed any more, or not read at all
    failing_since: datetime | None = None
    polled: LocksmithError | None = None  # why it is read at an interval instead of watched

    @property
    def settled(self) -> bool:
        return self.good_at is not None or self.error is not None


_UNREAD = Listed()


@dataclass(slots=True)
class _Collection:
    state: Listed = _UNREAD
    by_scope: dict[str, dict[str, bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changed:
    """What happened since it was last asked: objects in (path, scope), and how paths stand."""

    objects: frozenset[tuple[str, str]]
    states: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.objects or self.states)


class ClusterCache:
    """The memory of one cluster. `path` names a collection as its URL does, query included."""

    def __init__(self) -> None:
        self._collections: dict[str, _Collection] = {}
        self._changed = Condition()
        self._objects: set[tuple[str, str]] = set()
        self._states: set[str] = set()

    def replace(self, path: str, objects: Iterator[Object], *, now: datetime) -> None:
        """Take a whole listing: what it does not hold is gone."""
        found: dict[str, dict[str, bytes]] = {}
        for obj in objects:
            found.setdefault(scope_of(obj), {})[name_of(obj)] = orjson.dumps(obj)
        with self._changed:
            kept = self._collections.setdefault(path, _Collection())
            before, kept.by_scope = kept.by_scope, found
            for scope in before.keys() | found.keys():
                if before.get(scope) != found.get(scope):
                    self._note(path, scope)
            self._stands(path, Listed(good_at=now, polled=kept.state.polled))

    def put(self, path: str, obj: Object) -> None:
        scope, name, told = scope_of(obj), name_of(obj), orjson.dumps(obj)
        with self._changed:
            objects = self._collections.setdefault(path, _Collection()).by_scope
            if objects.setdefault(scope, {}).get(name) != told:
                self._take_out(path, obj)
                objects[scope][name] = told
                self._note(path, scope)

    def remove(self, path: str, obj: Object) -> None:
        with self._changed:
            self._take_out(path, obj)

    def watched(self, path: str, *, now: datetime) -> None:
        """Note that a watch holds: what is remembered of `path` is how things are."""
        with self._changed:
            self._collections.setdefault(path, _Collection())
            self._stands(path, Listed(good_at=now))

    def failed(self, path: str, error: LocksmithError, *, now: datetime) -> None:
        """Note that `path` cannot be read or followed at present; what is known of it stays."""
        with self._changed:
            known = self._collections.setdefault(path, _Collection()).state
            since = known.failing_since or now
            self._stands(path, Listed(known.good_at, error, since, known.polled))

    def polled(self, path: str, why: LocksmithError) -> None:
        """Note that `path` may be listed, but not watched."""
        with self._changed:
            known = self._collections.setdefault(path, _Collection()).state
            self._stands(path, replace(known, polled=why))

    def forget(self, path: str) -> None:
        """Drop a collection that the cluster serves no longer."""
        with self._changed:
            gone = self._collections.pop(path, None)
            if gone is not None:
                self._states.add(path)
                self._objects.update((path, scope) for scope in gone.by_scope)
                self._changed.notify_all()

    def state(self, path: str) -> Listed:
        with self._changed:
            known = self._collections.get(path)
            return known.state if known else _UNREAD

    def scopes(self, paths: frozenset[str]) -> frozenset[str]:
        """Name the namespaces that anything in `paths` lies in; "" is the cluster itself."""
        with self._changed:
            return frozenset(
                scope
                for path in paths
                if path in self._collections
                for scope, objects in self._collections[path].by_scope.items()
                if objects
            )

    def objects(self, path: str, scope: str = WHOLE) -> Iterator[Object]:
        """Parse and yield what is remembered, as it is at this moment."""
        with self._changed:
            known = self._collections.get(path)
            by_scope: Mapping[str, Mapping[str, bytes]] = known.by_scope if known else {}
            scopes = list(by_scope) if scope == WHOLE else [scope]
            told = [text for each in scopes for text in by_scope.get(each, {}).values()]
        return map(orjson.loads, told)

    def changes(self, *, wait: float, gather: float) -> Changed:
        """Wait up to `wait` seconds for a change, then `gather` seconds for those that follow."""
        with self._changed:
            self._changed.wait_for(self._anything, wait)
            if self._anything() and gather:
                until = monotonic() + gather
                while (left := until - monotonic()) > 0:
                    self._changed.wait(left)
            changed = Changed(frozenset(self._objects), frozenset(self._states))
            self._objects.clear()
            self._states.clear()
            return changed

    def take_back(self, changed: Changed) -> None:
        """Put changes back that could not be dealt with."""
        with self._changed:
            self._objects |= changed.objects
            self._states |= changed.states

    def wake(self) -> None:
        """End a wait for changes."""
        with self._changed:
            self._states.add("")
            self._changed.notify_all()

    def _take_out(self, path: str, obj: Object) -> None:
        """Take an object out of where it was; a volume may have been bound somewhere else."""
        objects = self._collections.setdefault(path, _Collection()).by_scope
        own = namespace_of(obj)
        for scope in (own,) if own else tuple(objects):
            if objects.get(scope, {}).pop(name_of(obj), None) is not None:
                self._note(path, scope)

    def _anything(self) -> bool:
        return bool(self._objects or self._states)

    def _note(self, path: str, scope: str) -> None:
        self._objects.add((path, scope))
        self._changed.notify_all()

    def _stands(self, path: str, state: Listed) -> None:
        known = self._collections[path]
        before, known.state = known.state, state
        same = (before.settled, _told(before.error), _told(before.polled)) == (
            state.settled,
            _told(state.error),
            _told(state.polled),
        )
        if not same:
            self._states.add(path)
            self._changed.notify_all()


def scope_of(obj: Object) -> str:
    """
    Name the namespace that an object belongs to: a Namespace to itself, a volume to its claim.

    "" is the cluster: what lies in no namespace and is used from none.
    """
    kind = text(obj, "kind")
    if kind == "Namespace":
        return name_of(obj)
    if kind == "PersistentVolume":
        return text(obj, "spec", "claimRef", "namespace")
    return namespace_of(obj)


def _told(error: LocksmithError | None) -> str:
    return error.happened if error else ""
