"""Who is in charge and how bad it is, from Slack. The desk decides who may."""

from bot.inbox import Entry
from bot.slack.payloads import Asked, asked, form_values, metadata
from bot.slack.views.answers import done_answer
from bot.slack.views.charge import LEVEL, NEW_LEAD, assign_form, severity_form
from bot.work.room import Room, answer, reason_of
from graph.errors import RefusedError
from responders.escalation import acknowledged
from responders.incident import Person, Severity


def acknowledge(entry: Entry, room: Room) -> None:
    """Take it on: nobody further is called."""
    by, person = _who(entry, room)
    before = acknowledged(room.desk.case(by.value))
    room.desk.triage.acknowledge(by.value, person)
    words = "Noted: you work on it. Nobody further is called, and the pagers are told."
    if before is not None and before.actor != person.name:
        words += f" {before.actor} took it on before you: talk to each other."
    answer(room, entry, by, done_answer(words, by.value))


def open_assignment(entry: Entry, room: Room) -> None:
    """Ask who leads it from now on."""
    by, _ = _who(entry, room)
    room.screen.open(by.trigger_id, assign_form(room.desk.case(by.value), by.user))


def assign(entry: Entry, room: Room) -> None:
    """Make somebody the lead; the card, the thread and the direct message follow from the rows."""
    by, person = _who(entry, room)
    ids, chosen = metadata(entry.payload), form_values(entry.payload).get(NEW_LEAD, "")
    to, note = _named(room, chosen), reason_of(entry, room)
    incident_id = ids.get("incident", "")
    room.desk.triage.assign(incident_id, person, to, note, seen=ids.get("seen"))
    answer(room, entry, by, done_answer(f"{to.name} leads it now, and is told.", incident_id))


def open_severity(entry: Entry, room: Room) -> None:
    """Ask how bad it really is."""
    by, _ = _who(entry, room)
    room.screen.open(by.trigger_id, severity_form(room.desk.case(by.value)))


def change_severity(entry: Entry, room: Room) -> None:
    by, person = _who(entry, room)
    incident_id = metadata(entry.payload).get("incident", "")
    level, reason = Severity(form_values(entry.payload)[LEVEL]), reason_of(entry, room)
    case = room.desk.triage.change_severity(incident_id, person, level, reason)
    words = f"It is {case.severity} now, under your name."
    answer(room, entry, by, done_answer(words, case.id))


def _named(room: Room, user: str) -> Person:
    """Return who was chosen; raises RefusedError for an account that may not act here."""
    person, why = room.people.person(user), room.people.barred(user)
    if why:
        raise RefusedError(
            f"{person.name} cannot lead an incident: {why}.",
            means="Nothing was changed.",
            do_now="Choose a full member of this workspace.",
        )
    return person


def _who(entry: Entry, room: Room) -> tuple[Asked, Person]:
    by = asked(entry.payload)
    person = room.people.may_decide(by.user)
    room.people.refuse_shared(by.channel)
    return by, person
