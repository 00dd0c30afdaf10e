"""
The root card of an incident and the notes in its thread: functions of the case alone.

The card answers, in this order: how bad, what now and by whom, with the buttons for it; in a run
how far the work is; what leaked, who was told; where it lies, who breaks, who can read it. Once all
is done only the outcome stays. It is the only message that notifies; the rest goes to its thread.
"""

from bot.slack.views.blast_radius import (
    OWNERS,
    breakages_of,
    consumers_text,
    copies_text,
    gaps_text,
    opens_text,
    provenance,
    readers_text,
)
from bot.slack.views.blocks import (
    Block,
    Message,
    actions,
    context,
    divider,
    fields,
    header,
    message,
    section,
)
from bot.slack.views.buttons import card_buttons
from bot.slack.views.charge import in_charge
from bot.slack.views.names import (
    ORDER_WORDS,
    SEVERITY_ICON,
    STATE_WORDS,
    owner_name,
    who,
)
from bot.slack.views.steps import (
    PHASE_WORDS,
    broken_step,
    finding_lines,
    forecast_text,
    progress_count,
    progress_lines,
    steps_text,
)
from bot.slack.views.text import code, duration, joined, said, when
from graph.words import counted
from responders.incident import OPEN_STATES, Case, IncidentState, StepProgress
from responders.next_action import banner

REASONS = 3
PLACES = 2
ENDS = frozenset({"closed", "false_alarm"})  # kinds of entries of the timeline
FACT = 120  # characters; what is longer is a sentence
ISSUER_FACTS = ("display_name", "accessor", "expire_time")  # shown on the card where known


def incident_card(case: Case, *, whole_list: str = "") -> Message:
    """
    Draw the root card; re-drawn on each revision, so that Slack equals the rows.

    `whole_list` is the address of the note that names all consumers.
    """
    steps = section(f"*{_steps_title(case)}*\n{steps_text(case, 1700)}") if case.plan else None
    begun = _begun(case)
    blocks = [
        header(f"{_lead_in(case)} · {case.title}"),
        context(f"{code(case.id)} · *{STATE_WORDS[case.state]}* · {_origin(case)}"),
        _unpaged(case),
        section(f"🚨 *{said(above, 700)}*") if (above := banner(case).strip()) else None,
        section(f"*{_next_title(case)}*\n{_next_words(case)}"),
        actions("incident", *card_buttons(case)),
        steps if begun else None,
        fields(
            [
                ("What leaked", _credential(case)),
                ("Why this severity", _reasons(case)),
                ("Owners", _owners(case)),
                ("Clocks", clocks_text(case)),
                *in_charge(case),
                *_exposed(case),
            ]
        ),
        *(() if _is_history(case) else _reach(case, whole_list)),
        *(() if begun else (divider(), _forecasts(case), steps)),
        context(_footer(case)),
    ]
    return message(fallback(case), blocks)


def _is_history(case: Case) -> bool:
    """Tell whether the leaked value is dead and all is done: nothing can break by it any more."""
    verified = case.state is IncidentState.VERIFIED and case.clocks.proven_dead is not None
    return verified or case.state not in OPEN_STATES


def _reach(case: Case, whole_list: str) -> list[Block | None]:
    """Show what the leak touches, as far as a card has room."""
    radius, count = case.blast_radius, len(case.blast_radius.consumers)
    link = f"<{whole_list}|All {count}, by owner and one by one>"
    rest = link if whole_list else "_All of them: in the thread._"
    consumers = consumers_text(radius.consumers, breakages_of(case), rest=rest)
    return [
        divider(),
        section("*Where it lies*\n" + copies_text(radius, case.matches, case.identity_facts)),
        section(f"*Who consumes it* ({count}), if revoked now\n{consumers}"),
        section("*Who can read it*\n" + readers_text(radius.readers)),
        section("*What it opens*\n" + opens_text(radius)) if radius.opens else None,
    ]


def fallback(case: Case) -> str:
    """Say the card in one line, for notifications and screen readers."""
    words = f"{case.severity.upper()} {case.id}: {case.title} ({STATE_WORDS[case.state]})."
    return f"{words} {case.next_action}"


def opened_note(case: Case) -> Message:
    """First in the thread: where the value was seen, and what the graph could not see."""
    lines = []
    for sighting in case.sightings:
        removed = f" · removed: {said(sighting.removed, 80)}" if sighting.removed else ""
        place = said(sighting.where_name or sighting.where or "an unnamed place", 120)
        author = f", written by {who(sighting.author)}" if sighting.author else ""
        lines.append(
            f"• {place}, {when(sighting.seen_at)}, reported by {who(sighting.reporter)}"
            f"{author}{removed}"
        )
        if sighting.exposure is not None:
            lines.append(f"   {said(sighting.exposure.words, 200)}")
        if sighting.note:
            lines.append(f"   “{said(sighting.note, 300)}”")
    blocks: list[Block] = [section("*Where it was seen*\n" + joined(lines, 2000))]
    if case.identity_facts:
        facts = [
            f"• {said(name.replace('_', ' '), 60)}: {_fact(fact)}"
            for name, fact in case.identity_facts.items()
        ]
        blocks.append(section("*What its issuer says of it*\n" + joined(facts, 1500)))
    if case.blast_radius.gaps:
        blocks.append(
            section("*What Locksmith could not see*\n" + gaps_text(case.blast_radius.gaps))
        )
    return message(f"{case.id}: where it was seen, and what is not known.", blocks)


