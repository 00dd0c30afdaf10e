"""Each kind of reader of docs/readers.md is one in a graph; each right of the code leads there."""

import re
from pathlib import Path

import pytest

from graph.kubernetes import detours
from graph.kubernetes.detours import DETOURS, DIRECT, Detour
from graph.queries import identities
from graph.queries.readers import readers
from tests.graph.collectors.ways_around import WAYS
from tests.graph.reader_rows import SERVER, Row, of_detour, rows, table

PAGE = Path(__file__).parents[2] / "docs" / "readers.md"
ROWS = list(rows())


@pytest.mark.parametrize("row", ROWS, ids=[row.kind for row in ROWS])
def test_somebody_is_a_reader_of_each_kind(row: Row) -> None:
    found = [one for one in readers(row.graph, row.secret).readers if one.kind == row.kind]
    assert found
    for one in found:
        assert one.note or one.path or one.direct


@pytest.mark.parametrize(
    ("row", "verb"),
    [(row, verb) for row in DETOURS for verb in row.verbs],
    ids=lambda value: value if isinstance(value, str) else f"{value.group}/{value.resource}",
)
def test_each_right_alone_makes_its_holder_a_reader(row: Detour, verb: str) -> None:
    snapshot, secret = of_detour(row, verb)
    ana = [one for one in readers(snapshot, secret).readers if one.subject.endswith("/User/ana")]
    assert {one.kind for one in ana} == {row.kind}
    assert {one.direct for one in ana} == {False}
    assert all(any(step.endswith("Role/r") for step in one.path) for one in ana)


def test_the_page_has_every_kind_that_the_code_has() -> None:
    words = {
        value
        for module in (detours, identities)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and re.fullmatch(r"[a-z-]+", value)
    }
    known = [row.kind for row in ROWS]
    assert words - {DIRECT, identities.HOLDS} <= {*known}  # who holds a policy reads directly
    assert len(known) == len({*known})
    assert table() in PAGE.read_text(encoding="utf-8"), "python -m tests.graph.reader_rows"


def test_what_is_shown_on_a_real_api_server_is_what_was_gone_there() -> None:
    assert {row.kind for row in ROWS if row.shown == SERVER} == {way.kind for way in WAYS.values()}
