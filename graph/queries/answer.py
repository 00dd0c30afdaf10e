"""
The values that answers are made of, thousands at a time: frozen to the type checker, cheap to make.

Python sets each field of a frozen dataclass through a function, which takes ten times as long as
making a plain one. Whoever changes one of these values is stopped by mypy.
"""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

Made = TypeVar("Made")


@dataclass_transform(frozen_default=True)
def answer(made: type[Made]) -> type[Made]:
    """Make a dataclass with slots, equality and a hash."""
    return dataclass(slots=True, unsafe_hash=True)(made)
