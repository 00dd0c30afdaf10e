"""
Reports of leaks, from a message's menu, the form, the command line, or a message that was read.

Each becomes incidents at the desk; the reporter gets a receipt, the author of a message is asked
to delete it. The value is in the payload and goes to intake only.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from bot.inbox import Entry
from bot.intake.intake import Seen, Taken
from bot.intake.slack_text import unmarked
from bot.slack.payloads import Asked, asked, form_values
from bot.slack.views.forms import NAMED, NOTE, VALUE, WHERE, choice_view, report_form
from bot.slack.views.spill import command_spill, nothing_found, reporter_receipt
from bot.work.messages import Handled, handle, read, report
from bot.work.room import Room, answer, text_of
from bot.work.spills import EDITED, VERIFIED
from bot.work.watching import LOCKSMITH, gone
from graph.errors import AmbiguousError, BadInputError
from graph.model import NodeKind
from graph.queries.search import resolve
from responders.places import Gone

log = structlog.get_logger()

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
    if not handled.cases:
        found = nothing_found(where_name=handled.seen.where_name, remark=handled.remark)
        answer(room, entry, by, found)
        return
    is_author = text_of(message, "user") == by.user
    receipt = reporter_receipt(
        handled.cases, remark=handled.remark, spilled=handled.spilled, is_author=is_author
    )
    answer(room, entry, by, receipt, part="receipt")
    if not is_author and by.channel[:1] != "D":
        room.outbox.post(f"receipt-kept:{entry.key}", by.user, receipt)


def from_form(entry: Entry, room: Room) -> None:
    """Take what was typed into the form: a value, or a name, or both."""
    by = asked(entry.payload)
    reporter = room.people.may_act(by.user)
    typed = form_values(entry.payload)
    seen = Seen(
        reporter=reporter,
        where=typed.get(WHERE, ""),
        where_name=typed.get(WHERE, "")[:80],
        note=typed.get(NOTE, ""),
        seen_at=entry.received_at,
        reported_at=entry.received_at,
    )
    value, named = typed.get(VALUE, ""), typed.get(NAMED, "")
    taken = room.intake.from_value(value, seen) if value else Taken()
    if not taken.reports and named:
        try:
            ref = resolve(room.graph.snapshot(), named, kinds=SECRETS)
        except AmbiguousError as error:
            room.screen.redraw(by.view_id, choice_view(named, list(error.candidates)))
            return
        taken = Taken((room.intake.from_name(ref, seen),))
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


def from_command(entry: Entry, room: Room, by: Asked, text: str) -> bool:
    """Take care of a value that stands in the command line itself; False if there is none."""
    reporter = room.people.may_act(by.user)
    at = entry.received_at
    seen = Seen(reporter=reporter, where_name="a /leak command", seen_at=at, reported_at=at)
    taken = room.intake.from_message(unmarked(text), seen, vouched=False)
    if not taken.reports:
        return False
    cases = report(room, taken)
    answer(room, entry, by, command_spill([case.id for case, _ in cases]))
    return True


def on_message(entry: Entry, room: Room) -> None:
    """Look at a message that the bot may read: new, edited or deleted."""
    event: Mapping[str, Any] = entry.payload.get("event") or {}
    channel, subtype = text_of(event, "channel"), text_of(event, "subtype")
    before: Mapping[str, Any] = event.get("previous_message") or {}
    if subtype == "message_deleted":
        _on_deleted(entry, room, channel, text_of(event, "deleted_ts"), before)
        return
    if subtype != "message_changed":
        _look(entry, room, event, channel)
        return
    message: Mapping[str, Any] = event.get("message") or {}
    if text_of(message, "subtype") == "tombstone":  # a deleted root of a thread
        _on_deleted(entry, room, channel, text_of(message, "ts"), before)
        return
    spill = room.spills.at(channel, text_of(message, "ts"))
    if spill is not None and _edited_away(entry, room, before, message):
        gone(room, spill, EDITED)
    elif not _look(entry, room, message, channel) and spill is None and before:
        _look(entry, room, before, channel, after=EDITED)


def _look(
    entry: Entry, room: Room, message: Mapping[str, Any], channel: str, *, after: Gone | None = None
) -> bool:
    """Report what a detector finds; `after`: what has happened to the message since."""
    words = read(room, message)
    if not words.text.strip() or not room.intake.holds_secret(words.text):
        return False
    handled = handle(
        room, entry, message, words, channel=channel, reporter=LOCKSMITH, vouched=False
    )
    if handled.cases:
        log.info("message.held_secret", incidents=[case.id for case, _ in handled.cases])
    spill = room.spills.at(channel, text_of(message, "ts"))
    if spill is not None and after is not None:
        gone(room, spill, after)
    return bool(handled.cases)


def _on_deleted(entry: Entry, room: Room, channel: str, ts: str, before: Mapping[str, Any]) -> None:
    """Slack itself says that a message is gone; what nobody had seen in it is reported now."""
    spill = room.spills.at(channel, ts)
    if spill is not None:
        gone(room, spill, VERIFIED)
    elif before:
        _look(entry, room, before, channel, after=VERIFIED)


def _edited_away(
    entry: Entry, room: Room, before: Mapping[str, Any], now: Mapping[str, Any]
) -> bool:
    """Tell whether nothing that was secret in the message stands there any more."""
    seen = Seen(reporter=LOCKSMITH, reported_at=entry.received_at)
    was, stands = (
        [
            mark.digest
            for each in room.intake.from_message(read(room, one).text, seen, vouched=True).reports
            for mark in each.fingerprints
        ]
        for one in (before, now)
    )
    return bool(was) and not set(was) & set(stands)
