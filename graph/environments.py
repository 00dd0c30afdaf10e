"""
Which environment a place belongs to: by rule, by what its source says, else by its name. Pure.

One value in production and in staging is a finding by itself: whoever reads the one has the other.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from graph.model import EdgeKind
from graph.refs import Ref, cluster_of, parse

if TYPE_CHECKING:  # the configuration imports this, and does not need networkx
    from graph.snapshot import Snapshot

_NAMED = {
    "prod": "prod", "production": "prod", "live": "prod", "prd": "prod",
    "staging": "staging", "stage": "staging", "stg": "staging", "preprod": "staging",
    "uat": "test", "qa": "test", "test": "test", "testing": "test",
    "dev": "dev", "development": "dev", "sandbox": "dev", "demo": "demo",
}  # fmt: skip
_WORD = re.compile(r"[a-z]+")


class EnvironmentRule(BaseModel):
    """`match` is a glob over refs; the first rule that fits names the environment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: str
    environment: str


def environment_of(snapshot: "Snapshot", ref: Ref, rules: Sequence[EnvironmentRule] = ()) -> str:
    """Name the environment of a secret; "" where nothing tells."""
    for rule in rules:
        if fnmatchcase(ref, rule.match):
            return rule.environment
    holders = [ref, *(edge.head for edge in snapshot.out(ref, EdgeKind.STORED_IN))]
    if (cluster := cluster_of(ref)) is not None:
        holders.append(cluster)
    for holder in holders:
        node = snapshot.node(holder)
        if node is not None and (said := str(node.attributes.get("environment") or "")):
            return said
    return _by_name(ref)


def _by_name(ref: Ref) -> str:
    """Look for a telling word in the namespace or folders, then in the cluster or store."""
    path = parse(ref).path
    for part in [*path[1:-1], path[0]] if path else ():
        for word in _WORD.findall(part.lower()):
            if word in _NAMED:
                return _NAMED[word]
    return ""
