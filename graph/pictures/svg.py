"""
The picture of a blast radius as SVG text: `blast_radius_svg(answer)`.

Built as an XML tree, so that no name can break out of its place; it runs no script, loads nothing
and needs no font of its own. Colour never stands alone: every state is also a word and a shape.
"""

from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from graph.model import PicksUp
from graph.pictures import labels
from graph.pictures.layout import MARGIN, ROW, Box, Heading, Layout, Line, Role, lay_out
from graph.pictures.rows import WORDS, Row
from graph.queries.blast_radius import BlastRadius

SANS = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Noto Sans', "
    "'Liberation Sans', 'DejaVu Sans', sans-serif"
)
# A rasteriser on a machine without a fixed-width font goes on to the others.
MONO = (
    "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Noto Sans Mono', 'Liberation Mono', "
    f"'DejaVu Sans Mono', monospace, {SANS}"
)

_PAPER, _CARD = "#f6f7f9", "#ffffff"
_INK, _SOFT = "#18202e", "#566072"
_FLOW, _FLOW_IDLE = "#8593a8", "#b3bac6"
_PAD = 14.0
_BADGE = 88.0  # the width of a badge
_NAME, _NOTE, _HEADING = 12.5, 11.5, 12.5  # font sizes in pixels


@dataclass(frozen=True, slots=True)
class _Look:
    """Colours of a box: its edge, the band of its heading and the text on that band."""

    edge: str
    band: str
    ink: str = _INK
    card: str = _CARD
    dashed: bool = False


_LOOKS = {
    Role.ORIGIN: _Look("#26324a", "#26324a", "#ffffff"),
    Role.COPY: _Look("#9db7e8", "#e3ecfc", "#1b3a75"),
    Role.IDLE: _Look("#a4abb7", "#e7e9ed", "#4b5363", "#f6f7f9", dashed=True),
    Role.CONSUMERS: _Look("#c3cad6", "#e9edf3"),
    Role.SIDE: _Look("#d3d9e2", "#eff2f6"),
    Role.LEGEND: _Look("#dfe3ea", "#f6f7f9", "#3d4759", "#f6f7f9"),
    Role.GAPS: _Look("#d69a2d", "#fdf0d3", "#6b4400", "#fffaf0"),
    Role.COMPLETE: _Look("#b9d8c4", "#eef8f1", "#1f5a36"),
    Role.REST: _Look("#a4abb7", "#eff1f4", "#3d4759", dashed=True),
}


@dataclass(frozen=True, slots=True)
class _Badge:
    """Colours and the mark (an SVG path in a square of 8 pixels) of one way to pick up."""

    fill: str
    ink: str
    mark: str


_BADGES = {
    PicksUp.NEVER: _Badge("#fde3e1", "#8f1d14", "M1 1 L7 7 M7 1 L1 7"),
    PicksUp.RESTART: _Badge("#fdebc8", "#7a3e00", "M7 4 A3 3 0 1 1 5.5 1.4 M5.3 0 L5.8 1.6 L4.2 2"),
    PicksUp.UNKNOWN: _Badge("#e6e8ee", "#3a4354", "M1 4 L2 4 M3.6 4 L4.6 4 M6.2 4 L7.2 4"),
    PicksUp.NEXT_RUN: _Badge("#ebe6fd", "#4d2a9e", "M1 1 L4 4 L1 7 M4 1 L7 4 L4 7"),
    PicksUp.POLL: _Badge("#dceafd", "#174a94", "M4 7 L4 1 M1 4 L4 1 L7 4"),
    PicksUp.SYNC: _Badge("#d8f3e1", "#14582f", "M0.8 4.2 L3 6.6 L7.2 1.4"),
}


def blast_radius_svg(answer: BlastRadius) -> str:
    """Draw the answer; the text is complete XML without a declaration, at most some 200 KiB."""
    return draw(lay_out(answer))


