"""
Reads JSON piece by piece: a report of 100 MB costs the memory of one finding.

The caller walks: into a list (`elements`), into an object (`members`), over JSON lines
(`documents`), and takes whole values (`value`) where a finding stands. Everything that is wrong
says the line and never shows what stands there, because that may be a secret.
What a report means is in `findings/`.
"""

import codecs
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, TextIO, cast

from graph.errors import BadInputError

CHUNK = 1 << 18  # characters
MOST_IN_ONE = 32 << 20  # characters; a single value of more is no finding
_SPACE = " \t\r\n"
_SIGNATURES = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_DECODER = json.JSONDecoder()


def text_from(raw: BinaryIO, name: str) -> TextIO:
    """
    Read bytes as text: UTF-8, or UTF-16 with its mark, which PowerShell writes.

    A byte that is not UTF-8 becomes a replacement character; the rest of the report still counts.

    Raises:
        BadInputError: it is compressed.
    """
    buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast("Any", raw))
    head = buffered.peek(8)[:8]
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            raise BadInputError(
                f"{name} is compressed ({kind}).",
                means="Nothing was imported.",
                do_now="Unpack it first.",
            )
    encoding = next((found for bom, found in _BOMS.items() if head.startswith(bom)), "utf-8")
    return io.TextIOWrapper(buffered, encoding=encoding, errors="replace", newline="")


class JsonReader:
    """
    A place in a JSON text. `name` is the file's, for errors; `heard` is told how much was read.

    What the caller does not take of an element is skipped.
    """

    def __init__(
        self, stream: TextIO, name: str, *, heard: Callable[[int], None] = lambda count: None
    ) -> None:
        self.name = name
        self._stream = stream
        self._heard = heard
        self._buffer = ""
        self._at = 0
        self._gone = 0  # characters before the buffer
        self._line = 1
        self._ended = False

    def head(self) -> str:
        """Show the beginning, without taking it; only before anything else was read."""
        if not self._buffer:
            self._more(CHUNK)
        return self._buffer[:CHUNK]

    def peek(self) -> str:
        """Show the next character that is not white space; "" at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in _SPACE:
                self._take(self._at + 1)
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if self._ended:
                return ""
            self._more(CHUNK)

    def value(self) -> Any:
        """Take the next whole value."""
        if not self.peek():
            raise self._ends_early()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._buffer, self._at)
            except RecursionError:
                raise self._broken("it is nested too deeply") from None
            except ValueError as error:
                if self._ended:
                    raise self._not_json(error) from None
                if len(self._buffer) - self._at > MOST_IN_ONE:
                    raise self._broken(
                        f"no value ends within {MOST_IN_ONE >> 20} MiB of its beginning"
                    ) from None
            else:
                if end < len(self._buffer) or self._ended:  # else a number may go on
                    self._take(end)
                    return found
            self._more(max(CHUNK, len(self._buffer) - self._at))

    def elements(self) -> Iterator[None]:
        """Walk a list: each time the reader stands at the beginning of an element."""
        yield from (None for _ in self._inside("[", "]"))

    def members(self) -> Iterator[str]:
        """Walk an object: each time the key is given, and the reader stands at its value."""
        yield from self._inside("{", "}")

    def documents(self) -> Iterator[None]:
        """Walk values that stand one after the other, as in JSON lines."""
        while self.peek():
            before = self._gone + self._at
            yield
            if self._gone + self._at == before:
                self.value()

    def place(self) -> str:
        return f"line {self._line}"

    def _inside(self, opening: str, closing: str) -> Iterator[str]:
        self._expect(opening)
        if self.peek() == closing:
            self._take(self._at + 1)
            return
        while True:
            key = ""
            if opening == "{":
                if self.peek() != '"':
                    raise self._unexpected("a key in quotes")
                key = self.value()
                self._expect(":")
            self.peek()
            before = self._gone + self._at
            yield key
            if self._gone + self._at == before:
                self.value()
            if self.peek() == closing:
                self._take(self._at + 1)
                return
            self._expect(",")

    def _expect(self, mark: str) -> None:
        if self.peek() != mark:
            raise self._unexpected(f"“{mark}”")
        self._take(self._at + 1)

    def _take(self, end: int) -> None:
        self._line += self._buffer.count("\n", self._at, end)
        self._at = end

    def _more(self, count: int) -> None:
        self._gone += self._at
        read = self._stream.read(count)
        self._heard(len(read))
        self._ended = not read
        self._buffer = self._buffer[self._at :] + read
        self._at = 0

    def _not_json(self, error: ValueError) -> BadInputError:
        """Say what Python's reader says, which are words of its own, and never the text."""
        if not isinstance(error, json.JSONDecodeError):
            return self._broken("it holds a number of thousands of digits")
        at_end = error.pos >= len(self._buffer.rstrip())
        if at_end or error.msg.startswith("Unterminated"):
            return self._ends_early()
        line = self._line + self._buffer.count("\n", self._at, error.pos)
        return self._broken(error.msg[:1].lower() + error.msg[1:].removesuffix(" at"), line)

    def _ends_early(self) -> BadInputError:
        return self._broken("it ends in the middle of a value")

    def _unexpected(self, wanted: str) -> BadInputError:
        if not self.peek():
            return self._ends_early()
        return self._broken(f"{wanted} should stand there")

    def _broken(self, why: str, line: int = 0) -> BadInputError:
        nulls = " It holds NUL characters, as no text does." if "\0" in self._buffer else ""
        return BadInputError(
            f"{self.name} is not valid JSON at line {line or self._line}: {why}.{nulls}",
            means="What stands before that line was read; no incident was opened.",
            do_now="Let the scanner write the report again; it may have been cut off.",
        )


def records(reader: JsonReader, *below: str) -> Iterator[Mapping[str, Any]]:
    """
    Give each object of a list, of JSON lines, or of the list under one of the keys `below`.

    A single object is a list of one, and `null` an empty one.

    Raises:
        BadInputError: something else than an object stands there.
    """
    if reader.peek() == "[":
        for _ in reader.elements():
            yield _object(reader)
        return
    for _ in reader.documents():
        if reader.peek() == "{" and below:
            yield from _below(reader, below)
        elif (found := reader.value()) is not None:
            yield _mapping(found, reader)


def _below(reader: JsonReader, keys: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    for key in reader.members():
        if key in keys and reader.peek() == "[":
            for _ in reader.elements():
                yield _object(reader)


def _object(reader: JsonReader) -> Mapping[str, Any]:
    return _mapping(reader.value(), reader)


def _mapping(found: object, reader: JsonReader) -> Mapping[str, Any]:
    if isinstance(found, dict):
        return found
    raise BadInputError(
        f"{reader.name} holds something else than a finding before {reader.place()}.",
        means="No incident was opened.",
        do_now="Give the scanner's own report, and its format with --format.",
    )
