"""
Reads who owns an object from its annotations and labels.

`a8r.io/owner` is the convention of Annotations for Kubernetes services (ambassador-labs/a8r.io);
`owner` and `team`, as annotation or label, are what most houses write. Pure.
"""

from graph import refs
from graph.fields import Object, pairs
from graph.refs import Ref

_ANNOTATIONS = ("a8r.io/owner", "owner", "team")
_LABELS = ("a8r.io/owner", "owner", "team")


def owner_of(obj: Object) -> Ref | None:
    """Return `team:NAME` or `person:EMAIL`; None where nobody is named."""
    annotations = pairs(obj, "metadata", "annotations")
    labels = pairs(obj, "metadata", "labels")
    said = [annotations.get(key, "") for key in _ANNOTATIONS]
    said += [labels.get(key, "") for key in _LABELS]
    return next((owner_named(text) for text in said if text.strip()), None)


def owner_named(said: str) -> Ref:
    """Read one owner: `payments`, `@payments`, `team:payments`, `ana@example.com`."""
    name = said.strip()
    scheme, separator, rest = name.partition(":")
    if separator and rest and scheme in {"team", "person"}:
        return refs.team(rest) if scheme == "team" else refs.person(rest)
    name = name.removeprefix("@")
    return refs.person(name) if "@" in name and " " not in name else refs.team(name)
