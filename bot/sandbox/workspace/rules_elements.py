"""
Limits of text objects and block elements: buttons, selects, inputs, options, confirm dialogs.

Pure checks that append to `Findings`. Source of the numbers: docs.slack.dev/reference/block-kit
(composition objects and block elements), the same ones as slack_sdk's class constants, plus the
ones that slack_sdk does not check.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.workspace.refusal import Json

PLAIN = ("plain_text",)
EITHER = ("plain_text", "mrkdwn")
TEXT = 3_000
IDENTIFIER = 255
BUTTON_TEXT = 75
BUTTON_VALUE = 2_000
URL = 3_000
ALT_TEXT = 2_000
PLACEHOLDER = 150
OPTION_TEXT = 75
OPTION_VALUE = 150
OPTIONS = 100
FEW_OPTIONS = 10
OVERFLOW_OPTIONS = 5
CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
INPUT_LENGTH = 3_000
STYLES = ("primary", "danger")


@dataclass(slots=True)
class Findings:
    """What is wrong, one sentence each, with the place as a JSON pointer."""

    rows: list[str] = field(default_factory=list)

    def add(self, pointer: str, sentence: str) -> None:
        self.rows.append(f"{sentence} [json-pointer:{pointer}]")

    def answer(self) -> Json:
        return {
            "errors": list(self.rows),
            "response_metadata": {"messages": [f"[ERROR] {row}" for row in self.rows]},
        }


def check_string(
    value: Any, findings: Findings, *, pointer: str, most: int, least: int = 1
) -> None:
    if not isinstance(value, str):
        findings.add(pointer, "must be a string")
    elif len(value) < least:
        findings.add(pointer, f"must be more than {least - 1} characters")
    elif len(value) > most:
        findings.add(pointer, f"must be less than {most + 1} characters")


def check_text(
    value: Any,
    findings: Findings,
    *,
    pointer: str,
    kinds: tuple[str, ...] = EITHER,
    most: int = TEXT,
) -> None:
    """Check for a text object of one of `kinds`, with 1 to `most` characters."""
    if not isinstance(value, dict):
        findings.add(pointer, "missing required field: a text object")
        return
    if value.get("type") not in kinds:
        findings.add(f"{pointer}/type", f"must be one of: {', '.join(kinds)}")
        return
    check_string(value.get("text"), findings, pointer=f"{pointer}/text", most=most)
    if value["type"] == "mrkdwn" and "emoji" in value:
        findings.add(pointer, "no more properties allowed: emoji is for plain_text only")


def check_identifier(owner: Json, key: str, findings: Findings, *, pointer: str) -> None:
    if owner.get(key) is not None:
        check_string(owner[key], findings, pointer=f"{pointer}/{key}", most=IDENTIFIER)


def check_confirm(element: Json, findings: Findings, *, pointer: str) -> None:
    confirm = element.get("confirm")
    if confirm is None:
        return
    here = f"{pointer}/confirm"
    if not isinstance(confirm, dict):
        findings.add(here, "must be a confirm object")
        return
    for key, most in CONFIRM.items():
        kinds = EITHER if key == "text" else PLAIN
        check_text(confirm.get(key), findings, pointer=f"{here}/{key}", kinds=kinds, most=most)
    if confirm.get("style") not in (None, *STYLES):
        findings.add(f"{here}/style", "must be one of: primary, danger")


def check_options(
    options: Any, findings: Findings, *, pointer: str, most: int, least: int = 1
) -> None:
    if not isinstance(options, list) or len(options) < least:
        findings.add(pointer, f"no fewer than {least} items allowed")
        return
    if len(options) > most:
        findings.add(pointer, f"no more than {most} items allowed")
    for number, option in enumerate(options):
        here = f"{pointer}/{number}"
        if not isinstance(option, dict):
            findings.add(here, "must be an option object")
            continue
        check_text(option.get("text"), findings, pointer=f"{here}/text", most=OPTION_TEXT)
        check_string(
            option.get("value"), findings, pointer=f"{here}/value", most=OPTION_VALUE, least=0
        )
        if option.get("description") is not None:
            check_text(
                option["description"], findings, pointer=f"{here}/description", most=OPTION_TEXT
            )


def _button(element: Json, findings: Findings, pointer: str) -> None:
    check_text(
        element.get("text"), findings, pointer=f"{pointer}/text", kinds=PLAIN, most=BUTTON_TEXT
    )
    limits = (("value", BUTTON_VALUE), ("url", URL), ("accessibility_label", BUTTON_TEXT))
    for key, most in limits:
        if element.get(key) is not None:
            check_string(element[key], findings, pointer=f"{pointer}/{key}", most=most, least=0)
    if element.get("style") not in (None, *STYLES):
        findings.add(f"{pointer}/style", "must be one of: primary, danger")
    visible = element.get("visible_to_user_ids")
    if visible is not None and not (isinstance(visible, list) and visible):
        findings.add(f"{pointer}/visible_to_user_ids", "must be a list of user ids")


def _static_select(element: Json, findings: Findings, pointer: str) -> None:
    options, groups = element.get("options"), element.get("option_groups")
    if (options is None) == (groups is None):
        findings.add(pointer, "must define either `options` or `option_groups`")
        return
    if options is not None:
        check_options(options, findings, pointer=f"{pointer}/options", most=OPTIONS)
        return
    if not isinstance(groups, list) or len(groups) > OPTIONS:
        findings.add(f"{pointer}/option_groups", f"no more than {OPTIONS} items allowed")
        return
    for number, group in enumerate(groups):
        here = f"{pointer}/option_groups/{number}"
        body = group if isinstance(group, dict) else {}
        check_text(
            body.get("label"), findings, pointer=f"{here}/label", kinds=PLAIN, most=OPTION_TEXT
        )
        check_options(body.get("options"), findings, pointer=f"{here}/options", most=OPTIONS)


def _few_options(element: Json, findings: Findings, pointer: str) -> None:
    check_options(element.get("options"), findings, pointer=f"{pointer}/options", most=FEW_OPTIONS)


def _overflow(element: Json, findings: Findings, pointer: str) -> None:
    # Slack takes a menu of one option although slack_sdk wants two.
    check_options(
        element.get("options"), findings, pointer=f"{pointer}/options", most=OVERFLOW_OPTIONS
    )


def _plain_text_input(element: Json, findings: Findings, pointer: str) -> None:
    for key in ("min_length", "max_length"):
        length = element.get(key)
        if length is not None and not (isinstance(length, int) and 0 <= length <= INPUT_LENGTH):
            findings.add(f"{pointer}/{key}", f"must be an integer up to {INPUT_LENGTH}")
    if element.get("initial_value") is not None:
        check_string(
            element["initial_value"],
            findings,
            pointer=f"{pointer}/initial_value",
            most=INPUT_LENGTH,
            least=0,
        )


def _image(element: Json, findings: Findings, pointer: str) -> None:
    check_picture(element, findings, pointer)


def check_picture(owner: Json, findings: Findings, pointer: str) -> None:
    """image_url or slack_file, and alt_text: the same for the block and the element."""
    if (owner.get("image_url") is None) == (owner.get("slack_file") is None):
        findings.add(pointer, "must define either `image_url` or `slack_file`")
    elif owner.get("image_url") is not None:
        check_string(owner["image_url"], findings, pointer=f"{pointer}/image_url", most=URL)
    check_string(owner.get("alt_text"), findings, pointer=f"{pointer}/alt_text", most=ALT_TEXT)


def _no_more(element: Json, findings: Findings, pointer: str) -> None:
    return None


Check = Callable[[Json, Findings, str], None]
PICKERS = ("users", "conversations", "channels", "external")
ELEMENTS: dict[str, Check] = {
    "button": _button,
    "static_select": _static_select,
    "multi_static_select": _static_select,
    "radio_buttons": _few_options,
    "checkboxes": _few_options,
    "overflow": _overflow,
    "plain_text_input": _plain_text_input,
    "image": _image,
    "datepicker": _no_more,
    "timepicker": _no_more,
    "datetimepicker": _no_more,
    "email_text_input": _no_more,
    "url_text_input": _no_more,
    "number_input": _no_more,
    "file_input": _no_more,
    "rich_text_input": _no_more,
    "feedback_buttons": _no_more,
    "icon_button": _no_more,
    "workflow_button": _no_more,
    **{f"{kind}_select": _no_more for kind in PICKERS},
    **{f"multi_{kind}_select": _no_more for kind in PICKERS},
}


def check_element(
    element: Any, findings: Findings, *, pointer: str, allowed: frozenset[str]
) -> None:
    """One interactive element (or image) that must be of an `allowed` type."""
    if not isinstance(element, dict):
        findings.add(pointer, "must be a block element")
        return
    kind = element.get("type")
    if kind not in allowed or kind not in ELEMENTS:
        findings.add(pointer, f"unsupported type: {kind}")
        return
    check_identifier(element, "action_id", findings, pointer=pointer)
    check_confirm(element, findings, pointer=pointer)
    if element.get("placeholder") is not None:
        check_text(
            element["placeholder"],
            findings,
            pointer=f"{pointer}/placeholder",
            kinds=PLAIN,
            most=PLACEHOLDER,
        )
    ELEMENTS[kind](element, findings, pointer)
