"""
Turns pasted text into leak reports, without keeping the value or repeating it.

Text is bounded, detection runs offline, each distinct secret becomes one report: fingerprinted,
matched against the index, and (while the value is in memory) shown to the issuers that are ours.
Only here and in the steps is a plaintext touched; what leaves is digests, refs and words, and the
words that people typed beside it have the value taken out.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import structlog

from graph.detect import GENERIC, Detected
from graph.errors import LocksmithError
from graph.identify import Identified
from graph.model import Attributes, Fingerprint, Match, Observation
from graph.secret_value import SecretValue
from responders.incident import LeakReport, Person

log = structlog.get_logger()

MAX_CHARACTERS = 200_000  # five times what a Slack message can hold
MAX_WORDS = 400  # looked up one by one when nothing was detected
SHORTEST_WORD = 8
REMOVED = "[value removed]"
_EDGES = "\"'`“”„,;:()[]{}<>=*_~"
_WORD = re.compile(r"\S+")


class Fingerprinting(Protocol):
    """Implemented by `graph.fingerprints.Fingerprinter`."""

    def of_leaked(self, value: SecretValue) -> tuple[Fingerprint, ...]:
        """Fingerprint a reported value."""


class Index(Protocol):
    """Implemented by `graph.repository.GraphRepository`."""

    def find(self, fingerprints: Iterable[Fingerprint]) -> tuple[Match, ...]:
        """Find stored values with a digest in common."""

    def merge(self, observation: Observation, *, now: datetime) -> object:
        """Take in what an issuer said of the credential."""


@dataclass(frozen=True, slots=True)
class Seen:
    """
    The circumstances of a report, beside the value.

    `reported_at` (None: now) is the same at each try of one report, so that it is written once.
    """

    reporter: Person
    author: Person | None = None
    where: str = ""
    where_name: str = ""
    note: str = ""
    seen_at: datetime | None = None
    exposed_at: datetime | None = None
    reported_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What intake made of a text; `remark`: what it did not look at, or could not ask ("")."""

    reports: tuple[LeakReport, ...] = ()
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Weighed:
    """
    One value, looked at: its digests, where it is stored, what our issuers say of it.

    `issued`: one of our issuers knows it. `unasked` says which could not be asked, by source.
    """

    fingerprints: tuple[Fingerprint, ...]
    matches: tuple[Match, ...]
    detector: str
    detector_name: str
    facts: Mapping[str, str | tuple[str, ...]]
    issued: bool
    unasked: Mapping[str, str]

    @property
    def ours(self) -> bool:
        """It is stored here, or was issued here."""
        return bool(self.matches) or self.issued


@dataclass(frozen=True, slots=True)
class _Found:
    value: SecretValue = field(repr=False)
    detector: str
    detector_name: str


