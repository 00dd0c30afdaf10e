"""
What follows a spill until the message is gone: asking, reminding, counting, telling security.

Each moment to come is an inbox row with its time, so that a restart forgets nothing and only one
process does it. Whoever is due first looks whether the message still stands: once it is gone, or
the incident is over, nobody is asked any more.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from bot.inbox import Entry
from bot.slack.payloads import asked
from bot.slack.views.spill import (
    Spilled,
    author_reminder,
    author_request,
    author_thanks,
    stands_no_more,
    still_standing,
)
from bot.work.room import Room, answer
from bot.work.spills import CLAIMED, EDITED, VERIFIED, Spill
from graph.errors import LocksmithError, NotFoundError, UnavailableError
from responders.incident import OPEN_STATES, Case, Person
from responders.places import Gone

log = structlog.get_logger()

LOCKSMITH = Person(identity="locksmith", name="Locksmith")
_BY_NAME: Mapping[str, Gone] = {each: each for each in (CLAIMED, EDITED, VERIFIED)}
CONFIRMED_WITHIN = 30.0  # seconds for Slack's event after our own deletion


def begin(room: Room, spill: Spill, *, file: bool, here: bool, erase: bool) -> None:
    """
    Ask the author, and plan what comes: counting, reminders, the admin's deletion.

    `here`: the bot may show the author a private note in the channel; `erase`: a person vouches
    for it or it is stored here, so that an admin's token may delete it at once.
    """
    if erase and room.eraser is not None:
        _plan(room, spill, "erase", {"file": file, "here": here})
    else:
        _ask(room, spill, file=file, here=here)
    _plan(room, spill, "count", {})
    moments = sorted(room.remind_after)
    for number, minutes in enumerate(moments, 1):
        facts = {"number": number, "minutes": minutes, "last": number == len(moments)}
        _plan(room, spill, "remind", facts, after_seconds=minutes * 60)


def remind(entry: Entry, room: Room) -> None:
    """Remind the author; at the last moment delete it if that is allowed, else tell security."""
    spill, minutes = _due(entry, room), float(entry.payload.get("minutes") or 0)
    if spill is None or not _any_open(room, spill):
        return
    if room.reader.stands(spill.channel, spill.ts, spill.thread_ts) is False:
        gone(room, spill, VERIFIED)
        return
    number, last = int(entry.payload.get("number") or 1), bool(entry.payload.get("last"))
    if last and _erased(room, spill, attempt=number):
        return
    spilled = told(spill, minutes=round(minutes))
    if spill.author:
        room.outbox.post(
            f"{spill.key}:remind:{number}", spill.author, author_reminder(spilled, last=last)
        )
        _note(room, spill, "reminded", f"Its author was reminded after {minutes:g} minutes.")
    if last:
        words = still_standing(spilled, asked=number + 1)
        room.outbox.post(f"{spill.key}:security", room.security_channel, words)
        sentence = f"The security channel was told that it still stands after {minutes:g} minutes."
        _note(room, spill, "escalated", sentence)


def count(entry: Entry, room: Room) -> None:
    """Count who could see it; that goes on the card, and may raise the severity."""
    spill = room.spills.behind(str(entry.payload.get("token")))
    if spill is None:
        return
    exposure = room.headcount.of(spill.channel)
    for incident_id in spill.incidents:
        room.desk.places.exposed(incident_id, spill.where, exposure)


def erase(entry: Entry, room: Room) -> None:
    """Delete it with the admin's token; where that fails, its author is asked after all."""
    spill = _due(entry, room)
    if spill is not None and not _erased(room, spill, attempt=0):
        facts = entry.payload
        _ask(room, spill, file=bool(facts.get("file")), here=bool(facts.get("here")))


def confirm(entry: Entry, room: Room) -> None:
    """Look again after a deletion that no event confirmed: Slack's answer alone is a claim."""
    spill = _due(entry, room)
    if spill is None:
        return
    standing = room.reader.stands(spill.channel, spill.ts, spill.thread_ts)
    if standing is None:
        gone(room, spill, CLAIMED)
    elif not standing:
        gone(room, spill, VERIFIED)
    else:
        _note(room, spill, "refuted", "Slack took the deletion, but still shows the message.")


