"""Writers of one process: one at a time, the urgent one next."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from graph.turns import Turns


def wait_for(turns: Turns, waiting: int) -> None:
    while turns.waiting < waiting:
        threading.Event().wait(0.001)


def test_an_urgent_one_is_next_whoever_came_before() -> None:
    turns = Turns()
    order: list[str] = []

    def write(name: str, *, urgent: bool) -> None:
        with turns.taken(urgent=urgent):
            order.append(name)

    with ThreadPoolExecutor(4) as pool, turns.taken():
        for number, name in enumerate(("poll", "card", "page")):
            pool.submit(write, name, urgent=False)
            wait_for(turns, number + 1)
        pool.submit(write, "click", urgent=True)
        wait_for(turns, 4)
        assert order == []
    assert order == ["click", "poll", "card", "page"]
    assert turns.waiting == 0


def test_one_at_a_time_and_nobody_is_left_waiting() -> None:
    turns = Turns()
    inside: list[int] = []
    most = 0

    def write(number: int) -> None:
        nonlocal most
        for _ in range(50):
            with turns.taken(urgent=number % 2 == 0):
                inside.append(number)
                most = max(most, len(inside))
                inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert most == 1
    assert turns.waiting == 0


def test_a_turn_may_be_taken_again_within_and_is_given_back_after_a_failure() -> None:
    turns = Turns()
    with suppress(ZeroDivisionError), turns.taken(), turns.taken(urgent=True):
        _ = 1 // 0
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: turns.taken().__enter__()).result(10) is None
