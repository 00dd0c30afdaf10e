"""Private answers to /leak: who uses a secret, who reads it, what it reaches, how a case is."""

from collections.abc import Sequence

from bot.slack.views.blast_radius import (
    TOP,
    consumers_text,
    copies_text,
    gaps_text,
    opens_text,
    owners_text,
    readers_text,
)
from bot.slack.views.blocks import (
    Block,
    Message,
    actions,
    button,
    context,
    header,
    message,
    section,
)
from bot.slack.views.forms import problem_text
from bot.slack.views.names import SEVERITY_ICON, STATE_WORDS
from bot.slack.views.steps import progress_count
from bot.slack.views.text import code, joined, said, top, when
from bot.slack.views.whole_answer import Found, is_long, rest_line
from graph.queries.access import Accesses
from graph.queries.blast_radius import BlastRadius
from graph.queries.consumers import Consumers
from graph.queries.readers import Readers
from graph.words import counted
from responders.incident import Case

LONGEST_WORD = 20
HELP_LINES = (
    "`/leak`  report a leak: a form that only Locksmith reads",
    "`/leak uses payments/db`  who consumes a secret, through every sync and copy",
    "`/leak readers payments/db`  who can read it, and what grants it",
    "`/leak blast payments/db`  all that a leak of it would reach",
    "`/leak access payments/db`  who did read it, as far as audit logs say",
    "`/leak status`  open incidents; `/leak status INC-1` one of them",
    "`/leak help`  this",
)


def help_answer(*, unknown: str = "") -> Message:
    # What is no word may be a value that somebody pasted: it is not repeated.
    named = f"“{unknown}”" if unknown.isalpha() and len(unknown) <= LONGEST_WORD else "that"
    lead = [f"I do not know {named}."] if unknown else []
    lines = [
        *lead,
        *HELP_LINES,
        "The four questions work as “@locksmith uses payments/db” too; only you see the answer.",
        "A message with a secret in it: its menu → *Report a leak*.",
    ]
    text = "What /leak can do."
    report = actions("help", button("Report a leak", "leak_report_open", "form", style="primary"))
    return message(text, [section("\n".join(lines)), report])


def uses_answer(answer: Consumers, *, sendable: bool = False) -> Message:
    """`sendable`, here and below: all of it can be had as a file."""
    count = counted(len(answer.consumers), "consumer")
    return message(
        f"{answer.secret} has {count}.",
        [
            section(f"{code(answer.secret, 250)} has *{count}*"),
            section(consumers_text(answer.consumers, {})),
            *_end("uses", answer.secret, answer, sendable=sendable),
        ],
    )


def readers_answer(answer: Readers, *, sendable: bool = False) -> Message:
    return message(
        f"{counted(len(answer.readers), 'way')} to read {answer.secret}.",
        [
            section(f"Who can read {code(answer.secret, 250)}"),
            section(readers_text(answer.readers, most=TOP, limit=2700)),
            *_end("readers", answer.secret, answer, sendable=sendable),
        ],
    )


def access_answer(answer: Accesses, *, sendable: bool = False) -> Message:
    """Say who did read it, as far as audit logs say; what they do not say stands below."""
    lines = [
        f"• {code(one.subject or one.who)} {counted(one.times, 'time')}, last {when(one.last)}"
        f"{' from ' + code(', '.join(one.addresses[:3])) if one.addresses else ''}"
        f"{'' if one.sure else ' · _may have seen it in a list_'}"
        for one in sorted(answer.reads, key=lambda one: one.last, reverse=True)
    ]
    body = joined(top(lines, TOP, "reader"), 2500) if lines else "No read is known."
    count = sum(one.times for one in answer.reads if one.sure)
    words = f"was read *{counted(count, 'time')}*"
    if not answer.reads and answer.gaps:  # nothing was seen because nobody looked: that is no 0
        words, body = "was read by *nobody knows whom*", "What is not seen is named below."
    lead = f"{code(answer.secret, 250)} {words}"
    return message(
        f"{answer.secret} {words.replace('*', '')}.",
        [
            section(lead),
            section(body),
            *_end("access", answer.secret, answer, sendable=sendable),
        ],
    )


