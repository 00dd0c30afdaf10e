"""
What a Vault or OpenBao policy allows: parse its text, match a path. Pure, no I/O.

The language is the documented subset of HCL, or JSON: `path "PATTERN" { capabilities = [...] }`.
Everything else in a block (parameters, TTLs) narrows *how* a path may be called and is skipped, so
that an answer errs towards "can read".
Rules of matching: https://openbao.org/docs/concepts/policies/ ("Policy syntax", priority matching).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from graph.errors import BadInputError

DENY = "deny"
READ = "read"

_LEGACY = {
    # The `policy = "…"` of old policies; also in the reference of today's parsers.
    "deny": (DENY,),
    "read": ("read", "list"),
    "write": ("create", "read", "update", "delete", "list", "patch"),
    "sudo": ("create", "read", "update", "delete", "list", "patch", "sudo"),
}
_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
      | "(?P<string>(?:[^"\\\n]|\\.)*)"
      | (?P<word>[A-Za-z_][\w.-]*|-?\d[\w.]*)
      | (?P<mark>[{}\[\]=,:])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)")
_TEMPLATE = re.compile(r"\{\{[^{}]*\}\}")
_ANYBODY = "{{}}"  # a template's text depends on the caller, and nobody knows it here
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class PathRule:
    """
    One `path` block. `templated`: parts of `pattern` stand for the caller's own identity.

    `source` is then the pattern as written, for `filled_in`.
    """

    pattern: str
    capabilities: frozenset[str]
    templated: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: PathRule
    matcher: re.Pattern[str]
    exact: bool
    priority: tuple[int, bool, int, int, str]


def parse_policy(text: str) -> tuple[PathRule, ...]:
    """
    Read a policy in HCL or JSON.

    Raises:
        BadInputError: it is neither; the sentence names the line.
    """
    if text.lstrip()[:1] == "{":
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise _unreadable(f"it is not JSON (line {error.lineno})") from None
    else:
        document = _Reader(text).document()
    return tuple(_rules(document))


class PolicySet:
    """
    The rules of all policies that one subject has, taken together.

    Rules with one and the same pattern add up, and a `deny` among them wins; of several patterns
    that match a path only the one with the highest priority counts.
    """

    def __init__(self, policies: Iterable[Sequence[PathRule]]) -> None:
        merged: dict[str, PathRule] = {}
        for rule in (rule for policy in policies for rule in policy):
            if rule.templated and DENY in rule.capabilities:
                continue  # it forbids a few paths of one caller, and would hide those of all
            known = merged.get(rule.pattern)
            if known is not None:
                capabilities = known.capabilities | rule.capabilities
                templated = known.templated or rule.templated
                merged[rule.pattern] = PathRule(rule.pattern, capabilities, templated)
            else:
                merged[rule.pattern] = rule
        compiled = [_compile(rule) for rule in merged.values()]
        self._exact = {each.rule.pattern: each.rule for each in compiled if each.exact}
        self._patterns = sorted(
            (each for each in compiled if not each.exact),
            key=lambda each: each.priority,
            reverse=True,
        )

    def rule_for(self, path: str) -> PathRule | None:
        """Return the one rule that decides about `path`; None: default deny."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        for candidate in self._patterns:
            if candidate.matcher.fullmatch(path):
                return candidate.rule
        return None

    def capabilities(self, path: str) -> frozenset[str]:
        """Return what is allowed on an API path without `/v1/`; empty: nothing."""
        rule = self.rule_for(path)
        return frozenset() if rule is None or DENY in rule.capabilities else rule.capabilities


def filled_in(
    policies: Iterable[Sequence[PathRule]], values: Mapping[str, str]
) -> list[list[PathRule]]:
    """
    Put one caller's own names into the templates of policies.

    `values` by what stands between the braces ("identity.entity.name"). As on the server, a rule
    with a name that the caller does not have is left out.
    """
    return [
        [own for rule in policy if (own := _own(rule, values)) is not None] for policy in policies
    ]


def _own(rule: PathRule, values: Mapping[str, str]) -> PathRule | None:
    if not rule.templated:
        return rule
    wanted = {found[0]: found[0].strip("{}").strip() for found in _TEMPLATE.finditer(rule.source)}
    if any(not values.get(name) for name in wanted.values()):
        return None
    pattern = _TEMPLATE.sub(lambda found: values[wanted[found[0]]], rule.source)
    return PathRule(pattern, rule.capabilities)


