"""The picture of a blast radius: everybody is in it, nothing overlaps, no name breaks out."""

import random
import unicodedata
from collections.abc import Iterable
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph import refs
from graph.model import Gap, PicksUp
from graph.pictures import labels
from graph.pictures.layout import Box, Layout, Role, lay_out
from graph.pictures.svg import blast_radius_svg
from graph.queries.blast_radius import (
    BlastRadius,
    Consumer,
    Copy,
    Opened,
    OwnerClaim,
    Reader,
    Use,
    blast_radius,
)
from graph.queries.consumers import WORST_FIRST
from graph.refs import Ref
from tests.graph import demo_graph

SVG = "{http://www.w3.org/2000/svg}"
HOME = refs.vault("main", "kv", "payments/gateway")
UNSEEN = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
NASTY = (
    "\u202egpj.exe",  # reads backwards
    "pay\u200bments",  # a zero-width space
    "\x00\x07\x1b[31m",
    "]]><!--\"&amp;'<script>",
    "x" * 5000,
    "\ud800",  # half a surrogate pair
    "z" + "\u0301" * 90,  # climbs over its neighbours
    "\u3164",  # a letter that is blank
    "漢字" * 40,
    "\ufffe\U000e0041",
    "",
)


def large(
    workloads: int, namespaces: int, copies: int, *, direct: bool = False, seed: int = 1
) -> BlastRadius:
    """Make an answer with copies of copies, idle ones and every way to pick up a value."""
    pick = random.Random(seed)  # noqa: S311 - the same picture each time
    made: list[Copy] = []
    for index in range(copies):
        space = f"team-{index % namespaces}"
        sync = refs.k8s("prod", space, "ExternalSecret", f"gateway-{index}")
        before = made[-1].syncs if made and index % 3 == 2 else ()
        secret = refs.k8s("prod", space, "Secret", f"gateway-{index}")
        made.append(Copy(secret, "token", sync, 3600, index % 5 == 3, (*before, sync)))
    used = [copy.secret for copy in made if not copy.idle] + [HOME] * direct
    consumers = tuple(
        Consumer(
            refs.k8s("prod", f"team-{index % namespaces}", "Deployment", f"worker-{index}"),
            (Use("env", "app", "token", "TOKEN", pick.choice(used)),),
            pick.choice(list(PicksUp)),
            "Because.",
            2,
            "team:payments",
        )
        for index in range(workloads)
    )
    users = [refs.k8s("prod", "", "User", f"u{index}@example.com") for index in range(copies + 3)]
    return BlastRadius(
        ((HOME, "token"),),
        tuple(made),
        consumers,
        tuple(Reader(user, ("get",), n % 2 == 0, (), HOME) for n, user in enumerate(users)),
        (OwnerClaim("team:payments", "declared", HOME),),
        tuple(Opened(refs.vault("main", "kv", f"more/{n}"), (HOME,), 1) for n in range(copies)),
        tuple(Gap("rbac/prod", f"part {n}", "Answered 403.", "Grant it.") for n in range(copies)),
    )


def of_names(names: Iterable[str]) -> BlastRadius:
    """Put each name into every place that a name can take, as it is and as a proper ref."""
    consumers, copies, readers, owners, gaps, secrets = [], [], [], [], [], []
    for one in names:
        secret = Ref(f"k8s://{one}/{one}/Secret/{one}")
        whole = [Ref(one), secret]
        if one.encode(errors="replace") == one.encode(errors="surrogatepass"):
            whole += [refs.k8s(one, one, one, one), refs.vault(one, one, one)]
        secrets += [(ref, one) for ref in whole]
        copies.append(Copy(secret, one, Ref(one), 90, idle=False, syncs=(Ref(one),)))
        consumers += [
            Consumer(ref, (Use(one, one, one, one, secret),), PicksUp.SYNC, one, 1, one)
            for ref in whole
        ]
        readers += [
            Reader(ref, (one,), direct=True, path=(secret,), secret=secret, note=one)
            for ref in whole
        ]
        owners.append(OwnerClaim(one, one, secret))
        gaps.append(Gap(one, one, one, one))
    return BlastRadius(
        tuple(secrets),
        tuple(copies),
        tuple(consumers),
        tuple(readers),
        tuple(owners),
        (),
        tuple(gaps),
    )


