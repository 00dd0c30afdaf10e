"""
Where everything stands in the picture of a blast radius: boxes with rows, and lines between them.

Four columns from left to right: where the value is at home, what syncs made of it, who runs on it,
and who else can read it. Boxes never overlap; what does not fit is counted in a row of its own, so
that every consumer is either named or counted. Here are places only; colours and XML are in `svg`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import combinations
from math import inf

from graph.model import PicksUp
from graph.pictures import around, rows
from graph.pictures.rows import Row
from graph.queries.blast_radius import BlastRadius
from graph.refs import Ref

MARGIN = 36.0
HEAD = 34.0
ROW = 26.0
FOOT = 8.0
APART = 18.0  # between two boxes of a column
TOP = 150.0  # where the first boxes begin; title and headings are above
LANE = 26.0  # free height above the copies for lines that pass them by
INDENT = 22.0
MOST_INDENTED = 6
PORT = HEAD / 2  # lines start and end at the middle of a heading

_ORIGIN, _COPY, _CONSUMER, _SIDE = 320.0, 380.0, 540.0, 340.0
_GAP, _SIDE_GAP = 84.0, 44.0


class Role(StrEnum):
    ORIGIN = "origin"
    COPY = "copy"
    IDLE = "idle"
    CONSUMERS = "consumers"
    SIDE = "side"
    LEGEND = "legend"
    GAPS = "gaps"
    COMPLETE = "complete"  # in the place of the gaps where there are none
    REST = "rest"  # counts what has no box of its own


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels with a heading and rows; `row_top` places each row inside of it."""

    role: Role
    x: float
    y: float
    width: float
    heading: str
    note: str = ""
    rows: tuple[Row, ...] = ()
    title: str = ""

    @property
    def height(self) -> float:
        return HEAD + ROW * len(self.rows) + (FOOT if self.rows else 0)

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def row_top(self, index: int) -> float:
        return self.y + HEAD + ROW * index

    def overlaps(self, other: "Box") -> bool:
        return (
            self.x < other.right
            and other.x < self.right
            and self.y < other.bottom
            and other.y < self.bottom
        )


@dataclass(frozen=True, slots=True)
class Line:
    """
    A connection from one port to another.

    `lane` is the height at which it passes the copies by; `down`: it runs down the left edge of a
    copy to a copy of that copy; `idle`: it leads to what nobody uses.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    idle: bool = False
    down: bool = False
    arrow: bool = True
    lane: tuple[float, float, float] | None = None  # from x, to x, y


@dataclass(frozen=True, slots=True)
class Heading:
    x: float
    text: str
    count: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole picture: `title`, `summary` and `description` are text without line breaks."""

    width: float
    height: float
    title: str
    summary: str
    description: str
    headings: tuple[Heading, ...]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    tally: Mapping[PicksUp, int] = field(default_factory=dict)

    def overlapping(self) -> list[tuple[Box, Box]]:
        return [pair for pair in combinations(self.boxes, 2) if pair[0].overlaps(pair[1])]


@dataclass(frozen=True, slots=True)
class _Columns:
    origin: float
    copy: float
    consumer: float
    side: float
    right: float


def lay_out(answer: BlastRadius) -> Layout:
    """Place an answer of any size; pure arithmetic on the text, no fonts are read."""
    at = _columns(with_copies=bool(answer.copies))
    groups, rest = rows.groups(answer.consumers)
    copies, hidden = rows.copies(answer.copies, groups)
    direct = bool(copies) and any(secret in rows.homes(answer) for secret in _used(answer))
    lane = LANE if direct else 0.0
    # The columns are placed from the right: a copy stands at the height of those who use it.
    users = _stack(
        at.consumer,
        _CONSUMER,
        [(Role.CONSUMERS, one.heading, one.note, one.rows) for one in groups or (rows.NOBODY,)]
        + ([(Role.REST, rest.heading, rest.note, rest.rows)] if rest else []),
    )
    middle = _copy_boxes(copies, hidden, at.copy, users, groups, top=TOP + lane)
    home = _stack(
        at.origin,
        _ORIGIN,
        [(Role.ORIGIN, one.heading, one.note, one.rows) for one in rows.origins(answer)],
    )
    legend = _stack(
        at.origin,
        _ORIGIN,
        [(Role.LEGEND, "How a new value arrives", "", around.legend(answer))],
        top=home[-1].bottom + 2 * APART,
    )
    side = _stack(
        at.side,
        _SIDE,
        [(Role.SIDE, one.heading, one.note, one.rows) for one in around.beside(answer)],
    )
    columns = [*home, *legend, *middle, *users, *side]
    gaps = around.gaps(answer)
    below = Box(
        Role.GAPS if answer.gaps else Role.COMPLETE,
        MARGIN,
        max(box.bottom for box in columns) + 2 * APART,
        at.right - MARGIN,
        gaps.heading,
        gaps.note,
        gaps.rows,
    )
    return Layout(
        width=at.right + MARGIN,
        height=below.bottom + MARGIN,
        title=rows.title(answer),
        summary=rows.summary(answer),
        description=rows.description(answer),
        headings=_headings(answer, at),
        boxes=(*columns, below),
        lines=_lines(
            answer, home, copies=copies, middle=middle, groups=groups, users=users, lane=lane
        ),
        tally=rows.tally(answer.consumers),
    )