def _fact(fact: str | tuple[str, ...]) -> str:
    """Names and numbers stand out as code; a sentence is read as one."""
    text = fact if isinstance(fact, str) else ", ".join(fact)
    return said(text, 500) if len(text) > FACT else code(text)


def phase_note(case: Case, phase: str, steps: list[StepProgress]) -> Message:
    """Say that a phase of the plan is through, with what proves it."""
    title = PHASE_WORDS.get(phase, phase.capitalize())
    body = joined([*progress_lines(tuple(steps)), *finding_lines(tuple(steps))], 2400)
    return message(f"{case.id}: {title}.", [section(f"*{said(title, 80)}*\n{body}")])


def stopped_note(case: Case) -> Message:
    """Say that a person must act, and on what; posted once for each stop."""
    step, lines = broken_step(case), [f"🛑 *Stopped* {code(case.id)} {said(case.title, 150)}"]
    if step is not None and step.sentence not in case.next_action:
        lines.append(f"“{said(step.step.title, 120)}”: {said(step.sentence, 400)}")
    lines.append(f"*Now:* {said(case.next_action, 600)}")
    return message(f"{case.id} stopped. {case.next_action}", [section("\n".join(lines))])


def proof_note(case: Case) -> Message:
    """Show the evidence that the leaked value is dead and all run on its successor."""
    lines = progress_lines(case.progress)
    found = finding_lines(case.progress)
    total = ""
    if case.closed_at is not None:
        spent = (case.closed_at - case.clocks.reported).total_seconds()
        total = f" after {duration(spent)}"
    removed = sum(bool(sighting.removed) for sighting in case.sightings)
    seen = f"{removed} of {counted(len(case.sightings), 'sighting')} removed"
    return message(
        f"{case.id} is {STATE_WORDS[case.state]}{total}.",
        [
            header(f"✅ {case.id} {STATE_WORDS[case.state]}{total}"),
            section("*Evidence*\n" + (joined(lines, 2600) if lines else "No step was run.")),
            section("*Consumer by consumer*\n" + joined(found, 2600)) if found else None,
            fields([("Clocks", clocks_text(case)), ("Where it was seen", seen)]),
        ],
    )


def closed_note(case: Case) -> Message:
    """Tell the channel in one line how it ended; the proof is in the thread."""
    words = f"✅ {code(case.id)} {said(case.title, 150)}: {_next_words(case)}"
    return message(f"{case.id} is {STATE_WORDS[case.state]}.", [section(words)])


def checkpoint_note(line: str) -> Message:
    """Copy the audit chain's head to outside the database: an edit or a cut shows against it."""
    return message(line, [context(code(line, 300))])


def clocks_text(case: Case) -> str:
    """Draw the five clocks as spans from the report."""
    clocks = case.clocks
    lines = [f"exposed {when(clocks.exposed)}"] if clocks.exposed else []
    lines.append(f"reported {when(clocks.reported)}")
    for word, moment in (
        ("contained", clocks.contained),
        ("rotated", clocks.rotated),
        ("proven dead", clocks.proven_dead),
    ):
        if moment is not None:
            lines.append(f"{word} +{duration((moment - clocks.reported).total_seconds())}")
        elif case.state in OPEN_STATES:
            lines.append(f"{word}: not yet")
    return "\n".join(lines)


def _unpaged(case: Case) -> Block | None:
    """Say above everything else that no pager took a page; owners are named further down."""
    if case.state not in OPEN_STATES or not case.pages or any(p.confirmed for p in case.pages):
        return None
    return section("🚨 *NOBODY WAS PAGED.* No pager took it: call the owners yourself.")


def _lead_in(case: Case) -> str:
    """Say how bad it is; of what is over, that it is over."""
    if case.state in OPEN_STATES:
        return f"{SEVERITY_ICON[case.severity]} {case.severity.upper()}"
    return f"✅ {STATE_WORDS[case.state].upper()}"


def _next_title(case: Case) -> str:
    return "Next" if case.state in OPEN_STATES else "Outcome"


def _next_words(case: Case) -> str:
    """Say what must happen; of what is over, how it ended and by whose word."""
    ends = [each for each in case.timeline if each.kind in ENDS]
    if case.state in OPEN_STATES or not ends:
        return said(case.next_action.removeprefix(banner(case)), 600) or "Nothing."
    span = duration((ends[-1].at - case.clocks.reported).total_seconds())
    return f"{said(ends[-1].sentence, 500)} That was {span} after the report."


def _begun(case: Case) -> bool:
    """Tell whether the plan has been run, as far as it went."""
    undecided = {IncidentState.OPEN, IncidentState.PLANNED, IncidentState.WAITING}
    return case.state not in undecided


