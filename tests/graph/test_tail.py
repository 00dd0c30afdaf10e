"""A log is read by offset: nothing twice, nothing lost, through both ways of rotation."""

import shutil
from pathlib import Path

import pytest

from graph.errors import NotFoundError
from graph.tail import Portion, Position, portions


def read(path: Path, after: Position) -> tuple[list[bytes], Position, bool]:
    lines: list[bytes] = []
    lost = False
    for portion in portions(str(path), after):
        assert isinstance(portion, Portion)
        lines += portion.lines
        after, lost = portion.position, lost or portion.lost
    return lines, after, lost


def append(path: Path, *lines: bytes) -> None:
    with path.open("ab") as log:
        log.writelines(lines)


def test_only_what_was_added_is_read_and_only_complete_lines(tmp_path: Path):
    log = tmp_path / "audit.log"
    append(log, b"one\n", b"two\n", b"half a")
    lines, at, _ = read(log, Position())
    assert lines == [b"one", b"two"]
    assert read(log, at) == ([], at, False)
    append(log, b" line\n", b"four\n")
    lines, at, lost = read(log, at)
    assert (lines, lost) == ([b"half a line", b"four"], False)


def test_a_renamed_log_is_read_to_its_end_before_the_new_one(tmp_path: Path):
    log = tmp_path / "audit.log"
    append(log, b"one\n")
    _, at, _ = read(log, Position())
    append(log, b"two\n")
    log.rename(tmp_path / "audit.log.1")
    append(log, b"three\n")
    lines, at, lost = read(log, at)
    assert (lines, lost) == ([b"two", b"three"], False)
    append(log, b"four\n")
    assert read(log, at)[0] == [b"four"]


def test_a_log_that_was_copied_and_cut_off_is_read_from_its_start(tmp_path: Path):
    log = tmp_path / "audit.log"
    append(log, b"one\n", b"two\n")
    _, at, _ = read(log, Position())
    shutil.copy(log, tmp_path / "audit.log.1")
    log.write_bytes(b"")
    assert read(log, at)[2], "lines between may be missing, and that is said"
    _, at, _ = read(log, at)
    append(log, b"three\n")
    assert read(log, at)[0] == [b"three"]


def test_a_log_that_was_cut_off_and_grew_beyond_the_old_offset_is_noticed(tmp_path: Path):
    log = tmp_path / "audit.log"
    append(log, b"one\n")
    _, at, _ = read(log, Position())
    log.write_bytes(b"a longer first line\nand a second\n")
    lines, _, lost = read(log, at)
    assert (lines, lost) == ([b"a longer first line", b"and a second"], True)


def test_a_log_that_is_gone_for_good_is_said(tmp_path: Path):
    log = tmp_path / "audit.log"
    append(log, b"one\n", b"two\n")
    _, at, _ = read(log, Position())
    log.unlink()
    with pytest.raises(NotFoundError, match="is not there"):
        read(log, at)
    other = tmp_path / "other"
    append(other, b"x\n")
    other.rename(log)
    lines, _, lost = read(log, at)
    assert (lines, lost) == ([b"x"], True)


def test_a_line_longer_than_a_portion_does_not_stop_the_rest(tmp_path: Path):
    log = tmp_path / "audit.log"
    append(log, b"x" * (5 * 2**20) + b"\n", b"after\n")
    assert read(log, Position())[0] == [b"after"]
