"""
Reads YAML with libyaml where PyYAML has it: ten times the speed, the same safe types.

libyaml's composer calls itself for each level, in C, where Python counts no depth: a text of some
100 KB that only opens brackets would end the process. So depth is looked at first (`shallow`).
"""

from collections.abc import Iterator
from typing import Any

import yaml

Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Plain: type[yaml.BaseLoader] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
DEEPEST = 400  # levels; what people write has a few dozen
_OPENING = ("[", "{", "- ", "-\t", "? ", "?\t")  # one more level for a character or two


def load(text: str) -> Any:
    """Read one document into plain data. Raises yaml.YAMLError."""
    return yaml.load(shallow(text), Loader=Loader)  # noqa: S506 - it is the safe loader, in C


def load_plain(text: str) -> Any:
    """Read one document in which every scalar stays text. Raises yaml.YAMLError."""
    return yaml.load(shallow(text), Loader=_Plain)  # noqa: S506 - makes lists, maps and text only


def load_all(text: str) -> Iterator[Any]:
    """Read documents, one after the other. Raises yaml.YAMLError while they are read."""
    return yaml.load_all(shallow(text), Loader=Loader)


def compose(text: str) -> yaml.Node | None:
    """Read one document into nodes, which know their lines. Raises yaml.YAMLError."""
    node: yaml.Node | None = yaml.compose(shallow(text), Loader=Loader)
    return node


def shallow(text: str) -> str:
    """
    Return the text if it is nested no deeper than DEEPEST levels; each document counts for itself.

    The parser below the composer keeps its own stack, so that it can be asked without danger. It
    is asked only where the text has marks enough for such depth: by indentation alone it would be
    as many lines, each longer than the one before.

    Raises:
        yaml.YAMLError: it is deeper, or no YAML.
    """
    if sum(map(text.count, _OPENING)) + text.count("\n") <= DEEPEST:
        return text
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                where: Any = event.start_mark  # one of C's, which the stubs do not know here
                problem = f"nested deeper than {DEEPEST} levels"
                raise yaml.MarkedYAMLError(None, None, problem, where)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return text
