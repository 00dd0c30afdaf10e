"""
What a leak reaches, in a few lines: copies, consumers, readers, owners, what it opens, gaps.

Grouped by owner and namespace, the worst first, the top ten shown and the rest counted, so that
300 consumers stay readable. The same parts serve the root card, the thread and the modal.
"""

from collections.abc import Mapping, Sequence

from bot.slack.views.blocks import Block, context, modal, section
from bot.slack.views.names import incident_name, owner_name, place_of, ref_code, short_name
from bot.slack.views.text import code, duration, joined, said, top, when
from graph.model import Gap, Match
from graph.queries.blast_radius import BlastRadius
from graph.queries.consumers import Consumer
from graph.queries.owners import OwnerClaim
from graph.queries.readers import Reader
from graph.words import counted
from responders.incident import Breakage, Case
from responders.matched import described, environments_of

TOP = 10
MODAL_TOP = 60
GROUPS = 6
OWNERS = 5


def copies_text(
    radius: BlastRadius,
    matches: tuple[Match, ...],
    facts: Mapping[str, str | tuple[str, ...]] | None = None,
    *,
    most: int = TOP,
) -> str:
    """Every place where the value lies: where it is at home first, then what syncs made of it."""
    synced = {(copy.secret, copy.key) for copy in radius.copies}
    found = {(match.secret, match.key): match for match in matches}
    homes = dict.fromkeys([*radius.secrets, *(place for place in found if place not in synced)])
    lines = [
        _home_line(secret, key, found.get((secret, key)), facts or {}) for secret, key in homes
    ]
    if across := environments_of(matches):
        listed = said(", ".join(across))
        lines.insert(0, f"⚠️ *The same value lies in several environments:* {listed}")
    for copy in sorted(radius.copies, key=lambda copy: (not copy.idle, copy.secret)):
        key = f"#{copy.key}" if copy.key else ""
        seconds = copy.refresh_interval
        every = f", every {duration(seconds)}" if seconds else ""
        by = f" ← {ref_code(copy.via)}{every}" if copy.via else ""
        idle = " · *idle: nothing uses it*" if copy.idle else ""
        lines.append(f"• copy {ref_code(copy.secret + key)}{by}{idle}")
    if lines:
        return joined(top(lines, most, "place"), 1300)
    issuer = (facts or {}).get("issuer")
    if issuer:
        return f"In no store that Locksmith reads. Its issuer knows it: {code(str(issuer))}."
    return "Not found in any store that Locksmith sees: an unknown credential."


def _home_line(
    secret: str, key: str, match: Match | None, facts: Mapping[str, str | tuple[str, ...]]
) -> str:
    place = f"• {code(f'{secret}#{key}' if key else secret)}"
    if match is None:
        return place
    old = "" if match.current else "⚠️ "
    return f"{place}\n   {old}{said(described(match, facts), 300)}"


def consumers_text(
    consumers: tuple[Consumer, ...],
    breakages: Mapping[str, Breakage],
    *,
    most: int = TOP,
    rest: str = "",
) -> str:
    """
    Group by owner and namespace; those that break now come first, the rest is counted.

    Room is dealt out to the groups in turn, so that a large team hides no other. `rest` says where
    all of them are (safe mrkdwn).
    """
    if not consumers:
        return "No consumer is known."
    groups = grouped(consumers, breakages)
    named = groups if len(consumers) <= most else groups[:GROUPS]
    rooms = _shares([len(members) for _, members in named], most)
    lines = []
    for (title, members), room in zip(groups, rooms, strict=False):
        some = ", such as" if len(members) > room else ""
        lines.append(_group_line(title, members, breakages) + some)
        lines.extend(_consumer_line(consumer, breakages) for consumer in members[:room])
    if others := groups[len(rooms) :]:
        hidden = sum(len(members) for _, members in others)
        lines.append(f"… and {counted(hidden, 'consumer')} in {counted(len(others), 'more group')}")
    tail = [rest] if rest and len(consumers) > sum(rooms) else []
    return "\n".join([joined(lines, 2200), *tail])


def grouped(
    consumers: Sequence[Consumer], breakages: Mapping[str, Breakage]
) -> list[tuple[tuple[str, str], list[Consumer]]]:
    """Sort consumers by owner and namespace: where most would break first, within a group too."""
    groups: dict[tuple[str, str], list[Consumer]] = {}
    for consumer in sorted(consumers, key=lambda one: (not _breaks(one, breakages), one.workload)):
        groups.setdefault((consumer.owner, place_of(consumer.workload)), []).append(consumer)
    return sorted(
        groups.items(),
        key=lambda group: (-_breaking(group[1], breakages), -len(group[1]), group[0]),
    )


def groups_text(case: Case) -> str:
    """One line for each group of consumers, with how many are in it and how many would break."""
    breakages = breakages_of(case)
    groups = grouped(case.blast_radius.consumers, breakages)
    lines = [f"• {_group_line(title, members, breakages)}" for title, members in groups]
    return joined(lines, 2400)


def _shares(sizes: Sequence[int], most: int) -> list[int]:
    """Deal `most` places out to groups of these sizes, one to each in turn."""
    shares = [0] * len(sizes)
    while most > 0 and shares != list(sizes):
        for index, size in enumerate(sizes):
            if most > 0 and shares[index] < size:
                shares[index] += 1
                most -= 1
    return [share for share in shares if share]


def _group_line(
    title: tuple[str, str], members: Sequence[Consumer], breakages: Mapping[str, Breakage]
) -> str:
    owner, place = title
    broken = _breaking(members, breakages)
    tail = f", {broken} would break" if broken else ""
    return f"*{said(owner_name(owner), 60)}* · {code(place, 60)} ({len(members)}{tail})"


