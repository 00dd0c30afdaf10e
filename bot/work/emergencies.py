"""Break-glass from Slack: who runs a plan alone, and who reviews it. The desk decides who may."""

from bot.inbox import Entry
from bot.slack.payloads import Asked, asked, metadata
from bot.slack.views.answers import done_answer
from bot.slack.views.emergency import glass_form, review_form
from bot.work.room import Room, answer, reason_of
from responders.incident import Person


def open_break(entry: Entry, room: Room) -> None:
    """Ask why it cannot wait."""
    by, _ = _who(entry, room)
    room.screen.open(by.trigger_id, glass_form(room.desk.case(by.value)))


def run_alone(entry: Entry, room: Room) -> None:
    by, person = _who(entry, room)
    ids = metadata(entry.payload)
    room.desk.glass.run_alone(
        ids.get("incident", ""), person, reason_of(entry, room), plan_hash=ids.get("plan", "")
    )
    words = "It runs, under your name alone. On call is paged; another approver reviews it."
    answer(room, entry, by, done_answer(words, ids.get("incident", "")))


def open_review(entry: Entry, room: Room) -> None:
    """Ask what was found."""
    by, _ = _who(entry, room)
    room.screen.open(by.trigger_id, review_form(room.desk.case(by.value)))


def review(entry: Entry, room: Room) -> None:
    by, person = _who(entry, room)
    incident_id = metadata(entry.payload).get("incident", "")
    room.desk.glass.review(incident_id, person, reason_of(entry, room))
    answer(room, entry, by, done_answer("Reviewed, under your name.", incident_id))


def _who(entry: Entry, room: Room) -> tuple[Asked, Person]:
    by = asked(entry.payload)
    person = room.people.may_decide(by.user)
    room.people.refuse_shared(by.channel)
    return by, person
