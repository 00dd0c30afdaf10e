"""A process that stops saying that it lives loses its runs; one that ends loses them at once."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

from responders.leases import Leases, new_executor
from responders.tables import ExecutorLeaseRow
from tests.responders.room import Clock, Room


def test_a_lease_runs_out(make_room: Callable[..., Room]) -> None:
    clock = Clock()
    ledger = make_room(now=clock).records.ledger
    ours, theirs = Leases(ledger, new_executor()), Leases(ledger, name := new_executor())
    ours.beat()
    theirs.beat()
    assert ours.dead() == ()
    clock.at += timedelta(seconds=31)
    ours.beat()
    assert ours.dead() == (name,)
    theirs.beat()
    assert ours.dead() == ()
    theirs.end()
    assert ours.dead() == (name,), "what it left unfinished could not be found"
    ours.forget(name)
    assert ours.dead() == ()


def test_a_process_that_is_gone_from_this_host_is_dead_at_once(room: Room) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ours = Leases(room.records.ledger, new_executor())
    Leases(room.records.ledger, "gone").beat()
    with room.records.ledger.transaction() as transaction:
        row = transaction.session.get_one(ExecutorLeaseRow, "gone")
        row.pid = gone.pid
        transaction.session.add(row)
    assert ours.dead() == ("gone",)
    ours.forget("gone")
    assert ours.dead() == ()


def test_an_older_process_with_our_own_number_is_dead(room: Room) -> None:
    ours = Leases(room.records.ledger, new_executor())
    Leases(room.records.ledger, "from-before-the-restart").beat()
    assert ours.dead() == ("from-before-the-restart",)
