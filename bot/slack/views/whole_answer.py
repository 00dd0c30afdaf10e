"""
All of an answer, where a message has room for the first ten: a file for the one who asks for it.

Pure. What the file holds is what the command line prints for the same question.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.slack.views.blast_radius import TOP, grouped
from bot.slack.views.blocks import Message, context, message, section
from bot.slack.views.names import owner_name
from bot.slack.views.sheets import sheet
from bot.slack.views.text import clean, code, said
from bot.slack.views.whole_list import CONSUMER_COLUMNS, consumer_cells
from graph.model import Gap
from graph.queries.access import Access, Accesses
from graph.queries.blast_radius import BlastRadius, Copy, Opened
from graph.queries.consumers import Consumer, Consumers
from graph.queries.readers import Reader, Readers
from graph.refs import with_key
from graph.words import counted

Found = Consumers | Readers | Accesses | BlastRadius
Rows = Sequence[tuple[str, ...]]
COMMANDS = {"uses": "uses", "readers": "readers", "blast": "blast-radius", "access": "access"}
READER_COLUMNS = ("who", "how", "verbs", "of", "granted by", "note")
ACCESS_COLUMNS = ("who", "of", "times", "first", "last", "from", "by", "sure")
REACH_COLUMNS = ("what", "name", "owner or who says so", "how", "why")


@dataclass(frozen=True, slots=True)
class Whole:
    """
    Everything that was found about `secret`.

    `count` says in words what that is.
    """

    verb: str
    secret: str
    count: str
    columns: tuple[str, ...]
    rows: Rows
    gaps: tuple[Gap, ...]


def whole(verb: str, secret: str, found: Found) -> Whole:
    """Lay out what was found as a table."""
    count, columns, rows = _laid_out(found)
    return Whole(verb, secret, count, columns, rows, found.gaps)


def is_long(found: Found) -> bool:
    """Tell whether a message cannot name everything."""
    match found:
        case Consumers():
            return len(found.consumers) > TOP
        case Readers():
            return len({each.subject for each in found.readers}) > TOP
        case Accesses():
            return len(found.reads) > TOP
        case BlastRadius():
            parts = (found.consumers, found.readers, found.copies, found.opens, found.owners)
            return max(len(part) for part in parts) > TOP


def command(verb: str, secret: str) -> str:
    """Name what lists the same on the command line."""
    return f"locksmith {COMMANDS[verb]} {secret}"


def rest_line(verb: str, secret: str, *, sendable: bool) -> str:
    """Say where the rest of a long answer is; safe mrkdwn."""
    if sendable:
        return "📄 _All of it: *Send me all* puts it into a direct message to you, as a file._"
    return f"📄 _All of it:_ {code(command(verb, secret), 300)}"


def whole_note(all_of: Whole) -> Message:
    """Stand above the file in the direct message."""
    blind = (
        f"Not in it is what Locksmith could not see ({counted(len(all_of.gaps), 'gap')})."
        if all_of.gaps
        else "Locksmith saw all of its sources."
    )
    return message(
        f"{all_of.secret}: {all_of.count}.",
        [
            section(f"📄 {code(all_of.secret, 250)}: *{said(all_of.count)}*, in the file below."),
            context(f"As it is now. {blind} Only you were sent this."),
        ],
    )


def whole_name(all_of: Whole) -> str:
    """Name the file; of the secret's name only what every file system takes is left."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", all_of.secret.partition("://")[2]).strip("-")
    return f"{all_of.verb}-{plain[:80] or 'secret'}.csv"


def whole_file(all_of: Whole) -> str:
    return sheet(all_of.columns, all_of.rows, rest=command(all_of.verb, all_of.secret))


def _laid_out(found: Found) -> tuple[str, tuple[str, ...], Rows]:
    """Give the count in words, and the table."""
    match found:
        case Consumers():
            rows: Rows = [consumer_cells(each) for each in _in_order(found.consumers)]
            return counted(len(rows), "consumer"), CONSUMER_COLUMNS, rows
        case Readers():
            rows = [_reader(each) for each in found.readers]
            who = counted(len({each.subject for each in found.readers}), "reader")
            return f"{who}, {counted(len(rows), 'way')} to read it", READER_COLUMNS, rows
        case Accesses():
            rows = [_access(each) for each in found.reads]
            return f"{counted(len(rows), 'reader')} by the logs", ACCESS_COLUMNS, rows
        case BlastRadius():
            rows = _reach(found)
            return f"{counted(len(rows), 'thing')} that a leak reaches", REACH_COLUMNS, rows


def _in_order(consumers: Sequence[Consumer]) -> list[Consumer]:
    return [each for _, members in grouped(consumers, {}) for each in members]


def _reader(reader: Reader) -> tuple[str, ...]:
    how = "directly" if reader.direct else "indirectly"
    path = " > ".join(reader.path)
    return (reader.subject, how, ", ".join(reader.verbs), reader.secret, path, reader.note)


def _access(read: Access) -> tuple[str, ...]:
    return (
        read.subject or read.who,
        read.secret,
        str(read.times),
        f"{read.first:%Y-%m-%d %H:%M:%S} UTC",
        f"{read.last:%Y-%m-%d %H:%M:%S} UTC",
        ", ".join(read.addresses),
        ", ".join(read.verbs),
        "yes" if read.sure else "may have seen it in a list",
    )


def _reach(radius: BlastRadius) -> Rows:
    return [
        *(("place", with_key(secret, key), "", "", "") for secret, key in radius.secrets),
        *(_copy(copy) for copy in radius.copies),
        *(("owner", owner_name(one.owner), one.source, "", "") for one in radius.owners),
        *(_consumer(each) for each in _in_order(radius.consumers)),
        *(_as_reached(each) for each in radius.readers),
        *(_opened(each) for each in radius.opens),
    ]


def _copy(copy: Copy) -> tuple[str, ...]:
    place = with_key(copy.secret, copy.key)
    return ("copy", place, "", copy.via or "", "nothing uses it" if copy.idle else "")


def _consumer(consumer: Consumer) -> tuple[str, ...]:
    owner, _, _, _, how, picks_up, why = consumer_cells(consumer)
    return ("consumer", consumer.workload, owner, f"{how}; {picks_up}", why)


def _as_reached(reader: Reader) -> tuple[str, ...]:
    subject, how, verbs, _, path, note = _reader(reader)
    return ("reader", subject, "", f"{how}: {verbs}", clean(f"{path} {note}"))


def _opened(opened: Opened) -> tuple[str, ...]:
    return ("opens", opened.ref, "", " > ".join(opened.path), opened.note)
