"""Every message and form: within Slack's limits, with words for the blind, whatever the names."""

import importlib
import inspect
import pkgutil
import re
import sys
from types import CodeType, FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bot.slack.views
from bot.sandbox.workspace.rules import check_message, check_view
from bot.slack.views import whole_answer
from bot.slack.views.blocks import Block, Message
from responders.incident import ApprovalState, Case, IncidentState
from tests.bot.cases import GATEWAY, make_case
from tests.bot.slack.views.every_view import forms_of, messages, mrkdwn_in, views

HOSTILE = [
    "<!channel> <@U0SUE> <https://evil.example|click>",
    "\u202egnp.exe\u2066\u200b\u200dname",
    "`code` *bold* _it_ ~no~ >quote",
    "&" * 400,
    "\n\n# heading\n" * 30,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 80,
    "",
]
UPDATE_BYTES = 4000
HIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff]")
OURS = ("<!date^", "<@U0AUTHOR>", "<https://locksmith.example/step-up/1|")
BLOCKS = {"header", "section", "context", "actions", "divider", "input"}
SHAPES = frozenset({"bot.slack.views.blocks", "bot.slack.views.text"})
names = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=300))


def any_case(state: IncidentState, name: str, *, consumers: int = 300) -> Case:
    return make_case(state=state, consumers=consumers, name=name, approval=ApprovalState.PENDING)


def builders() -> dict[str, CodeType]:
    """Name every public function of the views that draws a message or a view."""
    found = {}
    for each in pkgutil.iter_modules(bot.slack.views.__path__, "bot.slack.views."):
        module = importlib.import_module(each.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            own = function.__module__ == each.name and not name.startswith("_")
            if own and each.name not in SHAPES and function.__annotations__["return"] in DRAWN:
                found[f"{each.name}.{name}"] = function.__code__
    return found


DRAWN = (Message, Block)


def test_no_builder_is_left_out_here() -> None:
    """The lists of `every_view` draw each one: a new message cannot be forgotten."""
    called: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for state in (IncidentState.STOPPED, IncidentState.CLOSED):
            messages(any_case(state, "x"))
            views(any_case(state, "x"))
    finally:
        sys.setprofile(before)
    assert len(builders()) > 40
    assert [name for name, code in builders().items() if code not in called] == []


@pytest.mark.parametrize("state", IncidentState)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_and_300_consumers_fit_every_message_and_form(
    state: IncidentState, name: str
) -> None:
    case = any_case(state, name)
    for message in messages(case):
        check_message(list(message.blocks))
        assert message.text, "the fallback, for notifications and screen readers"
        assert len(message.text.encode()) < UPDATE_BYTES
    for view in views(case):
        check_view(view)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(name=names, state=st.sampled_from(IncidentState), count=st.integers(0, 40))
def test_no_name_can_mention_anybody_or_hide(name: str, state: IncidentState, count: int) -> None:
    case = any_case(state, name, consumers=count)
    drawn = [text for each in messages(case) for text in (each.text, *mrkdwn_in(each.blocks))]
    shown = views(case)
    for text in [*drawn, *mrkdwn_in(shown)]:
        assert all(each.startswith(OURS) for each in re.findall(r"<[^>]*>?", text)), text
    assert not any(HIDDEN.search(text) for text in [*drawn, *texts_in(shown)])
    assert not HIDDEN.search("".join(sheets_of(case)))


@pytest.mark.parametrize(
    "name", ["a`*PAGED*`b", "a` x", "*PAGED*", "~PAGED~", ":white_check_mark: x"]
)
def test_no_name_draws_as_something_of_ours(name: str) -> None:
    """It ends no code span, and outside of one it is neither bold nor struck out nor an emoji."""
    case = any_case(IncidentState.STOPPED, name, consumers=3)
    for text in mrkdwn_in([*(m.blocks for m in messages(case)), views(case)]):
        assert text.count("`") % 2 == 0
        outside = re.sub("`[^`]*`", "", text)
        assert not re.search(r"[*~`]PAGED|PAGED[*~`]|:white_check_mark:", outside), text


def test_nothing_but_blocks_that_every_workspace_shows() -> None:
    """Pictures would need an alt text: there are none; each block is words, a field or a button."""
    case = any_case(IncidentState.STOPPED, "x")
    for blocks in [*(m.blocks for m in messages(case)), *(v["blocks"] for v in views(case))]:
        assert isinstance(blocks, tuple | list)
        assert {str(block["type"]) for block in blocks} <= BLOCKS


@pytest.mark.parametrize("state", IncidentState)
def test_of_two_buttons_a_screen_reader_says_which(state: IncidentState) -> None:
    case = any_case(state, "x")
    for blocks in [*(m.blocks for m in messages(case)), *(v["blocks"] for v in views(case))]:
        deeds: dict[str, set[tuple[object, object]]] = {}
        for each in elements_in(blocks):
            if each.get("type") == "button":
                heard = str(each.get("accessibility_label") or each["text"])
                deeds.setdefault(heard, set()).add((each["action_id"], each.get("value")))
        assert [heard for heard, several in deeds.items() if len(several) > 1] == []


def test_every_form_names_its_incident() -> None:
    """Who has three incidents open knows which one this decision is about."""
    case = any_case(IncidentState.STOPPED, "of the shop")
    for form in [*forms_of(case), *views(case)[:1]]:
        first = str(form["blocks"][0])  # type: ignore[index]
        assert f"`{case.id}`" in first, form["title"]
        assert "Payments token leaked of the shop" in first
    assert case.approval is not None


def test_buttons_carry_only_opaque_ids() -> None:
    case = any_case(IncidentState.STOPPED, "shop", consumers=3)
    for blocks in [*(m.blocks for m in messages(case)), *(v["blocks"] for v in views(case))]:
        for each in elements_in(blocks):
            if each.get("type") == "button" and "value" in each:
                assert re.fullmatch(r"[\w:-]{1,80}", str(each["value"]))
    for view in views(case):
        assert "shop" not in str(view.get("private_metadata", ""))


def sheets_of(case: Case) -> list[str]:
    """Write each file that is sent."""
    found = {"blast": case.blast_radius}
    return [
        whole_answer.whole_file(whole_answer.whole(verb, GATEWAY, each))
        for verb, each in found.items()
    ]


def elements_in(value: object) -> list[dict[str, object]]:
    if isinstance(value, list | tuple):
        return [each for item in value for each in elements_in(item)]
    if isinstance(value, dict):
        inner = [each for item in value.values() for each in elements_in(item)]
        return [value, *inner]
    return []


def texts_in(value: object) -> list[str]:
    return [str(each["text"]) for each in elements_in(value) if isinstance(each.get("text"), str)]
