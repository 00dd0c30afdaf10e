"""What cannot be read is said, in words that repeat nothing of the file."""

from typing import Any

import pytest

from bot.intake.attachments import DO_NOW, LARGEST, is_readable, unread

PICTURE = {"name": "hunter2.png", "mimetype": "image/png", "mode": "hosted", "size": 4000}
SNIPPET = {"name": "env", "mimetype": "text/plain", "mode": "snippet", "size": 90}


@pytest.mark.parametrize(
    ("file", "readable"),
    [
        (PICTURE, False),
        (SNIPPET, True),
        ({"mimetype": "application/json", "mode": "hosted"}, True),
        ({"mimetype": "application/pdf", "mode": "hosted"}, False),
        (SNIPPET | {"size": LARGEST + 1}, False),
        (SNIPPET | {"mode": "tombstone"}, False),
        ({"mode": None, "mimetype": 7, "size": "x"}, False),
        ({}, False),
    ],
)
def test_text_of_a_bearable_size_is_read(file: dict[str, Any], *, readable: bool) -> None:
    assert is_readable(file) is readable
    assert (unread([file]) == "") is readable


def test_a_screenshot_is_said_to_be_unread() -> None:
    sentence = unread([PICTURE, SNIPPET])
    assert sentence == f"1 picture was not read: a secret in it would not be seen. {DO_NOW}"
    assert "hunter2" not in sentence


def test_kinds_are_counted() -> None:
    sentence = unread([PICTURE, PICTURE, {"mimetype": "application/pdf"}], also=[SNIPPET])
    assert sentence.startswith(
        "2 pictures and 1 file that is not text and 1 text file that could not be fetched were "
    )
    assert unread([]) == ""
