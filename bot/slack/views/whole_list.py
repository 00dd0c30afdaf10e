"""
All consumers of an incident, where a card has room for ten: a note by owner, and a file.

Pure. What a cluster names could be a formula to whoever opens the file: such cells are text.
"""

import csv
import hashlib
import io

from bot.slack.views.blast_radius import TOP, breakages_of, grouped, groups_text
from bot.slack.views.blocks import Message, message, section
from bot.slack.views.names import owner_name, place_of, short_name
from bot.slack.views.text import clean, code
from graph.words import counted
from responders.incident import Case

MOST = 5000  # lines of the file
FORMULA = ("=", "+", "-", "@")
COLUMNS = (
    "owner",
    "cluster/namespace",
    "workload",
    "replicas",
    "how",
    "picks up a new value",
    "why",
    "if revoked now",
)


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
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    everyone = [
        each for _, members in grouped(case.blast_radius.consumers, breakages) for each in members
    ]
    for each in everyone[:MOST]:
        breakage = breakages.get(each.workload)
        cells = (
            owner_name(each.owner),
            place_of(each.workload),
            short_name(each.workload),
            "" if each.replicas is None else str(each.replicas),
            ", ".join(sorted({use.how for use in each.via})),
            str(each.picks_up),
            each.reason,
            breakage.sentence if breakage else "",
        )
        rows.writerow([_cell(cell) for cell in cells])
    if len(everyone) > MOST:
        rows.writerow([f"and {len(everyone) - MOST} more: locksmith incident show {case.id}"])
    return text.getvalue()


def _cell(text: str) -> str:
    shown = clean(text)
    return f"'{shown}" if shown.startswith(FORMULA) else shown