def _breaking(members: Sequence[Consumer], breakages: Mapping[str, Breakage]) -> int:
    return sum(_breaks(each, breakages) for each in members)


def readers_text(readers: tuple[Reader, ...], *, most: int = 5, limit: int = 1000) -> str:
    """Count who can read it, and name the first few with what grants it."""
    if not readers:
        return "Nobody that Locksmith can see (see the gaps)."
    subjects: dict[str, Reader] = {}
    for reader in readers:
        known = subjects.get(reader.subject)
        if known is None or (reader.direct and not known.direct):
            subjects[reader.subject] = reader
    direct = sum(reader.direct for reader in subjects.values())
    lines = [f"*{len(subjects)}* in all: {direct} directly, {len(subjects) - direct} indirectly"]
    ordered = sorted(subjects.values(), key=lambda each: (not each.direct, each.subject))
    shown = [_reader_line(reader) for reader in ordered]
    return joined([*lines, *top(shown, most, "reader")], limit)


def opens_text(radius: BlastRadius, *, most: int = 8) -> str:
    """Say what an attacker who holds it reaches next."""
    lines = []
    for opened in sorted(radius.opens, key=lambda each: (each.depth, each.ref)):
        through = " → ".join(ref_code(step) for step in opened.path[1:-1][:3])
        note = f" · {said(opened.note, 160)}" if opened.note else ""
        lines.append(f"• {ref_code(opened.ref)}{f' through {through}' if through else ''}{note}")
    return joined(top(lines, most, "thing"), 900)


def gaps_text(gaps: tuple[Gap, ...], *, most: int = 4) -> str:
    lines = [
        f"• {code(gap.source, 60)} {code(gap.scope, 80)}: {said(gap.reason, 160)}"
        + (f"\n   → {said(gap.do_now, 200)}" if gap.do_now else "")
        for gap in gaps
    ]
    return joined(top(lines, most, "gap"), 1800)


def breakages_of(case: Case, order: str = "revoke-first") -> dict[str, Breakage]:
    """How each consumer fares under one order of the plan; empty without a plan."""
    forecasts = case.plan.forecasts if case.plan else ()
    chosen = next((forecast for forecast in forecasts if forecast.order == order), None)
    return {each.workload: each for each in chosen.breakages} if chosen else {}


def blast_radius_modal(case: Case) -> Block:
    """Everything that the card only counts, as far as a modal holds it."""
    radius = case.blast_radius
    blocks: list[Block] = [section(incident_name(case))]
    blocks.append(
        section(
            "*Where it lies*\n" + copies_text(radius, case.matches, case.identity_facts, most=30)
        )
    )
    shown = consumers_text(
        radius.consumers,
        breakages_of(case),
        most=MODAL_TOP,
        rest="All of them are in the incident's thread.",
    )
    title = f"*Who consumes it* ({len(radius.consumers)}), and what happens if revoked now"
    blocks += [section(title), section(shown)]
    blocks.append(section("*Who can read it*\n" + readers_text(radius.readers, most=20)))
    if radius.opens:
        blocks.append(section("*What it opens*\n" + opens_text(radius, most=20)))
    if radius.gaps:
        blocks.append(section("*What Locksmith could not see*\n" + gaps_text(radius.gaps, most=12)))
    blocks.append(context("As the graph was when the incident was opened."))
    return modal("Blast radius", blocks)


def _breaks(consumer: Consumer, breakages: Mapping[str, Breakage]) -> bool:
    breakage = breakages.get(consumer.workload)
    return breakage is not None and breakage.breaks


def _consumer_line(consumer: Consumer, breakages: Mapping[str, Breakage]) -> str:
    breakage = breakages.get(consumer.workload)
    icon = "💥" if breakage and breakage.breaks else "•"
    how = ", ".join(sorted({use.how for use in consumer.via if use.how}))
    size = f" · {counted(consumer.replicas, 'replica')}" if consumer.replicas is not None else ""
    words = breakage.sentence if breakage else consumer.reason or str(consumer.picks_up)
    # The forecast names how by itself.
    used = f" ({said(how, 60)})" if how and not breakage else ""
    return f"{icon} {code(short_name(consumer.workload), 80)}{size}{used}: {said(words, 220)}"


def _reader_line(reader: Reader) -> str:
    how = "directly" if reader.direct else "indirectly"
    path = " → ".join(ref_code(step) for step in reader.path[:3])
    verbs = said(", ".join(reader.verbs), 60)
    through = f" by {path}" if path else ""
    note = f" · {said(reader.note, 120)}" if reader.note else ""
    return f"• {ref_code(reader.subject)} {how} ({verbs}){through}{note}"


def owners_text(claims: Sequence[OwnerClaim]) -> str:
    """Name the owners, nearest first, each with who says so; a disagreement stands beside it."""
    lines = [
        f"• {said(owner_name(claim.owner), 60)}: {provenance(claim)}" for claim in claims[:OWNERS]
    ]
    if len(claims) > OWNERS:
        lines.append(f"… and {len(claims) - OWNERS} more")
    return "\n".join(lines) or "Nobody is named."


def provenance(claim: OwnerClaim) -> str:
    """Say whose word it is, how old that may be, and who says otherwise."""
    words = f"_{said(claim.source, 90)}_"
    if claim.stale_since is not None:
        words += f", not read again since {when(claim.stale_since)}"
    return f"{words} ⚠️ {said(claim.disagrees, 120)}" if claim.disagrees else words
