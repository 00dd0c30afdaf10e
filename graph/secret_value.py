"""
A plaintext that cannot be printed, compared by accident, hashed, copied or pickled.

It lives for one function call: wrapped where it enters, revealed where it is fingerprinted or
handed to the store. Which modules may import this one is a list in pyproject.toml.
What this cannot do: wipe memory. Python keeps copies of strings that nobody can reach.
"""

from typing import Never, NoReturn


class SecretValue:
    """Holds one plaintext. `reveal()` is the only way out."""

    __slots__ = ("__plaintext",)

    def __init__(self, plaintext: str) -> None:
        self.__plaintext = plaintext

    def reveal(self) -> str:
        return self.__plaintext

    def __bool__(self) -> bool:
        return bool(self.__plaintext)

    def __len__(self) -> int:
        return len(self.__plaintext)

    def __repr__(self) -> str:
        return "SecretValue(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, format_spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a SecretValue must not leave the process")

    def __copy__(self) -> Never:
        raise TypeError("a SecretValue must not be copied")

    def __deepcopy__(self, memo: object) -> Never:
        raise TypeError("a SecretValue must not be copied")
