"""
Turns pasted text into leak reports, without keeping the value or repeating it.

Text is bounded, detection runs offline, each distinct secret becomes one report: fingerprinted,
matched against the index, and (while the value is in memory) shown to the issuers that are ours.
Only here and in the steps is a plaintext touched; what leaves is digests, refs and words, and the
words that people typed beside it have the value taken out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from urllib.parse import unquote

import structlog

from bot.intake.checking import Checking
from bot.intake.offers import MOST_OFFERED, Offer, masked
from bot.intake.wording import REMOVED, bounded, facts_of, unasked_of, words_of
from graph.detect import Detected
from graph.errors import LocksmithError
from graph.identify import Identified
from graph.model import Fingerprint, Match, Observation
from graph.secret_value import SecretValue
from graph.shapes import GENERIC
from graph.validity import of_identified
from responders.incident import LeakReport, Person

log = structlog.get_logger()

SHORTEST_WORD = 8
LONGEST_NAME = 80  # characters of the name of a place


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
    """
    What intake made of a text; `remark`: what it did not look at, or could not ask ("").

    `offers`: nothing was surely a secret; these may be one, and the reporter has to choose.
    """

    reports: tuple[LeakReport, ...] = ()
    remark: str = ""
    offers: tuple[Offer, ...] = ()


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
    """`start` is where it stands in the text; of a decoded value, where the encoded one does."""

    value: SecretValue = field(repr=False)
    detector: str
    detector_name: str
    start: int = 0


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
        checking: Checking | None = None,
    ) -> None:
        self._checking = checking
        self._fingerprinter = fingerprinter
        self._index = index
        self._detect = detect
        self._identify = identify
        self._clock = clock

    def from_message(self, text: str, seen: Seen, *, vouched: bool) -> Taken:
        """
        Report each secret in a message.

        `vouched`: a person says that there is one; then words that no detector knows are looked
        up in the index too, and of several guesses the person has to choose. Without that only
        what a detector finds counts.
        """
        kept, remark = bounded(text)
        found = self._found(kept)
        if not found and vouched:
            found = self._indexed_words(kept)
            if not found:
                return self._guessed(kept, seen, remark)
        return self._taken(found, seen, remark)

    def from_value(self, text: str, seen: Seen, *, validate: bool = False) -> Taken:
        """
        Report what somebody handed over as the value; unknown kinds are taken as they are.

        `validate`: ask issuers whether it is alive; raises RefusedError where that is not allowed.
        """
        if validate and self._checking is not None:
            self._checking.require()
        kept, remark = bounded(text)
        found = self._found(kept) or self._indexed_words(kept)
        alone = len(kept.split()) == 1
        if not found and not alone:
            guessed = self._guessed(kept, seen, remark)
            if guessed.reports or guessed.offers:
                return guessed
        if not found and kept.strip():
            found = [_Found(SecretValue(kept.strip()), GENERIC, "Unknown credential")]
        return self._taken(found, seen, remark, around=kept if validate else "")

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
        return tuple(each.value for each in self._found(bounded(text.reveal())[0]))

    def clean(self, seen: Seen) -> Seen:
        """Take whatever a detector finds out of the words of a report."""
        return self._scrubbed(seen, [])

    def holds_secret(self, text: str) -> bool:
        """Tell whether a detector finds anything: for text that was meant as something else."""
        return bool(self._found(bounded(text)[0]))

    def may_hold_secret(self, text: str) -> bool:
        """Tell whether there is even a guess: such text is not repeated to anybody."""
        kept = bounded(text)[0]
        return any(self._detect(each) for each in (kept, unquote(kept)) if each.strip())

    def _found(self, text: str) -> list[_Found]:
        """Take what a detector is sure of, and of its guesses those that are stored somewhere."""
        for each in dict.fromkeys((text, unquote(text))):  # one layer: each may hide another
            found = [_found(hit) for hit in self._detect(each) if self._counts(hit)]
            if found:
                return found
        return []

    def _counts(self, hit: Detected) -> bool:
        return hit.confidence != "low" or self._is_stored(hit.value)

    def _guessed(self, text: str, seen: Seen, remark: str) -> Taken:
        """Take the only guess that there is; of several, let the reporter choose."""
        guesses = {hit.value.reveal(): _found(hit) for hit in self._detect(text)}
        if len(guesses) <= 1:
            return self._taken(list(guesses.values()), seen, remark)
        if len(guesses) > MOST_OFFERED:
            more = f"{len(guesses)} stretches may be a secret; the first {MOST_OFFERED} are shown."
            remark = f"{remark} {more}".strip()
        clean = self._scrubbed(seen, list(guesses.values()))
        lines = "\n" in text.strip()
        offers = []
        for plaintext, each in list(guesses.items())[:MOST_OFFERED]:
            weighed = self._weighed(each, self._fingerprinter.of_leaked(each.value))
            line = text.count("\n", 0, each.start) + 1 if lines else 0
            offers.append(Offer(masked(plaintext, line=line), self.report_of(clean, weighed)))
        return Taken(remark=remark, offers=tuple(offers))

    def _is_stored(self, value: SecretValue) -> bool:
        strong = [mark for mark in self._fingerprinter.of_leaked(value) if not mark.weak]
        return bool(strong) and bool(self._index.find(strong))

    def _indexed_words(self, text: str) -> list[_Found]:
        """Look up each word: a stored value is a leak whether a detector knows its shape or not."""
        candidates = [text.strip(), *words_of(text)]
        found = []
        for candidate in dict.fromkeys(candidates):
            if len(candidate) < SHORTEST_WORD:
                continue
            value = SecretValue(candidate)
            if self._is_stored(value):
                found.append(_Found(value, "known_value", "Stored secret"))
        # The whole text comes first and wins: a DSN is one leak, not one for each of its words.
        return found[:1] if found and len(found[0].value) == len(text.strip()) else found

    def _taken(self, found: list[_Found], seen: Seen, remark: str, *, around: str = "") -> Taken:
        """Make one report for each value; `around` is their text if issuers are to be asked."""
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
            facts = dict(weighed.facts)
            if around and self._checking is not None and "validity" not in facts:
                facts |= self._checking.of(each.value, weighed.matches, around=around).facts()
            reports.append(
                self._report(
                    clean,
                    weighed.detector,
                    weighed.detector_name,
                    marks=marks,
                    matches=weighed.matches,
                    facts=facts,
                )
            )
        remarks = [remark, *unasked.values()]
        return Taken(tuple(reports), " ".join(each for each in remarks if each))

    def _weighed(
        self, found: _Found, marks: tuple[Fingerprint, ...], *, learn: bool = True
    ) -> Weighed:
        said = self._ask_issuers(found, learn=learn)
        kind = said if said is not None and said.detector != GENERIC else found
        alive = of_identified(said, now=self._clock()) if said is not None else None
        return Weighed(
            fingerprints=marks,
            matches=self._index.find(mark for mark in marks if not mark.weak),
            detector=kind.detector,
            detector_name=kind.detector_name,
            facts=(facts_of(said) if said is not None else {}) | (alive.facts() if alive else {}),
            issued=said is not None and said.credential is not None,
            unasked=unasked_of(said),
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
        return replace(
            seen,
            where=self._scrub(seen.where, values),
            # Cut after that: of a value that was cut nothing would be found.
            where_name=self._scrub(seen.where_name, values)[:LONGEST_NAME],
            note=self._scrub(seen.note, values),
        )

    def _scrub(self, text: str, values: list[SecretValue]) -> str:
        """Cut out what is found here, encoded as it may be, and the values where they stand."""
        if "%" in text and self._found(unquote(text)):
            text = unquote(text)  # of which a part cannot be cut out while it is encoded
        sure = [each for each in self._detect(text) if self._counts(each)] if text.strip() else []
        hidden = {value.reveal() for value in (*values, *(each.value for each in sure))}
        hidden |= {text[each.start : each.end] for each in sure}  # it may stand there twice
        for start, end in sorted({(each.start, each.end) for each in sure}, reverse=True):
            text = text[:start] + REMOVED + text[end:]
        for plaintext in sorted(hidden - {""}, key=len, reverse=True):
            text = text.replace(plaintext, REMOVED)
        return text


def _found(hit: Detected) -> _Found:
    return _Found(hit.value, hit.detector, hit.detector_name, hit.start)
