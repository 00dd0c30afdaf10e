"""
Words for Markdown: moments, spans, and outside text that must not become a link or a picture. Pure.

Names of channels, places and people's reasons are written by others. They keep their letters, but
draw nothing: no link, no image, no HTML, no new line, no character that hides or turns others.
"""

from datetime import datetime
from urllib.parse import unquote

from responders.history import spoken

_MEANT = str.maketrans({"[": "\\[", "<": "&lt;", "\n": " ", "\t": " "})


def said(text: str) -> str:
    """Make outside text harmless in a line of Markdown."""
    return "".join(c for c in text.translate(_MEANT) if c.isprintable())


def cell(text: str) -> str:
    """Make outside text harmless in a cell of a table."""
    return said(text).replace("|", "\\|")


def moment(at: datetime | None) -> str:
    return "not yet" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def after(at: datetime, begin: datetime) -> str:
    """Say how long after `begin` (or before it) something was: "12 s after"."""
    seconds = round((at - begin).total_seconds())
    return (
        f"{spoken(abs(seconds))} {'before' if seconds < 0 else 'after'}"
        if seconds
        else "within a second of"
    )


def owner(ref: str) -> str:
    """Turn "team:payments" into "payments"."""
    return said(unquote(ref.partition(":")[2] or ref))