def xml(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - what we wrote ourselves


def texts(svg: str) -> list[str]:
    return [text for text in xml(svg).itertext() if text]


def rows_of(layout: Layout, *roles: Role) -> list[str]:
    return [row.text for box in layout.boxes if box.role in roles for row in box.rows]


@pytest.fixture(scope="module")
def demo() -> BlastRadius:
    return blast_radius(demo_graph.demo_graph(), [(demo_graph.GATEWAY, "token")])


SIZES = [
    BlastRadius(),
    large(1, 1, 1),
    large(13, 1, 0, direct=True),
    large(300, 1, 3, direct=True),
    large(300, 3, 40),
    large(300, 120, 40, direct=True),
    large(2000, 7, 13),
]


@pytest.mark.parametrize("answer", SIZES)
def test_every_consumer_is_named_or_counted(answer: BlastRadius) -> None:
    rows = [row for box in lay_out(answer).boxes for row in box.rows]
    assert sum(row.stands_for for row in rows) == len(answer.consumers)


@pytest.mark.parametrize("answer", SIZES)
def test_boxes_do_not_overlap_and_stay_on_the_paper(answer: BlastRadius) -> None:
    layout = lay_out(answer)
    assert layout.overlapping() == []
    for box in layout.boxes:
        assert box.x >= 0
        assert box.y >= 0
        assert box.right <= layout.width
        assert box.bottom <= layout.height
        tops = [box.row_top(index) for index in range(len(box.rows) + 1)]
        assert all(upper < lower for upper, lower in pairwise(tops))
        assert tops[-1] <= box.bottom or not box.rows


def test_an_overlap_would_be_seen() -> None:
    one = Box(Role.SIDE, 0, 0, 10, "one")
    assert one.overlaps(Box(Role.SIDE, 9, 9, 10, "two"))
    assert not one.overlaps(Box(Role.SIDE, 10, 0, 10, "three"))


@pytest.mark.parametrize("answer", SIZES)
def test_lines_start_and_end_at_boxes(answer: BlastRadius) -> None:
    layout = lay_out(answer)
    joints = {line.end for line in layout.lines if not line.arrow}
    left = {box.x for box in layout.boxes}
    for line in layout.lines:
        assert line.end in joints or line.end[0] in left
        assert line.end[0] > line.start[0]


def test_a_large_answer_stays_readable() -> None:
    layout = lay_out(large(300, 1, 1))
    assert "+ 288 more" in rows_of(layout, Role.CONSUMERS)
    assert layout.height < 1200
    assert lay_out(large(5000, 400, 300, direct=True)).height < 4000
    assert len(blast_radius_svg(large(5000, 400, 300))) < 300_000


def test_the_worst_come_first_and_the_rest_is_broken_down() -> None:
    layout = lay_out(large(300, 30, 4))
    for box in layout.boxes:
        if box.role is Role.CONSUMERS:
            order = [WORST_FIRST.index(row.badge) for row in box.rows if row.badge]
            assert order == sorted(order)
    (rest,) = [box for box in layout.boxes if box.role is Role.REST]
    assert rest.heading == "+ 22 more namespaces"
    assert "never" in rest.rows[0].note


def test_the_demo_names_origin_copies_consumers_readers_owners(demo: BlastRadius) -> None:
    layout = lay_out(demo)
    assert layout.title == "Blast radius of kv/payments/gateway · token"
    assert rows_of(layout, Role.ORIGIN) == ["kv/payments/gateway", "#token"]
    idle = [box for box in layout.boxes if box.role is Role.IDLE]
    assert [(box.heading, box.note) for box in idle] == [("demo / reporting", "no consumer")]
    names = rows_of(layout, Role.CONSUMERS)
    assert {"api", "worker", "ledger", "webhook", "settlement", "checkout", "refunds"} <= set(names)
    assert {"payments", "shop", "platform/backup"} <= set(rows_of(layout, Role.SIDE))
    assert sum(line.idle for line in layout.lines) == 1
    shown = texts(blast_radius_svg(demo))
    assert {"restart", "sync", "next run", "never"} <= set(shown)


def test_gaps_are_counted_and_their_absence_is_said(demo: BlastRadius) -> None:
    assert any(text.startswith("Not seen: 1 gap") for text in texts(blast_radius_svg(demo)))
    many = texts(blast_radius_svg(large(3, 1, 40)))
    assert "Not seen: 40 gaps" in many
    assert "+ 35 more" in many
    assert any("No gaps" in text for text in texts(blast_radius_svg(BlastRadius())))


def test_an_answer_without_anything_is_a_picture_too() -> None:
    shown = texts(blast_radius_svg(BlastRadius()))
    assert "No secret matches" in shown
    assert "No workload is known to use it" in shown


def test_the_picture_speaks_to_who_cannot_see_it(demo: BlastRadius) -> None:
    root = xml(blast_radius_svg(demo))
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert "8 workloads in 2 namespaces" in (description.text or "")


def test_a_long_name_is_cut_in_its_middle_and_full_in_the_tooltip() -> None:
    long = "start-" + "x" * 200 + "-end"
    user = Consumer(refs.k8s("prod", "a", "Deployment", long), (), PicksUp.POLL)
    root = xml(blast_radius_svg(BlastRadius(consumers=(user,))))
    drawn = [node.text or "" for node in root.iter(f"{SVG}text")]
    assert any(text.startswith("start-x") and text.endswith("x-end") for text in drawn)
    assert any(long in (node.text or "") for node in root.iter(f"{SVG}title"))
    assert not any(long in text for text in drawn)


def _harmless(svg: str) -> None:
    root = xml(svg)
    svg.encode()
    allowed = {"svg", "title", "desc", "g", "rect", "path", "text", "tspan"}
    assert {node.tag.removeprefix(SVG) for node in root.iter()} <= allowed
    for text in root.itertext():
        assert not any(unicodedata.category(one) in UNSEEN for one in text)


@pytest.mark.parametrize("name", NASTY)
def test_a_nasty_name_does_no_harm(name: str) -> None:
    answer = of_names([name])
    _harmless(blast_radius_svg(answer))
    assert lay_out(answer).overlapping() == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(st.characters(), max_size=40) | st.sampled_from(NASTY), max_size=6))
