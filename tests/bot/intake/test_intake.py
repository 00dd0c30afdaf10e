"""Intake finds secrets, matches them, keeps none, and says what it did not look at."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from bot.intake.intake import Intake, Seen, Taken
from bot.intake.offers import Offers
from bot.intake.slack_text import unmarked
from bot.intake.wording import MAX_CHARACTERS, plain_words
from graph.database import Database
from graph.detect import detect
from graph.errors import UnavailableError
from graph.fingerprints import Fingerprinter, generate_key
from graph.identify import Identified
from graph.model import Node, NodeKind, Observation, StoredFingerprint
from graph.refs import Ref
from graph.repository import GraphRepository
from graph.secret_value import SecretValue
from responders.incident import Person
from tests.bot.guesses import guess

NOW = datetime(2026, 11, 23, tzinfo=UTC)
RITA = Person("rita@example.com", "Rita")
GATEWAY = Ref("vault://main/kv/payments/gateway")


@dataclass
class Issuers:
    down: bool = False

    def identify(self, value: SecretValue) -> Identified:
        if self.down:
            raise UnavailableError("sealed")
        return Identified("generic", "Unknown credential")


@dataclass
class World:
    intake: Intake
    issuers: Issuers
    fingerprinter: Fingerprinter
    database: Database
    folder: Path
    token: str
    passphrase: str


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    database = Database(f"sqlite:///{tmp_path / 'graph.sqlite'}")
    database.create_all()
    repository = GraphRepository(database.engine)
    fingerprinter = Fingerprinter(SecretValue(generate_key()))
    token = f"pgw_live_{secrets.token_hex(16)}"
    passphrase = f"Tr0ub4dor-{secrets.token_hex(4)}-Staple!"
    marks = [(m, "token") for m in fingerprinter.of_stored(SecretValue(token))]
    marks += [(m, "phrase") for m in fingerprinter.of_stored(SecretValue(passphrase))]
    repository.merge(
        Observation(
            source="test",
            nodes=(Node(GATEWAY, NodeKind.SECRET),),
            fingerprints=tuple(StoredFingerprint(mark, GATEWAY, key, 1) for mark, key in marks),
        ),
        now=NOW,
    )
    issuers = Issuers()
    intake = Intake(
        fingerprinter=fingerprinter,
        index=repository,
        detect=detect,
        identify=issuers.identify,
        clock=lambda: NOW,
    )
    yield World(intake, issuers, fingerprinter, database, tmp_path, token, passphrase)
    database.close()


def test_a_token_in_a_sentence_is_matched_to_where_it_is_stored(world: World) -> None:
    taken = world.intake.from_message(f"use {world.token}!", Seen(RITA), vouched=False)
    (report,) = taken.reports
    assert (report.matches[0].secret, report.matches[0].key) == (GATEWAY, "token")
    assert world.token not in repr(report)


def test_the_same_value_twice_in_a_message_is_one_report(world: World) -> None:
    text = f"{world.token} and {world.token}"
    assert len(world.intake.from_message(text, Seen(RITA), vouched=False).reports) == 1


def test_a_stored_value_of_no_known_shape_counts_only_when_somebody_vouches(world: World) -> None:
    text = f"the phrase was {world.passphrase} I think"
    assert world.intake.from_message(text, Seen(RITA), vouched=False).reports == ()
    (report,) = world.intake.from_message(text, Seen(RITA), vouched=True).reports
    assert report.matches[0].key == "phrase"


def test_a_value_handed_over_is_reported_even_if_nobody_knows_it(world: World) -> None:
    (report,) = world.intake.from_value("open sesame", Seen(RITA)).reports
    assert report.detector_name == "Unknown credential"
    assert report.matches == ()
    assert report.fingerprints


def test_of_several_guesses_the_reporter_chooses_and_no_value_is_kept(world: World) -> None:
    first, second = guess(), guess()
    text = f"one of these:\n{first}\n{second}"
    seen = Seen(RITA, note=f"I mean {second}")
    assert world.intake.from_message(text, seen, vouched=False).offers == ()
    taken = world.intake.from_message(text, seen, vouched=True)
    assert taken.reports == ()
    assert [offer.label.split()[0] for offer in taken.offers] == [
        f"{value[:3]}…{value[-2:]}" for value in (first, second)
    ]
    assert "28 characters" in taken.offers[1].label
    assert "line 3" in taken.offers[1].label
    assert world.intake.from_value(text, seen).offers == taken.offers
    digests = {mark.digest for mark in world.fingerprinter.of_leaked(SecretValue(second))}
    assert digests == {mark.digest for mark in taken.offers[1].report.fingerprints}
    for value in (first, second):
        assert value not in repr(taken)


def test_what_was_offered_lies_ready_under_a_token_for_a_day(world: World) -> None:
    values = guess(), guess()
    taken = world.intake.from_value("either " + " or ".join(values), Seen(RITA))
    offers = Offers(world.database.engine)
    kept = offers.keep(taken.offers, now=NOW)
    assert [one.label for one in kept] == [one.label for one in taken.offers]
    assert offers.find(kept[1].token, now=NOW) == taken.offers[1].report
    assert offers.find(kept[1].token, now=NOW + timedelta(days=2)) is None
    assert offers.find("guessed", now=NOW) is None
    stored = b"".join(each.read_bytes() for each in world.folder.iterdir())
    assert not any(value.encode() in stored for value in values)
    offers.drop(kept[0].token)
    assert offers.find(kept[1].token, now=NOW) is None


def test_a_single_guess_is_taken_and_a_value_alone_is_never_asked_about(world: World) -> None:
    assert len(world.intake.from_value(f"it is {guess()}", Seen(RITA)).reports) == 1
    assert len(world.intake.from_value(f"{guess()},{guess()}", Seen(RITA)).reports) == 1


def test_an_empty_report_is_no_report(world: World) -> None:
    assert world.intake.from_value(" \n ", Seen(RITA)).reports == ()


def test_a_paste_of_three_megabytes_is_bounded_and_says_so(world: World) -> None:
    text = world.token + " lorem ipsum" * 260_000
    taken = world.intake.from_message(text, Seen(RITA), vouched=False)
    assert len(taken.reports) == 1
    assert f"{MAX_CHARACTERS:,}" in taken.remark


def test_the_value_is_taken_out_of_the_words_beside_it(world: World) -> None:
    seen = Seen(RITA, note=f"saw {world.token}", where=f"https://x.example/?t={world.token}")
    (report,) = world.intake.from_value(world.token, seen).reports
    assert world.token not in report.note + report.where
    named = world.intake.from_name(GATEWAY, seen)
    assert world.token not in named.note + named.where


def test_the_name_of_a_place_is_cut_only_after_the_value_was_taken_out_of_it(world: World) -> None:
    value = "".join(guess() for _ in range(4))
    (report,) = world.intake.from_value(
        value, Seen(RITA, where_name=f"in {value} of a" * 3)
    ).reports
    assert value[:16] not in report.where_name
    assert len(report.where_name) <= 80


def test_an_issuer_that_is_down_does_not_hold_up_the_report(world: World) -> None:
    world.issuers.down = True
    assert len(world.intake.from_value(world.token, Seen(RITA)).reports) == 1


@pytest.mark.parametrize(
    ("marked", "typed"),
    [
        ("a &amp;&lt;b&gt;", "a &<b>"),
        ("<https://x.example/?a=1&amp;b=2|x.example>", "https://x.example/?a=1&b=2"),
        ("<mailto:ana@example.com|ana@example.com>", "ana@example.com"),
        ("hi <@U0RITA> there", "hi    there"),
        ("p&amp;lt;x", "p&lt;x"),
    ],
)
def test_slacks_markup_is_taken_off(marked: str, typed: str) -> None:
    assert unmarked(marked) == typed


def test_a_value_in_a_url_encoded_paste_is_found_and_not_kept_beside_it(world: World) -> None:
    paste = quote(f"hey, I pasted {world.token} into the form", safe="")
    assert all(hit.confidence == "low" for hit in detect(paste))  # else this proves nothing
    seen = Seen(reporter=RITA, note=paste, where=paste)
    (report,) = world.intake.from_message(paste, seen, vouched=True).reports
    assert [match.key for match in report.matches] == ["token"]
    assert world.token not in repr(report)
    assert world.intake.may_hold_secret(paste)


def test_a_value_that_stands_twice_is_cut_out_twice(world: World) -> None:
    note = f"curl -H 'X-Token: {world.token}' and then once more: «{world.token}»"
    (report,) = world.intake.from_value(world.token, Seen(reporter=RITA, note=note)).reports
    assert world.token not in report.note
    assert report.note.endswith("once more: «[value removed]»")


def test_layers_of_url_encoding_are_not_peeled_one_after_the_other(world: World) -> None:
    hostile = "%" + "25" * 50_000  # one call for each layer would never come back
    assert (
        world.intake.from_message(hostile, Seen(reporter=RITA, note=hostile), vouched=False)
        == Taken()
    )


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("the payments token, I think.", "the payments token, I think."),
        ("it is payments/gateway!", "it is payments/gateway!"),
        ("try Xy7$kQ9-pw2 now", "try [value removed] now"),
        ("password=swordfish", "[value removed]"),
        ("correcthorsebatterystapleagain", "[value removed]"),
    ],
)
def test_of_a_sentence_only_its_plain_words_are_kept(said: str, kept: str) -> None:
    assert plain_words(said) == kept
