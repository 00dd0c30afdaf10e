"""
A secret stands in a message: what its author, its reporter, the security channel and owners read.

The truth is told each time: deleting is clean-up, since copies live in notifications, exports and
unfurls; only the rotation ends the leak. The value itself is never repeated.
"""

from dataclasses import dataclass

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
from bot.slack.views.text import code, joined, mention, said
from graph.words import counted
from responders.incident import Case

DELETE_HOW = "⋯ next to the message → *Delete message*"
WHY_DELETE = (
    "Deleting is clean-up: notifications, exports and whoever read it keep the old text. So the "
    "value counts as known and is being replaced. Nobody blames you; speed is what counts."
)


@dataclass(frozen=True, slots=True)
class Spilled:
    """
    One message that holds a secret, as far as it is told. `token` is the opaque id of its buttons.

    `author` is a Slack user id, "" for an app; `minutes` since it was found.
    """

    token: str
    where: str
    where_name: str
    kinds: str
    incident_id: str
    author: str = ""
    file: bool = False
    minutes: int = 0

    @property
    def place(self) -> str:
        return said(self.where_name, 80) or "Slack"


def author_request(spilled: Spilled) -> Message:
    """Ask the author to delete the message."""
    steps = [f"*1.*  *Delete it now:* {DELETE_HOW}."]
    if spilled.file:
        steps[0] += " Delete the file with it, Slack keeps it otherwise."
    steps += [
        "*2.*  *Do not post it again*, not even to ask about it.",
        f"*3.*  That is all. {code(spilled.incident_id)} is open; the value gets replaced.",
    ]
    lead = f"🔑 *Your message in {spilled.place} holds a secret* ({_kinds(spilled)})."
    return message(
        "Your message holds a secret: please delete it.",
        [
            section(lead),
            section("\n".join(steps)),
            _buttons(spilled, "I deleted it"),
            context(WHY_DELETE),
        ],
    )


def author_reminder(spilled: Spilled, *, last: bool) -> Message:
    """Remind the author; `last`: the security channel is told now too."""
    words = (
        f"⏰ *Your message in {spilled.place} still holds a secret*, "
        f"{counted(spilled.minutes, 'minute')} after it was found ({code(spilled.incident_id)}).\n"
        f"Please delete it: {DELETE_HOW}."
    )
    then = "The security channel was told, so that somebody can help." if last else WHY_DELETE
    return message(
        "Please delete it: your message still holds a secret.",
        [section(words), _buttons(spilled, "I deleted it"), context(then)],
    )


def author_thanks(how: str, *, by_locksmith: bool = False) -> Message:
    """Say what is known now; `how` is claimed, edited, verified, or standing."""
    words = {
        "verified": "✅ *Thank you: the message is gone*, Slack says so itself.",
        "claimed": (
            "✅ *Thank you, noted under your name.* Locksmith may not look there, "
            "so your word is what counts."
        ),
        "edited": (
            "✏️ *Thank you: the value is not shown any more.* An edit is not a deletion: where "
            "your workspace keeps edits, the old text stays in its exports, and whoever was "
            "notified has it. Deleting the message as well does no harm."
        ),
        "standing": (
            f"👀 *Slack still shows the message.* Please delete it: {DELETE_HOW}. "
            "If you cannot, ask a workspace admin."
        ),
    }[how]
    if by_locksmith and how == "verified":
        words = "🧹 *Locksmith deleted your message*, with the admin right it was given."
    rest = "Nothing else is needed from you." if how != "standing" else "It is not noted as gone."
    return message(words.replace("*", ""), [section(words), context(rest)])


def still_standing(spilled: Spilled, *, asked: int) -> Message:
    """Tell the security channel that nobody took the message away."""
    author = mention(spilled.author, "") if spilled.author else "an app"
    tried = (
        f"{author} wrote it, was asked {counted(asked, 'time')} and did not delete it."
        if spilled.author
        else "An app or somebody outside wrote it: nobody could be asked to delete it."
    )
    words = (
        f"⚠️ *A secret still stands in {spilled.place}*, {counted(spilled.minutes, 'minute')} "
        f"after it was found ({_kinds(spilled)}, {code(spilled.incident_id)}).\n{tried}"
    )
    do_now = (
        f"*Do now:* let a workspace admin delete it ({DELETE_HOW}), or talk to its author. "
        "The rotation does not wait for it."
    )
    return message(
        f"A secret still stands in {spilled.where_name or 'Slack'} ({spilled.incident_id}).",
        [section(words), section(do_now), _buttons(spilled, "It is gone")],
    )


