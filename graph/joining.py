"""
Joins what line breaks tore apart: a token that a terminal, a mail or a quote wrapped. Pure.

A break counts where a long run of letters ends a line and a run alone fills the next. Whether the
joined text is a secret is asked by the caller; offsets lead back to the text as it was.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

MOST_BREAKS = 2000
# The run before, the break with a shell's backslash and a quote's marks, the run alone after it.
_BREAK = re.compile(
    r"(?<=[A-Za-z0-9+/_=.-]{12})\\?\r?\n[ \t]*(?:[>|]+[ \t]*)?"
    r"(?=(?P<next>[A-Za-z0-9+/_=.-]{2,})[\"'`,;]{0,2}[ \t]*(?:\r?\n|$))"
)
_WORD = re.compile(r"[A-Z]?[a-z]{1,15}[.!?]?|[-=]+|[A-Z][A-Z0-9_]*=.*")


@dataclass(frozen=True, slots=True)
class Joined:
    """The text without some line breaks; `places` are where, `lengths` how much was left out."""

    text: str
    places: tuple[int, ...]  # offsets in `text` of each removed break
    left_out: tuple[int, ...]  # characters left out up to and with that break

    def crosses(self, start: int, end: int) -> bool:
        """Tell whether the stretch goes over a removed break."""
        return bisect_right(self.places, start) < bisect_right(self.places, end - 1)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Give the stretch in the text as it was."""
        return self._at(start), self._at(end - 1) + 1

    def _at(self, offset: int) -> int:
        before = bisect_right(self.places, offset)
        return offset + (self.left_out[before - 1] if before else 0)


def joined(text: str) -> Joined | None:
    """Join the lines that may belong together; None if there are none."""
    if "\n" not in text:
        return None
    pieces: list[str] = []
    places: list[int] = []
    left_out: list[int] = []
    last = size = gone = 0
    for found in _BREAK.finditer(text):
        if _WORD.fullmatch(found["next"]):
            continue
        if len(places) == MOST_BREAKS:
            break
        pieces.append(text[last : found.start()])
        size += found.start() - last
        gone += found.end() - found.start()
        places.append(size)
        left_out.append(gone)
        last = found.end()
    if not places:
        return None
    pieces.append(text[last:])
    return Joined("".join(pieces), tuple(places), tuple(left_out))