def draw(layout: Layout) -> str:
    """Turn places into SVG."""
    svg = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": _n(layout.width),
            "height": _n(layout.height),
            "viewBox": f"0 0 {_n(layout.width)} {_n(layout.height)}",
            "role": "img",
            "aria-labelledby": "picture-title picture-description",
            "font-family": SANS,
            "fill": _INK,
        },
    )
    SubElement(svg, "title", {"id": "picture-title"}).text = labels.printable(layout.title)
    described = SubElement(svg, "desc", {"id": "picture-description"})
    described.text = labels.printable(layout.description)
    _rect(svg, 0, 0, layout.width, layout.height, fill=_PAPER)
    _head(svg, layout)
    for heading in layout.headings:
        _heading(svg, heading)
    for line in sorted(layout.lines, key=lambda one: not one.idle):
        _line(svg, line)
    for box in layout.boxes:
        _box(svg, box)
    return tostring(svg, encoding="unicode")


def _head(svg: Element, layout: Layout) -> None:
    room = layout.width - 2 * MARGIN
    title = labels.shorten(layout.title, room, 25, bold=True)
    _text(svg, MARGIN, 58, title, 25, weight="700")
    _text(svg, MARGIN, 86, labels.cut(layout.summary, room, 14.5), 14.5, fill=_SOFT)


def _heading(svg: Element, heading: Heading) -> None:
    text = heading.text.upper()
    node = _text(svg, heading.x, 134, text, 11.5, fill=_SOFT, weight="700")
    node.set("letter-spacing", "0.8")
    if heading.count:
        count = SubElement(node, "tspan", {"dx": "8", "fill": _INK})
        count.text = heading.count


def _box(svg: Element, box: Box) -> None:
    look = _LOOKS[box.role]
    group = SubElement(svg, "g")
    SubElement(group, "title").text = labels.printable(f"{box.heading} {box.note}")
    radius = 9.0
    edge = {"stroke": look.edge, "stroke-width": "1.2"}
    if look.dashed:
        edge["stroke-dasharray"] = "5 4"
    _rect(group, box.x, box.y, box.width, box.height, fill=look.card, rx=radius)
    band = box.row_top(0) - box.y
    if box.rows:
        path = (
            f"M{_n(box.x)} {_n(box.y + band)} v{_n(radius - band)} q0 {_n(-radius)} {_n(radius)} "
            f"{_n(-radius)} h{_n(box.width - 2 * radius)} q{_n(radius)} 0 {_n(radius)} "
            f"{_n(radius)} v{_n(band - radius)} z"
        )
        SubElement(group, "path", {"d": path, "fill": look.band})
    else:
        _rect(group, box.x, box.y, box.width, box.height, fill=look.band, rx=radius)
    _rect(group, box.x, box.y, box.width, box.height, fill="none", rx=radius, more=edge)
    room = box.width - 2 * _PAD
    baseline = box.y + band / 2 + 4.5
    note = labels.shorten(box.note, room * 0.55, _NOTE)
    room -= _note(group, box, baseline, note, fill=look.ink) if note else 0
    left = box.x + _PAD
    if box.role is Role.GAPS:
        _warning(group, left, box.y + band / 2 - 7)
        left, room = left + 23, room - 23
    heading = labels.shorten(box.heading, room, _HEADING, bold=True)
    _text(group, left, baseline, heading, _HEADING, fill=look.ink, weight="700")
    for index, row in enumerate(box.rows):
        _row(group, box, index, row)


def _row(parent: Element, box: Box, index: int, row: Row) -> None:
    top = box.row_top(index)
    group = SubElement(parent, "g")
    SubElement(group, "title").text = labels.printable(row.title or row.text)
    if index and box.role in {Role.CONSUMERS, Role.SIDE, Role.GAPS}:
        _rect(group, box.x + _PAD, top, box.width - 2 * _PAD, 1, fill="#eceff3")
    baseline = top + ROW / 2 + 5.0
    left, room = box.x + _PAD, box.width - 2 * _PAD
    if row.badge is not None:
        _badge(group, left, top + 4.0, row.badge)
        left, room = left + _BADGE + 12, room - _BADGE - 12
    soft = _SOFT if row.quiet or box.role in {Role.IDLE, Role.LEGEND} else _INK
    beside = room * 0.45
    if row.quiet and row.badge is None:  # the note counts: it comes first
        beside = max(beside, room - 12 - labels.width(row.text, _NOTE + 0.5))
    note = labels.shorten(row.note, beside, _NOTE)
    room -= _note(group, box, baseline, note, fill=_SOFT) if note else 0
    if row.prose:
        _text(
            group, left, baseline, labels.cut(row.text, room, _NOTE + 0.5), _NOTE + 0.5, fill=soft
        )
    else:
        text = labels.shorten(row.text, room, _NAME, mono=True)
        _text(group, left, baseline, text, _NAME, fill=soft, mono=True)


