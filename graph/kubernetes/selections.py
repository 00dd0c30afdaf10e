"""
What one entry of an ExternalSecret selects at its store, and under which keys it arrives.

An entry of `data` names one property and one key; `dataFrom.extract` takes all keys of one remote
secret; `dataFrom.find` takes every secret whose name matches, each whole and as one key: which ones
those are is asked of the graph, and found there anew as secrets come and go. What it finds by tags
only the store can answer. A template makes the final keys out of any of them. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from graph.fields import Object, entries, mapping, pairs, text
from graph.kubernetes.patterns import pattern_of
from graph.model import AttributeValue

_BY_TAGS = "Which secrets it finds by their tags is known only to the store."
_NO_PATTERN = "It finds secrets by a pattern that is none, or that may take very long."


@dataclass(frozen=True, slots=True)
class Selection:
    """
    `remote` is the `remoteRef.key`; `problem` says why there is none.

    `entry` is the entry of the object; `secret_key` is "" where all keys are taken. `pattern` is
    what names below the path `remote` have to match where they are found.
    """

    entry: Object
    remote: str = ""
    properties: tuple[str, ...] = ("",)
    secret_key: str = ""
    renames: bool = False
    problem: str = ""
    pattern: str = ""
    extra: dict[str, AttributeValue] = field(default_factory=dict)

    def edges(self, target: Object) -> Iterator[dict[str, AttributeValue]]:
        """
        Yield the attributes of each `copies` edge: `key` at the head, `from_key` at the tail.

        `widen` is True where the key at the head cannot be told from the one at the tail.
        """
        for place in landing(self.secret_key, target):
            for at_tail in self.properties:
                found = {"key": place or "", "from_key": at_tail, **self.extra}
                if place is None or self.renames:
                    found["widen"] = True
                yield found


def selections(spec: Object) -> Iterator[Selection]:
    """Yield what an ExternalSecret's `spec` takes, in its order; generators take nothing."""
    for entry in entries(spec, "data"):
        remote = mapping(entry, "remoteRef")
        yield Selection(
            entry,
            text(remote, "key"),
            _properties(text(remote, "property")),
            text(entry, "secretKey"),
            extra=_extra(remote),
        )
    for entry in entries(spec, "dataFrom"):
        if mapping(entry, "sourceRef", "generatorRef"):
            continue
        # v1alpha1 had the remote reference itself where later versions have `extract`.
        remote = mapping(entry, "extract") or (entry if text(entry, "key") else {})
        renames = any(entries(entry, "rewrite"))
        if remote:
            at_tail = _properties(text(remote, "property"))
            renames = renames or at_tail != ("",)
            yield Selection(
                entry, text(remote, "key"), at_tail, renames=renames, extra=_extra(remote)
            )
        else:
            yield _found(entry, renames=renames)


def landing(secret_key: str, target: Object) -> tuple[str | None, ...]:
    """
    Name the keys of the target that hold what was selected as `secret_key` ("": all of it).

    None stands for a key that cannot be told: the template lies elsewhere.
    """
    template = mapping(target, "template")
    made = pairs(template, "data")
    elsewhere = any(entries(template, "templateFrom"))
    if not made and not elsewhere:
        return (secret_key,)
    keys: list[str | None] = [
        key for key, source in made.items() if not secret_key or secret_key in source
    ]
    if text(template, "mergePolicy") == "Merge":
        keys.append(secret_key)
    if elsewhere or not keys or not secret_key:
        keys.append(None)
    return tuple(dict.fromkeys(keys))


def _found(entry: Object, *, renames: bool) -> Selection:
    """Read `dataFrom.find`; a name goes before tags, as in the operator."""
    pattern = text(entry, "find", "name", "regexp")
    if not pattern:
        return Selection(entry, problem=_BY_TAGS)
    if pattern_of(pattern) is None:
        return Selection(entry, problem=_NO_PATTERN)
    unlike = text(entry, "find", "conversionStrategy") not in {"", "Default"}
    path = text(entry, "find", "path").strip("/")
    return Selection(entry, path, renames=renames or unlike, pattern=pattern)


def _properties(named: str) -> tuple[str, ...]:
    """Take a dot both as part of a field's name and as the way into its JSON."""
    outer, dot, _ = named.partition(".")
    return (named, outer) if dot and outer else (named,)


def _extra(remote: Object) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {}
    if version := text(remote, "version"):
        found["version"] = version
    decoding = text(remote, "decodingStrategy")
    if decoding and decoding != "None":
        found["decoding"] = decoding
    return found
