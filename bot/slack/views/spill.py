"""
A secret stands in a message: what its author, its reporter and an owner are told.

The truth is told each time: deleting is clean-up, since copies live in notifications, exports and
unfurls; only the rotation ends the leak. The value itself is never repeated.
"""

from bot.slack.views.blocks import (
    Block,
    Message,
    actions,
    button,
    context,
    link_button,
    message,
    section,
)
from bot.slack.views.names import STATE_WORDS
from bot.slack.views.text import code, counted, joined, said
from responders.incident import Case


def author_request(
    detector_name: str, *, token: str, permalink: str, where_name: str, incident_id: str = ""
) -> Message:
    """Ask the author to delete the message; `token` is the opaque id of this sighting."""
    kind = said(detector_name or "a credential", 80)
    incident = f" Incident {code(incident_id)} is open." if incident_id else ""
    words = (
        f"*Your message{f' in {said(where_name, 80)}' if where_name else ''} holds a secret* "
        f"({kind}).{incident}\n"
        "Please delete it now. That is clean-up only: the value counts as known and is being "
        "replaced. Nobody blames you; reporting fast is what counts."
    )
    opened = link_button("Open message", "message_open", permalink) if _is_link(permalink) else None
    done = button("I deleted it", "sighting_removed", token, style="primary")
    return message(
        "Your message holds a secret: please delete it.",
        [section(words), actions("spill", done, opened)],
    )


def author_thanks(*, verified: bool) -> Message:
    words = (
        "Thank you: Slack confirms that the message is gone."
        if verified
        else "Thank you, noted under your name. Slack will confirm it where Locksmith may look."
    )
    return message(words, [section(words)])


def reporter_receipt(cases: list[tuple[Case, str]], *, remark: str = "") -> Message:
    """Tell the reporter what happened, what it means and what comes now."""
    lines = [line for case, outcome in cases for line in receipt_lines(case, outcome)]
    if remark:
        lines.append(f"_{said(remark, 400)}_")
    names = ", ".join(case.id for case, _ in cases)
    return message(f"Thank you. {names or 'Nothing was opened.'}", [section(joined(lines, 2800))])


def receipt_lines(case: Case, outcome: str) -> list[str]:
    """Say what one report led to; `outcome` is opened, joined or reopened."""
    happened = {
        "opened": f"Incident {code(case.id)} is open: *{said(case.title, 150)}*.",
        "joined": f"This is known: it joined incident {code(case.id)} "
        f"({STATE_WORDS[case.state]}), *{said(case.title, 150)}*.",
        "reopened": f"It was seen again: incident {code(case.id)} is open again.",
    }.get(outcome, f"Incident {code(case.id)}.")
    consumers = counted(len(case.blast_radius.consumers), "consumer")
    if case.matches:
        means = f"It is {code(case.matches[0].secret)}, used by {consumers}."
    else:
        means = "It is in no store that Locksmith sees: it is treated as an unknown credential."
    return [happened, means, f"*Next:* {said(case.next_action, 300)}"]


def nothing_found(*, where_name: str = "") -> Message:
    """No secret was recognised in a reported message: ask, rather than guess."""
    place = f" in that message{f' ({said(where_name, 60)})' if where_name else ''}"
    words = (
        f"*No secret was recognised{place}.*\n"
        "Nothing was opened. If there is one all the same, report it with the form: paste the "
        "value alone, or name the secret that you think it is."
    )
    blocks: list[Block | None] = [
        section(words),
        actions("spill", button("Open the form", "leak_report_open", "form", style="primary")),
    ]
    return message("No secret was recognised.", blocks)


def command_spill(incidents: list[str]) -> Message:
    """Say that a value given in the command line is taken care of; it is never repeated."""
    listed = ", ".join(code(each) for each in incidents)
    words = (
        f"*That command held a secret.* Nobody else saw it, but it is in Slack's records now: "
        f"it is handled as a leak ({listed})."
    )
    hint = context("Next time use `/leak` alone: the form is not posted anywhere.")
    return message("That command held a secret.", [section(words), hint])


def owner_notice(case: Case) -> Message:
    """Tell an owner personally what of theirs is affected, and where the work is."""
    consumers = counted(len(case.blast_radius.consumers), "consumer")
    lines = [
        f"*A secret of yours leaked*: {said(case.title, 150)} ({code(case.id)}, {case.severity}).",
        f"{consumers} would be touched by its rotation; nothing runs without an approval.",
        f"*Next:* {said(case.next_action, 300)}",
    ]
    show = actions("owner", button("Blast radius", "blast_radius_show", case.id))
    return message(f"A secret of yours leaked: {case.id}.", [section("\n".join(lines)), show])


def _is_link(address: str) -> bool:
    return address.startswith(("https://", "http://")) and len(address) < 3000  # noqa: PLR2004
