"""
One transaction for all who wait at the same time: fifty clicks are not fifty commits.

Whoever comes while nobody writes, writes at once; who comes during a write queues, and the next
of them writes for all. Nobody's item is done before it is committed. Nothing here knows what is
written.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    results: Sequence[Result] = ()  # one, once it was written


class GroupCommit(Generic[Item, Result]):
    """
    Thread-safe. `write` commits the items that it is given, in order, and returns a result each.

    A call raises what `write` raised. Where a write for several broke, only the caller that wrote
    gets that error; the others write for themselves, so that one bad item does not hold them up.
    """

    def __init__(self, write: Callable[[Sequence[Item]], Sequence[Result]]) -> None:
        self._write = write
        self._queue: list[_Waiting[Item, Result]] = []
        self._queued = threading.Lock()
        self._turn = threading.Lock()

    def __call__(self, item: Item) -> Result:
        mine: _Waiting[Item, Result] = _Waiting(item)
        with self._queued:
            self._queue.append(mine)
        with self._turn:
            if not mine.results:
                self._write_for_all(mine)
        return mine.results[0]

    def _write_for_all(self, mine: _Waiting[Item, Result]) -> None:
        with self._queued:
            batch, self._queue = self._queue, []
        if mine not in batch:  # whoever wrote for it broke
            batch.append(mine)
        results = self._write([each.item for each in batch])
        for each, result in zip(batch, results, strict=True):
            each.results = (result,)
