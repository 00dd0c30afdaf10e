"""
The rules of the configuration about who owns what: a source like any other, and the first believed.

Example: `owner_rules/config` holds `owners:` of config.yaml, in its order; the first rule that fits
counts. A rule speaks for what lies in the graph and for what comes later.
Source: docs/owners.md.
"""

from collections.abc import Iterator
from typing import ClassVar

from graph.collector import CollectContext, Collector, Permission
from graph.gathered import Gathered
from graph.model import NodeKind, Observation
from graph.owners import Rule, owner_named, rules_node


class OwnerRulesCollector(Collector):
    """Reads nothing but the configuration."""

    name: ClassVar[str] = "owner_rules"
    permissions: ClassVar[tuple[Permission, ...]] = ()

    def sources(self, context: CollectContext) -> tuple[str, ...]:
        # Without a rule it is read as well: rules that were taken out must go from the graph.
        known = context.connections
        anything = context.owner_rules or known.vault_names or known.cluster_names
        return (f"{self.name}/config",) if context.owner_rules is not None and anything else ()

    def collect(self, source: str, context: CollectContext) -> Iterator[Observation]:
        gathered = Gathered(source, "")
        rules = [
            Rule(pattern, owner_named(owner), f"rule {number} of the configuration")
            for number, (pattern, owner) in enumerate(context.owner_rules or (), start=1)
        ]
        for rule in rules:
            kind = NodeKind.TEAM if rule.owner.startswith("team:") else NodeKind.PERSON
            gathered.define(rule.owner, kind)
        if rules:
            node = rules_node(source, "config", rules)
            gathered.define(node.ref, node.kind, **node.attributes)
        yield gathered.observation()
