"""
The audit chain: each entry is sealed together with the seal of the one before it. Pure.

The seal is HMAC-SHA256 under a key of its own (HKDF of the installation key), so that somebody
who can write to the database but has no key cannot forge an entry. What a chain alone cannot show
is a cut end, or a chain sealed anew by somebody who has the key: for that, checkpoints (number
and seal of the last entry) are copied to where the database cannot reach: the log stream and the
incident's Slack thread. `AuditChain.verify` holds entries against them and tells the cases apart.

What this does not stop: somebody with the key and with write access to every place of the
checkpoints; and entries after the newest checkpoint can be cut off unseen.
"""

import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from graph.errors import BadInputError
from graph.words import counted
from responders.canonical import canonical_json

GENESIS = "0" * 64

_CHECKPOINT = re.compile(r"audit checkpoint (\d+) ([0-9a-f]{64}) (\S+)")


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One sealed line. `facts` holds references and numbers, never a value of a secret."""

    sequence: int  # from 1, without a hole
    at: datetime
    incident_id: str
    kind: str
    actor: str
    sentence: str
    facts: Mapping[str, object]
    key_id: str
    previous: str
    seal: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The end of the chain at one moment; `text()` is what is posted, `parse` reads it back."""

    sequence: int
    head: str
    at: datetime

    def text(self) -> str:
        return f"audit checkpoint {self.sequence} {self.head} {self.at.isoformat()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Find a checkpoint in a line of a log or a message.

        Raises:
            BadInputError: there is none in it.
        """
        found = _CHECKPOINT.search(text)
        if found is None:
            raise BadInputError(
                f"“{text[:80]}” is not an audit checkpoint.",
                do_now="Copy the whole line “audit checkpoint NUMBER SEAL TIME”.",
            )
        return cls(int(found[1]), found[2], datetime.fromisoformat(found[3]))


class AuditFinding(StrEnum):
    INTACT = "intact"
    EDITED = "edited"  # an entry does not fit its own seal
    REMOVED = "removed"  # entries are missing in the middle
    TRUNCATED = "truncated"  # the chain ends before a checkpoint
    RESTAMPED = "restamped"  # seals are good, but they are not those that were posted
    OTHER_KEY = "other_key"  # sealed under a key that this installation does not have


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """`sequence` is the first entry in doubt, or the last one when all is intact."""

    finding: AuditFinding
    sequence: int
    sentence: str


class AuditChain:
    """
    Seals entries and checks them. Stateless beside its keys.

    `previous` are the keys before `key`, the latest first: the chain may begin under them, but
    after the first entry of a later key nothing under an earlier one is genuine.
    """

    def __init__(self, key: bytes, *, previous: Sequence[bytes] = ()) -> None:
        self._key = key
        self.key_id = _key_id(key)
        self._keys = {_key_id(one): one for one in (*reversed(previous), key)}
        self._ages = list(self._keys)

    @classmethod
    def from_installation_key(cls, installation_key: str, *, previous: Sequence[str] = ()) -> Self:
        """Derive the audit key, so that neither it nor the fingerprint key tells the other."""
        return cls(_derived(installation_key), previous=[_derived(one) for one in previous])

    def seal(
        self,
        sequence: int,
        previous: str,
        *,
        at: datetime,
        incident_id: str,
        kind: str,
        actor: str,
        sentence: str,
        facts: Mapping[str, object],
    ) -> AuditEntry:
        """Make entry number `sequence`, which follows the one sealed `previous`."""
        return _sealed(
            self._key,
            self.key_id,
            sequence,
            previous,
            at=at,
            incident_id=incident_id,
            kind=kind,
            actor=actor,
            sentence=sentence,
            facts=facts,
        )

    def verify(
        self, entries: Iterable[AuditEntry], checkpoints: Sequence[Checkpoint] = ()
    ) -> AuditVerdict:
        """Hold the whole chain, in order, against its seals and against posted checkpoints."""
        posted: dict[int, set[str]] = {}
        for checkpoint in checkpoints:
            posted.setdefault(checkpoint.sequence, set()).add(checkpoint.head)
        last, previous, oldest = 0, GENESIS, 0
        for entry in entries:
            if verdict := self._check(entry, last, previous, oldest):
                return verdict
            oldest = self._ages.index(entry.key_id)
            if posted.get(entry.sequence, {entry.seal}) != {entry.seal}:
                return AuditVerdict(
                    AuditFinding.RESTAMPED,
                    entry.sequence,
                    f"Entry {entry.sequence} is sealed well, but not as it was posted: the chain "
                    "was sealed anew up to here.",
                )
            last, previous = entry.sequence, entry.seal
        missing = [sequence for sequence in posted if sequence > last]
        if missing:
            cut = max(missing) - last
            return AuditVerdict(
                AuditFinding.TRUNCATED,
                last + 1,
                f"The chain ends at entry {last}, but entry {max(missing)} was posted: at least "
                f"{counted(cut, 'entry')} {'was' if cut == 1 else 'were'} cut off.",
            )
        fits = f" and fits {counted(len(checkpoints), 'checkpoint')}" if checkpoints else ""
        fits = fits or " (no checkpoint was given)"
        sentence = f"The chain of {counted(last, 'entry')} is whole{fits}."
        return AuditVerdict(AuditFinding.INTACT, last, sentence)

    def _check(
        self, entry: AuditEntry, last: int, previous: str, oldest: int
    ) -> AuditVerdict | None:
        number = entry.sequence
        if number != last + 1:
            return AuditVerdict(
                AuditFinding.REMOVED,
                last + 1,
                f"After entry {last} comes entry {number}: what lay between was removed.",
            )
        if entry.key_id not in self._ages[oldest:]:
            return AuditVerdict(
                AuditFinding.OTHER_KEY,
                number,
                f"Entry {number} was sealed under key {entry.key_id}; this installation's is "
                f"{self.key_id}.",
            )
        sealed = _sealed(
            self._keys[entry.key_id],
            entry.key_id,
            number,
            previous,
            at=entry.at,
            incident_id=entry.incident_id,
            kind=entry.kind,
            actor=entry.actor,
            sentence=entry.sentence,
            facts=entry.facts,
        )
        if entry.previous != previous or not hmac.compare_digest(sealed.seal, entry.seal):
            return AuditVerdict(
                AuditFinding.EDITED,
                number,
                f"Entry {number} does not fit its seal: it was edited, or put there by hand.",
            )
        return None


def _key_id(key: bytes) -> str:
    return sha256(b"locksmith audit key id" + key).hexdigest()[:8]


def _derived(installation_key: str) -> bytes:
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"locksmith/audit/v1")
    return derivation.derive(installation_key.encode())


def _sealed(
    key: bytes,
    key_id: str,
    sequence: int,
    previous: str,
    *,
    at: datetime,
    incident_id: str,
    kind: str,
    actor: str,
    sentence: str,
    facts: Mapping[str, object],
) -> AuditEntry:
    body = [sequence, previous, at, incident_id, kind, actor, sentence, dict(facts)]
    seal = hmac.new(key, canonical_json(body), sha256).hexdigest()
    return AuditEntry(
        sequence=sequence,
        at=at,
        incident_id=incident_id,
        kind=kind,
        actor=actor,
        sentence=sentence,
        facts=facts,
        key_id=key_id,
        previous=previous,
        seal=seal,
    )
