"""The audit chain tells editing, removing, cutting off and sealing anew apart."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import Session

from graph.errors import BadInputError
from responders.audit import GENESIS, AuditChain, AuditEntry, AuditFinding, Checkpoint
from responders.tables import AuditEventRow
from tests.responders.room import ANA, START, Room, report

CHAIN = AuditChain.from_installation_key("installation key")


def chain_of(length: int, chain: AuditChain = CHAIN, words: str = "did") -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for _ in range(length):
        entries.append(next_entry(entries, chain, words))
    return entries


def next_entry(entries: list[AuditEntry], chain: AuditChain, words: str = "did") -> AuditEntry:
    number = len(entries) + 1
    return chain.seal(
        number,
        entries[-1].seal if entries else GENESIS,
        at=START + timedelta(seconds=number),
        incident_id="inc-1",
        kind="intent",
        actor="Ana",
        sentence=f"{words} {number}",
        facts={"step": number, "refs": ["a", "b"]},
    )


def checkpoint(entries: list[AuditEntry], number: int) -> Checkpoint:
    return Checkpoint(number, entries[number - 1].seal, START)


def test_a_whole_chain_is_intact_with_and_without_checkpoints() -> None:
    entries = chain_of(5)
    assert CHAIN.verify(entries).finding is AuditFinding.INTACT
    posted = [checkpoint(entries, 2), checkpoint(entries, 5)]
    verdict = CHAIN.verify(entries, posted)
    assert (verdict.finding, verdict.sequence) == (AuditFinding.INTACT, 5)
    assert CHAIN.verify([]).finding is AuditFinding.INTACT


@pytest.mark.parametrize(
    "change",
    [
        {"sentence": "did nothing"},
        {"actor": "Bo"},
        {"kind": "verdict"},
        {"incident_id": "inc-2"},
        {"at": START},
        {"facts": {"step": 4}},
        {"seal": "ab" * 32},
        {"previous": "ab" * 32},
    ],
)
def test_an_edited_entry_is_found_at_its_number(change: dict[str, object]) -> None:
    entries = chain_of(5)
    entries[2] = replace(entries[2], **change)  # type: ignore[arg-type]
    verdict = CHAIN.verify(entries)
    assert (verdict.finding, verdict.sequence) == (AuditFinding.EDITED, 3)


def test_a_removed_entry_is_found() -> None:
    entries = chain_of(5)
    del entries[2]
    verdict = CHAIN.verify(entries)
    assert (verdict.finding, verdict.sequence) == (AuditFinding.REMOVED, 3)


def test_entries_in_another_order_are_found() -> None:
    entries = chain_of(5)
    swapped = [entries[0], entries[2], entries[1], *entries[3:]]
    verdict = CHAIN.verify(swapped)
    assert (verdict.finding, verdict.sequence) == (AuditFinding.REMOVED, 2)
    # Their numbers swapped as well, as somebody would who writes to the table.
    renumbered = [replace(each, sequence=n) for n, each in enumerate(swapped, start=1)]
    verdict = CHAIN.verify(renumbered)
    assert (verdict.finding, verdict.sequence) == (AuditFinding.EDITED, 2)


def test_an_entry_put_in_by_hand_is_found() -> None:
    entries = chain_of(3)
    forged = replace(entries[1], sequence=4, previous=entries[2].seal, sentence="approved")
    assert CHAIN.verify([*entries, forged]).finding is AuditFinding.EDITED


def test_a_cut_end_is_found_only_against_a_checkpoint() -> None:
    entries = chain_of(5)
    assert CHAIN.verify(entries[:3]).finding is AuditFinding.INTACT
    verdict = CHAIN.verify(entries[:3], [checkpoint(entries, 5)])
    assert (verdict.finding, verdict.sequence) == (AuditFinding.TRUNCATED, 4)
    assert "2 entries were cut off" in verdict.sentence


def test_a_chain_sealed_anew_with_the_key_is_found_against_a_checkpoint() -> None:
    posted = [checkpoint(chain_of(5), 4)]
    anew = chain_of(6, words="never did")
    assert CHAIN.verify(anew).finding is AuditFinding.INTACT
    verdict = CHAIN.verify(anew, posted)
    assert (verdict.finding, verdict.sequence) == (AuditFinding.RESTAMPED, 4)


def test_a_chain_of_another_key_is_not_called_edited() -> None:
    other = AuditChain.from_installation_key("another key")
    assert CHAIN.verify(chain_of(3, other)).finding is AuditFinding.OTHER_KEY


def test_somebody_without_the_key_cannot_seal_anew_in_our_name() -> None:
    forger = AuditChain(b"guessed")
    forger.key_id = CHAIN.key_id
    assert CHAIN.verify(chain_of(3, forger)).finding is AuditFinding.EDITED


def test_a_chain_goes_on_under_a_new_key() -> None:
    later = AuditChain.from_installation_key("a later key", previous=["installation key"])
    entries = chain_of(3)
    for _ in range(2):
        entries.append(next_entry(entries, later))
    assert later.verify(entries).finding is AuditFinding.INTACT
    assert CHAIN.verify(entries).finding is AuditFinding.OTHER_KEY


def test_a_former_key_seals_nothing_any_more() -> None:
    later = AuditChain.from_installation_key("a later key", previous=["installation key"])
    entries = chain_of(2)
    entries.append(next_entry(entries, later))
    entries.append(next_entry(entries, CHAIN))  # somebody has the old key
    verdict = later.verify(entries)
    assert (verdict.finding, verdict.sequence) == (AuditFinding.OTHER_KEY, 4)


def test_two_checkpoints_of_one_number_cannot_both_be_true() -> None:
    entries = chain_of(3)
    posted = [checkpoint(entries, 2), Checkpoint(2, "00" * 32, START)]
    assert CHAIN.verify(entries, posted).finding is AuditFinding.RESTAMPED


def test_a_checkpoint_survives_the_way_through_a_message() -> None:
    posted = checkpoint(chain_of(3), 3)
    assert Checkpoint.parse(f"some log line: {posted.text()} and more") == posted
    with pytest.raises(BadInputError, match="not an audit checkpoint"):
        Checkpoint.parse("audit checkpoint soon")


def test_the_key_of_the_audit_is_not_the_installation_key() -> None:
    same = AuditChain.from_installation_key("installation key")
    assert same.key_id == CHAIN.key_id
    assert AuditChain(b"installation key").key_id != CHAIN.key_id


def test_rows_of_a_real_incident_verify_and_tampering_shows(room: Room) -> None:
    opened = room.desk.report(report())
    room.desk.places.gone(opened.incident_id, ANA, how="claimed")
    posted = room.records.checkpoint()
    assert room.records.verify_audit([posted]).finding is AuditFinding.INTACT
    with Session(room.database.engine) as session, session.begin():
        row = session.get_one(AuditEventRow, 2)
        row.sentence = "nothing happened"
        session.add(row)
    verdict = room.records.verify_audit([posted])
    assert (verdict.finding, verdict.sequence) == (AuditFinding.EDITED, 2)


def test_cutting_off_rows_shows_against_what_was_posted(room: Room) -> None:
    room.desk.report(report())
    posted = room.records.checkpoint()
    with Session(room.database.engine) as session, session.begin():
        session.delete(session.get_one(AuditEventRow, posted.sequence))
    assert room.records.verify_audit().finding is AuditFinding.INTACT
    assert room.records.verify_audit([posted]).finding is AuditFinding.TRUNCATED


def test_what_cannot_be_sealed_is_not_done(make_room: Callable[..., Room]) -> None:
    room = make_room()
    before = room.records.checkpoint()
    with (
        pytest.raises(TypeError),
        room.records.ledger.transaction() as transaction,
    ):
        transaction.log("inc-1", "intent", "writes", facts={"value": object()})
    assert room.records.checkpoint().sequence == before.sequence
