"""
The text of a report: its bound, its words, and what an issuer said of a value in words. Pure.

Nothing here keeps text: what is cut out of it lives for the one call that looks at it.
"""

import re
from collections.abc import Callable

from graph.errors import BadInputError
from graph.identify import Identified
from graph.model import Attributes

MAX_CHARACTERS = 200_000  # five times what a Slack message can hold
MAX_WORDS = 400  # looked up one by one when nothing was detected
REMOVED = "[value removed]"
_EDGES = "\"'`“”„,;:()[]{}<>=*_~"
_WORD = re.compile(r"\S+")
_PLAIN = re.compile(r"\W?(?:\S{1,5}|[^\W\d_]{1,20}(?:[/_.'-][^\W\d_]{1,20}){0,5})\W{0,3}")


def bounded(text: str) -> tuple[str, str]:
    """Cut a text to what is searched; the second part says so, "" if nothing was cut off."""
    if len(text) <= MAX_CHARACTERS:
        return text, ""
    remark = (
        f"Only the first {MAX_CHARACTERS:,} of {len(text):,} characters were searched; "
        "report the rest in parts if a secret may stand there."
    )
    return text[:MAX_CHARACTERS], remark


def words_of(text: str) -> list[str]:
    """Split at white space, and once more at `=` and `:`, without the quotes around a value."""
    words = []
    for found in list(_WORD.finditer(text))[:MAX_WORDS]:
        word = found[0].strip(_EDGES)
        words.append(word)
        for separator in ("=", ":"):
            _, split, value = word.partition(separator)
            if split:
                words.append(value.strip(_EDGES))
    return words


def plain_words(text: str) -> str:
    """Keep the words of a sentence; what could be a value is left out, found or not."""
    return " ".join(word if _PLAIN.fullmatch(word) else REMOVED for word in text.split())


def without_secret(text: str, holds_secret: Callable[[str], bool]) -> str:
    """
    Return what somebody typed for the record: a reason, evidence, a finding.

    Raises:
        BadInputError: a secret stands in it.
    """
    if text.strip() and holds_secret(text):
        raise BadInputError(
            "Your words hold a secret.",
            means="They would stand in the record and on the card, so nothing was kept or done.",
            do_now="Say it again without the value: a link, a version, a fingerprint.",
        )
    return text


def facts_of(said: Identified) -> dict[str, str | tuple[str, ...]]:
    """Keep what the issuer said that is not empty, as words; and the credential's ref."""
    facts: dict[str, str | tuple[str, ...]] = {}
    given: Attributes = said.facts
    for name, fact in given.items():
        if isinstance(fact, tuple):
            facts[name] = fact
        elif fact not in {None, ""}:
            facts[name] = str(fact).lower() if isinstance(fact, bool) else str(fact)
    if said.credential is not None:
        facts["credential"] = said.credential
    if said.credential is None and said.gaps:
        facts["not_known"] = tuple(unasked_of(said).values())
    return facts


def unasked_of(said: Identified | None) -> dict[str, str]:
    """Say which issuers could not be asked, by source, unless another one knew the value."""
    if said is None or said.credential is not None:
        return {}
    return {
        gap.source: f"{gap.reason} {gap.do_now} Then report it again.".replace("  ", " ")
        for gap in said.gaps
    }
