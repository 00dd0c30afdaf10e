"""
What Slack refuses in a message or a view, before anybody sees it.

Entry points for the Web API; the rules of single blocks are in `rules_blocks`, those of elements
and text objects in `rules_elements`. Numbers: docs.slack.dev/reference/block-kit and
/reference/views. The total of a message's block text is not documented; Slack refuses with
msg_blocks_too_long somewhere above 12,000 characters (slackapi/bolt-js issues 2509 and 2867), so
this refuses there. Findings read like Slack's: "no more than 10 items allowed [json-pointer:...]".
"""

import json
from typing import Any

from bot.sandbox.workspace.refusal import Json, Refusal
from bot.sandbox.workspace.rules_blocks import check_blocks
from bot.sandbox.workspace.rules_elements import Findings, check_text

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
MESSAGE_TEXT = 40_000
UPDATE_TEXT_BYTES = 4_000
ALL_BLOCK_TEXT = 12_000
TABLE_TEXT = 10_000
MARKDOWN_TEXT = 12_000
PRIVATE_METADATA = 3_000
VIEW_BYTES = 250_000
TITLE = 24
IDENTIFIER = 255
HOME_HAS_NO = ("title", "submit", "close")


def escaped_size(text: str) -> int:
    """Bytes after escaping &, < and >: how chat.update counts its 4,000."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return len(escaped.encode())


def texts_in(value: Any) -> list[str]:
    """Every `text` string inside a piece of Block Kit, in reading order."""
    if isinstance(value, list):
        return [text for item in value for text in texts_in(item)]
    if not isinstance(value, dict):
        return []
    found = []
    for key, item in value.items():
        if key == "text" and isinstance(item, str):
            found.append(item)
        else:
            found.extend(texts_in(item))
    return found


def _length(texts: list[str]) -> int:
    return sum(len(text) for text in texts)


def check_message(blocks: Any) -> None:
    """Raise Refusal invalid_blocks_format, invalid_blocks or msg_blocks_too_long."""
    if blocks is None:
        return
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise Refusal("invalid_blocks_format")
    findings = Findings()
    if len(blocks) > MESSAGE_BLOCKS:
        findings.add("/blocks", f"no more than {MESSAGE_BLOCKS} items allowed")
    check_blocks(blocks, findings, surface="message", pointer="/blocks")
    tables = [block for block in blocks if block.get("type") == "table"]
    if len(tables) > 1:
        findings.add("/blocks", "only_one_table_allowed")
    if _length(texts_in(tables)) > TABLE_TEXT:
        findings.add("/blocks", f"table cells exceed {TABLE_TEXT} characters")
    markdown = [block for block in blocks if block.get("type") == "markdown"]
    if _length(texts_in(markdown)) > MARKDOWN_TEXT:
        findings.add("/blocks", f"markdown text exceeds {MARKDOWN_TEXT} characters")
    if findings.rows:
        raise Refusal("invalid_blocks", **findings.answer())
    others = [block for block in blocks if block.get("type") != "table"]
    if _length(texts_in(others)) > ALL_BLOCK_TEXT:
        raise Refusal("msg_blocks_too_long")


def check_view(view: Any) -> None:
    """Raise Refusal invalid_arguments with Slack's messages, or view_too_large."""
    if not isinstance(view, dict):
        raise Refusal("invalid_arguments", **_one("/view", "must be a valid object"))
    if len(json.dumps(view)) > VIEW_BYTES:
        raise Refusal("view_too_large")
    findings = Findings()
    kind = view.get("type")
    if kind == "modal":
        _check_modal(view, findings)
    elif kind == "home":
        for key in HOME_HAS_NO:
            if view.get(key) is not None:
                findings.add("/view", f"no more properties allowed: {key}")
    else:
        findings.add("/view/type", "must be one of: modal, home")
    _check_view_body(view, findings)
    if findings.rows:
        raise Refusal("invalid_arguments", **findings.answer())


def _check_modal(view: Json, findings: Findings) -> None:
    check_text(
        view.get("title"), findings, pointer="/view/title", kinds=("plain_text",), most=TITLE
    )
    for key in ("submit", "close"):
        if view.get(key) is not None:
            pointer = f"/view/{key}"
            check_text(view[key], findings, pointer=pointer, kinds=("plain_text",), most=TITLE)
    blocks = view.get("blocks")
    if isinstance(blocks, list) and view.get("submit") is None:
        has_input = any(isinstance(b, dict) and b.get("type") == "input" for b in blocks)
        if has_input:
            findings.add("/view", "`submit` is required when an input block is within `blocks`")


def _check_view_body(view: Json, findings: Findings) -> None:
    blocks = view.get("blocks")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        findings.add("/view/blocks", "must provide a list of blocks")
    else:
        if len(blocks) > VIEW_BLOCKS:
            findings.add("/view/blocks", f"no more than {VIEW_BLOCKS} items allowed")
        check_blocks(
            blocks, findings, surface=str(view.get("type", "modal")), pointer="/view/blocks"
        )
    for key, most in (
        ("private_metadata", PRIVATE_METADATA),
        ("callback_id", IDENTIFIER),
        ("external_id", IDENTIFIER),
    ):
        value = view.get(key)
        if value is None:
            continue
        if not isinstance(value, str):
            findings.add(f"/view/{key}", "must be a string")
        elif len(value) > most:
            findings.add(f"/view/{key}", f"must be less than {most + 1} characters")


def _one(pointer: str, sentence: str) -> Json:
    findings = Findings()
    findings.add(pointer, sentence)
    return findings.answer()
