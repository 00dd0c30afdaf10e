"""
Limits of single blocks: which fields they need, how much they hold, where they may appear.

Pure checks that append to `Findings`; elements and text objects are in `rules_elements`.
Source: docs.slack.dev/reference/block-kit/blocks.
"""

from typing import Any

from bot.sandbox.workspace.refusal import Json
from bot.sandbox.workspace.rules_elements import (
    ALT_TEXT,
    EITHER,
    ELEMENTS,
    PLAIN,
    TEXT,
    Check,
    Findings,
    check_element,
    check_identifier,
    check_picture,
    check_string,
    check_text,
)

FIELDS = 10
FIELD_TEXT = 2_000
HEADER = 150
CONTEXT_ELEMENTS = 10
ACTIONS = 25
CONTEXT_ACTIONS = 5
LABEL = 2_000
MARKDOWN = 12_000
ROWS = 100
COLUMNS = 20
CARD = {"title": 150, "subtitle": 150, "body": 200}
CHILDREN = 10
ALIGNMENTS = (None, "left", "center", "right")
TASK_STATES = ("pending", "in_progress", "complete", "error")
ALERT_LEVELS = (None, "default", "info", "warning", "error", "success")

INTERACTIVE = frozenset(ELEMENTS) - {"image", "plain_text_input", "rich_text_input", "file_input"}
IN_ACTIONS = (
    INTERACTIVE
    - {"feedback_buttons", "icon_button"}
    - {
        "email_text_input",
        "url_text_input",
        "number_input",
    }
)
IN_SECTION = IN_ACTIONS | {"image"}
IN_INPUT = frozenset(ELEMENTS) - {"button", "overflow", "image", "workflow_button"}
IN_CONTEXT_ACTIONS = frozenset({"feedback_buttons", "icon_button"})
RICH_PARTS = frozenset(
    {"rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote"}
)
RICH_LEAVES = frozenset(
    {
        "text", "link", "user", "usergroup", "channel", "emoji", "broadcast", "date", "team",
        "color",
    }
)  # fmt: skip


def _section(block: Json, findings: Findings, pointer: str) -> None:
    if block.get("text") is None and block.get("fields") is None:
        findings.add(pointer, "must define either `text` or `fields`")
    if block.get("text") is not None:
        check_text(block["text"], findings, pointer=f"{pointer}/text", most=TEXT)
    fields = block.get("fields")
    if fields is not None:
        if not isinstance(fields, list) or not fields:
            findings.add(f"{pointer}/fields", "no fewer than 1 items allowed")
        else:
            if len(fields) > FIELDS:
                findings.add(f"{pointer}/fields", f"no more than {FIELDS} items allowed")
            for number, text in enumerate(fields):
                check_text(text, findings, pointer=f"{pointer}/fields/{number}", most=FIELD_TEXT)
    if block.get("accessory") is not None:
        check_element(
            block["accessory"], findings, pointer=f"{pointer}/accessory", allowed=IN_SECTION
        )


def _header(block: Json, findings: Findings, pointer: str) -> None:
    check_text(block.get("text"), findings, pointer=f"{pointer}/text", kinds=PLAIN, most=HEADER)


def _context(block: Json, findings: Findings, pointer: str) -> None:
    elements = _elements(block, findings, pointer, CONTEXT_ELEMENTS)
    for number, element in enumerate(elements):
        here = f"{pointer}/elements/{number}"
        if isinstance(element, dict) and element.get("type") == "image":
            check_picture(element, findings, here)
        else:
            check_text(element, findings, pointer=here, kinds=EITHER, most=TEXT)


def _elements(block: Json, findings: Findings, pointer: str, most: int) -> list[Any]:
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        findings.add(f"{pointer}/elements", "no fewer than 1 items allowed")
        return []
    if len(elements) > most:
        findings.add(f"{pointer}/elements", f"no more than {most} items allowed")
    return elements


