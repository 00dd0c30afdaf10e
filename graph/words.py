"""Numbers with their nouns, as every sentence of Locksmith says them."""


def counted(number: int, noun: str) -> str:
    """Say "1 pod", "3 pods"; for nouns that take an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
