"""Expressions of strangers are run in bounded time, or not at all."""

import pytest

from graph.kubernetes.durations import seconds
from graph.kubernetes.patterns import pattern_of


@pytest.mark.parametrize(
    "said",
    [
        "db",
        "^db-.*$",
        "^(db|api)-[a-z+*]+$",
        r"^team\.(\w+)\+x",
        "(prod-)?db.*",
        "[^]*+]+",
        "db-[0-9]{2}",
        "(?i)^db",
    ],
)
def test_what_people_write_is_compiled(said: str) -> None:
    assert pattern_of(said) is not None


@pytest.mark.parametrize(
    "said",
    [
        "([",
        "*",
        "(a+)+$",
        "(a|a)*$",
        "((a*)b?)*$",
        "(?:x+y?){10,}",
        "(.*){99}",
        ".*.*.*.*x",
        "a{2,1}",
        "(" * 5000,
    ],
)
def test_what_is_none_or_may_take_for_ever_is_refused(said: str) -> None:
    assert pattern_of(said) is None


@pytest.mark.parametrize("said", ["9" * 400 + "h", "1.2.3s", "h", "", "1 h", "-1h"])
def test_an_odd_duration_is_none(said: str) -> None:
    assert seconds(said) is None
