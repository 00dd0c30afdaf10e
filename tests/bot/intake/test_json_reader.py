"""The reader walks JSON piece by piece, in the memory of one piece."""

import io
import json
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bot.intake import json_reader
from bot.intake.json_reader import JsonReader, records
from graph.errors import BadInputError

anything = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)


class Dripping(io.TextIOBase):
    """Gives a text a few characters at a time, as a pipe may."""

    def __init__(self, text: str, size: int) -> None:
        self._left, self._size = text, size

    def read(self, size: int | None = -1) -> str:
        given, self._left = self._left[: self._size], self._left[self._size :]
        return given


def whole(reader: JsonReader) -> object:
    match reader.peek():
        case "[":
            return [whole(reader) for _ in reader.elements()]
        case "{":
            return {key: whole(reader) for key in reader.members()}
    return reader.value()


@given(anything, some.integers(min_value=1, max_value=9), some.sampled_from([None, 1]))
def test_walking_gives_what_parsing_gives_wherever_it_is_cut(
    value: object, size: int, indent: int | None
) -> None:
    text = json.dumps(value, indent=indent)
    assert whole(JsonReader(Dripping(text, size), "x")) == value  # type: ignore[arg-type]


def test_what_is_not_taken_is_skipped() -> None:
    reader = JsonReader(io.StringIO('{"a": [1, {"b": 2}], "c": 3}'), "x")
    assert [(key, reader.value()) for key in reader.members() if key == "c"] == [("c", 3)]


def test_a_report_of_100_mb_is_read_in_the_memory_of_a_few_pieces() -> None:
    one = json.dumps({"RuleID": "a", "Secret": "s" * 40, "Match": "m" * 900})
    count = 100_000

    class Endless(io.TextIOBase):
        def __init__(self) -> None:
            self._pieces = self._written()
            self._left = ""

        def _written(self) -> Iterator[str]:
            yield "["
            for number in range(count):
                yield one + (",\n" if number + 1 < count else "]")

        def read(self, size: int | None = -1) -> str:
            parts, length = [], 0
            for piece in self._pieces:
                parts.append(piece)
                length += len(piece)
                if length >= json_reader.CHUNK:
                    break
            return "".join(parts)

    heard: list[int] = []
    tracemalloc.start()
    try:
        reader = JsonReader(Endless(), "x", heard=heard.append)  # type: ignore[arg-type]
        assert sum(1 for _ in records(reader)) == count
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(heard) > 90_000_000
    assert most < 20_000_000


def test_a_value_that_never_ends_is_given_up() -> None:
    endless = Dripping('["' + "x" * (json_reader.MOST_IN_ONE + 2 * json_reader.CHUNK), 1 << 22)
    reader = JsonReader(endless, "x")  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="32 MiB"):
        list(records(reader))
