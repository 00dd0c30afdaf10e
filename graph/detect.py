"""
Find secrets in a text, offline: which stretch of it is one, of which type, and how sure that is.

Types of tokens come from Kingfisher's rules, run in process; nothing is ever sent anywhere. Rules
of our own add what it misses (`graph/shapes.py`), pasted documents and base64 are read and decoded
(`graph/pastes.py`), and tokens that a line break tore apart are put together. What merely looks
like a value has the confidence "low": a person may choose from that.
A finding carries its value only as `SecretValue`. What a value *is* here and now, such as whose
token, is asked in `graph/identify.py`.
"""

import re
import threading
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import kingfisher_sdk

from graph.joining import joined
from graph.pastes import from_base64, pasted
from graph.secret_value import SecretValue
from graph.shapes import (
    GENERIC,
    OPENBAO_TOKEN,
    PLACEHOLDER,
    VAULT_TOKEN,
    Confidence,
    Span,
    certain,
    is_wordy,
    likely,
    spoken,
)

MAX_FOUND = 1000  # findings per text; a paste with more needs a file import, not a message
MAX_ENCODED = 100  # stretches of base64 that are read: each costs a scan of its own
_DEEPEST = 2  # a Secret that holds an .env file that holds a DSN
_WHOLE_VAULT = 90  # characters of a token hvs. that is not torn
_SIGNATURES = frozenset({43, 64, 86, 342, 512, 683})  # base64 of HMACs, RSA, ECDSA in a JWT

# One run, or full lines of what `base64` wraps and the last one; standard and URL-safe letters.
_BASE64 = re.compile(
    r"(?<![\w+/=-])(?:(?:[A-Za-z0-9+/_-]{60,76}\r?\n)+[A-Za-z0-9+/_-]{2,}|[A-Za-z0-9+/_-]{20,})={0,2}"
    r"(?![\w+/=-])"
)
_STANDARD = str.maketrans("-_", "+/")

_PUBLISHERS = re.compile(r"^(?:betterleaks\.|kingfisher\.|custom\.|veles\.secrets/)")
_CONFIDENCES: dict[str, Confidence] = {"high": "high", "medium": "medium"}
_NOT_A_VALUE = frozenset({"kubernetes-secret-yaml"})  # a whole document, read by `pastes`
# The public half of a pair: no secret by itself.
_PUBLIC_HALF = re.compile(
    r"(?:-client-id|-account-id|-application-id|-tenant-id|-app-id|-cloud-name|-domain"
    r"|-account-name|-instance-url|-public-key|-username|-project-url|-server-host|-access-id)"
    r"(?:\.\d+)?$"
)


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """
    One stretch of the text, in characters: `start` up to, not including, `end`.

    `value` is what stands there, once decoded and joined. `detector` names the type
    ("openbao_token", "private_key", "dsn_password", "generic", or a Kingfisher rule without its
    publisher: "aws-access-token"); `detector_name` says it to people.
    """

    value: SecretValue
    detector: str
    detector_name: str
    start: int
    end: int
    confidence: Confidence


def detect(text: str) -> tuple[Detected, ...]:
    """
    Return what looks like a secret, in the order of the text and without overlaps.

    Several values stand in one place where an encoded file holds them.
    """
    return tuple(
        Detected(
            value=SecretValue(_content(span, text)),
            detector=span.detector,
            detector_name=span.name,
            start=span.start,
            end=span.end,
            confidence=span.confidence,
        )
        for span in _spans(text, depth=0)
    )


def is_vault_token(value: SecretValue) -> bool:
    """Tell whether the whole value has the shape of a token of Vault or OpenBao."""
    return VAULT_TOKEN.fullmatch(value.reveal().strip()) is not None


def detector_of(rule_id: str) -> str:
    """Name a rule of Kingfisher without its publisher."""
    return _PUBLISHERS.sub("", rule_id)


def warm_up() -> None:
    """Load the rules now, so that the first report does not wait for it."""
    SCANNER.scan(b"")


def _spans(text: str, *, depth: int) -> list[Span]:
    taken: list[Span] = []  # in the order of the text
    ordered = sorted(_candidates(text, depth), key=lambda span: (span.rank, span.start - span.end))
    for span in ordered:
        if len(taken) == MAX_FOUND:
            break
        at = bisect(taken, span.start, key=lambda other: other.start)
        before = taken[at - 1] if at else None
        after = taken[at] if at < len(taken) else None
        clear = before is None or before.end <= span.start or _are_brothers(before, span)
        if clear and (after is None or after.start >= span.end):
            taken.insert(at, span)
    return taken


def _are_brothers(one: Span, other: Span) -> bool:
    """Tell whether both come out of one encoded stretch."""
    same = (one.start, one.end) == (other.start, other.end)
    return same and one.text is not None and other.text is not None and one.text != other.text