def _origin(case: Case) -> str:
    first = case.sightings[0] if case.sightings else None
    place = f" in {said(first.where_name, 60)}" if first and first.where_name else ""
    more = f" and {len(case.sightings) - 1} more" if len(case.sightings) > 1 else ""
    was = "" if case.state in OPEN_STATES else f"was {case.severity} · "
    return f"{was}reported by {who(case.reporter)}{place}{more}, {when(case.opened_at)}"


def _credential(case: Case) -> str:
    kind = said(case.detector_name or "unknown credential", 80)
    if not case.fingerprint_short:
        return f"{kind}\n_reported without the value_"
    facts = case.identity_facts
    named = [
        f"{name.replace('_', ' ')} {code(str(facts[name]))}"
        for name in ISSUER_FACTS
        if facts.get(name)
    ]
    if named:
        kind += "\n" + "\n".join(named)
    if facts.get("validity"):
        kind += f"\n*{said(str(facts['validity']), 20)}*"
        kind += f": {said(str(facts.get('validity_because', '')), 200)}"
    return f"{kind}\nfingerprint {code(case.fingerprint_short)}"


def _reasons(case: Case) -> str:
    shown = [f"• {said(reason, 160)}" for reason in case.severity_reasons[:REASONS]]
    if len(case.severity_reasons) > REASONS:
        shown.append(f"… and {len(case.severity_reasons) - REASONS} more")
    return "\n".join(shown) or "no rule applied"


def _exposed(case: Case) -> list[tuple[str, str]]:
    """Say who could see it, the widest places first; nothing where nobody counted."""
    counted_places = {each.where: each for each in case.sightings if each.exposure is not None}
    widest = sorted(
        counted_places.values(), key=lambda each: -(each.exposure.people if each.exposure else 0)
    )
    lines = [
        f"• {said(each.where_name or each.where, 60)}: {said(each.exposure.words, 200)}"
        for each in widest[:PLACES]
        if each.exposure is not None
    ]
    if len(widest) > PLACES:
        lines.append(f"… and {counted(len(widest) - PLACES, 'more place')}")
    return [("Exposed in", "\n".join(lines))] if lines else []


def _owners(case: Case) -> str:
    claimed = {claim.owner: claim for claim in case.blast_radius.owners}
    lines = []
    for owner in list(claimed)[:OWNERS]:
        pages = [page for page in case.pages if page.owner == owner]
        taken = next((page for page in pages if page.confirmed), None)
        if taken is not None:
            has_it = f"; {said(taken.answered_by, 60)} has it" if taken.answered_by else ""
            by = said(taken.pager, 40)
            lines.append(f"📟 {said(owner_name(owner), 60)}: paged by {by}{has_it}")
        elif pages:
            why = said(pages[-1].sentence, 100)
            lines.append(f"⚠️ {said(owner_name(owner), 60)}: NOT paged, {why}")
        else:
            lines.append(f"• {said(owner_name(owner), 60)}: not paged yet")
        lines.append(f"   {provenance(claimed[owner])}")
    if len(claimed) > OWNERS:
        lines.append(f"… and {len(claimed) - OWNERS} more")
    others = [page for page in case.pages if page.owner not in claimed]
    lines += [
        f"{'📟' if page.confirmed else '⚠️'} {said(owner_name(page.owner), 60)}: "
        f"{'paged by ' + said(page.pager, 40) if page.confirmed else 'NOT paged'}"
        for page in others[:3]
    ]
    if case.pages and not any(page.confirmed for page in case.pages):
        lines.insert(0, "🚨 *NOBODY WAS PAGED*")
    return "\n".join(lines) or "🚨 no owner is known; *NOBODY WAS PAGED*"


def _steps_title(case: Case) -> str:
    order = ORDER_WORDS.get(case.plan.order, case.plan.order) if case.plan else ""
    done = f" · {progress_count(case)}" if _begun(case) and case.progress else ""
    return f"Steps · {order}{done}"


def _forecasts(case: Case) -> Block | None:
    """Set both orders side by side while there is still a choice."""
    if case.plan is None:
        return None
    lines = [
        forecast_text(forecast, chosen=forecast.order == case.plan.order, limit=320)
        for forecast in case.plan.forecasts
    ]
    lines += [f"⏱️ {said(case.plan.expected, 200)}"] if lines and case.plan.expected else []
    return section("*What each order would do*\n" + joined(lines, 1100)) if lines else None


def _footer(case: Case) -> str:
    last = case.timeline[-1] if case.timeline else None
    seen = "Just opened."
    if last is not None:
        known = last.sentence.rstrip(".") in case.next_action
        words = "what stands under “Next”," if known else said(last.sentence, 200)
        seen = f"Last: {words} {when(last.at)}"
    gaps = len(case.blast_radius.gaps)
    blind = f" · {counted(gaps, 'gap')} in what Locksmith sees" if gaps else ""
    return f"{seen}{blind} · revision {case.revision}"
