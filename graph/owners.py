"""
Who owns a thing, as objects, catalogues and rules say it. Pure.

Annotations and labels: `a8r.io/owner` is the convention of Annotations for Kubernetes services
(ambassador-labs/a8r.io); `owner` and `team` are what most houses write. Each claim keeps by whom it
is made (`said_by`, the first of `SOURCES` that speaks counts) and in which words (`how`). Who names
two owners for one thing makes two claims: annotations before labels, in the order of the keys.
Rules ("every secret below this path belongs to …") come from the configuration and from
catalogues; they stand in the graph as one node per source, and the query applies them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from graph import refs
from graph.fields import Object, pairs
from graph.model import Attributes, Node, NodeKind
from graph.refs import Ref

# Who is believed first, where several speak of the very same thing.
SOURCES = ("config", "vault", "aws", "kubernetes", "backstage", "codeowners")

_KEYS = ("a8r.io/owner", "owner", "team")
_ON_OBJECTS = ("annotation", "label")
_OF_OBJECTS = [f"{what} {key}" for what in _ON_OBJECTS for key in _KEYS]
_WORDS = {words: place for place, words in enumerate(_OF_OBJECTS)}
_RULES = "owner-rules"


@dataclass(frozen=True, slots=True)
class Said:
    """One claim: the owner and the words in which it is made."""

    owner: Ref
    how: str


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` is a glob over refs, or `component:NAME` for what a workload names itself."""

    pattern: str
    owner: Ref
    how: str


def owners_said(obj: Object) -> Iterator[Said]:
    """Yield every owner that an object names, with where it does."""
    for what in _ON_OBJECTS:
        yield from owners_among(pairs(obj, "metadata", f"{what}s"), what)


def owners_among(said: Mapping[str, str], what: str) -> Iterator[Said]:
    """Yield the owners that stand among key-value pairs; `what` these are: "tag", "label"."""
    names = [name for name in said if name.lower() in _KEYS and said[name].strip()]
    for name in sorted(names, key=lambda name: _KEYS.index(name.lower())):
        yield Said(owner_named(said[name]), f"{what} {name}")


def place_among(how: str) -> int:
    """Say which of the claims of one source about one thing comes first: the smallest."""
    return _WORDS.get(how.lower(), len(_WORDS))


def owner_named(said: str) -> Ref:
    """Read one owner: `payments`, `@payments`, `team:payments`, `ana@example.com`."""
    name = said.strip()
    scheme, separator, rest = name.partition(":")
    if separator and rest and scheme in {"team", "person"}:
        return refs.team(rest) if scheme == "team" else refs.person(rest)
    name = name.removeprefix("@")
    return refs.person(name) if "@" in name and " " not in name else refs.team(name)


def rules_ref(source: str) -> Ref:
    """Name the node that holds the rules of one source."""
    return Ref(f"rules:{refs.encode(source)}/{_RULES}")


def rules_node(source: str, said_by: str, rules: Iterable[Rule]) -> Node:
    """Make the node that holds the rules of one source; the query reads it back."""
    written = tuple(f"{rule.pattern}\n{rule.owner}\n{rule.how}" for rule in rules)
    attributes: Attributes = {"rules": written, "said_by": said_by, "source": source}
    return Node(rules_ref(source), NodeKind.POLICY, attributes)


def rules_name() -> str:
    """Return the last part of the refs of all such nodes."""
    return _RULES


def read_rules(written: Sequence[str]) -> Iterable[Rule]:
    for line in written:
        pattern, owner, how = line.split("\n", 2)
        yield Rule(pattern, Ref(owner), how)
