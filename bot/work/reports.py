"""
Reports of leaks, from a message's menu, the form, the command line, or a message that was read.

Each becomes incidents at the desk; the reporter gets a receipt, the author of a message is asked
to delete it. The value is in the payload and goes to intake only.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.inbox import Entry
from bot.intake.intake import Seen, Taken
from bot.intake.slack_text import unmarked
from bot.slack.payloads import Asked, asked, form_values
from bot.slack.views.forms import NAMED, NOTE, VALUE, WHERE, choice_view, report_form
from bot.slack.views.spill import (
    author_request,
    author_thanks,
    command_spill,
    nothing_found,
    reporter_receipt,
)
from bot.work.room import Room, answer, text_of
from graph.errors import AmbiguousError, BadInputError, LocksmithError, NotFoundError
from graph.model import NodeKind
from graph.queries.search import resolve
from responders.incident import Case, LeakReport, Person

log = structlog.get_logger()

LOCKSMITH = Person(identity="locksmith", name="Locksmith")
SECRETS = (NodeKind.SECRET,)


def open_form(entry: Entry, room: Room) -> None:
    """Open the report form, for the shortcut and for the buttons that offer it."""
    by = asked(entry.payload)
    room.people.may_act(by.user)
    room.screen.open(by.trigger_id, report_form())


def from_shortcut(entry: Entry, room: Room) -> None:
    """Take the message that somebody pointed at."""
    by = asked(entry.payload)
    reporter = room.people.may_act(by.user)
    room.people.refuse_shared(by.channel)
    message: Mapping[str, Any] = entry.payload.get("message") or {}
    name = str((entry.payload.get("channel") or {}).get("name") or "")
    seen = _seen_in_slack(
        room, entry, reporter=reporter, message=message, channel=by.channel, name=name
    )
    taken = room.intake.from_message(unmarked(_words_of(message)), seen, vouched=True)
    if not taken.reports:
        answer(room, entry, by, nothing_found(where_name=seen.where_name))
        return
    cases = _report(room, taken)
    _ask_author(room, entry, message, channel=by.channel, seen=seen, cases=cases)
    answer(room, entry, by, reporter_receipt(cases, remark=taken.remark), part="receipt")


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
    cases = _report(room, taken)
    receipt = reporter_receipt(cases, remark=taken.remark)
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
    cases = _report(room, taken)
    answer(room, entry, by, command_spill([case.id for case, _ in cases]))
    return True


def on_message(entry: Entry, room: Room) -> None:
    """Look at a message that the bot may read: new, edited or deleted."""
    event: Mapping[str, Any] = entry.payload.get("event") or {}
    channel = text_of(event, "channel")
    subtype = text_of(event, "subtype")
    if subtype == "message_deleted":
        _on_deleted(room, channel, text_of(event, "deleted_ts"))
        return
    message: Mapping[str, Any] = event
    if subtype == "message_changed":
        message = event.get("message") or {}
        if text_of(message, "subtype") == "tombstone":  # a deleted root of a thread
            _on_deleted(room, channel, text_of(message, "ts"))
            return
    words = unmarked(_words_of(message))
    if not words.strip() or not room.intake.holds_secret(words):
        return
    seen = _seen_in_slack(room, entry, reporter=LOCKSMITH, message=message, channel=channel)
    taken = room.intake.from_message(words, seen, vouched=False)
    cases = _report(room, taken)
    if cases:
        log.info("message.held_secret", incidents=[case.id for case, _ in cases])
        _ask_author(room, entry, message, channel=channel, seen=seen, cases=cases)


def on_removed(entry: Entry, room: Room) -> None:
    """Note the author's word that the message is gone."""
    by = asked(entry.payload)
    sighting = room.sightings.behind(by.value)
    if sighting is None:
        raise NotFoundError("This request is no longer known.", do_now="Nothing more to do.")
    person = room.people.person(by.user)
    if not sighting.removed:
        for incident_id in sighting.incidents:
            room.desk.claim_removed(incident_id, person, sighting.where)
    answer(room, entry, by, author_thanks(verified=sighting.removed))


def _on_deleted(room: Room, channel: str, ts: str) -> None:
    """Slack itself says that a message is gone: the one proof that there is."""
    sighting = room.sightings.at(channel, ts)
    if sighting is None or not room.sightings.mark_removed(sighting.token):
        return
    for incident_id in sighting.incidents:
        room.desk.claim_removed(incident_id, LOCKSMITH, sighting.where, verified=True)


def _report(room: Room, taken: Taken) -> list[tuple[Case, str]]:
    return [_one(room, report) for report in taken.reports]


def _one(room: Room, report: LeakReport) -> tuple[Case, str]:
    opened = room.desk.report(report)
    return room.desk.case(opened.incident_id), opened.outcome


def _seen_in_slack(
    room: Room,
    entry: Entry,
    reporter: Person,
    message: Mapping[str, Any],
    *,
    channel: str,
    name: str = "",
) -> Seen:
    ts = text_of(message, "ts")
    author = text_of(message, "user")
    written = datetime.fromtimestamp(float(ts), UTC) if ts else None
    return Seen(
        reporter=reporter,
        author=room.people.person(author) if author else None,
        where=room.screen.permalink(channel, ts) or f"slack:{channel}/{ts}",
        where_name=f"#{name or _channel_name(room, channel)}",
        seen_at=written,
        exposed_at=written,
        reported_at=entry.received_at,
    )


def _channel_name(room: Room, channel: str) -> str:
    try:
        return room.people.channel(channel).name or channel
    except LocksmithError:
        return channel


def _ask_author(
    room: Room,
    entry: Entry,
    message: Mapping[str, Any],
    *,
    channel: str,
    seen: Seen,
    cases: list[tuple[Case, str]],
) -> None:
    """Ask once per message, privately in the channel and as a direct message."""
    author = text_of(message, "user")
    incidents = [case.id for case, _ in cases]
    sighting, first = room.sightings.keep(
        channel, text_of(message, "ts"), author=author, where=seen.where, incidents=incidents
    )
    if not author or not first:
        return
    kinds = ", ".join(dict.fromkeys(case.detector_name for case, _ in cases))
    words = author_request(
        kinds,
        token=sighting.token,
        permalink=seen.where,
        where_name=seen.where_name,
        incident_id=incidents[0],
    )
    room.outbox.post(f"author:{entry.key}", author, words)
    if _may_speak_in(room, channel):
        thread = text_of(message, "thread_ts")
        room.outbox.ephemeral(
            f"author-here:{entry.key}", channel, words, user=author, thread_ts=thread
        )


def _may_speak_in(room: Room, channel: str) -> bool:
    """Only where the bot is a member, and no outsider reads; the direct message comes anyway."""
    try:
        facts = room.people.channel(channel)
    except LocksmithError:
        return False
    return facts.member and not facts.shared


def _words_of(message: Mapping[str, Any]) -> str:
    """Collect what a message says: its text, and the texts of its attachments."""
    parts = [text_of(message, "text")]
    for attachment in message.get("attachments") or []:
        parts += [str(attachment.get(name) or "") for name in ("text", "fallback", "pretext")]
    return "\n".join(part for part in parts if part)
