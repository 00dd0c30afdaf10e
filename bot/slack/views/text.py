"""
Words from outside, made safe for Slack: escaped, stripped, shortened with a count.

Names of clusters, labels and annotations are attacker-controlled: here they lose what could
mention people, reorder the line or hide in it. Slack has no escape for `*~` and `:emoji:`: names
are shown in code spans, and in sentences a sign that looks alike stands for each of them. Nothing
here knows what an incident is.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from graph.words import counted

NAME_LIMIT = 120
LINE_LIMIT = 400
SECTION_LIMIT = 2900  # of Slack's 3,000: leaves room for the count of what was left out

# Cf: zero-width and bidi controls; Cc: control; Co, Cs, Cn: no agreed glyph.
_DROPPED = {"Cf", "Cc", "Co", "Cs", "Cn"}
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")  # drawn as nothing
_VARIATION = range(0xFE00, 0xFE10)
_REMEMBERED = 10_000  # characters; all that there are would be 100 MB
_ESCAPED_SIZE = {"&": len("&amp;"), "<": len("&lt;"), ">": len("&gt;")}

_LOOK_ALIKE = str.maketrans({"*": "\u2217", "~": "\u223c"})
_EMOJI = re.compile(r":([\w+'-]*[A-Za-z][\w+'-]*):")


class _Shown(dict[int, str | None]):
    """For `str.translate`: what becomes of a character, found out when it is first met."""

    def __missing__(self, code_point: int) -> str | None:
        character = chr(code_point)
        shown: str | None = character
        if character.isspace():
            shown = " "
        elif (
            unicodedata.category(character) in _DROPPED
            or character in _FILLERS
            or code_point in _VARIATION
        ):
            shown = None
        if len(self) < _REMEMBERED:
            self[code_point] = shown
        return shown


_SHOWN = _Shown()


def clean(text: str) -> str:
    """Take out what cannot be seen; line breaks and other white space become one space."""
    return " ".join(text.translate(_SHOWN).split())


def cut(text: str, limit: int) -> str:
    """Shorten to at most `limit` characters and say how many are missing."""
    if len(text) <= limit:
        return text
    tail = f"… (+{len(text) - limit} characters)"
    if limit <= len(tail):
        return text[:limit]
    kept = limit - len(tail)
    return text[:kept] + f"… (+{len(text) - kept} characters)"[: limit - kept]


def escape(text: str) -> str:
    """Neutralise Slack's control sequences. Source: docs.slack.dev, formatting message text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str, limit: int = NAME_LIMIT) -> str:
    """For plain_text objects: clean and short; never empty, because Slack refuses empty text."""
    return cut(_tame(clean(text)), limit) or "-"


def said(text: str, limit: int = LINE_LIMIT) -> str:
    """For sentences inside mrkdwn: clean, short (as Slack counts, after escaping), escaped."""
    return _escaped(_tame(clean(text)), limit)


def code(text: str, limit: int = NAME_LIMIT) -> str:
    """For names inside mrkdwn: a code span that its content cannot leave."""
    inside = _escaped(clean(text).replace("`", "'"), limit)
    return f"`{inside or '-'}`"


def _tame(text: str) -> str:
    """
    Leave nothing that Slack would draw as bold, struck out or as an emoji.

    Code spans stay, since errors name commands in them; a backtick without its fellow would
    begin one that swallows what follows.
    """
    if text.count("`") % 2:
        text = text.replace("`", "'")
    return _EMOJI.sub("\u2236\\1\u2236", text.translate(_LOOK_ALIKE))


def _escaped(text: str, limit: int) -> str:
    """Escape, then shorten between characters: an entity is never cut in two."""
    whole = escape(text)
    if len(whole) <= limit:
        return whole
    size = 0
    for kept, character in enumerate(text):
        size += _ESCAPED_SIZE.get(character, 1)
        if size > limit - len(f"… (+{len(text)} characters)"):
            return f"{escape(text[:kept])}… (+{len(text) - kept} characters)"
    return whole


def when(moment: datetime | None) -> str:
    """Render a time that each reader sees in the own time zone, with UTC for those who cannot."""
    if moment is None:
        return "not yet"
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    fallback = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time_secs}}|{fallback}>"


def joined(lines: Iterable[str], limit: int = SECTION_LIMIT) -> str:
    """Join lines while they fit, then say how many were left out; never cuts inside a line."""
    rows = list(lines)
    taken: list[str] = []
    size = 0
    for index, line in enumerate(rows):
        if size + len(line) + 1 > limit:
            return "\n".join([*taken, f"… and {counted(len(rows) - index, 'more line')}"])
        taken.append(line)
        size += len(line) + 1
    return "\n".join(taken)


def top(items: Sequence[str], most: int, noun: str) -> list[str]:
    """Return the first `most`, then one line that counts the rest."""
    if len(items) <= most:
        return list(items)
    return [*items[:most], f"… and {counted(len(items) - most, f'more {noun}')}"]


def duration(seconds: float) -> str:
    """Say a span in its one or two largest units: "42 s", "3 min 5 s", "2 h 10 min"."""
    whole = int(seconds)
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def mention(slack_user: str, name: str) -> str:
    """Mention by id where it is one (ids come from Slack, names do not), else name in words."""
    if slack_user[:1] in {"U", "W"} and slack_user.isascii() and slack_user.isalnum():
        return f"<@{slack_user}>"
    return said(name, NAME_LIMIT) or "somebody"
