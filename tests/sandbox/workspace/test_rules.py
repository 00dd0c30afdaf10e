"""What Slack refuses in blocks and views; and that it takes what slack_sdk's classes make."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk.models import blocks as kit
from slack_sdk.models.views import View

from bot.sandbox.workspace.refusal import Refusal
from bot.sandbox.workspace.rules import check_message, check_view


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def button(**extra: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": "a", "text": plain("Go"), **extra}


def section(text: str = "x") -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def cell(text: str = "x") -> dict[str, Any]:
    return {"type": "raw_text", "text": text}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


def option(number: int = 1) -> dict[str, Any]:
    return {"text": plain("o"), "value": str(number)}


REFUSED: dict[str, tuple[list[Any], str]] = {
    "51 blocks": ([{"type": "divider"}] * 51, "/blocks]"),
    "an unknown block": ([{"type": "marquee"}], "/blocks/0]"),
    "a section without text": ([{"type": "section"}], "/blocks/0]"),
    "an empty text": ([section("")], "/blocks/0/text/text]"),
    "a long section": ([section("x" * 3001)], "/blocks/0/text/text]"),
    "eleven fields": ([{"type": "section", "fields": [plain("x")] * 11}], "/fields]"),
    "a long field": ([{"type": "section", "fields": [plain("x" * 2001)]}], "/fields/0/text]"),
    "a long header": ([{"type": "header", "text": plain("x" * 151)}], "/text/text]"),
    "a mrkdwn header": ([{"type": "header", "text": section()["text"]}], "/text/type]"),
    "eleven in context": ([{"type": "context", "elements": [plain("x")] * 11}], "/elements]"),
    "26 actions": ([actions(*[button(action_id=str(n)) for n in range(26)])], "/elements]"),
    "no actions": ([actions()], "/elements]"),
    "one action_id twice": ([actions(button(), button())], "/elements/1/action_id]"),
    "one block_id twice": ([{**section(), "block_id": "b"}] * 2, "/blocks/1/block_id]"),
    "a long block_id": ([{**section(), "block_id": "b" * 256}], "/block_id]"),
    "a long action_id": ([actions(button(action_id="a" * 256))], "/action_id]"),
    "a long button": ([actions(button(text=plain("x" * 76)))], "/text/text]"),
    "a long button value": ([actions(button(value="v" * 2001))], "/value]"),
    "a wrong style": ([actions(button(style="loud"))], "/style]"),
    "an input among actions": ([actions({"type": "plain_text_input"})], "/elements/0]"),
    "101 options": (
        [actions({"type": "static_select", "options": [option(n) for n in range(101)]})],
        "/options]",
    ),
    "six in a menu": (
        [actions({"type": "overflow", "options": [option(n) for n in range(6)]})],
        "/options]",
    ),
    "a long option": (
        [actions({"type": "overflow", "options": [{**option(), "value": "v" * 151}]})],
        "/value]",
    ),
    "a long confirm": (
        [
            actions(
                button(
                    confirm={
                        "title": plain("t"),
                        "text": plain("x" * 301),
                        "confirm": plain("y"),
                        "deny": plain("n"),
                    }
                )
            )
        ],
        "/confirm/text/text]",
    ),
    "an image without words": ([{"type": "image", "image_url": "https://x"}], "/alt_text]"),
    "101 rows": ([{"type": "table", "rows": [[cell()]] * 101}], "/rows]"),
    "21 columns": ([{"type": "table", "rows": [[cell()] * 21]}], "/rows/0]"),
    "an mrkdwn cell": ([{"type": "table", "rows": [[section()["text"]]]}], "/rows/0/0]"),
    "an empty cell": ([{"type": "table", "rows": [[cell("")]]}], "/rows/0/0/text]"),
    "two tables": ([{"type": "table", "rows": [[cell()]]}] * 2, "/blocks]"),
    "a wordy table": ([{"type": "table", "rows": [[cell("x" * 2501)]] * 4}], "/blocks]"),
    "an alert in a message": ([{"type": "alert", "text": plain("x")}], "/blocks/0]"),
    "a long markdown": ([{"type": "markdown", "text": "x" * 12_001}], "/blocks/0/text]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_message_is_refused_for(name: str) -> None:
    blocks, pointer = REFUSED[name]
    with pytest.raises(Refusal) as refused:
        check_message(blocks)
    assert refused.value.error == "invalid_blocks"
    assert any(row.endswith(pointer) for row in refused.value.extra["errors"])


def test_all_text_together_has_a_limit_that_no_single_block_breaks() -> None:
    check_message([section("x" * 3000)] * 4)
    with pytest.raises(Refusal, match="msg_blocks_too_long"):
        check_message([section("x" * 3000)] * 5)


def modal(**extra: Any) -> dict[str, Any]:
    return {"type": "modal", "title": plain("T"), "blocks": [section()], **extra}


REFUSED_VIEWS: dict[str, dict[str, Any]] = {
    "no title": {"type": "modal", "blocks": []},
    "a long title": modal(title=plain("x" * 25)),
    "a long submit": modal(submit=plain("x" * 25)),
    "a long close": modal(close=plain("x" * 25)),
    "much private metadata": modal(private_metadata="x" * 3001),
    "a long callback_id": modal(callback_id="x" * 256),
    "101 blocks": modal(blocks=[{"type": "divider"}] * 101),
    "an input without submit": modal(
        blocks=[{"type": "input", "label": plain("l"), "element": {"type": "plain_text_input"}}]
    ),
    "a table": modal(blocks=[{"type": "table", "rows": [[cell()]]}]),
    "no blocks": {"type": "modal", "title": plain("T")},
    "another type": {"type": "drawer", "blocks": []},
    "a home with a title": {"type": "home", "title": plain("T"), "blocks": []},
}


@pytest.mark.parametrize("name", REFUSED_VIEWS)
def test_a_view_is_refused_for(name: str) -> None:
    with pytest.raises(Refusal, match="invalid_arguments"):
        check_view(REFUSED_VIEWS[name])


def test_a_view_of_more_than_250_kb_is_refused() -> None:
    with pytest.raises(Refusal, match="view_too_large"):
        check_view(modal(blocks=[section("x" * 3000)] * 90))


def words(most: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8"), min_size=1, max_size=most)


# Slow machines make a slow strategy, not a wrong one.
patient = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ids = st.text("abcdefgh_0123456789", min_size=20, max_size=40)
mrkdwn = st.builds(kit.MarkdownTextObject, text=words(60))
buttons = st.builds(
    kit.ButtonElement,
    text=words(75),
    action_id=ids,
    value=words(200),
    style=st.sampled_from(["primary", "danger"]),
)
options = st.builds(kit.Option, text=words(75), value=words(75))
selects = st.builds(
    kit.StaticSelectElement,
    placeholder=words(100),
    action_id=ids,
    options=st.lists(options, min_size=1, max_size=5),
)
overflows = st.builds(
    kit.OverflowMenuElement, action_id=ids, options=st.lists(options, min_size=2, max_size=5)
)
cells = st.builds(kit.RawTextObject, text=words(20))
message_blocks = st.one_of(
    st.builds(kit.SectionBlock, text=mrkdwn, accessory=st.one_of(buttons, selects, overflows)),
    st.builds(kit.SectionBlock, fields=st.lists(mrkdwn, min_size=1, max_size=10)),
    st.builds(kit.HeaderBlock, text=st.builds(kit.PlainTextObject, text=words(150))),
    st.builds(kit.DividerBlock),
    st.builds(kit.ContextBlock, elements=st.lists(mrkdwn, min_size=1, max_size=10)),
    st.builds(
        kit.ActionsBlock,
        elements=st.lists(
            st.one_of(buttons, selects, overflows),
            min_size=1,
            max_size=5,
            unique_by=lambda element: element.action_id,
        ),
    ),
    st.builds(kit.ImageBlock, image_url=st.just("https://x.example/a.png"), alt_text=words(20)),
    st.builds(kit.MarkdownBlock, text=words(100)),
)
inputs = st.builds(
    kit.InputBlock,
    label=st.builds(kit.PlainTextObject, text=words(40)),
    element=st.one_of(
        st.builds(kit.PlainTextInputElement, action_id=ids, multiline=st.booleans()),
        selects,
        st.builds(kit.UserSelectElement, action_id=ids),
        st.builds(
            kit.RadioButtonsElement,
            action_id=ids,
            options=st.lists(options, min_size=1, max_size=5),
        ),
    ),
)


@patient
@given(st.lists(message_blocks, min_size=1, max_size=6))
def test_what_slack_sdk_builds_within_the_limits_is_accepted(rows: list[kit.Block]) -> None:
    check_message([row.to_dict() for row in rows])


@patient
@given(st.lists(st.lists(cells, min_size=1, max_size=5), min_size=1, max_size=8))
def test_tables_of_slack_sdk_are_accepted(rows: list[list[Any]]) -> None:
    table = kit.TableBlock(rows=[[item.to_dict() for item in row] for row in rows])
    check_message([table.to_dict()])


@patient
@given(st.lists(inputs, min_size=1, max_size=5), words(24), words(3000))
def test_modals_of_slack_sdk_are_accepted(
    rows: list[kit.InputBlock], title: str, metadata: str
) -> None:
    view = View(type="modal", title=title, submit="Go", blocks=rows, private_metadata=metadata)
    check_view(view.to_dict())
