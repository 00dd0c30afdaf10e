"""The picture of an answer as a file: SVG and PNG, and what is said when it cannot be written."""

from html import escape
from pathlib import Path

import pytest

from bot.cli.pictures import png, write_png, write_svg
from graph.errors import BadInputError
from graph.pictures.svg import MONO, SANS, blast_radius_svg
from graph.queries.blast_radius import BlastRadius, blast_radius
from tests.bot.cli.conftest import Run
from tests.graph.demo_graph import GATEWAY, demo_graph

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def answer() -> BlastRadius:
    return blast_radius(demo_graph(), [(GATEWAY, "token")])


def _size(picture: bytes) -> tuple[int, int]:
    return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")


def test_both_kinds_of_file_are_written_and_replaced(answer: BlastRadius, tmp_path: Path) -> None:
    svg, picture = tmp_path / "answer.svg", tmp_path / "answer.png"
    picture.write_text("an older one")
    write_svg(answer, svg)
    write_png(answer, picture)
    assert svg.read_text() == blast_radius_svg(answer)
    assert picture.read_bytes().startswith(PNG)
    assert {file.name for file in tmp_path.iterdir()} == {"answer.svg", "answer.png"}


def test_a_png_is_twice_the_size_and_shows_the_names() -> None:
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="70" height="30">{}</svg>'
    assert _size(png(drawing.format(""))) == (140, 60)
    for family in ("sans-serif", "monospace", MONO, SANS, "Open Sans"):  # also without any font
        text = f'<text x="2" y="20" font-family="{escape(family)}">api</text>'
        assert png(drawing.format(text)) != png(drawing.format("")), family


@pytest.mark.parametrize("where", ["missing/answer.svg", "."])
def test_a_file_that_cannot_be_written_is_named(
    answer: BlastRadius, tmp_path: Path, where: str
) -> None:
    with pytest.raises(BadInputError, match="could not be written") as refused:
        write_svg(answer, tmp_path / where)
    assert "folder that exists" in refused.value.do_now
    assert list(tmp_path.iterdir()) == []


def test_the_command_draws_what_it_prints(company: Run, tmp_path: Path) -> None:
    svg, picture = tmp_path / "answer.svg", tmp_path / "answer.png"
    ended = company("blast-radius", f"{GATEWAY}#token", "--svg", str(svg), "--png", str(picture))
    assert ended.code == 0, ended.err
    assert f"The picture is in {svg}." in ended.out
    assert "debug-shell" in svg.read_text()
    assert picture.read_bytes().startswith(PNG)

    as_json = company("blast-radius", f"{GATEWAY}#token", "--json", "--svg", str(svg))
    assert len(as_json.json["consumers"]) == 8
    refused = company("blast-radius", f"{GATEWAY}#token", "--svg", str(tmp_path))
    assert refused.code == 2
    assert "debug-shell" in refused.out
    assert "could not be written" in refused.err
