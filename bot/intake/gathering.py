"""
Gathers a scanner's findings into credentials: thousands of findings become a few leak reports.

Each value is fingerprinted, looked up and let go before the next finding is read; equal values
are one `Credential` with as many places as there are. What is ours (stored here, or known to an
issuer of ours) is told apart from what is not, and from what cannot be told: nothing is guessed.
Which of them become incidents is the caller's decision (`reports`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bot.intake.finding import Finding
from bot.intake.intake import Intake, Seen, Weighed
from graph.model import Fingerprint
from graph.secret_value import SecretValue
from responders.incident import LeakReport, Person

SHOWN_PLACES = 3  # of what opens no incident, as many places are named
_ITSELF = frozenset({"as_is", "trimmed"})


class Standing(StrEnum):
    """What is known of a credential that a scanner found."""

    MATCHED = "matched"  # stored here
    ISSUED = "issued"  # one of our issuers knows it
    UNMATCHED = "unmatched"  # neither
    WEAK = "weak"  # too short or too common to identify anything
    VALUELESS = "no value"  # the report does not hold it


OURS = frozenset({Standing.MATCHED, Standing.ISSUED})


@dataclass(frozen=True, slots=True)
class _Spot:
    """One place where it was found, in clean words; `once` names this very finding."""

    seen: Seen
    once: str


@dataclass(slots=True)
class Credential:
    """
    What equal findings have in common. `count` is how many places there are.

    `why` says for a credential without a value why there is none.
    """

    rule: str
    rule_name: str
    standing: Standing
    weighed: Weighed
    alert: str = ""
    why: str = ""
    count: int = 0
    spots: dict[str, _Spot] = field(default_factory=dict)

    @property
    def places(self) -> tuple[str, ...]:
        """Name the first places, for people."""
        first = list(self.spots.values())[:SHOWN_PLACES]
        return tuple(spot.seen.where or spot.seen.where_name for spot in first)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Name the stored secrets that hold it."""
        found = (f"{match.secret}#{match.key}" for match in self.weighed.matches)
        return tuple(dict.fromkeys(found))