def on_removed(entry: Entry, room: Room) -> None:
    """Look whether it is gone as somebody says; where that cannot be seen, it is their claim."""
    by = asked(entry.payload)
    spill = room.spills.behind(by.value)
    if spill is None:
        raise NotFoundError("This request is no longer known.", do_now="Nothing more to do.")
    person = room.people.person(by.user)
    how: Gone = _BY_NAME.get(spill.gone, CLAIMED)
    if spill.gone != VERIFIED:
        standing = room.reader.stands(spill.channel, spill.ts, spill.thread_ts)
        if standing is False:
            how = VERIFIED
        elif standing and spill.gone != EDITED:
            answer(room, entry, by, author_thanks("standing"))
            return
        gone(room, spill, how, person=person)
    answer(room, entry, by, author_thanks(how))


def gone(room: Room, spill: Spill, how: Gone, *, person: Person = LOCKSMITH) -> None:
    """Note that it does not stand there any more, and settle what was asked because of it."""
    if not room.spills.mark_gone(spill.token, how):
        return
    for incident_id in spill.incidents:
        room.desk.places.gone(incident_id, person, spill.where, how=how)
    attempts = (0, len(room.remind_after))  # at once, and with the last reminder
    ours = any(room.inbox.peek(_key(spill, f"confirm{each}")) for each in attempts)
    thanks = author_thanks(how, by_locksmith=ours)
    request = room.outbox.delivery(f"{spill.key}:author")
    if request is not None and request.ts:
        room.outbox.update(request.channel, request.ts, thanks)
    elif ours and spill.author:
        room.outbox.post(f"{spill.key}:thanks", spill.author, thanks)
    over = stands_no_more(told(spill), how)
    reminded = [f"{spill.key}:remind:{number}" for number in range(1, len(room.remind_after) + 1)]
    for key in (f"{spill.key}:security", *reminded):
        shown = room.outbox.delivery(key)
        if shown is not None and shown.ts:
            room.outbox.update(shown.channel, shown.ts, over)


def told(spill: Spill, *, minutes: int = 0, file: bool = False) -> Spilled:
    """Give the views what they may know of it."""
    return Spilled(
        token=spill.token,
        where=spill.where,
        where_name=spill.where_name,
        kinds=spill.kinds,
        incident_id=spill.incidents[0] if spill.incidents else "",
        author=spill.author,
        file=file,
        minutes=minutes,
    )


def _ask(room: Room, spill: Spill, *, file: bool, here: bool) -> None:
    if not spill.author:
        return
    words = author_request(told(spill, file=file))
    room.outbox.post(f"{spill.key}:author", spill.author, words)
    if here:
        thread = spill.thread_ts
        room.outbox.ephemeral(
            f"{spill.key}:here", spill.channel, words, user=spill.author, thread_ts=thread
        )


def _erased(room: Room, spill: Spill, *, attempt: int) -> bool:
    """No audit row, no action: the intent is written first; the answer and the proof after it."""
    if room.eraser is None:
        return False
    _note(room, spill, "intent", "Locksmith deletes the message with the admin's token.")
    # Planned before: Slack's event may come before Slack's answer, and then says whose deed it is.
    _plan(room, spill, "confirm", {"number": attempt}, after_seconds=CONFIRMED_WITHIN)
    try:
        done = room.eraser.delete(spill.channel, spill.ts)
    except UnavailableError:
        raise  # tried again: deleting twice is harmless
    except LocksmithError as error:
        log.warning("spill.not_deleted", happened=error.happened)
        _note(room, spill, "receipt", f"Not deleted. {error.happened}")
        room.inbox.discard(_key(spill, f"confirm{attempt}"))
        return False
    said = "Slack took the deletion." if done else "It was gone already."
    _note(room, spill, "receipt", said)
    return True


def _plan(
    room: Room, spill: Spill, name: str, facts: Mapping[str, Any], *, after_seconds: float = 0.0
) -> None:
    payload = {"token": spill.token, "round": spill.round, **facts}
    key = _key(spill, f"{name}{facts.get('number', '')}")
    room.inbox.put(key, payload, kind="spill", name=name, after_seconds=after_seconds)


def _key(spill: Spill, name: str) -> str:
    return f"{spill.key}:{name}"


def _due(entry: Entry, room: Room) -> Spill | None:
    """Return the spill that an entry is about, unless it is gone or was asked for anew."""
    spill = room.spills.behind(str(entry.payload.get("token")))
    if spill is None or spill.gone or spill.round != entry.payload.get("round"):
        return None
    return spill


def _any_open(room: Room, spill: Spill) -> bool:
    cases: list[Case] = [room.desk.case(incident_id) for incident_id in spill.incidents]
    return any(case.state in OPEN_STATES for case in cases)


def _note(room: Room, spill: Spill, kind: str, sentence: str) -> None:
    for incident_id in spill.incidents:
        room.desk.places.note(incident_id, kind, sentence, facts={"where": spill.where})