class Intake:
    """
    `detect` is `graph.detect.detect`; `identify` is `graph.identify.identify` with its connections.

    `clock` returns aware UTC times.
    """

    def __init__(
        self,
        *,
        fingerprinter: Fingerprinting,
        index: Index,
        detect: Callable[[str], Sequence[Detected]],
        identify: Callable[[SecretValue], Identified],
        clock: Callable[[], datetime],
    ) -> None:
        self._fingerprinter = fingerprinter
        self._index = index
        self._detect = detect
        self._identify = identify
        self._clock = clock

    def from_message(self, text: str, seen: Seen, *, vouched: bool) -> Taken:
        """
        Report each secret in a message.

        `vouched`: a person says that there is one; then words that no detector knows are looked
        up in the index too. Without that only what a detector finds counts.
        """
        kept, remark = _bounded(text)
        found = self._found(kept)
        if not found and vouched:
            guesses = self._guesses(kept)
            found = self._indexed_words(kept) or (guesses if len(guesses) == 1 else [])
        return self._taken(found, seen, remark)

    def from_value(self, text: str, seen: Seen) -> Taken:
        """Report what somebody handed over as the value; unknown kinds are taken as they are."""
        kept, remark = _bounded(text)
        found = self._found(kept) or self._indexed_words(kept)
        if not found and kept.strip():
            found = [_Found(SecretValue(kept.strip()), GENERIC, "Unknown credential")]
        return self._taken(found, seen, remark)

    def from_name(self, ref: str, seen: Seen) -> LeakReport:
        """Report a secret by its ref, without a value."""
        return self._report(self._scrubbed(seen, []), "named", "Reported by name", named_ref=ref)

    def fingerprints(self, value: SecretValue) -> tuple[Fingerprint, ...]:
        """Take a value's digests; a whole report of a scanner is grouped by them."""
        return self._fingerprinter.of_leaked(value)

    def weigh(
        self,
        value: SecretValue,
        marks: tuple[Fingerprint, ...],
        *,
        detector: str,
        detector_name: str,
        learn: bool,
    ) -> Weighed:
        """
        Look at one value that a scanner found and called `detector`.

        `marks` are its digests; `learn` False keeps what an issuer says out of the graph.
        """
        return self._weighed(_Found(value, detector, detector_name), marks, learn=learn)

    def inside(self, text: SecretValue) -> tuple[SecretValue, ...]:
        """Find the secrets in a stretch of text that a scanner gave for one."""
        return tuple(each.value for each in self._found(_bounded(text.reveal())[0]))

    def clean(self, seen: Seen) -> Seen:
        """Take whatever a detector finds out of the words of a report."""
        return self._scrubbed(seen, [])

    def holds_secret(self, text: str) -> bool:
        """Tell whether a detector finds anything: for text that was meant as something else."""
        return bool(self._found(_bounded(text)[0]))

    def _found(self, text: str) -> list[_Found]:
        """Take what a detector is sure of, and of its guesses those that are stored somewhere."""
        if not text.strip():
            return []
        return [
            _Found(hit.value, hit.detector, hit.detector_name)
            for hit in self._detect(text)
            if hit.confidence != "low" or self._is_stored(hit.value)
        ]

    def _guesses(self, text: str) -> list[_Found]:
        return [_Found(hit.value, hit.detector, hit.detector_name) for hit in self._detect(text)]

    def _is_stored(self, value: SecretValue) -> bool:
        strong = [mark for mark in self._fingerprinter.of_leaked(value) if not mark.weak]
        return bool(strong) and bool(self._index.find(strong))

    def _indexed_words(self, text: str) -> list[_Found]:
        """Look up each word: a stored value is a leak whether a detector knows its shape or not."""
        candidates = [text.strip(), *_words(text)]
        found = []
        for candidate in dict.fromkeys(candidates):
            if len(candidate) < SHORTEST_WORD:
                continue
            value = SecretValue(candidate)
            if self._is_stored(value):
                found.append(_Found(value, "known_value", "Stored secret"))
        # The whole text comes first and wins: a DSN is one leak, not one for each of its words.
        return found[:1] if found and len(found[0].value) == len(text.strip()) else found

    def _taken(self, found: list[_Found], seen: Seen, remark: str) -> Taken:
        clean = self._scrubbed(seen, found)
        reports: list[LeakReport] = []
        unasked: dict[str, str] = {}
        known: set[str] = set()
        for each in found:
            marks = self._fingerprinter.of_leaked(each.value)
            digests = {mark.digest for mark in marks if not mark.weak} or {
                mark.digest for mark in marks
            }
            if digests & known:
                continue
            known |= digests
            weighed = self._weighed(each, marks)
            unasked |= weighed.unasked
            reports.append(
                self._report(
                    clean,
                    weighed.detector,
                    weighed.detector_name,
                    marks=marks,
                    matches=weighed.matches,
                    facts=weighed.facts,
                )
            )
        remarks = [remark, *unasked.values()]
        return Taken(tuple(reports), " ".join(each for each in remarks if each))

    def _weighed(
        self, found: _Found, marks: tuple[Fingerprint, ...], *, learn: bool = True
    ) -> Weighed:
        said = self._ask_issuers(found, learn=learn)
        kind = said if said is not None and said.detector != GENERIC else found
        return Weighed(
            fingerprints=marks,
            matches=self._index.find(mark for mark in marks if not mark.weak),
            detector=kind.detector,
            detector_name=kind.detector_name,
            facts=_facts(said) if said is not None else {},
            issued=said is not None and said.credential is not None,
            unasked=_unasked(said),
        )

    def _ask_issuers(self, found: _Found, *, learn: bool) -> Identified | None:
        """Ask our own issuers what the value is; they may be down, the report is made anyway."""
        try:
            said = self._identify(found.value)
        except LocksmithError as error:
            log.warning("credential.not_identified", problem=error.happened)
            return None
        if learn and said.credential is not None and (said.nodes or said.edges):
            self._index.merge(
                Observation(
                    source=f"identified/{said.credential}",
                    nodes=said.nodes,
                    edges=said.edges,
                ),
                now=self._clock(),
            )
        return said

    def report_of(
        self, seen: Seen, weighed: Weighed, *, alert: str = "", once: str = ""
    ) -> LeakReport:
        """Report what was weighed, in words that were cleaned. See `LeakReport` for the names."""
        return replace(
            self._report(
                seen,
                weighed.detector,
                weighed.detector_name,
                marks=weighed.fingerprints,
                matches=weighed.matches,
                facts=weighed.facts,
            ),
            alert=alert,
            once=once,
        )

    def _report(
        self,
        seen: Seen,
        detector: str,
        detector_name: str,
        *,
        marks: tuple[Fingerprint, ...] = (),
        matches: tuple[Match, ...] = (),
        facts: Mapping[str, str | tuple[str, ...]] | None = None,
        named_ref: str = "",
    ) -> LeakReport:
        return LeakReport(
            fingerprints=marks,
            matches=matches,
            detector=detector,
            detector_name=detector_name,
            reporter=seen.reporter,
            reported_at=seen.reported_at or self._clock(),
            where=seen.where,
            where_name=seen.where_name,
            author=seen.author,
            note=seen.note,
            identity_facts=facts or {},
            named_ref=named_ref,
            seen_at=seen.seen_at,
            exposed_at=seen.exposed_at,
        )

    def _scrubbed(self, seen: Seen, found: list[_Found]) -> Seen:
        """Take the values, and whatever a detector finds, out of the words around them."""
        values = [each.value for each in found]
        return Seen(
            reporter=seen.reporter,
            author=seen.author,
            where=self._scrub(seen.where, values),
            where_name=self._scrub(seen.where_name, values),
            note=self._scrub(seen.note, values),
            seen_at=seen.seen_at,
            exposed_at=seen.exposed_at,
            reported_at=seen.reported_at,
        )

    def _scrub(self, text: str, values: list[SecretValue]) -> str:
        hidden = [*values, *(each.value for each in self._found(text))]
        for plaintext in sorted({value.reveal() for value in hidden}, key=len, reverse=True):
            text = text.replace(plaintext, REMOVED)
        return text