def _columns(*, with_copies: bool) -> _Columns:
    copy = MARGIN + _ORIGIN + _GAP
    consumer = copy + _COPY + _GAP if with_copies else copy
    side = consumer + _CONSUMER + _SIDE_GAP
    return _Columns(MARGIN, copy, consumer, side, side + _SIDE)


def _headings(answer: BlastRadius, at: _Columns) -> tuple[Heading, ...]:
    found = [Heading(at.origin, "At home in", str(len(rows.homes(answer))))]
    if answer.copies:
        found.append(Heading(at.copy, "Copied by syncs to", str(len(rows.copied(answer)))))
    found.append(Heading(at.consumer, "Used by", str(len(answer.consumers))))
    found.append(Heading(at.side, "Who else", ""))
    return tuple(found)


def _used(answer: BlastRadius) -> set[Ref]:
    return {use.secret for consumer in answer.consumers for use in consumer.via}


def _stack(
    x: float,
    width: float,
    contents: Iterable[tuple[Role, str, str, tuple[Row, ...]]],
    *,
    top: float = TOP,
) -> list[Box]:
    boxes: list[Box] = []
    for role, heading, note, lines in contents:
        boxes.append(Box(role, x, top, width, heading, note, lines))
        top = boxes[-1].bottom + APART
    return boxes


def _copy_boxes(
    copies: Sequence[rows.CopyCard],
    hidden: rows.Card | None,
    x: float,
    users: Sequence[Box],
    groups: Sequence[rows.Group],
    *,
    top: float,
) -> list[Box]:
    boxes: list[Box] = []
    levels = [
        next(
            (box.y for box, one in zip(users, groups, strict=False) if copy.secret in one.uses),
            inf,
        )
        for copy in copies
    ]
    for index, copy in enumerate(copies):
        # Nobody is pushed down further than the next ones want to stand.
        level = min(levels[index:])
        indent = INDENT * min(copy.depth, MOST_INDENTED)
        role = Role.IDLE if copy.idle else Role.COPY
        box = Box(
            role,
            x + indent,
            top if level == inf else max(top, level),
            _COPY - indent,
            copy.heading,
            copy.note,
            copy.rows,
        )
        boxes.append(box)
        top = box.bottom + APART
    if hidden is not None:
        boxes.append(Box(Role.REST, x, top, _COPY, hidden.heading, hidden.note, hidden.rows))
    return boxes


def _lines(
    answer: BlastRadius,
    home: Sequence[Box],
    *,
    copies: Sequence[rows.CopyCard],
    middle: Sequence[Box],
    groups: Sequence[rows.Group],
    users: Sequence[Box],
    lane: float,
) -> tuple[Line, ...]:
    lines: list[Line] = []
    placed = {copy.secret: box for copy, box in zip(copies, middle, strict=False)}
    source = home[0].right, home[0].y + PORT
    if len(home) > 1 and middle:
        source = home[0].right + _GAP / 3, source[1]
        lines += [Line((box.right, box.y + PORT), source, arrow=False) for box in home]
    for copy, box in zip(copies, middle, strict=False):
        parent = placed.get(copy.parent) if copy.parent else None
        if parent is not None:
            start, end = (parent.x + INDENT / 2, parent.bottom), (box.x, box.y + PORT)
            lines.append(Line(start, end, idle=copy.idle, down=True))
            continue
        lines.append(Line(source, (box.x, box.y + PORT), idle=copy.idle))
    others = list(middle[len(copies) :])
    lines += [Line(source, (box.x, box.y + PORT)) for box in others]
    every_home = rows.homes(answer)
    at_home = dict(zip(every_home, home, strict=False))
    for group, box in zip(groups, users, strict=False):
        for secret in sorted(group.uses):
            if secret in placed:
                lines.append(_across(placed[secret], box))
            elif secret in every_home:
                one = _across(at_home.get(secret, home[-1]), box)
                past = (middle[0].x, middle[0].right, TOP + lane / 2 - 4) if lane else None
                lines.append(replace(one, lane=past))
            elif others:
                lines.append(_across(others[0], box))
    return tuple(dict.fromkeys(lines))


def _across(left: Box, right: Box) -> Line:
    return Line((left.right, left.y + PORT), (right.x, right.y + PORT))