def _compile(rule: PathRule) -> _Compiled:
    """
    Turn a pattern into a matcher and its priority.

    Lower priority has the pattern whose first `+` or `*` comes earlier; then the one ending in
    `*`; then the one with more `+`; then the shorter; then the lexicographically smaller.
    """
    pattern = rule.pattern
    glob = pattern.endswith("*")
    segments = pattern.removesuffix("*").split("/")
    wild = [number for number, segment in enumerate(segments) if segment == "+"]
    expression = "/".join("[^/]+" if part == "+" else re.escape(part) for part in segments)
    expression = expression.replace(re.escape(_ANYBODY), "[^/]+")
    firsts = [sum(len(part) + 1 for part in segments[: wild[0]])] if wild else []
    firsts += [len(pattern) - 1] if glob else []
    return _Compiled(
        rule=rule,
        matcher=re.compile(expression + (".*" if glob else ""), re.DOTALL),
        exact=not glob and not wild and not rule.templated,
        priority=(min(firsts, default=len(pattern)), not glob, -len(wild), len(pattern), pattern),
    )


def _rules(document: Any) -> Iterator[PathRule]:
    for entry in _listed(document.get("path") if isinstance(document, dict) else None):
        for pattern, blocks in entry.items():
            for block in _listed(blocks):
                written = str(pattern).removeprefix("/")
                path, templates = _TEMPLATE.subn(_ANYBODY, written)
                source = written if templates else ""
                yield PathRule(path, _granted(block), bool(templates), source)


def _listed(found: Any) -> list[dict[str, Any]]:
    entries = found if isinstance(found, list) else [found]
    return [entry for entry in entries if isinstance(entry, dict)]


def _granted(block: dict[str, Any]) -> frozenset[str]:
    said = block.get("capabilities")
    listed = said if isinstance(said, list) else [said]
    granted = {each.lower() for each in listed if isinstance(each, str)}
    granted.update(_LEGACY.get(str(block.get("policy", "")).lower(), ()))
    return frozenset(granted)


def _unreadable(why: str) -> BadInputError:
    return BadInputError(
        f"The policy cannot be read: {why}.",
        means="What it allows is unknown.",
        do_now="Check it with “bao policy fmt”.",
    )


class _Reader:
    """Reads HCL's blocks, lists and scalars into the shape that JSON has."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._next = 0

    def document(self) -> dict[str, Any]:
        return self._body(closing="", depth=0)

    def _split(self) -> Iterator[tuple[str, str, int]]:
        position, end = 0, len(self._text)
        while position < end:
            found = _TOKEN.match(self._text, position)
            if found is None:
                raise self._wrong(position)
            kind = found.lastgroup or ""
            if kind == "string":
                yield kind, _ESCAPE.sub(_unescape, found["string"]), position
            elif kind != "skip":
                yield kind, found[kind], position
            position = found.end()
        yield "end", "", end

    def _take(self, kind: str = "", text: str = "") -> str:
        found_kind, found_text, position = self._tokens[self._next]
        if (kind and found_kind != kind) or (text and found_text != text):
            raise self._wrong(position)
        self._next += found_kind != "end"
        return found_text

    def _sees(self, kind: str, text: str) -> bool:
        return self._tokens[self._next][:2] == (kind, text)

    def _body(self, *, closing: str, depth: int) -> dict[str, Any]:
        """`key = value`, `key { … }` and `key "label" { … }`; repeated keys become a list."""
        body: dict[str, Any] = {}
        while not (self._sees("mark", closing) if closing else self._sees("end", "")):
            kind, key, position = self._tokens[self._next]
            if kind not in {"word", "string"} or depth > _DEEPEST:
                raise self._wrong(position)
            self._next += 1
            value = self._assigned(depth)
            if self._sees("mark", ","):
                self._next += 1
            body[key] = [*body[key], value] if key in body else [value]
        self._take()
        return {key: found[0] if len(found) == 1 else found for key, found in body.items()}

    def _assigned(self, depth: int) -> Any:
        if self._sees("mark", "=") or self._sees("mark", ":"):
            self._next += 1
            return self._value(depth)
        labels = []
        while not self._sees("mark", "{"):
            labels.append(self._take("string"))
        value: Any = self._value(depth)
        for label in reversed(labels):
            value = {label: value}
        return value

    def _value(self, depth: int) -> Any:
        kind, text, position = self._tokens[self._next]
        self._next += kind != "end"
        if kind in {"string", "word"}:
            return text
        if (kind, text) == ("mark", "{"):
            return self._body(closing="}", depth=depth + 1)
        if (kind, text) != ("mark", "[") or depth > _DEEPEST:
            raise self._wrong(position)
        items = []
        while not self._sees("mark", "]"):
            items.append(self._value(depth + 1))
            if not self._sees("mark", "]"):
                self._take("mark", ",")
        self._take()
        return items

    def _wrong(self, position: int) -> BadInputError:
        return _unreadable(
            f"line {self._text.count(chr(10), 0, position) + 1} is not policy syntax"
        )


def _unescape(found: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1])