def _facts(said: Identified) -> dict[str, str | tuple[str, ...]]:
    """Keep what the issuer said that is not empty, as words; and the credential's ref."""
    facts: dict[str, str | tuple[str, ...]] = {}
    given: Attributes = said.facts
    for name, fact in given.items():
        if isinstance(fact, tuple):
            facts[name] = fact
        elif fact not in {None, ""}:
            facts[name] = str(fact).lower() if isinstance(fact, bool) else str(fact)
    if said.credential is not None:
        facts["credential"] = said.credential
    if said.credential is None and said.gaps:
        facts["not_known"] = tuple(_unasked(said).values())
    return facts


def _unasked(said: Identified | None) -> dict[str, str]:
    """Say which issuers could not be asked, by source, unless another one knew the value."""
    if said is None or said.credential is not None:
        return {}
    return {
        gap.source: f"{gap.reason} {gap.do_now} Then report it again.".replace("  ", " ")
        for gap in said.gaps
    }


def _bounded(text: str) -> tuple[str, str]:
    if len(text) <= MAX_CHARACTERS:
        return text, ""
    remark = (
        f"Only the first {MAX_CHARACTERS:,} of {len(text):,} characters were searched; "
        "report the rest in parts if a secret may stand there."
    )
    return text[:MAX_CHARACTERS], remark


def _words(text: str) -> list[str]:
    """Split at white space, and once more at `=` and `:`, without the quotes around a value."""
    words = []
    for found in list(_WORD.finditer(text))[:MAX_WORDS]:
        word = found[0].strip(_EDGES)
        words.append(word)
        for separator in ("=", ":"):
            _, split, value = word.partition(separator)
            if split:
                words.append(value.strip(_EDGES))
    return words
