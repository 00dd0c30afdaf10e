"""
What the index costs: `python -m tests.benchmarks.bench_index [DIGESTS] [VALUES]`.

A chat message is scanned and matched against DIGESTS stored digests (1,000,000) on SQLite, next to
the bare scan of the same message. Then VALUES stored values (100,000) are taken apart, digested and
merged into an empty index, next to bare hashing of the same contents and a bare insert of the rows.
"""

import hmac
import random
import string
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time, thread_time

from graph.database import Database, insert_many, writing
from graph.detect import detect
from graph.fingerprints import DOMAIN, Fingerprinter, generate_key
from graph.model import Match, Observation, StoredFingerprint
from graph.normal_forms import normal_forms
from graph.refs import vault
from graph.repository import GraphRepository
from graph.secret_value import SecretValue
from graph.tables import FINGERPRINTS
from tests.benchmarks.yardstick import Times, in_turns, settled

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_ROOM = 50_000  # rows in one transaction while filling
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Built:
    """Seconds of the process's own time for the same digests; `forms` per value."""

    indexed: float
    bare: float
    digests: int

    @property
    def ratio(self) -> float:
        return self.indexed / self.bare


@dataclass(frozen=True, slots=True)
class Matched:
    """`wall`: by the clock, with whatever else the machine does; `own`: the thread's own time."""

    wall: Times
    own: list[float]

    def hundredth(self, which: int) -> float:
        return self.own[min(len(self.own) - 1, len(self.own) * which // 100)]


class Scene:
    """An index of `digests` rows, one of which is that of `value`."""

    def __init__(self, database: Database, digests: int) -> None:
        self.fingerprinter = Fingerprinter(SecretValue(generate_key()))
        self.repository = GraphRepository(database.engine)
        self.value = _values(1, seed=7)[0]
        self.message = (
            "Hi all, the deploy to staging fails since this morning, I think that it is this one:\n"
            f"export GITHUB_TOKEN={self.value}\ncould somebody have a look? thanks"
        )
        self._fill(database, digests)

    def _fill(self, database: Database, digests: int) -> None:
        same = {"key": "token", "form": "as_is", "key_id": self.fingerprinter.key_id}
        chance = random.Random(1)  # noqa: S311 - rows to search through, no secret
        (wanted, *_) = self.fingerprinter.of_stored(SecretValue(self.value))
        for start in range(0, digests, _ROOM):
            rows = [
                {
                    "secret": f"vault://main/kv/team-{number % 997}/app-{number}",
                    "digest": f"{chance.getrandbits(256):064x}",
                    "version": 1 + number % 5,
                    "weak": False,
                    "current": number % 5 == 0,
                }
                for number in range(start, min(start + _ROOM, digests))
            ]
            if not start:
                rows[0]["digest"] = wanted.digest
            with writing(database.engine) as connection:
                insert_many(connection, FINGERPRINTS, rows, source="vault/main/kv", **same)

    def scan(self) -> int:
        return len(detect(self.message))

    def scan_and_match(self) -> tuple[Match, ...]:
        marks = [
            mark
            for hit in detect(self.message)
            for mark in self.fingerprinter.of_leaked(hit.value)
            if not mark.weak
        ]
        return self.repository.find(marks)


def match(digests: int, *, rounds: int = 1000) -> Matched:
    with _database() as database:
        scene = Scene(database, digests)
        if not scene.scan_and_match():
            raise RuntimeError("the stored value was not recognised")
        for _ in range(50):
            scene.scan_and_match()
        with settled():
            wall = in_turns(scene.scan_and_match, scene.scan, rounds=rounds)
            return Matched(wall, sorted(_own(scene.scan_and_match) for _ in range(rounds)))


def build(values: int) -> Built:
    """Index `values` values, and hash and insert the same contents with nothing around it."""
    texts = _values(values, seed=3)
    key = bytes.fromhex(generate_key())
    with _database() as database:
        fingerprinter = Fingerprinter(SecretValue(key.hex()))
        repository = GraphRepository(database.engine)
        with settled():
            began = process_time()
            stored = tuple(
                StoredFingerprint(one, vault("main", "kv", f"app-{number}"), "token", 1)
                for number, text in enumerate(texts)
                for one in fingerprinter.of_stored(SecretValue(text))
            )
            repository.merge(Observation("vault/main/kv", fingerprints=stored), now=NOW)
            indexed = process_time() - began
    contents = [[form.content for form in normal_forms(text)] for text in texts]
    with _database() as database, settled():
        began = process_time()
        rows = [
            (
                "vault/main/kv",
                f"vault://main/kv/app-{number}",
                "token",
                1,
                hmac.digest(key, DOMAIN + content, "sha256").hex(),
                "as_is",
                "k",
                False,
                True,
            )
            for number, each in enumerate(contents)
            for content in each
        ]
        with writing(database.engine) as connection:
            connection.exec_driver_sql(
                "INSERT INTO graph_fingerprint (source, secret, key, version, digest, form, key_id,"
                " weak, current) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
        bare = process_time() - began
    return Built(indexed, bare, len(stored))


def _own(act: Callable[[], object]) -> float:
    began = thread_time()
    act()
    return thread_time() - began


def _values(count: int, *, seed: int) -> list[str]:
    chance = random.Random(seed)  # noqa: S311 - the same values every time
    return ["ghp_" + "".join(chance.choices(_LETTERS, k=36)) for _ in range(count)]


@contextmanager
def _database() -> Iterator[Database]:
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'index.db'}")
        database.create_all()
        try:
            yield database
        finally:
            database.close()


def main(digests: int, values: int) -> None:
    found = match(digests)
    times = found.wall
    print(f"scan and match of a message, {digests:,} digests on SQLite")
    print(
        f"  by the clock p50 {1000 * times.p50:.2f} ms, p99 {1000 * times.p99:.2f} ms,"
        f" {times.ratio:.1f}x the bare scan"
    )
    print(
        f"  of its own time p50 {1000 * found.hundredth(50):.2f} ms,"
        f" p99 {1000 * found.hundredth(99):.2f} ms"
    )
    built = build(values)
    print(f"index of {values:,} values, {built.digests:,} digests")
    print(
        f"  {built.indexed:.1f} s, {1e6 * built.indexed / values:.0f} us per value,"
        f" {built.ratio:.1f}x bare hashing and insert"
    )


if __name__ == "__main__":
    given = [int(one.replace(",", "")) for one in sys.argv[1:]]
    main(*(given + [1_000_000, 100_000][len(given) :]))