class Gathering:
    """
    Takes findings one by one. `source` names the scanner or the hook in what is kept.

    `within` names the repository if findings do not; `keep_all` keeps every place also of what is
    not ours, because it is to be opened too; `learn` False writes nothing to the graph.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        source: str,
        reporter: Person,
        within: str = "",
        note: str = "",
        keep_all: bool = False,
        learn: bool = True,
    ) -> None:
        self._intake = intake
        self._source = source
        self._reporter = reporter
        self._within = within
        self._note = note
        self._keep_all = keep_all
        self._learn = learn
        self._credentials: list[Credential] = []
        self._known: dict[str, Credential] = {}
        self.unasked: dict[str, str] = {}
        self.findings = 0

    def add(self, finding: Finding) -> Credential:
        """Take one finding; its value is not kept."""
        self.findings += 1
        credential = self._valued(finding) if finding.values else self._valueless(finding)
        self._place(credential, finding)
        return credential

    def credentials(self) -> Sequence[Credential]:
        return tuple(self._credentials)

    def counts(self) -> Mapping[Standing, int]:
        """Count the credentials of each standing."""
        return {
            standing: sum(one.standing is standing for one in self._credentials)
            for standing in Standing
        }

    def reports(self, credential: Credential) -> Iterator[LeakReport]:
        """Report each place of a credential, the first one first."""
        for spot in credential.spots.values():
            yield self._intake.report_of(
                spot.seen, credential.weighed, alert=credential.alert, once=spot.once
            )

    def _valued(self, finding: Finding) -> Credential:
        alert = f"{self._source}:{finding.alert}" if finding.alert else ""
        texts = [*self._inside(finding), *finding.values]
        marked = [(text, self._intake.fingerprints(text)) for text in texts]
        for _, marks in marked:
            for key in _keys(marks):
                if key in self._known:
                    return self._known[key]
        weighed = self._best(finding, marked)
        strong = any(not mark.weak for mark in weighed.fingerprints)
        if weighed.ours:
            standing = Standing.MATCHED if weighed.matches else Standing.ISSUED
        else:
            standing = Standing.UNMATCHED if strong else Standing.WEAK
        self.unasked |= weighed.unasked
        if not strong and not weighed.ours and not alert:
            alert = f"{self._source}:weak:{_keys(weighed.fingerprints)[0][:32]}"
        keys = {key for _, marks in marked for key in _keys(marks)}
        return self._new(finding, standing, weighed, keys=keys, alert=alert)

    def _inside(self, finding: Finding) -> Iterable[SecretValue]:
        """Find the value in the text around it, unless the text is nothing but the value."""
        if not finding.surrounded:
            return ()
        return [each for text in finding.values for each in self._intake.inside(text)]

    def _best(
        self, finding: Finding, marked: Sequence[tuple[SecretValue, tuple[Fingerprint, ...]]]
    ) -> Weighed:
        """Take the first way of giving the value that is ours, else the first that is strong."""
        first: Weighed | None = None
        for text, marks in marked:
            weighed = self._intake.weigh(
                text,
                marks,
                detector=finding.rule,
                detector_name=finding.rule_name,
                learn=self._learn,
            )
            if weighed.ours:
                return weighed
            if first is None or (_weak(first) and not _weak(weighed)):
                first = weighed
        if first is None:
            raise AssertionError("a finding with values has at least one")
        return first

    def _valueless(self, finding: Finding) -> Credential:
        """Group by the scanner's own mark, keyed, or by kind and place."""
        where = finding.place.where(self._within)
        name = finding.alert or f"{finding.rule}@{where}"
        if finding.mark and not finding.alert:
            keyed = self._intake.fingerprints(SecretValue(f"{self._source}:{finding.mark}"))
            name = f"mark:{keyed[0].digest[:32]}"
        alert = f"{self._source}:{name}"
        if alert in self._known:
            return self._known[alert]
        nothing = Weighed((), (), finding.rule, finding.rule_name, {}, issued=False, unasked={})
        return self._new(finding, Standing.VALUELESS, nothing, keys={alert}, alert=alert)

    def _new(
        self,
        finding: Finding,
        standing: Standing,
        weighed: Weighed,
        *,
        keys: Iterable[str],
        alert: str,
    ) -> Credential:
        made = Credential(
            rule=finding.rule,
            rule_name=finding.rule_name,
            standing=standing,
            weighed=weighed,
            alert=alert,
            why=finding.absent,
        )
        self._credentials.append(made)
        self._known |= dict.fromkeys(keys, made)
        return made

    def _place(self, credential: Credential, finding: Finding) -> None:
        where = finding.place.where(self._within)
        once = f"{self._source}|{finding.alert}|{finding.rule}|{where}|{finding.event}"
        if once in credential.spots:
            return
        credential.count += 1
        kept = self._keep_all or credential.standing in OURS
        if not kept and len(credential.spots) >= SHOWN_PLACES:
            return
        seen = Seen(
            reporter=self._reporter,
            author=finding.author,
            where=where,
            where_name=finding.place.name(self._within),
            note=" ".join(part for part in (self._note, finding.note) if part),
            seen_at=finding.seen_at,
            exposed_at=finding.seen_at,
        )
        credential.spots[once] = _Spot(self._intake.clean(seen), once)


def _keys(marks: Sequence[Fingerprint]) -> list[str]:
    """Name a value by its own digests; an encoded one by what is in it would be another."""
    own = [mark.digest for mark in marks if mark.form in _ITSELF]
    return own or [mark.digest for mark in marks[:1]]


def _weak(weighed: Weighed) -> bool:
    return all(mark.weak for mark in weighed.fingerprints)
