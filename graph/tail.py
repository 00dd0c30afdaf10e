"""
Reads what was added to a log file, by offset, through rotation. No database, no meaning of lines.

A position is remembered by the file's number, the offset, and a digest of its beginning. A log that
was renamed is read to its end before the new one is begun; one that was cut off is read anew from
its start. A last line that is not complete yet waits for the next look.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from graph.errors import AccessDeniedError, NotFoundError, UnavailableError

_HEAD = 256
_PORTION = 4 * 2**20  # bytes in one portion, so that a large log is many transactions


@dataclass(frozen=True, slots=True)
class Position:
    """Where the last look ended; `head` is a digest of the first bytes, `head_length` of them."""

    inode: int = 0
    offset: int = 0
    head: str = ""
    head_length: int = 0


@dataclass(frozen=True, slots=True)
class Portion:
    """Complete lines, and the position behind them. `lost`: lines before them may be missing."""

    lines: tuple[bytes, ...]
    position: Position
    lost: bool = False


def portions(path: str, after: Position) -> Iterator[Portion]:
    """
    Yield what was added since `after`, oldest first.

    Raises:
        NotFoundError, AccessDeniedError, UnavailableError: the file cannot be read.
    """
    file = Path(path)
    try:
        now = file.stat()
        lost = False
        if after.inode and not _is_same(file, now, after):
            former = _renamed(file, after)
            if former is not None:
                yield from _rest(former, after)
            lost = former is None
            after = Position()
        first = True
        for portion in _rest(file, after):
            yield Portion(portion.lines, portion.position, lost and first)
            first = False
        if first and lost:
            yield Portion((), Position(now.st_ino, 0), lost=True)
    except FileNotFoundError:
        raise NotFoundError(
            f"The audit log {path} is not there.",
            means="Reads are not known until it is.",
            do_now="Correct `audit_log`, or mount the file where the bot runs.",
        ) from None
    except PermissionError:
        raise AccessDeniedError(
            f"The audit log {path} may not be read.",
            do_now="Let the user of the bot read it (its group, or an ACL).",
        ) from None
    except OSError as error:
        raise UnavailableError(f"The audit log {path} cannot be read: {error.strerror}.") from None


def _rest(file: Path, after: Position) -> Iterator[Portion]:
    with file.open("rb") as log:
        inode = os.fstat(log.fileno()).st_ino
        head = log.read(_HEAD)
        offset = after.offset
        while True:
            log.seek(offset)
            block = log.read(_PORTION)
            end = block.rfind(b"\n") + 1
            if not end:
                if len(block) < _PORTION:
                    return
                line = log.readline()  # a single line longer than a portion: passed over whole
                if not line.endswith(b"\n"):
                    return
                offset += len(block) + len(line)
                continue
            offset += end
            lines = tuple(line for line in block[:end].split(b"\n") if line)
            known = head[: min(offset, _HEAD)]
            yield Portion(lines, Position(inode, offset, _digest(known), len(known)))


def _is_same(file: Path, now: os.stat_result, after: Position) -> bool:
    return now.st_ino == after.inode and now.st_size >= after.offset and _begins(file, after)


def _renamed(file: Path, after: Position) -> Path | None:
    for other in sorted(file.parent.glob(f"{file.name}*")):
        if other != file and other.is_file():
            known = other.stat()
            if known.st_ino == after.inode and known.st_size >= after.offset:
                return other if _begins(other, after) else None
    return None


def _begins(file: Path, after: Position) -> bool:
    with file.open("rb") as log:
        return _digest(log.read(after.head_length)) == after.head


def _digest(head: bytes) -> str:
    return hashlib.blake2b(head, digest_size=16).hexdigest()
