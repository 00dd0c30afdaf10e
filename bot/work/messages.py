"""
One Slack message that may hold a secret: read, reported, its author asked, its deletion watched.

The same for every way in: a person points at it, mentions the bot in its thread, writes it to the
bot, or the bot reads it in a channel. The text goes to intake and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bot.inbox import Entry
from bot.intake.attachments import is_readable, unread
from bot.intake.intake import Seen, Taken
from bot.intake.offers import Offer
from bot.intake.slack_text import unmarked
from bot.slack.files import SCOPE
from bot.slack.payloads import words_of
from bot.slack.views.spill import Spilled
from bot.work.room import Room, text_of
from bot.work.spills import Spill
from bot.work.watching import begin, told
from graph.errors import LocksmithError
from responders.incident import Case, LeakReport, Person

DIRECT = "a direct message"
MOST_FILES = 5  # of one message


@dataclass(frozen=True, slots=True)
class Words:
    """What a message and its text files say; `remark`: what could not be read ("")."""

    text: str = field(repr=False)
    remark: str = ""
    file: bool = False


@dataclass(frozen=True, slots=True)
class Handled:
    """What a message came to: incidents with their outcome, and where it stands."""

    cases: list[tuple[Case, str]]
    seen: Seen
    spilled: Spilled | None = None
    remark: str = ""
    offers: tuple[Offer, ...] = ()


def read(room: Room, message: Mapping[str, Any]) -> Words:
    """Take the words of a message, and of its text files where the bot may read them."""
    files = [each for each in message.get("files") or [] if isinstance(each, Mapping)]
    parts, left = [unmarked(words_of(message))], []
    for file in [each for each in files if is_readable(each)]:
        text = room.files.text(file) if len(parts) <= MOST_FILES else None
        if text is None:
            left.append(file)
        else:
            parts.append(text)
    remark = unread(files, also=left)
    if left and not room.files.granted:
        remark += f" (The scope {SCOPE} is not granted.)"
    return Words("\n".join(part for part in parts if part), remark, bool(files))


def handle(
    room: Room,
    entry: Entry,
    message: Mapping[str, Any],
    words: Words,
    *,
    channel: str,
    reporter: Person,
    name: str = "",
    vouched: bool,
) -> Handled:
    """
    Report each secret in a message, and have it taken away.

    `vouched`: a person says that there is one. What Locksmith reads by itself is one finding for
    each message: read again, after an edit or a redelivery, it adds nothing.
    """
    seen = seen_at(room, entry, message, channel=channel, reporter=reporter, name=name)
    taken = room.intake.from_message(words.text, seen, vouched=vouched)
    if not vouched:
        taken = replace(
            taken, reports=tuple(_once(each, channel, message) for each in taken.reports)
        )
    return follow(room, message, taken, seen, channel=channel, words=words, vouched=vouched)


def follow(
    room: Room,
    message: Mapping[str, Any],
    taken: Taken,
    seen: Seen,
    *,
    channel: str,
    words: Words,
    vouched: bool,
) -> Handled:
    """Report what was taken out of a message, then watch the message."""
    remark = " ".join(part for part in (taken.remark, words.remark) if part)
    cases = report(room, taken)
    if not cases:
        return Handled([], seen, remark=remark, offers=taken.offers)
    author, thread = _author(room, message), text_of(message, "thread_ts")
    spill, fresh = room.spills.keep(
        channel,
        text_of(message, "ts"),
        thread_ts=thread,
        author=author,
        reporter=seen.reporter.slack_user,
        where=seen.where,
        where_name=seen.where_name,
        kinds=", ".join(dict.fromkeys(case.detector_name for case, _ in cases)),
        incidents=[case.id for case, _ in cases],
    )
    if fresh:
        here = channel[:1] != "D" and _may_speak_in(room, channel)
        stored = any(report.matches for report in taken.reports)
        begin(room, spill, file=words.file, here=here, erase=vouched or stored)
    return Handled(cases, seen, spilled=told(spill, file=words.file), remark=remark)


def report(room: Room, taken: Taken) -> list[tuple[Case, str]]:
    """Bring each report to the desk; the cases with what became of them."""
    cases = []
    for each in taken.reports:
        opened = room.desk.report(each)
        cases.append((room.desk.case(opened.incident_id), opened.outcome))
    return cases


def seen_at(
    room: Room,
    entry: Entry,
    message: Mapping[str, Any],
    *,
    channel: str,
    reporter: Person,
    name: str = "",
) -> Seen:
    """Say where, when and by whom a message was written."""
    ts, author = text_of(message, "ts"), text_of(message, "user")
    written = datetime.fromtimestamp(float(ts), UTC) if ts else None
    known: Spill | None = room.spills.at(channel, ts)
    where = known.where if known else room.screen.permalink(channel, ts)
    return Seen(
        reporter=reporter,
        author=room.people.person(author) if author else None,
        where=where or f"slack:{channel}/{ts}",
        where_name=DIRECT if channel[:1] == "D" else f"#{name or _channel_name(room, channel)}",
        seen_at=written,
        exposed_at=written,
        reported_at=entry.received_at,
    )


def _once(found: LeakReport, channel: str, message: Mapping[str, Any]) -> LeakReport:
    return replace(found, once=f"slack:{channel}/{text_of(message, 'ts')}")


def _author(room: Room, message: Mapping[str, Any]) -> str:
    """Return the user who can be asked to delete it; "" for an app, and for an outsider."""
    author = text_of(message, "user")
    if not author:
        return ""
    try:
        member = room.people.member(author)
    except LocksmithError:
        return author
    return "" if member.bot or member.foreign or member.deleted else author


def _channel_name(room: Room, channel: str) -> str:
    try:
        return room.people.channel(channel).name or channel
    except LocksmithError:
        return channel


def _may_speak_in(room: Room, channel: str) -> bool:
    """Only where the bot is a member, and no outsider reads; the direct message comes anyway."""
    try:
        facts = room.people.channel(channel)
    except LocksmithError:
        return False
    return facts.member and not facts.shared
