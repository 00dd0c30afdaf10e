"""
Find secrets in a text, offline: which stretch of it is one, of which type, and how sure that is.

Types of tokens come from Kingfisher's rules, run in process; nothing is ever sent anywhere. Rules
of our own add what it misses: tokens of Vault and OpenBao, whole private keys, passwords in DSNs,
and candidates that merely look like a value ("generic"), which a person may choose from.
A finding carries its value only as `SecretValue`. What a value *is* here and now, such as whose
token, is asked in `graph/identify.py`.
"""

import re
import threading
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import kingfisher_sdk

from graph.secret_value import SecretValue
from graph.weakness import is_weak, shannon_bits

Confidence = Literal["high", "medium", "low"]

GENERIC = "generic"
OPENBAO_TOKEN = "openbao_token"  # noqa: S105 - the name of a type
PRIVATE_KEY = "private_key"
DSN_PASSWORD = "dsn_password"  # noqa: S105 - the name of a type

_ACRONYMS = {"api", "aws", "dsn", "gcp", "id", "jwt", "npm", "oauth", "pat", "ssh", "uri", "url"}
MAX_FOUND = 1000  # findings per text; a paste with more needs a file import, not a message

_PUBLISHERS = re.compile(r"^(?:betterleaks\.|kingfisher\.|custom\.|veles\.secrets/)")
_CONFIDENCES: dict[str, Confidence] = {"high": "high", "medium": "medium"}

