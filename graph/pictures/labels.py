"""
Names as they may stand in a picture: harmless, measured and short enough for their place.

Every name comes from outside: whoever may create a Secret chooses it. Characters that cannot be
seen or that reorder what is seen are taken out; escaping for XML is the business of `svg`.
"""

import re
import unicodedata
from dataclasses import dataclass

from graph.errors import BadInputError
from graph.refs import parse

MOST = 600  # characters of one text; nobody reads more in a tooltip
UNNAMED = "(no readable name)"

# Other: control, format (bidi, zero-width, tags), private, unassigned, surrogates; separators.
_DROPPED = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
# They are letters and signs by category and yet blank.
_BLANK = frozenset(map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)))
_VARIATIONS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_MARKS = frozenset({"Mn", "Me", "Mc"})
_MOST_MARKS = 2  # on one letter; more of them climb over the neighbouring lines
_SPACES = re.compile(r"\s+")

# Widths in em, on the wide side: of DejaVu Sans, which is wider than the usual system fonts.
_MONO = 0.605
_WIDE = 1.05
_SANS = {
    **dict.fromkeys("iljI|!'.,:;", 0.33),
    **dict.fromkeys(" ftr()[]-/·`", 0.41),
    **dict.fromkeys("mwMW@%—…", 1.0),
    **dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ&+=<>#~\N{MULTIPLICATION SIGN}→", 0.8),
}
_SANS_ELSE = 0.64
_BOLD = 1.1
_PREDICTABLE = 0x0530  # Latin, Greek, Cyrillic: every system font has them, at widths as assumed
_PREDICTABLE_SIGNS = frozenset("…—→“”")


@dataclass(frozen=True, slots=True)
class Named:
    """A ref in words: what it is, where it lies ("demo / payments") and its own name."""

    kind: str
    where: str
    name: str


def printable(text: str, *, otherwise: str = UNNAMED) -> str:
    """Take out what cannot be seen or misleads, and cut at `MOST` characters."""
    kept: list[str] = []
    marks = 0
    spaced = _SPACES.sub(" ", text[: MOST * 4])
    for character in unicodedata.normalize("NFC", spaced):
        category = unicodedata.category(character)
        if (
            category in _DROPPED
            or character in _BLANK
            or any(ord(character) in variations for variations in _VARIATIONS)
        ):
            continue
        marks = marks + 1 if category in _MARKS else 0
        if marks > _MOST_MARKS or (marks and not kept):
            continue
        kept.append(character)
    shown = _SPACES.sub(" ", "".join(kept)).strip()
    return (shown if len(shown) <= MOST else f"{shown[: MOST - 1]}…") or otherwise


def name(ref: str) -> Named:
    """Put a ref into words; what is no complete ref stands for itself."""
    try:
        parts = parse(ref)
    except BadInputError:
        return Named("", "", printable(ref))
    return _named(parts.scheme, tuple(printable(part) for part in parts.path))


def _named(scheme: str, path: tuple[str, ...]) -> Named:
    match scheme, path:
        case "k8s", (cluster, "-", kind, *rest):
            return Named(kind, cluster, "/".join(rest))
        case "k8s", (cluster, namespace, kind, *rest):
            return Named(kind, f"{cluster} / {namespace}", "/".join(rest))
        case "vault", (store, "-", kind, *rest) if rest:
            return Named(kind, f"Vault {store}", "/".join(rest))
        case "vault", (store, *rest):
            return Named("", f"Vault {store}", "/".join(rest))
        case _, (account, *rest) if rest:
            return Named("", f"{scheme} {account}", "/".join(rest))
        case _:
            return Named(scheme, "", "/".join(path))


def width(text: str, size: float, *, mono: bool = False, bold: bool = False) -> float:
    """Measure `text` in pixels at a font of `size` pixels, rather too wide than too narrow."""
    ems = sum(_em(character, mono=mono) for character in text)
    return ems * size * (_BOLD if bold and not mono else 1.0)


def is_predictable(text: str) -> bool:
    """Say whether `width` can be trusted; else the drawing has to be told how wide to draw it."""
    return all(ord(one) < _PREDICTABLE or one in _PREDICTABLE_SIGNS for one in text)


def shorten(text: str, room: float, size: float, *, mono: bool = False, bold: bool = False) -> str:
    """Cut out the middle, because names of one family differ at their ends."""
    if width(text, size, mono=mono, bold=bold) <= room:
        return text
    low, high = 0, len(text)
    while low < high:  # the most characters that fit
        kept = (low + high + 1) // 2
        if width(_without_middle(text, kept), size, mono=mono, bold=bold) <= room:
            low = kept
        else:
            high = kept - 1
    return _without_middle(text, low)


def cut(text: str, room: float, size: float) -> str:
    """Cut off the end, as it is done with sentences."""
    if width(text, size) <= room:
        return text
    while text and width(f"{text}…", size) > room:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _without_middle(text: str, kept: int) -> str:
    head = (kept + 1) // 2
    return f"{text[:head]}…{text[len(text) - (kept - head) :]}"


def _is_wide(character: str) -> bool:
    return (
        unicodedata.east_asian_width(character) in "WF" or unicodedata.category(character) == "So"
    )


def _em(character: str, *, mono: bool) -> float:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0.0
    if ord(character) >= _PREDICTABLE and character not in _PREDICTABLE_SIGNS:
        return _WIDE if _is_wide(character) else _SANS_ELSE
    return _MONO if mono else _SANS.get(character, _SANS_ELSE)
