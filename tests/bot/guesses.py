"""Values that may be secrets, for tests in which a person must choose."""

import random
import secrets
import string


def guess() -> str:
    """Make 28 characters that no detector is sure of, and that each sees as a candidate."""
    letters = random.sample(string.ascii_letters, 14)
    return "".join(f"{letter}{secrets.randbelow(10)}" for letter in letters)
