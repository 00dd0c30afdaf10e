"""
The canary: values that must not get out, and a search for them in everything that came out.

`plant` takes a value in; `hear` keeps bytes that left the process (Slack, pages, output); `search`
looks through those and through files for each value in plain, base64 and URL-encoded form. A hit
names the place and which value it was, never the value.

The search cuts every needle into pieces of eight bytes and looks up each ninth piece of a text:
no needle of sixteen bytes or more can slip through, and thousands cost no more than one.
"""

import base64
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_PIECE = 8
SHORTEST = 16  # characters; a shorter value could be anywhere by chance
_STRIDE = SHORTEST - _PIECE + 1

# What tests hand over (token files, text to report) lies in folders of this name; servers keep
# their own storage, which holds values because that is what it is for.
GIVEN = "given"
_NOT_SEARCHED = (GIVEN, "openbao-home")


@dataclass(frozen=True, slots=True)
class Hit:
    """One value in one place where it must not be."""

    place: str
    name: str
    form: str

    def __str__(self) -> str:
        return f"{self.name} lies in {self.form} form in {self.place}"


class Canary:
    """Knows the planted values of one session, and everything that was heard in it."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}  # by value
        self._heard: list[tuple[str, bytes]] = []
        self.searched = 0  # bytes, by the last search

    @property
    def planted(self) -> int:
        return len(self._names)

    def plant(self, value: str = "", *, name: str = "a planted value") -> str:
        """Watch for `value` (default: a new random one) from the beginning of the session on."""
        value = value or f"canary{secrets.token_hex(16)}"
        if len(value) < SHORTEST:
            raise ValueError(f"{name} has {len(value)} characters; a canary needs {SHORTEST}")
        self._names.setdefault(value, name)
        return value

    def hear(self, place: str, content: bytes | str) -> None:
        """Keep what left the process at `place`."""
        if content:
            data = content.encode(errors="replace") if isinstance(content, str) else content
            self._heard.append((place, data))

    def forget_heard(self) -> None:
        """Begin to listen anew; what is watched for stays."""
        self._heard.clear()

    def search(self, folders: Iterable[Path] = ()) -> list[Hit]:
        """Find every value in what was heard and in the files below `folders`."""
        needles = [
            (needle, name, form)
            for value, name in self._names.items()
            for form, needle in forms(value)
        ]
        pieces: dict[bytes, set[int]] = {}
        for number, (needle, _, _) in enumerate(needles):
            for start in range(len(needle) - _PIECE + 1):
                pieces.setdefault(needle[start : start + _PIECE], set()).add(number)
        hits: dict[Hit, None] = {}
        self.searched = 0
        for place, data in self._places(folders):
            self.searched += len(data)
            suspects: set[int] = set()
            for start in range(0, len(data) - _PIECE + 1, _STRIDE):
                suspects |= pieces.get(data[start : start + _PIECE], _NONE)
            for number in sorted(suspects):
                needle, name, form = needles[number]
                if needle in data:
                    hits[Hit(place, name, form)] = None
        return list(hits)

    def _places(self, folders: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
        yield from self._heard
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                inside = path.relative_to(folder)
                if any(part in _NOT_SEARCHED for part in inside.parts) or not path.is_file():
                    continue
                yield f"the file {inside}", path.read_bytes()


_NONE: frozenset[int] = frozenset()


def forms(value: str) -> Iterator[tuple[str, bytes]]:
    """Give the shapes in which a value could hide; in base64 it may start at any of three bits."""
    plain = value.encode()
    yield "plain", plain
    quoted = quote(value, safe="").encode()
    if quoted != plain:
        yield "URL-encoded", quoted
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + plain)[4 if offset else 0 : -4]
        yield "base64", encoded
        for_urls = encoded.translate(bytes.maketrans(b"+/", b"-_"))
        if for_urls != encoded:
            yield "base64", for_urls
