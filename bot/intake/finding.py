"""
The contract of a scanner's report: one file in `findings/` with one subclass of `FindingFormat`.

A format turns its records into `Finding`s: what kind, where, and the value if the report holds
it. Reports are hostile input: their words are cut to length and cleaned, addresses lose the
credentials in them, and a value is wrapped here and nowhere else. Whether a finding is a leak of
ours is not decided here (`gathering.py`).
"""

import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from bot.intake.json_reader import JsonReader
from graph.errors import BadInputError
from graph.secret_value import SecretValue
from responders.incident import Person

LONGEST_VALUE = 200_000  # characters; a key file has a few thousand
LONGEST_WORDS = 500
SHORTEST_HIDDEN = 6  # a shorter value is part of too many words
REMOVED = "[value removed]"

REDACTED = "The scanner redacted the value."
MISSING = "The report does not hold the value."

_REDACTED = re.compile(
    r"\s*(?:<?redact(?:ed)?>?|\[redacted[^\]]*\]|\*+|.{0,80}\*{4,}.{0,80}|-*censored-*)\s*",
    re.IGNORECASE,
)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]+")
_USERINFO = re.compile(r"(?<=://)[^/\s@]*@")
_NO_FINDINGS = re.compile(r'"findings"\s*:\s*\[\s*\]')
_UNITS = 1e11  # a number above is milliseconds


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding lies. `url` is a link if the report has one; `line` 0 is unknown."""

    path: str = ""
    line: int = 0
    commit: str = ""
    repository: str = ""
    url: str = ""

    def where(self, within: str = "") -> str:
        """Name the place for good; `within` names the repository if the report does not."""
        if self.url:
            return self.url
        spot = self.path + (f":{self.line}" if self.line else "")
        at = f"@{self.commit[:12]}" if self.commit else ""
        return " ".join(part for part in (self.repository or within, spot + at) if part)

    def name(self, within: str = "") -> str:
        """Name the place for a headline: the repository's last two parts, the path, the line."""
        home = (self.repository or within).rstrip("/").removesuffix(".git")
        spot = self.path + (f":{self.line}" if self.line and self.path else "")
        short = "/".join(home.split("/")[-2:])
        return words(" ".join(part for part in (short, spot) if part) or self.url, 120)


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One finding of a scanner.

    `values` holds the ways in which the report gives the value, the most telling first; () if it
    does not, and then `absent` says why. `surrounded`: the text holds more than the value.
    `mark` tells equal values apart where there is none (a hash of the scanner's): it is only
    kept keyed. `alert` is the scanner's own name for the credential, such as an alert's address;
    `event` tells two messages about one place apart that both count.
    """

    rule: str
    rule_name: str
    place: Place
    values: tuple[SecretValue, ...] = field(default=(), repr=False)
    absent: str = ""
    surrounded: bool = False
    mark: str = field(default="", repr=False)
    alert: str = ""
    event: str = ""
    note: str = ""
    seen_at: datetime | None = None
    author: Person | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """
    What the beginning of a report looks like, for telling formats apart.

    `top` is a list, one object, lines of objects, or nothing; `keys` are the keys of the object or
    of the first one in the list or lines; `inner` those of the first one under `findings`.
    """

    top: Literal["list", "object", "lines", "empty", "other"]
    keys: frozenset[str] = frozenset()
    inner: frozenset[str] = frozenset()


class FindingFormat(ABC):
    """One format of reports. The module's docstring holds an `Example::` and its `Source:`."""

    name: ClassVar[str]
    title: ClassVar[str]

    @classmethod
    @abstractmethod
    def fits(cls, shape: Shape) -> bool:
        """Recognise the format by its shape; no two formats claim one shape."""

    @abstractmethod
    def findings(self, reader: JsonReader) -> Iterator[Finding]:
        """
        Give the findings one by one, each before the next is read.

        Raises:
            BadInputError: the report is broken; it says where, and never what stands there.
        """


def shape_of(head: str) -> Shape:
    """Look at the beginning of a report; what is cut off in it does not matter."""
    reader = JsonReader(io.StringIO(head), "the report")
    first = reader.peek()
    if not first or head.strip() in {"null", "[]"}:
        return Shape("empty")
    if first == "[":
        return Shape("list", _first_keys(reader))
    if first != "{":
        return Shape("other")
    keys, inner = _keys(reader)
    if "findings" in keys and not inner and _NO_FINDINGS.search(head):
        return Shape("empty", keys)
    try:
        more = reader.peek() == "{"
    except BadInputError:
        more = False
    return Shape("lines" if more else "object", keys, inner)


def _first_keys(reader: JsonReader) -> frozenset[str]:
    try:
        for _ in reader.elements():
            return _keys(reader)[0] if reader.peek() == "{" else frozenset()
    except BadInputError:
        pass  # cut off: as far as it goes
    return frozenset()


def _keys(reader: JsonReader) -> tuple[frozenset[str], frozenset[str]]:
    keys: set[str] = set()
    inner: frozenset[str] = frozenset()
    try:
        for key in reader.members():
            keys.add(key)
            if key == "findings" and reader.peek() == "[":
                inner = _first_keys(reader)
                break  # what stands behind a list of findings may be far away
    except BadInputError:
        pass  # cut off: as far as it goes
    return frozenset(keys), inner


def found(
    rule: str,
    rule_name: str,
    place: Place,
    *texts: object,
    absent: str = "",
    surrounded: bool = False,
    mark: str = "",
    alert: str = "",
    event: str = "",
    note: str = "",
    seen_at: object = None,
    author: Person | None = None,
) -> Finding:
    """
    Build a finding out of what stands in a report; `texts` are the value, in each way given.

    The value is taken out of all other words: a path or a rule may repeat it.
    """
    given = [_sound(text) for text in texts if isinstance(text, str) and text.strip()]
    plain = [text for text in given if not _REDACTED.fullmatch(text)]
    kept = dict.fromkeys(text for text in plain if len(text) <= LONGEST_VALUE)
    if not kept and not absent:
        absent = REDACTED if given and not plain else MISSING
        if plain:
            absent = f"The value has more than {LONGEST_VALUE:,} characters."

    def bare(text: object, longest: int = LONGEST_WORDS) -> str:
        return words(_without(text, kept), longest)

    return Finding(
        rule=bare(rule, 100) or "unknown",
        rule_name=bare(rule_name, 100) or bare(rule, 100) or "Unknown credential",
        place=Place(
            path=bare(place.path),
            line=place.line,
            commit=bare(place.commit),
            repository=bare(place.repository),
            url=bare(place.url),
        ),
        values=tuple(SecretValue(text) for text in kept),
        absent="" if kept else absent,
        surrounded=surrounded,
        mark=mark,
        alert=bare(alert),
        event=bare(event, 100),
        note=bare(note),
        seen_at=moment(seen_at),
        author=author and Person(bare(author.identity), bare(author.name)),
    )


def _without(text: object, values: Iterable[str]) -> object:
    """Take values out of words, also where an address has them percent-encoded."""
    if not isinstance(text, str):
        return text
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= SHORTEST_HIDDEN:
            text = text.replace(value, REMOVED).replace(quote(value, safe=""), REMOVED)
    return text


def words(text: object, longest: int = LONGEST_WORDS) -> str:
    """Take words of a report: in one line, of bounded length, addresses without credentials."""
    if not isinstance(text, str):
        return str(text) if isinstance(text, int) and not isinstance(text, bool) else ""
    clean = _USERINFO.sub("", _CONTROLS.sub(" ", _sound(text[: longest * 4]))).strip()
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def number(value: object) -> int:
    """Take a line's number; 0 where there is none."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004 - no file has more


def part(record: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Go down to an object of a record; an empty one where something else stands."""
    for key in path:
        below = record.get(key)
        record = below if isinstance(below, dict) else {}
    return record


def parts(value: object) -> Sequence[Mapping[str, Any]]:
    """Take the objects of a list; () where something else stands."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else ()


def person(email: object, name: object = "") -> Person | None:
    """Name a commit's author by e-mail; None without one."""
    address = words(email, 200).lower()
    if "@" not in address or " " in address:
        return None
    return Person(identity=address, name=words(name, 100) or address)


def moment(value: object) -> datetime | None:
    """Read a time in ISO 8601, in `2023-01-31 10:00:00 +0000`, or in epoch seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value / 1000 if value > _UNITS else value
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    if not isinstance(value, str):
        return None
    text = value.strip().replace(" UTC", "+00:00").replace(" +", "+").replace(" -", "-")
    try:
        read = datetime.fromisoformat(text[:64])
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _sound(text: str) -> str:
    """Replace halves of characters, which JSON can hold and no database can."""
    return text.encode("utf-8", "replace").decode("utf-8")
