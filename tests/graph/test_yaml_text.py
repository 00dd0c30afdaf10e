"""What is nested too deep for the parser in C is an error; it would end the process."""

import pytest
import yaml

from graph import yaml_text

DEEP = 200_000
HOSTILE = {
    "lists": "[" * DEEP + "]" * DEEP,
    "lists that never close": "[" * DEEP,
    "maps": "{a: " * DEEP,
    "items on one line": "- " * DEEP + "a",
    "keys that are maps": "? " * DEEP + "a",
    "indentation": "a:\n" + "\n".join(" " * level + "a:" for level in range(1, 3_000)),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("read", [yaml_text.load, yaml_text.load_plain, yaml_text.compose])
def test_a_text_that_is_nested_too_deep_is_refused(read, text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="nested deeper"):
        read(text)


def test_a_long_text_of_few_levels_is_read() -> None:
    text = "\n".join(f"- {{name: n{number}, at: [{number}]}}" for number in range(1_000))
    assert len(yaml_text.load(text)) == 1_000
    assert [len(each) for each in yaml_text.load_all(f"{text}\n---\n{text}")] == [1_000, 1_000]