def _check_row(
    block: Json, findings: Findings, pointer: str, most: int, allowed: frozenset[str]
) -> None:
    seen: set[str] = set()
    for number, element in enumerate(_elements(block, findings, pointer, most)):
        here = f"{pointer}/elements/{number}"
        check_element(element, findings, pointer=here, allowed=allowed)
        action_id = element.get("action_id") if isinstance(element, dict) else None
        if isinstance(action_id, str):
            if action_id in seen:
                findings.add(f"{here}/action_id", f"`action_id` {action_id} already exists")
            seen.add(action_id)


def _actions(block: Json, findings: Findings, pointer: str) -> None:
    _check_row(block, findings, pointer, ACTIONS, IN_ACTIONS)


def _context_actions(block: Json, findings: Findings, pointer: str) -> None:
    _check_row(block, findings, pointer, CONTEXT_ACTIONS, IN_CONTEXT_ACTIONS)


def _input(block: Json, findings: Findings, pointer: str) -> None:
    check_text(block.get("label"), findings, pointer=f"{pointer}/label", kinds=PLAIN, most=LABEL)
    if block.get("hint") is not None:
        check_text(block["hint"], findings, pointer=f"{pointer}/hint", kinds=PLAIN, most=LABEL)
    check_element(block.get("element"), findings, pointer=f"{pointer}/element", allowed=IN_INPUT)


def _image(block: Json, findings: Findings, pointer: str) -> None:
    check_picture(block, findings, pointer)
    if block.get("title") is not None:
        check_text(block["title"], findings, pointer=f"{pointer}/title", kinds=PLAIN, most=ALT_TEXT)


def _markdown(block: Json, findings: Findings, pointer: str) -> None:
    check_string(block.get("text"), findings, pointer=f"{pointer}/text", most=MARKDOWN)


def _rich_text(block: Json, findings: Findings, pointer: str) -> None:
    parts = block.get("elements")
    if not isinstance(parts, list):
        findings.add(f"{pointer}/elements", "must be a list of rich text elements")
        return
    for number, part in enumerate(parts):
        _rich_part(part, findings, f"{pointer}/elements/{number}")


def _rich_part(part: Any, findings: Findings, pointer: str) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in RICH_PARTS:
        findings.add(pointer, f"unsupported type: {kind}")
        return
    children = part.get("elements")
    if not isinstance(children, list):
        findings.add(f"{pointer}/elements", "must be a list of rich text elements")
        return
    for number, child in enumerate(children):
        here = f"{pointer}/elements/{number}"
        if kind == "rich_text_list":
            if not isinstance(child, dict) or child.get("type") != "rich_text_section":
                findings.add(here, "must be a rich_text_section")
            else:
                _rich_part(child, findings, here)
            continue
        leaf = child.get("type") if isinstance(child, dict) else None
        if leaf not in RICH_LEAVES:
            findings.add(here, f"unsupported type: {leaf}")
        elif leaf == "text" and not child.get("text"):
            findings.add(f"{here}/text", "must be more than 0 characters")


def _table(block: Json, findings: Findings, pointer: str) -> None:
    rows = block.get("rows")
    if not isinstance(rows, list) or not rows:
        findings.add(f"{pointer}/rows", "no fewer than 1 items allowed")
        return
    if len(rows) > ROWS:
        findings.add(f"{pointer}/rows", f"no more than {ROWS} items allowed")
    for number, row in enumerate(rows):
        here = f"{pointer}/rows/{number}"
        if not isinstance(row, list) or not row:
            findings.add(here, "no fewer than 1 items allowed")
            continue
        if len(row) > COLUMNS:
            findings.add(here, f"no more than {COLUMNS} items allowed")
        for column, cell in enumerate(row):
            _cell(cell, findings, f"{here}/{column}")
    settings = block.get("column_settings") or []
    if not isinstance(settings, list) or len(settings) > COLUMNS:
        findings.add(f"{pointer}/column_settings", f"no more than {COLUMNS} items allowed")
        return
    for number, setting in enumerate(settings):
        if isinstance(setting, dict) and setting.get("align") not in ALIGNMENTS:
            findings.add(f"{pointer}/column_settings/{number}/align", "left, center or right")


