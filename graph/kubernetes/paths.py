"""
A small, strict subset of JSONPath: where in an object of any kind something stands.

::

    spec.tls.secretName          fields, one below the other; a leading `$.` may be written
    spec.endpoints[*].secret     every entry of a list; `[0]` one of them
    spec.credentials.*.name      every value of a map (or entry of a list)
    spec.solver.*SecretRef.name  fields by a pattern with `*` and `?`
    spec..passwordRef.name       at any depth below `spec`
    parameters['a.b/c']          a field whose name is not plain

No filters, no slices, no scripts: a path is read from the configuration, and all that it can do is
find. Used alike by the built-in tools and by the declared references of the configuration. Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from graph.errors import BadInputError

Way = tuple[str | int, ...]  # one concrete way into an object

_TOKEN = re.compile(
    r"(?P<deep>\.\.)|\.?\[(?:(?P<every>\*)|(?P<index>\d+)|'(?P<quoted>[^']+)')\]"
    r"|\.?(?P<name>[A-Za-z0-9_*?/-]+)"
)
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_DEPTH = 64  # no API nests deeper; a hostile manifest may


@dataclass(frozen=True, slots=True)
class Step:
    """`field` None: an entry of a list, `index` of them or (None) each; `deep`: at any depth."""

    field: str | None = None
    index: int | None = None
    deep: bool = False
    pattern: bool = False


@cache
def parse(path: str) -> tuple[Step, ...]:
    """
    Read a path.

    Raises:
        BadInputError: it is not in the subset that the module's docstring shows.
    """
    rest = path.removeprefix("$").lstrip(".") if path.startswith("$") else path
    steps: list[Step] = []
    at, deep = 0, False
    while at < len(rest):
        token = _TOKEN.match(rest, at)
        if token is None:
            raise _refused(path)
        at = token.end()
        if token["deep"]:
            deep = True
        elif token["every"]:
            steps.append(Step(deep=deep))
            deep = False
        elif token["index"]:
            steps.append(Step(index=int(token["index"]), deep=deep))
            deep = False
        else:
            name = token["quoted"] or token["name"]
            pattern = not token["quoted"] and any(sign in name for sign in "*?")
            steps.append(Step(name, deep=deep, pattern=pattern))
            deep = False
    if not steps or deep:
        raise _refused(path)
    return tuple(steps)


def find(obj: object, path: str) -> Iterator[tuple[Way, object]]:
    """Yield (way, value) for everything in `obj` that `path` leads to."""
    yield from _walk(obj, parse(path), ())


def beside(obj: object, path: str, found_by: str, way: Way) -> object:
    """
    Follow `path` next to what `found_by` led to by `way`; None where it leads nowhere.

    What both paths begin with is the same place: `spec.users[*].secret.namespace` beside the third
    match of `spec.users[*].secret.name` is that of the third user.
    """
    here, there = parse(path), parse(found_by)
    shared = 0
    # One step of a deep path stands for several fields, so a shared deep step ends the comparison
    # of steps with ways; both then stand below the same parent.
    if any(step.deep for step in there):
        parent = _at(obj, way[:-1])
        if here[:-1] == there[:-1] and parent is not None:
            return next((value for _, value in _walk(parent, here[-1:], ())), None)
        return None
    while shared < min(len(here), len(there), len(way)) and here[shared] == there[shared]:
        shared += 1
    start = _at(obj, way[:shared])
    return next((value for _, value in _walk(start, here[shared:], ())), None)


def written(way: Way) -> str:
    """Write a way as a path: `spec.tls[0].secretName`."""
    parts: list[str] = []
    for step in way:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _PLAIN.fullmatch(step):
            parts.append(f".{step}" if parts else step)
        else:
            parts.append(f"['{step}']")
    return "".join(parts)


def _walk(at: object, steps: tuple[Step, ...], way: Way) -> Iterator[tuple[Way, object]]:
    if not steps:
        yield way, at
        return
    step, rest = steps[0], steps[1:]
    places = _below(at, way) if step.deep else ((way, at),)
    for where, place in places:
        for name, value in _matches(place, step):
            yield from _walk(value, rest, (*where, name))


def _matches(place: object, step: Step) -> Iterator[tuple[str | int, object]]:
    if isinstance(place, dict) and step.field is not None:
        if not step.pattern:
            if step.field in place:
                yield step.field, place[step.field]
            return
        for name, value in place.items():
            if isinstance(name, str) and fnmatchcase(name, step.field):
                yield name, value
    elif isinstance(place, list) and (step.field is None or step.field == "*"):
        for index, value in enumerate(place):
            if step.index is None or step.index == index:
                yield index, value


def _below(at: object, way: Way) -> Iterator[tuple[Way, object]]:
    """Yield `at` and everything below it."""
    stack: list[tuple[Way, object]] = [(way, at)]
    while stack:
        where, place = stack.pop()
        yield where, place
        if len(where) - len(way) >= _DEPTH:
            continue
        if isinstance(place, dict):
            below: list[tuple[Way, object]] = [
                ((*where, name), value) for name, value in place.items() if isinstance(name, str)
            ]
        elif isinstance(place, list):
            below = [((*where, index), value) for index, value in enumerate(place)]
        else:
            continue
        stack.extend(reversed(below))


def _at(obj: object, way: Way) -> object:
    for step in way:
        if isinstance(obj, dict) and isinstance(step, str):
            obj = obj.get(step)
        elif isinstance(obj, list) and isinstance(step, int) and step < len(obj):
            obj = obj[step]
        else:
            return None
    return obj


def _refused(path: str) -> BadInputError:
    return BadInputError(
        f"“{path}” is not a path into an object.",
        means="Paths look like spec.credentials[*].secretName; see docs/references.md.",
        do_now="Correct it in `graph.references`.",
    )
