"""
Says which attachments can be read, and in one sentence which cannot. Pure.

A secret in a picture is a leak that no scanner sees: whoever reports one must be told so, not that
nothing was found. File names are strangers' words and are not repeated; kinds and counts are.
Source: the fields of Slack's file object, https://docs.slack.dev/reference/objects/file-object.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from graph.fields import number, text

LARGEST = 1_000_000  # bytes of one attachment that are worth reading
DO_NOW = "If a secret stands in it, report it with the form: type the value, or name the secret."

_TEXT_KINDS = frozenset(
    {"application/json", "application/x-yaml", "application/yaml", "application/toml",
     "application/xml", "application/x-sh", "application/javascript", "application/x-pem-file"}
)  # fmt: skip
_TEXT_MODES = frozenset({"snippet", "post"})
_OUT_OF_REACH = {
    "tombstone": "deleted file",
    "hidden_by_limit": "file hidden by the workspace's limit",
    "external": "file kept outside of Slack",
}
_FAMILIES = {"image": "picture", "video": "video", "audio": "recording"}


def is_readable(file: Mapping[str, Any]) -> bool:
    """Tell whether the attachment is text of a size that is worth reading."""
    if text(file, "mode") in _OUT_OF_REACH or (number(file, "size") or 0) > LARGEST:
        return False
    kind = text(file, "mimetype")
    return text(file, "mode") in _TEXT_MODES or kind.startswith("text/") or kind in _TEXT_KINDS


def unread(files: Sequence[Mapping[str, Any]], *, also: Sequence[Mapping[str, Any]] = ()) -> str:
    """
    Say what of the attachments was not read; "" if all were.

    `also` are readable ones that could not be fetched all the same, such as without files:read.
    """
    left = [file for file in files if not is_readable(file)]
    kinds = Counter(_kind(file) for file in left)
    kinds.update("text file that could not be fetched" for _ in also)
    if not kinds:
        return ""
    listed = " and ".join(
        f"{count} {kind}" if count == 1 else f"{count} {_plural(kind)}"
        for kind, count in kinds.items()
    )
    one = sum(kinds.values()) == 1
    verb, them = ("was", "it") if one else ("were", "them")
    return f"{listed} {verb} not read: a secret in {them} would not be seen. {DO_NOW}"


def _kind(file: Mapping[str, Any]) -> str:
    if mode := _OUT_OF_REACH.get(text(file, "mode")):
        return mode
    family = text(file, "mimetype").partition("/")[0]
    if family in _FAMILIES:
        return _FAMILIES[family]
    if (number(file, "size") or 0) > LARGEST:
        return "file that is too large"
    return "file that is not text"


def _plural(kind: str) -> str:
    first, space, rest = kind.partition(" ")
    for noun in ("file", "picture", "video", "recording"):
        if first == noun:
            return f"{noun}s{space}{rest.replace('that is', 'that are')}"
    return kind.replace(" file", " files", 1)
