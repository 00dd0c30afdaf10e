"""
What the bot hears: messages in channels that it may read, mentions, and direct messages to it.

In channels it looks by itself, and says nothing unless a detector is sure. A mention or a direct
message is somebody's report: a value in it, the message that started its thread, or words that
name a secret.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from bot.inbox import Entry
from bot.intake.intake import Seen
from bot.intake.wording import plain_words
from bot.slack.payloads import Asked, asked
from bot.slack.views.answers import help_answer
from bot.slack.views.spill import nothing_found, thread_unread
from bot.work.answering import found, question_in
from bot.work.messages import DIRECT, Handled, handle, read
from bot.work.reports import SECRETS, offered, offers_of, thank
from bot.work.room import Room, answer, text_of
from bot.work.spills import EDITED, VERIFIED
from bot.work.watching import LOCKSMITH, gone
from graph.errors import AccessDeniedError, AmbiguousError, NotFoundError, RefusedError
from graph.queries.search import resolve_words
from responders.incident import Person
from responders.places import Gone

log = structlog.get_logger()

HELP = frozenset({"", "help", "hi", "hello"})


def on_mention(entry: Entry, room: Room) -> None:
    """Take the message that started the thread; or a value, or a name, in the mention itself."""
    event: Mapping[str, Any] = entry.payload.get("event") or {}
    by = asked(entry.payload)
    reporter = room.people.may_act(by.user)
    words = read(room, event)
    if words.text.strip() and room.intake.holds_secret(words.text):
        handled = handle(
            room, entry, event, words, channel=by.channel, reporter=reporter, vouched=True
        )
        thank(room, entry, by, handled, event)
        return
    if by.thread_ts and _asks(entry, room, by, words.text):
        return
    if not by.thread_ts:
        _by_words(entry, room, by, reporter, words.text)
        return
    try:
        thread = room.reader.thread(by.channel, by.thread_ts)
    except (AccessDeniedError, NotFoundError):
        answer(room, entry, by, thread_unread())
        return
    root, *replies = [each for each in thread if each.get("ts") != text_of(event, "ts")] or [{}]
    handled = _reported(entry, room, by, root, reporter, vouched=True)
    told_in = root
    for reply in replies:
        if handled.cases or handled.offers:
            break
        handled, told_in = _reported(entry, room, by, reply, reporter, vouched=False), reply
    thank(room, entry, by, handled, told_in)


def _reported(
    entry: Entry,
    room: Room,
    by: Asked,
    message: Mapping[str, Any],
    reporter: Person,
    *,
    vouched: bool,
) -> Handled:
    words = read(room, message)
    return handle(
        room, entry, message, words, channel=by.channel, reporter=reporter, vouched=vouched
    )


def _on_direct(entry: Entry, room: Room, event: Mapping[str, Any]) -> None:
    """Take a direct message as a report: its value, or the secret that it names."""
    by = asked(entry.payload)
    if event.get("bot_id") or not by.user:
        return  # our own words, and those of other apps
    try:
        reporter = room.people.may_act(by.user)
    except RefusedError:
        _look(entry, room, event, by.channel)  # a value that stands there is a leak all the same
        raise
    words = read(room, event)
    handled = handle(room, entry, event, words, channel=by.channel, reporter=reporter, vouched=True)
    if handled.cases or handled.offers or words.file:
        thank(room, entry, by, handled, event)
    else:
        _by_words(entry, room, by, reporter, words.text)


def _asks(entry: Entry, room: Room, by: Asked, words: str) -> bool:
    """Answer a question such as “who can read payments/db?” to the one who asked it."""
    question = question_in(words)
    if question is None:
        return False
    room.people.refuse_shared(by.channel)
    answer(room, entry, by, found(room, *question))
    return True


def _by_words(entry: Entry, room: Room, by: Asked, reporter: Person, words: str) -> None:
    """Ask whether the secret that these words name is meant; nothing is opened by a guess."""
    meant = " ".join(words.split()).strip(" .,!?")
    if _asks(entry, room, by, words):
        return
    if meant.casefold() in HELP:
        answer(room, entry, by, help_answer())
        return
    at = entry.received_at
    seen = Seen(
        reporter=reporter,
        where_name=DIRECT if by.channel[:1] == "D" else "",
        note=plain_words(words),
        seen_at=at,
        reported_at=at,
    )
    try:
        named = [str(resolve_words(room.graph.snapshot(), meant, kinds=SECRETS))]
    except AmbiguousError as error:
        named = [str(each) for each in error.candidates]
    except NotFoundError:
        answer(room, entry, by, nothing_found())
        return
    taken = offers_of(room, named, seen)
    answer(room, entry, by, offered(room, entry, taken.offers, "", taken.remark))


def on_message(entry: Entry, room: Room) -> None:
    """Look at a message that the bot may read: new, edited or deleted."""
    event: Mapping[str, Any] = entry.payload.get("event") or {}
    channel, subtype = text_of(event, "channel"), text_of(event, "subtype")
    if channel[:1] == "D" and subtype in {"", "file_share"}:
        _on_direct(entry, room, event)
        return
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
