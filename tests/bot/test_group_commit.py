"""Those who come during a write share the next one; each gets its own answer or error."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from bot.group_commit import GroupCommit
from tests.scenarios.scene import PATIENCE, eventually


class Slow:
    """Writes when it is let; an item below 0 breaks the whole write."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(sorted(items))
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        if min(items) < 0:
            raise ValueError("one of them is bad")
        return [10 * item for item in items]


@contextmanager
def after_the_first(slow: Slow, *items: int) -> Iterator[list[Future[int]]]:
    """Write 1, and have the others come in meanwhile."""
    commit = GroupCommit(slow)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(commit, 1)
        assert slow.begun.wait(PATIENCE)
        others = [pool.submit(commit, item) for item in items]
        eventually(lambda: len(commit._queue) == len(items))
        slow.go_on.set()
        assert first.result(PATIENCE) == 10
        yield others


def test_who_comes_during_a_write_is_written_with_the_next() -> None:
    slow = Slow()
    with after_the_first(slow, 2, 3, 4, 5, 6, 7) as others:
        assert [other.result(PATIENCE) for other in others] == [20, 30, 40, 50, 60, 70]
    assert slow.batches == [[1], [2, 3, 4, 5, 6, 7]]


def test_one_bad_item_holds_up_nobody_but_who_wrote_it() -> None:
    slow = Slow()
    with after_the_first(slow, 2, 3, -1, 4) as others:
        broken = [each.exception(PATIENCE) is not None for each in others]
    assert broken[2]
    assert sum(broken) <= 2, "the bad one, and the one that wrote for all"
    assert [each.result() for each in others if each.exception() is None] == [
        10 * item for item, broke in zip((2, 3, -1, 4), broken, strict=True) if not broke
    ]
