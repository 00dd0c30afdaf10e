"""
Values that we make ourselves: from the system's randomness, in an alphabet that their users accept.

Why here: several stores get such values, and steps do not know each other.
"""

import secrets
import string
from typing import Literal

from graph.secret_value import SecretValue

Alphabet = Literal["alphanumeric", "hex", "url_safe"]

_ALPHABETS: dict[Alphabet, str] = {
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
    "url_safe": string.ascii_letters + string.digits + "-_",
}


def generate(length: int, alphabet: Alphabet, prefix: str = "") -> SecretValue:
    """Make one; `length` counts the generated characters, without `prefix`."""
    letters = _ALPHABETS[alphabet]
    return SecretValue(prefix + "".join(secrets.choice(letters) for _ in range(length)))