def _candidates(text: str, depth: int) -> Iterator[Span]:
    known = [*certain(text), *_kingfisher(text)]
    yield from known
    yield from likely(text)
    yield from _across_lines(text, known)
    if depth < _DEEPEST:
        inside = list(_in_documents(text, depth))
        yield from inside
        sure = [span for span in known if span.confidence != "low"]
        yield from _in_base64(text, [*sure, *inside], depth)


def _in_documents(text: str, depth: int) -> Iterator[Span]:
    """Take the values of pasted documents; of a file inside one, the secrets in it."""
    for one in pasted(text):
        inner = [span for span in _spans(one.text, depth=depth + 1) if span.confidence != "low"]
        whole = next((span for span in inner if _content(span, one.text) == one.text.strip()), None)
        if inner and whole is None:
            for span in inner:
                value = _content(span, one.text)
                yield replace(span, rank=-1, start=one.start, end=one.end, text=value)
            continue
        found = Span(
            -1, one.start, one.end, GENERIC, one.name, "medium" if one.sure else "low", one.text
        )
        if whole is not None and whole.detector != GENERIC:
            found = replace(
                found, detector=whole.detector, name=whole.name, confidence=whole.confidence
            )
        yield found


def _in_base64(text: str, known: Sequence[Span], depth: int) -> Iterator[Span]:
    """Read what is text once it is decoded, where nothing is known of the stretch as it stands."""
    taken = bytearray(len(text))
    for span in known:
        taken[span.start : span.end] = b"x" * (span.end - span.start)
    read = 0
    for stretch in _BASE64.finditer(text):
        start, end = stretch.span()
        if taken.find(b"x", start, end) != -1:
            continue
        inner = from_base64(stretch.group().translate(_STANDARD))
        if inner is None:
            continue
        if read == MAX_ENCODED:
            return
        read += 1
        for span in _spans(inner, depth=depth + 1):
            if span.confidence != "low":
                value = _content(span, inner)
                yield replace(span, rank=-1, start=start, end=end, text=value)


def _across_lines(text: str, known: Sequence[Span]) -> Iterator[Span]:
    """Find tokens of known types that a line break tore apart."""
    rejoined = joined(text)
    if rejoined is None:
        return
    sure = [span for span in known if span.confidence != "low"]
    for span in (*certain(rejoined.text), *_kingfisher(rejoined.text)):
        if span.confidence == "low" or not rejoined.crosses(span.start, span.end):
            continue
        start, end = rejoined.original(span.start, span.end)
        inside = [other for other in sure if other.end > start and other.start < end]
        if all(other.start == start and _is_torn(other, text) for other in inside):
            value = rejoined.text[span.start : span.end]
            yield replace(span, rank=-1, start=start, end=end, text=value)


def _is_torn(span: Span, text: str) -> bool:
    """Tell whether what stands before a break is by its length no whole token."""
    value = text[span.start : span.end]
    if span.detector == OPENBAO_TOKEN:
        return value.startswith("hv") and len(value) < _WHOLE_VAULT
    return "jwt" in span.detector and len(value.rpartition(".")[2]) not in _SIGNATURES


def _content(span: Span, text: str) -> str:
    return text[span.start : span.end] if span.text is None else span.text


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
        return self._made().scan(text)

    def rule(self, rule_id: str) -> Mapping[str, Any]:
        """Give the definition of one rule."""
        found: Mapping[str, Any] = self._made().rules.detail(rule_id)
        return found

    def _made(self) -> kingfisher_sdk.Scanner:
        with self._lock:
            if self._scanner is None:
                self._scanner = kingfisher_sdk.Scanner(kingfisher_sdk.Rules(confidence="low"))
            return self._scanner


SCANNER = _SharedScanner()


def _kingfisher(text: str) -> Iterator[Span]:
    encoded = text.encode("utf-8", "replace")  # as many characters, whatever they are
    found = [finding for finding in SCANNER.scan(encoded) if finding.visible]
    places = [
        (finding.location["start_offset"], finding.location["end_offset"]) for finding in found
    ]
    characters = _characters(encoded, {offset for place in places for offset in place})
    for finding, (first, last) in zip(found, places, strict=True):
        start, end = characters[first], characters[last]
        detector = detector_of(finding.rule_id)
        if start >= end or PLACEHOLDER.fullmatch(text, start, end) or detector in _NOT_A_VALUE:
            continue
        confidence = _CONFIDENCES.get(finding.confidence, "low")
        if _PUBLIC_HALF.search(detector) or (confidence != "high" and is_wordy(text[start:end])):
            confidence = "low"
        rank = 1 if confidence != "low" else 3
        yield Span(rank, start, end, detector, spoken(detector), confidence)


def _characters(encoded: bytes, offsets: set[int]) -> dict[int, int]:
    """Translate offsets in bytes into offsets in characters, in one pass."""
    translated: dict[int, int] = {}
    byte = character = 0
    for offset in sorted(offsets):
        character += len(encoded[byte:offset].decode("utf-8", "ignore"))
        byte = offset
        translated[offset] = character
    return translated
