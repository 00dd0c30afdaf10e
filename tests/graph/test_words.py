"""Numbers as people say them."""

import pytest

from graph.words import counted, every, some_of


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (counted(0, "pod"), "0 pods"),
        (counted(1, "pod"), "1 pod"),
        (counted(4, "copy"), "4 copies"),
        (counted(2, "day"), "2 days"),
        (counted(1, "entry"), "1 entry"),
        (counted(3, "more reader"), "3 more readers"),
        (every(1, "pod"), "the only pod"),
        (every(7, "copy"), "all 7 copies"),
        (some_of(0, 1, "pod"), "none of 1 pod"),
        (some_of(0, 3, "pod"), "none of 3 pods"),
        (some_of(2, 3, "pod"), "2 of 3 pods"),
        (some_of(3, 3, "pod"), "all 3 pods"),
    ],
)
def test_one_none_some_and_all(said: str, expected: str) -> None:
    assert said == expected
