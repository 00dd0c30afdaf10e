"""
Who answers for a thing: every claim of ownership that the graph knows, the nearest first.

A claim is an `owned_by` edge, an attribute `owner`, or a rule (see `graph/owners.py`). Near to
far: the secret itself, where its value comes from, its namespace, the workloads that use it, their
namespaces. Of several claims about the very same thing the source decides (`SOURCES`); where they
name different owners, each says so, and nobody is left out.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fnmatch import translate

from graph.model import Attributes, EdgeKind
from graph.owners import SOURCES, Rule, place_among, read_rules, rules_name
from graph.queries.answer import answer
from graph.queries.copies import origins, spread
from graph.refs import Ref, namespace_of, split_key
from graph.snapshot import Snapshot

_RANK = {name: rank for rank, name in enumerate(SOURCES)}
_UNRANKED = len(SOURCES)
_GLOB = re.compile(r"[*?\[]")


@answer
class OwnerClaim:
    """
    `owner` ("team:payments"), who says so (`source`, a few words) and of which thing (`ref`).

    `said_by` is the kind of source and `seen_in` the source as collected; `stale_since`: since
    when that could not be read again. `disagrees` says who names somebody else for this thing.
    """

    owner: str
    source: str
    ref: Ref
    said_by: str = ""
    seen_in: str = ""
    stale_since: datetime | None = None
    disagrees: str = ""


def owners(snapshot: Snapshot, ref: Ref) -> tuple[OwnerClaim, ...]:
    """Return one claim per owner, nearest first; empty where nobody is named."""
    found: dict[str, OwnerClaim] = {}
    for at, what in _near_to_far(snapshot, ref):
        for claim in claims(snapshot, at):
            if claim.owner not in found:
                found[claim.owner] = replace(claim, source=f"{claim.source} of {what}")
    return tuple(found.values())


def owner_of(snapshot: Snapshot, ref: Ref) -> str:
    """Return the owner of one thing or, failing that, of its namespace; "" if none is named."""
    claim = nearest(snapshot, ref)
    return claim.owner if claim else ""


def nearest(snapshot: Snapshot, ref: Ref) -> OwnerClaim | None:
    """Return the claim that counts for one thing: its own, or that of its namespace."""
    own = claims(snapshot, ref)
    if own:
        return own[0]
    namespace = namespace_of(ref)
    above = claims(snapshot, namespace) if namespace else ()
    return replace(above[0], source=f"{above[0].source} of its namespace") if above else None


def own_owners(snapshot: Snapshot) -> Callable[[Ref], str]:
    """Return what names the owner that counts for exactly one thing; "" if none is named."""
    declared = snapshot.outward(EdgeKind.OWNED_BY)
    if _rules(snapshot):
        return lambda ref: _first(claims(snapshot, ref))

    def named(ref: Ref) -> str:
        heads = declared.get(ref)
        if not heads:
            node = snapshot.node(ref)
            return str(node.attributes.get("owner") or "") if node else ""
        # Whoever says it, there is only one to be named.
        return str(*heads) if len(heads) == 1 else _first(claims(snapshot, ref))

    return named


def claims(snapshot: Snapshot, ref: Ref) -> tuple[OwnerClaim, ...]:
    """Return what is said of exactly this thing, the most believed first, one claim per owner."""
    said = sorted(_said(snapshot, ref), key=_belief)
    if len(said) < 2:  # noqa: PLR2004 - one voice cannot disagree
        return tuple(said)
    named: dict[str, OwnerClaim] = {}
    for claim in said:
        named.setdefault(claim.owner, claim)
    by_source: dict[tuple[str, str], set[str]] = {}
    for claim in said:
        by_source.setdefault((claim.said_by, claim.source), set()).add(claim.owner)
    return tuple(replace(one, disagrees=_disagreement(one, by_source)) for one in named.values())


def _belief(claim: OwnerClaim) -> tuple[int, int]:
    return _RANK.get(claim.said_by, _UNRANKED), place_among(claim.source)


def _first(found: Sequence[OwnerClaim]) -> str:
    return found[0].owner if found else ""


def _disagreement(claim: OwnerClaim, by_source: Mapping[tuple[str, str], set[str]]) -> str:
    others = [
        f"{words} says {', '.join(sorted(owners))}"
        for (_, words), owners in by_source.items()
        if claim.owner not in owners
    ]
    return "; ".join(others)


def _said(snapshot: Snapshot, ref: Ref) -> Iterator[OwnerClaim]:
    declared = snapshot.uses_from(ref, EdgeKind.OWNED_BY)
    for head in sorted(declared):
        for attributes in declared[head].values():
            yield _claim(snapshot, str(head), ref, attributes)
    node = snapshot.node(ref)
    attributes = node.attributes if node else {}
    owner = attributes.get("owner")
    if owner and not declared:
        yield OwnerClaim(str(owner), "owner label", ref)
    rules = _rules(snapshot)
    if rules:
        yield from rules.about(str(ref), ref)
        if component := attributes.get("component"):
            yield from rules.about(f"component:{component}", ref)


def _claim(snapshot: Snapshot, owner: str, ref: Ref, attributes: Attributes) -> OwnerClaim:
    said = str(attributes.get("how") or attributes.get("note") or "declared owner")
    source = str(attributes.get("source") or "")
    return OwnerClaim(
        owner,
        said,
        ref,
        said_by=str(attributes.get("said_by") or ""),
        seen_in=source,
        stale_since=_stale(snapshot).get(source),
    )


class _Rules:
    """The rules of all sources, ready to be asked: exact names at once, globs one by one."""

    def __init__(self, rules: Sequence[tuple[Rule, OwnerClaim]]) -> None:
        self._exact: dict[str, list[OwnerClaim]] = {}
        self._globs: list[tuple[re.Pattern[str], OwnerClaim]] = []
        for rule, claim in rules:
            if _GLOB.search(rule.pattern):
                self._globs.append((re.compile(translate(rule.pattern)), claim))
            else:
                self._exact.setdefault(rule.pattern, []).append(claim)

    def __bool__(self) -> bool:
        return bool(self._exact or self._globs)

    def about(self, name: str, ref: Ref) -> Iterator[OwnerClaim]:
        """Yield the claims about `name`; of the configuration the first that fits counts."""
        fits = [*self._exact.get(name, ())]
        fits += [claim for pattern, claim in self._globs if pattern.match(name)]
        configured = [claim for claim in fits if claim.said_by == "config"]
        for claim in fits:
            if claim.said_by != "config" or claim is min(configured, key=_number):
                yield replace(claim, ref=ref)


_NO_RULES = _Rules(())


def _number(claim: OwnerClaim) -> int:
    return int(re.sub(r"\D", "", claim.source) or 0)


def _rules(snapshot: Snapshot) -> _Rules:
    if not snapshot.named(rules_name()):
        return _NO_RULES
    return snapshot.once(("owner rules",), lambda: _Rules(list(_read(snapshot))))


def _read(snapshot: Snapshot) -> Iterator[tuple[Rule, OwnerClaim]]:
    for at in snapshot.named(rules_name()):
        node = snapshot.node(at)
        written = node.attributes.get("rules") if node else None
        if node is None or not isinstance(written, tuple):
            continue
        source = str(node.attributes.get("source") or "")
        for rule in read_rules(written):
            claim = OwnerClaim(
                str(rule.owner),
                rule.how,
                at,
                said_by=str(node.attributes.get("said_by") or ""),
                seen_in=source,
                stale_since=_stale(snapshot).get(source),
            )
            yield rule, claim


def _stale(snapshot: Snapshot) -> Mapping[str, datetime]:
    """Since when sources could not be read at all: such gaps are about the source itself."""

    def find() -> dict[str, datetime]:
        whole = (gap for gap in snapshot.gaps if gap.scope == gap.source and gap.since)
        return {gap.source: gap.since for gap in whole if gap.since}

    return snapshot.once(("stale owners",), find)


def _near_to_far(snapshot: Snapshot, ref: Ref) -> Iterator[tuple[Ref, str]]:
    place = split_key(ref)
    above = dict.fromkeys(secret for secret, _ in origins(snapshot, [place]))
    secrets = {place[0]: "the secret"} | {
        secret: "the secret it is copied from" for secret in above if secret != place[0]
    }
    yield from secrets.items()
    for secret, what in secrets.items():
        namespace = namespace_of(secret)
        if namespace:
            yield namespace, f"the namespace of {what}"
    using = {
        workload
        for reached in spread(snapshot, [place])
        for workload, joined in snapshot.uses_into(reached.secret, EdgeKind.CONSUMES).items()
        if not reached.key
        or any(said.get("key") in {"", None, reached.key} for said in joined.values())
    }
    workloads = sorted(using)
    for workload in workloads:
        yield workload, "a consumer"
    for namespace in dict.fromkeys(map(namespace_of, workloads)):
        if namespace:
            yield namespace, "the namespace of a consumer"