def blast_answer(secret: str, radius: BlastRadius, *, sendable: bool = False) -> Message:
    blocks: list[Block | None] = [
        section(f"If {code(secret, 250)} leaked:"),
        section("*Where it lies*\n" + copies_text(radius, ())),
        section("*Who owns it*\n" + owners_text(radius.owners)),
        section(
            f"*Who consumes it* ({len(radius.consumers)})\n" + consumers_text(radius.consumers, {})
        ),
        section("*Who can read it*\n" + readers_text(radius.readers, most=TOP, limit=1700)),
        section("*What it opens*\n" + opens_text(radius)) if radius.opens else None,
        *_end("blast", secret, radius, sendable=sendable),
    ]
    return message(f"What a leak of {secret} reaches.", blocks)


def drawn(secret: str, found: Found, *, sendable: bool = False) -> Message:
    """Draw the answer that fits what was found."""
    match found:
        case Consumers():
            return uses_answer(found, sendable=sendable)
        case Readers():
            return readers_answer(found, sendable=sendable)
        case Accesses():
            return access_answer(found, sendable=sendable)
        case BlastRadius():
            return blast_answer(secret, found, sendable=sendable)


def status_answer(case: Case) -> Message:
    lines = [
        f"{SEVERITY_ICON[case.severity]} {code(case.id)} *{said(case.title, 150)}*",
        f"*{STATE_WORDS[case.state]}* since {when(case.timeline[-1].at if case.timeline else None)}"
        + (f" · {progress_count(case)}" if case.progress else ""),
        f"*Next:* {said(case.next_action, 400)}",
    ]
    show = actions("status", button("Blast radius", "blast_radius_show", case.id))
    return message(f"{case.id}: {STATE_WORDS[case.state]}", [section("\n".join(lines)), show])


def incidents_answer(cases: Sequence[Case]) -> Message:
    if not cases:
        return message("No incident is open.", [section("No incident is open. 🎉")])
    lines = [
        f"{SEVERITY_ICON[case.severity]} {code(case.id)} {said(case.title, 120)} · "
        f"{STATE_WORDS[case.state]}"
        for case in cases
    ]
    title = counted(len(cases), "open incident")
    return message(title, [header(title), section(joined(lines, 2800))])


def ambiguous_answer(text: str, candidates: Sequence[str]) -> Message:
    lines = [f"“{said(text, 100)}” fits {len(candidates)} things. Give a longer part of the name:"]
    lines += [f"• {code(candidate, 200)}" for candidate in candidates[:20]]
    if len(candidates) > 20:  # noqa: PLR2004
        lines.append(f"… and {len(candidates) - 20} more")
    return message(f"“{text}” is ambiguous.", [section(joined(lines, 2800))])


def problem_answer(happened: str, means: str, do_now: str) -> Message:
    """Tell an error to the person who caused the work, in its three parts."""
    return message(happened, [section(problem_text(happened, means, do_now))])


def done_answer(words: str, incident_id: str = "") -> Message:
    """Say what was done; of which incident, where it is about one."""
    named = f"{code(incident_id)} " if incident_id else ""
    fallback = f"{incident_id}: {words}" if incident_id else words
    return message(fallback, [section(named + said(words, 1000))])


def _end(verb: str, secret: str, found: Found, *, sendable: bool) -> list[Block | None]:
    """Say where the rest of a long answer is, and what could not be seen."""
    rest = context(rest_line(verb, secret, sendable=sendable)) if is_long(found) else None
    if not found.gaps:
        return [rest, context("Locksmith saw all of its sources.")]
    return [rest, context("*Not seen:*\n" + gaps_text(found.gaps))]
