"""
Which rule, if it were removed, would cut the most ways in the whole graph.

A way is a subject with a secret that it can obtain. Secrets about which the rules say the same have
the same readers: one of each such group is looked at (`cuts`), and counts for all of them. The
largest groups are looked at, `GROUPS` of them; a gap says how many secrets were left out.
"""

from dataclasses import dataclass

from graph.model import Gap, NodeKind
from graph.queries.copies import Reached
from graph.queries.cuts import SHOWN, cuts_of
from graph.queries.rules import Way, granted
from graph.refs import Ref
from graph.snapshot import Snapshot

GROUPS = 2_000
_EACH = 1_000_000  # a rule that cuts few from each secret may cut most from all


@dataclass(frozen=True, slots=True)
class CutOfAll:
    """A rule, `ways`: how many it cuts, from how many `secrets`, and the `readers` it cuts."""

    rule: Ref
    ways: int
    secrets: int
    readers: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class AllCuts:
    """
    The answer, most effective first.

    `secrets`: how many were looked at, `ways` to them; `left_out`: how many were not.
    """

    secrets: int
    ways: int
    cuts: tuple[CutOfAll, ...]
    gaps: tuple[Gap, ...] = ()
    left_out: int = 0


def all_cuts(snapshot: Snapshot, *, shown: int = SHOWN, groups: int = GROUPS) -> AllCuts:
    """Answer for every secret by itself: its copies are secrets of their own here."""
    alike: dict[tuple[int, ...], tuple[tuple[Way, ...], list[Ref]]] = {}
    for node in snapshot.nodes(NodeKind.SECRET):
        rules = granted(snapshot, node.ref)
        if rules and node.attributes.get("exists") is not False:
            # The same rules are the same objects, which `alike` keeps.
            alike.setdefault(tuple(map(id, rules)), (rules, []))[1].append(node.ref)
    largest = sorted(
        (secrets for _, secrets in alike.values()), key=lambda one: (-len(one), one[0])
    )
    secrets = ways = 0
    cut: dict[Ref, tuple[int, int, set[Ref]]] = {}
    for group in largest[:groups]:
        secrets += len(group)
        found = cuts_of(snapshot, group[0], (Reached(group[0], ""),), shown=_EACH)
        ways += found.readers * len(group)
        for one in found.cuts:
            of_ways, of_secrets, readers = cut.get(one.rule, (0, 0, set()))
            readers.update(one.readers)
            more = len(one.readers) * len(group)
            cut[one.rule] = (of_ways + more, of_secrets + len(group), readers)
    made = [CutOfAll(rule, n, of, tuple(sorted(who))) for rule, (n, of, who) in cut.items()]
    made.sort(key=lambda one: (-one.ways, one.rule))
    left_out = sum(len(group) for group in largest[groups:])
    gaps = snapshot.gaps
    if left_out:
        said = (
            f"Looked at the {groups} largest groups of secrets about which the rules say the same:"
            f" {secrets} of {secrets + left_out}. {left_out} secrets were left out."
        )
        gaps = (*gaps, Gap("cuts", "all secrets", said, do_now="Ask about one secret."))
    return AllCuts(secrets, ways, tuple(made[:shown]), gaps, left_out)
