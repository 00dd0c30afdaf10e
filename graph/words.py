"""Numbers with their nouns, as every sentence of Locksmith says them."""


def counted(number: int, noun: str) -> str:
    """Say "1 pod", "3 pods", "2 copies"; for nouns that take an s."""
    return f"{number} {noun if number == 1 else _plural(noun)}"


def every(number: int, noun: str) -> str:
    """Say "the only pod", "all 3 pods"."""
    return f"the only {noun}" if number == 1 else f"all {number} {_plural(noun)}"


def some_of(part: int, whole: int, noun: str) -> str:
    """Say "none of 3 pods", "2 of 3 pods", "all 3 pods", "the only pod"."""
    if part == whole:
        return every(whole, noun)
    return f"{part or 'none'} of {counted(whole, noun)}"


def _plural(noun: str) -> str:
    soft = noun.endswith("y") and noun[-2:-1] not in "aeiou"
    return f"{noun[:-1]}ies" if soft else f"{noun}s"