def stands_no_more(spilled: Spilled, how: str) -> Message:
    """Replace reminders, and the alarm of the security channel, once the message is gone."""
    said_by = {
        "verified": "Slack says so itself",
        "claimed": "somebody says so, see the incident",
        "edited": "its author edited it; the old text may live in exports",
    }[how]
    words = f"✅ The secret in {spilled.place} does not stand there any more: {said_by}."
    return message(words, [section(f"{words} ({code(spilled.incident_id)})")])


def reporter_receipt(
    cases: list[tuple[Case, str]],
    *,
    remark: str = "",
    spilled: Spilled | None = None,
    is_author: bool = False,
) -> Message:
    """
    Tell the reporter what happened, what it means and what comes now.

    `spilled` is the message that was reported: its author is asked, unless that is the reporter.
    """
    lines = ["*Thank you.* The value itself was not kept."] if cases else []
    lines += [line for case, outcome in cases for line in receipt_lines(case, outcome)]
    if remark:
        lines.append(f"_{said(remark, 400)}_")
    names = ", ".join(case.id for case, _ in cases)
    blocks: list[Block | None] = [section(joined(lines, 2500))]
    if spilled is not None:
        blocks += [section(_reporter_part(spilled, is_author=is_author)), _open_button(spilled)]
    return message(f"Thank you. {names or 'Nothing was opened.'}", blocks)


def _reporter_part(spilled: Spilled, *, is_author: bool) -> str:
    if is_author:
        return f"*You:* please delete your message now: {DELETE_HOW}."
    asked = (
        f"{mention(spilled.author, '')} was asked in private to delete the message."
        if spilled.author
        else "An app or somebody outside wrote it, so nobody could be asked to delete it. "
        "If you can have it deleted, please do."
    )
    return f"*You:* do not quote it, do not answer with it. {asked}"


def receipt_lines(case: Case, outcome: str) -> list[str]:
    """Say what one report led to; `outcome` is opened, joined, reopened or known."""
    happened = {
        "opened": f"Incident {code(case.id)} is open: *{said(case.title, 150)}*.",
        "joined": f"This is known: it joined incident {code(case.id)} "
        f"({STATE_WORDS[case.state]}), *{said(case.title, 150)}*.",
        "reopened": f"It was seen again: incident {code(case.id)} is open again.",
        "known": f"This very place was handled before: incident {code(case.id)} "
        f"({STATE_WORDS[case.state]}). Nothing was opened.",
    }.get(outcome, f"Incident {code(case.id)}.")
    consumers = counted(len(case.blast_radius.consumers), "consumer")
    if case.matches:
        means = f"It is {code(case.matches[0].secret)}, used by {consumers}."
    else:
        means = "It is in no store that Locksmith sees: it is treated as an unknown credential."
    return [happened, means, f"*Next:* {said(case.next_action, 300)}"]


def nothing_found(*, where_name: str = "", remark: str = "") -> Message:
    """No secret was recognised in a reported message: ask, rather than guess."""
    place = f" in that message{f' ({said(where_name, 60)})' if where_name else ''}"
    words = f"*No secret was recognised{place}.* Nothing was opened."
    if remark:
        words += f"\n{said(remark, 600)}"
    words += (
        "\nIf there is one all the same, report it with the form: paste the value alone, or name "
        "the secret that you think it is."
    )
    return message("No secret was recognised.", [section(words), form_button()])


def thread_unread() -> Message:
    """Say what to do where the bot may not read the thread that it was called into."""
    words = (
        "*Locksmith may not read this thread*, so it did not see what leaked. Nothing was opened.\n"
        "*Do now:* on the message itself, ⋯ → *Report a leak*: that works everywhere. "
        "Or use the form."
    )
    return message("Locksmith may not read this thread.", [section(words), form_button()])


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


def form_button(*, quiet: bool = False) -> Block | None:
    """Offer the form; `quiet`: beside something that is more to the point."""
    style = "" if quiet else "primary"
    return actions("spill", button("Open the form", "leak_report_open", "form", style=style))


def _kinds(spilled: Spilled) -> str:
    return said(spilled.kinds or "a credential", 80)


def _buttons(spilled: Spilled, done: str) -> Block | None:
    return actions(
        "spill",
        button(done, "sighting_removed", spilled.token, style="primary"),
        _link(spilled),
    )


def _open_button(spilled: Spilled) -> Block | None:
    link = _link(spilled)
    return actions("spill", link) if link else None


def _link(spilled: Spilled) -> Block | None:
    if not spilled.where.startswith(("https://", "http://")) or len(spilled.where) >= 3000:  # noqa: PLR2004 - Slack's limit
        return None
    return link_button("Open message", "message_open", spilled.where)
