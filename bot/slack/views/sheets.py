"""
A table as CSV, for whoever opens it in a spreadsheet.

Pure. What a cluster names could be a formula to that program: such cells are text.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from bot.slack.views.text import clean

MOST = 5000  # lines of a file
FORMULA = ("=", "+", "-", "@")


def sheet(columns: Sequence[str], rows: Sequence[Iterable[str]], *, rest: str) -> str:
    """Write `rows` under `columns`; the command `rest` lists what a file has no room for."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    for row in rows[:MOST]:
        table.writerow([_cell(cell) for cell in row])
    if len(rows) > MOST:
        table.writerow([f"and {len(rows) - MOST} more: {rest}"])
    return text.getvalue()


def _cell(text: str) -> str:
    shown = clean(text)
    return f"'{shown}" if shown.startswith(FORMULA) else shown
