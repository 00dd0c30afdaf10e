"""
All consumers of an incident, where a card has room for ten: a note by owner, and a file.

Pure.
"""

import hashlib

from bot.slack.views.blast_radius import TOP, breakages_of, grouped, groups_text
from bot.slack.views.blocks import Message, message, section
from bot.slack.views.names import owner_name, place_of, short_name
from bot.slack.views.sheets import sheet
from bot.slack.views.text import code
from graph.queries.consumers import Consumer
from graph.words import counted
from responders.incident import Case

CONSUMER_COLUMNS = (
    "owner",
    "cluster/namespace",
    "workload",
    "replicas",
    "how",
    "picks up a new value",
    "why",
)
COLUMNS = (*CONSUMER_COLUMNS, "if revoked now")


def is_long(case: Case) -> bool:
    """Tell whether the card cannot name every consumer."""
    return len(case.blast_radius.consumers) > TOP


def list_note(case: Case, *, attached: bool) -> Message:
    """Count them by owner and namespace, and say where each one is named."""
    total = counted(len(case.blast_radius.consumers), "consumer")
    where = (
        "Each of them, with how it breaks: the file below."
        if attached
        else f"Each of them, with how it breaks: {code(f'locksmith incident show {case.id}')}"
    )
    words = f"*All {total}, by owner*\n{groups_text(case)}\n{where}"
    return message(f"{case.id}: all {total}, by owner.", [section(words)])


def list_name(case: Case) -> str:
    return f"{case.id}-consumers-{list_mark(case)}.csv"


def list_mark(case: Case) -> str:
    """Tell one list from the next: by which workloads are on it and how they follow."""
    seen = sorted(f"{each.workload} {each.picks_up}" for each in case.blast_radius.consumers)
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()[:6]


def list_file(case: Case) -> str:
    """Write the list as CSV, in the order of the card."""
    breakages = breakages_of(case)
    fates = {workload: each.sentence for workload, each in breakages.items()}
    rows = [
        (*consumer_cells(each), fates.get(each.workload, ""))
        for _, members in grouped(case.blast_radius.consumers, breakages)
        for each in members
    ]
    return sheet(COLUMNS, rows, rest=f"locksmith incident show {case.id}")


def consumer_cells(consumer: Consumer) -> tuple[str, ...]:
    """Say who it is and how it uses the secret, for `CONSUMER_COLUMNS`."""
    return (
        owner_name(consumer.owner),
        place_of(consumer.workload),
        short_name(consumer.workload),
        "" if consumer.replicas is None else str(consumer.replicas),
        ", ".join(sorted({use.how for use in consumer.via})),
        str(consumer.picks_up),
        consumer.reason,
    )