def _note(parent: Element, box: Box, baseline: float, text: str, *, fill: str) -> float:
    """Write at the right edge of a box; return how much room it took, with a margin."""
    _text(parent, box.right - _PAD, baseline, text, _NOTE, fill=fill, at_end=True)
    return labels.width(text, _NOTE) + 12


def _badge(parent: Element, x: float, y: float, picks_up: PicksUp) -> None:
    look = _BADGES[picks_up]
    _rect(
        parent,
        x,
        y,
        _BADGE,
        18,
        fill=look.fill,
        rx=9,
        more={"stroke": look.ink, "stroke-opacity": "0.28"},
    )
    mark = {"d": look.mark, "fill": "none", "stroke": look.ink, "stroke-width": "1.6"}
    mark |= {"stroke-linecap": "round", "stroke-linejoin": "round"}
    SubElement(parent, "path", {**mark, "transform": f"translate({_n(x + 9)} {_n(y + 5)})"})
    _text(parent, x + 23, y + 13, WORDS[picks_up], 11, fill=look.ink, weight="600")


def _warning(parent: Element, x: float, y: float) -> None:
    path = f"M{_n(x + 7.5)} {_n(y)} l7.5 14 h-15 z"
    drawn = {"d": path, "fill": "#b86e00", "stroke": "#b86e00", "stroke-linejoin": "round"}
    SubElement(parent, "path", drawn)
    _rect(parent, x + 6.7, y + 5, 1.6, 4.6, fill="#ffffff")
    _rect(parent, x + 6.7, y + 10.8, 1.6, 1.6, fill="#ffffff")


def _line(svg: Element, line: Line) -> None:
    (x, y), (to_x, to_y) = line.start, line.end
    tip = to_x - (5 if line.arrow else 0)
    if line.down:
        path = f"M{_n(x)} {_n(y)} V{_n(to_y - 8)} q0 8 8 8 H{_n(tip)}"
    elif line.lane is not None:
        start, end, lane = line.lane
        bend = _curve(end, lane, tip, to_y).partition(" ")[2].partition(" ")[2]
        path = f"{_curve(x, y, start, lane)} H{_n(end)} {bend}"
    else:
        path = _curve(x, y, tip, to_y)
    colour = _FLOW_IDLE if line.idle else _FLOW
    drawn = {"d": path, "fill": "none", "stroke": colour, "stroke-width": "1.8"}
    if line.idle:
        drawn["stroke-dasharray"] = "5 4"
    SubElement(svg, "path", drawn)
    if line.arrow:
        head = f"M{_n(to_x)} {_n(to_y)} l-8 -4.5 v9 z"
        SubElement(svg, "path", {"d": head, "fill": colour})


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (x + to_x) / 2
    return f"M{_n(x)} {_n(y)} C{_n(middle)} {_n(y)} {_n(middle)} {_n(to_y)} {_n(to_x)} {_n(to_y)}"


def _rect(
    parent: Element,
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    fill: str,
    rx: float = 0,
    more: dict[str, str] | None = None,
) -> None:
    drawn = {"x": _n(x), "y": _n(y), "width": _n(width), "height": _n(height), "fill": fill}
    if rx:
        drawn["rx"] = _n(rx)
    SubElement(parent, "rect", {**drawn, **(more or {})})


def _text(
    parent: Element,
    x: float,
    y: float,
    text: str,
    size: float,
    *,
    fill: str = _INK,
    weight: str = "",
    mono: bool = False,
    at_end: bool = False,
) -> Element:
    drawn = {"x": _n(x), "y": _n(y), "font-size": _n(size), "fill": fill}
    if weight:
        drawn["font-weight"] = weight
    if mono:
        drawn["font-family"] = MONO
    if at_end:
        drawn["text-anchor"] = "end"
    if not labels.is_predictable(text):
        # Glyphs of other scripts can be far wider than assumed; squeezed they stay in their box.
        drawn["textLength"] = _n(labels.width(text, size, mono=mono, bold=bool(weight)))
        drawn["lengthAdjust"] = "spacingAndGlyphs"
    node = SubElement(parent, "text", drawn)
    node.text = text
    return node


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