def test_no_name_breaks_out_of_its_place(names: list[str]) -> None:
    answer = of_names(names)
    layout = lay_out(answer)
    _harmless(blast_radius_svg(answer))
    assert layout.overlapping() == []
    counted = sum(row.stands_for for box in layout.boxes for row in box.rows)
    assert counted == len(answer.consumers)


@given(st.text(st.characters(), max_size=80), st.floats(20, 400), st.booleans())
def test_what_was_shortened_fits(text: str, room: float, mono: bool) -> None:  # noqa: FBT001
    shown = labels.shorten(labels.printable(text), room, 12.5, mono=mono)
    assert labels.width(shown, 12.5, mono=mono) <= room
    assert labels.width(labels.cut(text, room, 12.5), 12.5) <= room


def test_what_cannot_be_seen_is_taken_out() -> None:
    assert labels.printable("a\u202eb\u200b c\n\td\x1b") == "ab c d"
    assert labels.printable("\u200b\u3164") == labels.UNNAMED
    assert labels.printable("e\u0301" + "\u0301" * 50) == "é\u0301\u0301"


@pytest.mark.parametrize(
    ("ref", "named"),
    [
        ("k8s://prod/shop/Secret/db", labels.Named("Secret", "prod / shop", "db")),
        ("k8s://prod/-/Group/dev", labels.Named("Group", "prod", "dev")),
        ("vault://main/kv/payments/db", labels.Named("", "Vault main", "kv/payments/db")),
        ("vault://main/-/Policy/ci", labels.Named("Policy", "Vault main", "ci")),
        ("aws://123/eu-west-1/secret/x", labels.Named("", "aws 123", "eu-west-1/secret/x")),
        ("team:payments", labels.Named("team", "", "payments")),
        ("no ref", labels.Named("", "", "no ref")),
    ],
)
def test_a_ref_is_put_into_words(ref: str, named: labels.Named) -> None:
    assert labels.name(ref) == named