# Lengths: Vault's hvs. tokens have 95 and more characters, OpenBao's and old Vault's s. have 24
# after the dot (26 with a namespace's suffix), batch tokens are longer.
_VAULT_TOKEN = re.compile(
    r"(?<![\w.-])(?:hv[sbr]\.[A-Za-z0-9_-]{20,300}|[sbr]\.[A-Za-z0-9_-]{24,300}(?:\.[A-Za-z0-9]{5,6})?)"
    r"(?![\w-])"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?)-----"
    r"(?:[^-]|-(?!----)){32,20000}-----END \1-----"  # not beyond the next dashes
)
_DSN = re.compile(
    r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s:@/\"'<>]{0,100}"
    r":(?P<value>[^\s\"'<>@]{4,200}(?:@[^\s\"'<>@]{1,200})*)@[\w\[]"
)
_KEYWORD = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|signing[_-]?key|encryption[_-]?key|credentials?|auth(?:orization)?|bearer|webhook)"
)
_ASSIGNMENT = re.compile(
    rf"""{_KEYWORD}[\w.-]{{0,30}}["']?  # db_password, "apiKey"
        [ \t]{{0,8}}(?:=>|:=|=|:|\bis\b)[ \t]{{0,8}}(?:(?:bearer|basic)[ \t]+)?
        (?:"(?P<double>[^"\r\n]{{8,500}})"
          |'(?P<single>[^'\r\n]{{8,500}})'
          |(?P<value>[^\s"'<>`,;]{{8,500}}))""",
    re.IGNORECASE | re.VERBOSE,
)
_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9_-])[A-Za-z][A-Za-z0-9]{1,15}(?:[_-][a-z]{2,12}){0,3}_(?P<tail>[A-Za-z0-9]{20,120})"
    r"(?![A-Za-z0-9_])"
)
_RUN = re.compile(r"(?<![A-Za-z0-9+/_=.-])[A-Za-z0-9+/_-]{20,400}={0,2}(?![A-Za-z0-9+/_-])")
_PLACEHOLDER = re.compile(
    r"\$\{.*|\$[A-Z_(].*|\{\{.*|<.*|%\(.*|\*{3,}.*|x{6,}|\.{3,}|\[.*|.*(?:redacted|example|your[-_]).*",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MIN_BITS_PER_CHARACTER = 3.4  # random base62 of 20 characters has about 3.9, words less than 3.2


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """
    One stretch of the text, in characters: `start` up to, not including, `end`.

    `detector` names the type ("openbao_token", "private_key", "dsn_password", "generic", or a
    Kingfisher rule without its publisher: "aws-access-token"); `detector_name` says it to people.
    """

    value: SecretValue
    detector: str
    detector_name: str
    start: int
    end: int
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class _Span:
    """A candidate; of overlapping ones the lower `rank` wins, then the longer."""

    rank: int
    start: int
    end: int
    detector: str
    name: str
    confidence: Confidence


def detect(text: str) -> tuple[Detected, ...]:
    """Return what looks like a secret, in the order of the text and without overlaps."""
    taken: list[_Span] = []  # in the order of the text
    for span in sorted(_candidates(text), key=lambda span: (span.rank, span.start - span.end)):
        if len(taken) == MAX_FOUND:
            break
        at = bisect(taken, span.start, key=lambda other: other.start)
        if at and taken[at - 1].end > span.start:
            continue
        if at < len(taken) and taken[at].start < span.end:
            continue
        taken.insert(at, span)
    return tuple(
        Detected(
            value=SecretValue(text[span.start : span.end]),
            detector=span.detector,
            detector_name=span.name,
            start=span.start,
            end=span.end,
            confidence=span.confidence,
        )
        for span in taken
    )


def is_vault_token(value: SecretValue) -> bool:
    """Tell whether the whole value has the shape of a token of Vault or OpenBao."""
    return _VAULT_TOKEN.fullmatch(value.reveal().strip()) is not None


class _SharedScanner:
    """
    One scanner for the process: its rules take seconds to compile and 64 MB.

    Kingfisher keeps the compiled rules in KF_RULE_CACHE_DIR or the user's cache folder. Scanning
    itself may run in several threads at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scanner: kingfisher_sdk.Scanner | None = None

    def scan(self, text: bytes) -> Sequence[kingfisher_sdk.Finding]:
        with self._lock:
            if self._scanner is None:
                self._scanner = kingfisher_sdk.Scanner(kingfisher_sdk.Rules(confidence="low"))
            scanner = self._scanner
        return scanner.scan(text)


_SCANNER = _SharedScanner()


def warm_up() -> None:
    """Load the rules now, so that the first report does not wait for it."""
    _SCANNER.scan(b"")


def _candidates(text: str) -> Iterator[_Span]:
    name = "Vault or OpenBao token"
    for found in _VAULT_TOKEN.finditer(text):
        body = found[0].partition(".")[2]
        if any(mark.isdigit() for mark in body) and any(mark.isupper() for mark in body):
            yield _Span(0, *found.span(), OPENBAO_TOKEN, name, "high")
    for found in _PRIVATE_KEY.finditer(text):
        yield _Span(0, *found.span(), PRIVATE_KEY, found[1].capitalize(), "high")
    yield from _kingfisher(text)
    for found in _DSN.finditer(text):
        if not _PLACEHOLDER.fullmatch(found["value"]):
            yield _Span(2, *found.span("value"), DSN_PASSWORD, "Password in a DSN", "medium")
    yield from _generic(text)


def _kingfisher(text: str) -> Iterator[_Span]:
    encoded = text.encode("utf-8", "replace")  # as many characters, whatever they are
    found = [finding for finding in _SCANNER.scan(encoded) if finding.visible]
    places = [
        (finding.location["start_offset"], finding.location["end_offset"]) for finding in found
    ]
    characters = _characters(encoded, {offset for place in places for offset in place})
    for finding, (first, last) in zip(found, places, strict=True):
        start, end = characters[first], characters[last]
        if start >= end or _PLACEHOLDER.fullmatch(text, start, end):
            continue
        confidence = _CONFIDENCES.get(finding.confidence, "low")
        rank = 1 if confidence != "low" else 3
        detector = _PUBLISHERS.sub("", finding.rule_id)
        yield _Span(rank, start, end, detector, _spoken(detector), confidence)


def _characters(encoded: bytes, offsets: set[int]) -> dict[int, int]:
    """Translate offsets in bytes into offsets in characters, in one pass."""
    translated: dict[int, int] = {}
    byte = character = 0
    for offset in sorted(offsets):
        character += len(encoded[byte:offset].decode("utf-8", "ignore"))
        byte = offset
        translated[offset] = character
    return translated


def _generic(text: str) -> Iterator[_Span]:
    for found in _ASSIGNMENT.finditer(text):
        group = next(name for name in ("double", "single", "value") if found[name] is not None)
        value = found[group]
        if not is_weak(value) and not _PLACEHOLDER.fullmatch(value) and " " not in value.strip():
            yield _Span(4, *found.span(group), GENERIC, "Value of a secret setting", "medium")
    for found in _PREFIXED.finditer(text):
        if _looks_random(found["tail"]):
            yield _Span(3, *found.span(), GENERIC, "Token with a prefix", "medium")
    for found in _RUN.finditer(text):
        value = found[0]
        if _looks_random(value) and not _UUID.fullmatch(value):
            yield _Span(5, *found.span(), GENERIC, "High-entropy value", "low")


def _looks_random(value: str) -> bool:
    """Digits and letters mixed, and no repetition: what generators make and people do not write."""
    if not any(mark.isdigit() for mark in value) or not any(mark.isalpha() for mark in value):
        return False
    return shannon_bits(value) / len(value) >= _MIN_BITS_PER_CHARACTER


def _spoken(detector: str) -> str:
    words = [word.upper() if word in _ACRONYMS else word for word in re.split(r"[-_.]+", detector)]
    return " ".join(words)[:1].upper() + " ".join(words)[1:]