def _cell(cell: Any, findings: Findings, pointer: str) -> None:
    kind = cell.get("type") if isinstance(cell, dict) else None
    if kind == "raw_text":
        check_string(cell.get("text"), findings, pointer=f"{pointer}/text", most=TEXT)
    elif kind == "rich_text":
        _rich_text(cell, findings, pointer)
    elif kind == "raw_number":
        if not isinstance(cell.get("value"), int | float):
            findings.add(f"{pointer}/value", "must be a number")
    else:
        findings.add(pointer, f"unsupported type: {kind}")


def _alert(block: Json, findings: Findings, pointer: str) -> None:
    check_text(block.get("text"), findings, pointer=f"{pointer}/text", most=TEXT)
    if block.get("level") not in ALERT_LEVELS:
        findings.add(f"{pointer}/level", "unknown level")


def _card(block: Json, findings: Findings, pointer: str) -> None:
    for key, most in CARD.items():
        if block.get(key) is not None:
            check_text(block[key], findings, pointer=f"{pointer}/{key}", most=most)
    if not any(block.get(key) for key in ("hero_image", "title", "actions", "body")):
        findings.add(pointer, "must define one of `hero_image`, `title`, `actions`, `body`")


def _container(block: Json, findings: Findings, pointer: str) -> None:
    children = block.get("child_blocks")
    if not isinstance(children, list) or not 1 <= len(children) <= CHILDREN:
        findings.add(f"{pointer}/child_blocks", f"1 to {CHILDREN} items allowed")


def _task_card(block: Json, findings: Findings, pointer: str) -> None:
    check_string(block.get("task_id"), findings, pointer=f"{pointer}/task_id", most=TEXT)
    check_string(block.get("title"), findings, pointer=f"{pointer}/title", most=TEXT)
    if block.get("status") not in (None, *TASK_STATES):
        findings.add(f"{pointer}/status", "unknown status")


def _no_rule(block: Json, findings: Findings, pointer: str) -> None:
    return None


EVERYWHERE = frozenset({"message", "modal", "home"})
MESSAGES = frozenset({"message"})
BLOCKS: dict[str, tuple[Check, frozenset[str]]] = {
    "section": (_section, EVERYWHERE),
    "header": (_header, EVERYWHERE),
    "context": (_context, EVERYWHERE),
    "divider": (_no_rule, EVERYWHERE),
    "actions": (_actions, EVERYWHERE),
    "input": (_input, EVERYWHERE),
    "image": (_image, EVERYWHERE),
    "rich_text": (_rich_text, EVERYWHERE),
    "video": (_no_rule, EVERYWHERE),
    "context_actions": (_context_actions, MESSAGES),
    "markdown": (_markdown, MESSAGES),
    "table": (_table, MESSAGES),
    "plan": (_no_rule, MESSAGES),
    "task_card": (_task_card, MESSAGES),
    "card": (_card, MESSAGES),
    "carousel": (_no_rule, MESSAGES),
    "container": (_container, MESSAGES),
    "data_table": (_no_rule, MESSAGES),
    "data_visualization": (_no_rule, MESSAGES),
    "alert": (_alert, frozenset({"modal"})),
}


def check_blocks(blocks: list[Json], findings: Findings, *, surface: str, pointer: str) -> None:
    """`surface` is message, modal or home. Block ids must be unique in one message or view."""
    seen: set[str] = set()
    for number, block in enumerate(blocks):
        here = f"{pointer}/{number}"
        kind = block.get("type")
        check, surfaces = BLOCKS.get(kind, (None, frozenset())) if kind else (None, frozenset())
        if check is None or surface not in surfaces:
            findings.add(here, f"unsupported type: {kind}")
            continue
        check_identifier(block, "block_id", findings, pointer=here)
        block_id = block.get("block_id")
        if isinstance(block_id, str):
            if block_id in seen:
                findings.add(f"{here}/block_id", f"`block_id` {block_id} must be unique")
            seen.add(block_id)
        check(block, findings, here)
