"""
Reports of leaks that a person makes: from a message's menu, the form, the command line, a choice.

Each becomes incidents at the desk; the reporter gets a receipt, the author of a message is asked
to delete it. The value is in the payload and goes to intake only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.inbox import Entry
from bot.intake.intake import Seen, Taken
from bot.intake.offers import MOST_OFFERED, Offer
from bot.intake.slack_text import unmarked
from bot.slack.payloads import Asked, asked, form_values
from bot.slack.views.blocks import Message
from bot.slack.views.choosing import choice
from bot.slack.views.forms import NAMED, NOTE, VALUE, WHERE, report_form
from bot.slack.views.spill import command_spill, nothing_found, reporter_receipt
from bot.work.messages import Handled, Words, follow, handle, read, report
from bot.work.room import Room, answer, text_of
from graph.errors import AmbiguousError, BadInputError, NotFoundError
from graph.model import NodeKind
from graph.queries.search import resolve_words

SECRETS = (NodeKind.SECRET,)


def open_form(entry: Entry, room: Room) -> None:
    """Open the report form, for the shortcut and for the buttons that offer it."""
    by = asked(entry.payload)
    room.people.may_act(by.user)
    room.screen.open(by.trigger_id, report_form())


def from_shortcut(entry: Entry, room: Room) -> None:
    """Take the message that somebody pointed at; only that person reads the answer."""
    by = asked(entry.payload)
    reporter = room.people.may_act(by.user)
    message: Mapping[str, Any] = entry.payload.get("message") or {}
    name = str((entry.payload.get("channel") or {}).get("name") or "")
    words = read(room, message)
    handled = handle(
        room,
        entry,
        message,
        words,
        channel=by.channel,
        reporter=reporter,
        name="" if name in {"privategroup", "directmessage"} else name,
        vouched=True,
    )
    thank(room, entry, by, handled, message)


def thank(
    room: Room, entry: Entry, by: Asked, handled: Handled, message: Mapping[str, Any]
) -> None:
    """Give the reporter of a message the receipt, here and as a direct message that stays."""
    if handled.offers:
        place = place_of(by.channel, message)
        answer(room, entry, by, offered(room, entry, handled.offers, place, handled.remark))
        return
    if not handled.cases:
        found = nothing_found(where_name=handled.seen.where_name, remark=handled.remark)
        answer(room, entry, by, found)
        return
    is_author = text_of(message, "user") == by.user
    direct = by.channel[:1] == "D"
    receipt = reporter_receipt(
        handled.cases,
        remark=handled.remark,
        spilled=None if direct and is_author else handled.spilled,  # asked there by itself
        is_author=is_author,
    )
    answer(room, entry, by, receipt, part="receipt")
    if not is_author and not direct:
        room.outbox.post(f"receipt-kept:{entry.key}", by.user, receipt)


def from_form(entry: Entry, room: Room) -> None:
    """Take what was typed into the form: a value, or a name, or both."""
    by = asked(entry.payload)
    reporter = room.people.may_act(by.user)
    typed = form_values(entry.payload)
    seen = Seen(
        reporter=reporter,
        where=typed.get(WHERE, ""),
        where_name=typed.get(WHERE, ""),
        note=typed.get(NOTE, ""),
        seen_at=entry.received_at,
        reported_at=entry.received_at,
    )
    value, named = typed.get(VALUE, ""), typed.get(NAMED, "")
    taken = room.intake.from_value(value, seen) if value else Taken()
    if not taken.reports and named:
        taken = by_name(room, named, seen)
    if taken.offers:
        answer(room, entry, by, offered(room, entry, taken.offers, "", taken.remark))
        return
    if not taken.reports:
        raise BadInputError(
            "The report holds neither a value nor a name.",
            means="No incident was opened.",
            do_now="Paste the value, or name the secret.",
        )
    receipt = reporter_receipt(report(room, taken), remark=taken.remark)
    answer(room, entry, by, receipt)
    # The form may be closed before anybody reads it: the receipt stays as a direct message.
    room.outbox.post(f"receipt:{entry.key}", by.user, receipt)


def by_name(room: Room, words: str, seen: Seen) -> Taken:
    """
    Report what somebody means by words of their own; where several fit, they choose.

    Raises:
        NotFoundError: nothing in the graph fits.
    """
    try:
        ref = resolve_words(room.graph.snapshot(), words, kinds=SECRETS)
    except AmbiguousError as error:
        return offers_of(room, error.candidates, seen)
    return Taken((room.intake.from_name(ref, seen),))


def offers_of(room: Room, refs: Sequence[str], seen: Seen) -> Taken:
    """Lay the named secrets out to choose from."""
    more = len(refs) - MOST_OFFERED
    return Taken(
        offers=tuple(Offer(ref, room.intake.from_name(ref, seen)) for ref in refs[:MOST_OFFERED]),
        remark=f"{more} more fit: give a longer part of the name." if more > 0 else "",
    )


def offered(room: Room, entry: Entry, offers: Sequence[Offer], place: str, remark: str) -> Message:
    """Ask which of them it is; `place` is the message that they were found in."""
    kept = room.offers.keep(offers, now=entry.received_at)
    return choice([(f"{one.token}{place}", one.label) for one in kept], remark=remark)


def place_of(channel: str, message: Mapping[str, Any]) -> str:
    """Write a message's place for a button's value: ids only, without dots."""
    ts, thread = text_of(message, "ts"), text_of(message, "thread_ts")
    return f":{channel}:{ts}:{thread}".replace(".", "-")


def on_choice(entry: Entry, room: Room) -> None:
    """Report what was chosen; the message that it stands in is watched then."""
    by = asked(entry.payload)
    room.people.may_act(by.user)
    token, _, place = by.value.partition(":")
    found = room.offers.find(token, now=entry.received_at)
    if found is None:
        raise NotFoundError(
            "This choice is not open any more.",
            means="It was made already, or is older than a day. Nothing was opened now.",
            do_now="Report it again if it is not in /leak status.",
        )
    seen = Seen(reporter=found.reporter, where=found.where, where_name=found.where_name)
    taken = Taken((found,))
    if place:
        channel, ts, thread = place.replace("-", ".").split(":")
        author = found.author.slack_user if found.author else ""
        message = {"user": author, "ts": ts, "thread_ts": thread}
        handled = follow(room, message, taken, seen, channel=channel, words=Words(""), vouched=True)
    else:
        handled = Handled(report(room, taken), seen)
    room.offers.drop(token)
    author_chose = handled.spilled is not None and handled.spilled.author == by.user
    receipt = reporter_receipt(handled.cases, spilled=handled.spilled, is_author=author_chose)
    answer(room, entry, by, receipt, part="receipt")


def from_command(entry: Entry, room: Room, by: Asked, text: str, *, vouched: bool = False) -> bool:
    """
    Take care of a value that stands in the command line itself; False if there is none.

    `vouched`: it is no question, so that guesses count too.
    """
    reporter = room.people.may_act(by.user)
    at = entry.received_at
    seen = Seen(reporter=reporter, where_name="a /leak command", seen_at=at, reported_at=at)
    taken = room.intake.from_message(unmarked(text), seen, vouched=vouched)
    if taken.offers:
        answer(room, entry, by, offered(room, entry, taken.offers, "", taken.remark))
    if taken.reports:
        cases = report(room, taken)
        answer(room, entry, by, command_spill([case.id for case, _ in cases]))
    return bool(taken.reports or taken.offers)
