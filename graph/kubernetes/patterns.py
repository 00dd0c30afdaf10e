"""
Regular expressions of strangers, in bounded time; their own controllers run them by RE2.

Python's `re` is not bounded: an expression in an object could keep an answer waiting for ever. What
may take that long is refused here, and whoever asked says that it was not followed. Pure.
"""

import re

_OUT_OF_SIGHT = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")  # escaped letters, sets of letters
_MANY = re.compile(r"[*+]|\{\d*,\d*\}|\{\d\d+\}")
_MOST = 3  # repetitions in one expression: each multiplies the time by the length of a name


def pattern_of(said: str) -> re.Pattern[str] | None:
    """Compile an expression; None where it is none, or one that may take very long."""
    try:
        made = re.compile(said)
    except (re.error, OverflowError, RecursionError):
        return None
    return None if _is_slow(_OUT_OF_SIGHT.sub("x", said)) else made


def _is_slow(said: str) -> bool:
    """Look for what is repeated although it repeats or branches itself."""
    inside = [False]
    for at, letter in enumerate(said):
        if letter == "(":
            inside.append(False)
        elif letter == ")" and len(inside) > 1:
            many = inside.pop()
            if many and _MANY.match(said, at + 1):
                return True
            inside[-1] |= many
        elif letter == "|" or _MANY.match(said, at):
            inside[-1] = True
    return len(_MANY.findall(said)) > _MOST
