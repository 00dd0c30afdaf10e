"""
What a match means, in words for people: version, form, certainty, environment. Pure.

An old version is not harmless by itself: it was replaced in its store, which says nothing of
whether its issuer still accepts it.
"""

from collections.abc import Iterable, Mapping

from graph.model import Match

_FORMS = {
    "as_is": "the value itself",
    "trimmed": "the value itself",
    "base64": "in base64",
    "hex": "in hex",
    "url_decoded": "URL-encoded",
    "json_leaf": "inside a JSON document",
    "line_value": "inside a file of settings",
    "dsn_password": "as the password of a DSN",
    "dsn_user": "as the user of a DSN",
    "basic_password": "as the password of a login in base64",
    "pem_body": "as a PEM block",
    "unquoted": "in quotes",
}

Facts = Mapping[str, str | tuple[str, ...]]


def described(match: Match, facts: Facts) -> str:
    """Say of one match what was recognised and how sure that is."""
    parts = [_version(match, facts)] if match.version is not None else []
    parts.append(_FORMS.get(match.form, match.form.replace("_", " ")))
    parts.append("certain" if match.certainty == "exact" else "certain once unwrapped")
    if match.environment:
        parts.append(f"environment {match.environment}")
    return ", ".join(parts)


def environments_of(matches: Iterable[Match]) -> tuple[str, ...]:
    """Name the environments that hold the value, if there are several."""
    found = tuple(sorted({match.environment for match in matches if match.environment}))
    return found if len(found) > 1 else ()


def _version(match: Match, facts: Facts) -> str:
    if match.current:
        return f"version {match.version}, the current one"
    previous = match.newest is not None and match.version == match.newest - 1
    which = "the previous one" if previous else "an old one"
    day = match.replaced[:10]
    replaced = f"replaced on {day}" if day else "replaced already"
    now = f" by version {match.newest}" if match.newest is not None else ""
    return f"version {match.version}, {which}, {replaced}{now}; {_accepted(facts)}"


def _accepted(facts: Facts) -> str:
    return {
        "active": "it is still accepted",
        "inactive": "it is refused by now",
    }.get(str(facts.get("validity") or ""), "whether it is still accepted is not known")
