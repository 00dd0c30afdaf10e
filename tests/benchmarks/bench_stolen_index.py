"""
What a thief of the database learns: `python -m tests.benchmarks.bench_stolen_index [PASSWORDS]`.

The same weak passwords (words, seasons, years, walks over the keys) are put into three indexes:
ours, by Locksmith itself into an SQLite file; plain SHA-256; and scrypt with the public pepper of
GitGuardian's HasMySecretLeaked (N=2048, r=8, p=1, salt SHA-256("GitGuardian"), see
ggshield/verticals/hmsl/crypto.py). The thief has a copy of the index, the source code and the very
list of guesses, and no key. Against ours he also tries keys: none, all zeros, words, the key id.

scrypt is computed for a sample of the guesses (1,000); how long all of them take is extrapolated,
and printed as such: a public pepper makes the guessing slower, not impossible.
"""

import hashlib
import hmac
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from graph.database import Database, reading
from graph.fingerprints import DOMAIN, Fingerprinter, generate_key
from graph.model import Observation, StoredFingerprint
from graph.refs import vault
from graph.repository import GraphRepository
from graph.secret_value import SecretValue
from graph.tables import FINGERPRINTS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_DIGEST_LENGTH = 64  # in hex; shorter texts in the rows are names of keys
_PEPPER = hashlib.sha256(b"GitGuardian").digest()
_LISTED = """
    summer winter spring autumn monday friday london berlin paris dragon monkey
    master shadow football baseball welcome secret admin root login letmein iloveyou
    princess sunshine orange banana cookie coffee pepper tigger ginger ranger hunter
    killer batman superman qwerty asdfgh zxcvbn
"""
_WORDS = _LISTED.split()
_ENDS = tuple(str(year) for year in range(1990, 2030)) + tuple(
    f"{mark}{number}" for mark in "!@#$" for number in range(1, 100)
)


@dataclass(frozen=True, slots=True)
class Attack:
    """`recovered` of `tried` passwords; `whole` seconds for all, measured or (`guessed`) not."""

    index: str
    tried: int
    recovered: int
    whole: float
    guessed: bool = False


def passwords(count: int) -> list[str]:
    """Give `count` weak passwords, the same every time."""
    made = (f"{word.capitalize()}{end}" for end, word in itertools.product(_ENDS, _WORDS))
    found = list(itertools.islice(made, count))
    if len(found) < count:
        raise ValueError(f"there are only {len(found)} weak passwords here")
    return found


def ours(weak: Sequence[str], folder: Path) -> frozenset[str]:
    """Index the passwords as a collector does; return what stands in the copied database."""
    file = folder / "stolen.sqlite"
    database = Database(f"sqlite:///{file}")
    database.create_all()
    fingerprinter = Fingerprinter(SecretValue(generate_key()))
    stored = tuple(
        StoredFingerprint(one, vault("main", "kv", f"app-{number}"), "password", 1)
        for number, password in enumerate(weak)
        for one in fingerprinter.of_stored(SecretValue(password))
    )
    GraphRepository(database.engine).merge(
        Observation("vault/main/kv", fingerprints=stored), now=NOW
    )
    with reading(database.engine) as connection:
        rows = connection.execute(FINGERPRINTS.select()).all()
    database.close()
    return frozenset(text for row in rows for text in (row.digest, row.key_id))


def attack(weak: Sequence[str], sample: int) -> Iterator[Attack]:
    """Run the same attack against each kind of index."""
    with TemporaryDirectory() as folder:
        stolen = ours(weak, Path(folder))
    began = perf_counter()
    known = tuple(one.encode() for one in stolen if len(one) < _DIGEST_LENGTH)
    recovered = sum(any(guess in stolen for guess in _guesses(word, known)) for word in weak)
    yield Attack(
        "Locksmith: HMAC-SHA256, key not stolen", len(weak), recovered, perf_counter() - began
    )
    plain = {hashlib.sha256(word.encode()).hexdigest() for word in weak}
    began = perf_counter()
    recovered = sum(hashlib.sha256(word.encode()).hexdigest() in plain for word in weak)
    yield Attack("plain SHA-256", len(weak), recovered, perf_counter() - began)
    some = weak[:: max(1, len(weak) // sample)][:sample]
    peppered = {_scrypt(word) for word in some}
    began = perf_counter()
    recovered = sum(_scrypt(word) in peppered for word in some)
    seconds = (perf_counter() - began) * len(weak) / len(some)
    yield Attack(
        "scrypt, public pepper", len(some), recovered, seconds, guessed=len(some) < len(weak)
    )


def _guesses(word: str, known: Sequence[bytes]) -> Iterator[str]:
    """Make what a thief would try: no key, well-known keys, and whatever stands in the rows."""
    for content in (word.encode(), DOMAIN + word.encode()):
        yield hashlib.sha256(content).hexdigest()
        for key in (
            b"",
            bytes(32),
            b"locksmith",
            *known,
        ):
            yield hmac.digest(key, content, "sha256").hex()


def _scrypt(word: str) -> str:
    return hashlib.scrypt(word.encode(), salt=_PEPPER, n=2048, r=8, p=1, dklen=32).hex()


def main(count: int, sample: int = 1000) -> None:
    print("| a stolen index of weak passwords | tried | recovered | time for all, one core |")
    print("|---|---|---|---|")
    for one in attack(passwords(count), sample):
        whole = f"{one.whole:,.1f} s" + (" (extrapolated)" if one.guessed else "")
        print(f"| {one.index} | {one.tried:,} | {one.recovered:,} | {whole} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
