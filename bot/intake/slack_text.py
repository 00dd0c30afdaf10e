"""
Takes Slack's markup off a message, so that a value is scanned as its author wrote it. Pure.

Slack escapes `&`, `<` and `>` and wraps what looks like a link, an address or a mention in
`<...|label>`: a token inside a URL would otherwise be seen in pieces, or twice.
"""

import re

_WRAPPED = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")


def unmarked(text: str) -> str:
    """Return the text as typed, as far as Slack lets us know."""
    opened = _WRAPPED.sub(_inside, text)
    return opened.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _inside(found: re.Match[str]) -> str:
    target, label = found[1], found[2]
    if target.startswith(("@", "#", "!")):
        return f" {label or ''} "
    if target.startswith("mailto:"):
        return target.removeprefix("mailto:")
    return target
