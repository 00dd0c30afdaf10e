"""What people do about a run: stop, retry, skip with a reason, close. The desk decides who may."""

from bot.inbox import Entry
from bot.slack.payloads import Asked, asked
from bot.slack.views.answers import done_answer
from bot.slack.views.forms import although_form, confirm_form, dismiss_form, skip_form, waiver_form
from bot.work.room import Room, answer, reason_of
from responders.incident import Person
from responders.silence import mark_of


def stop(entry: Entry, room: Room) -> None:
    by, person = _who(entry, room)
    room.desk.stop(by.value, person, "by the button on the card")
    answer(room, entry, by, done_answer("Stopping: nothing further is started.", by.value))


def retry(entry: Entry, room: Room) -> None:
    by, person = _who(entry, room)
    incident_id, _, step_id = by.value.partition(":")
    room.desk.retry(incident_id, person, step_id)
    answer(room, entry, by, done_answer("Trying that step again.", incident_id))


def open_skip(entry: Entry, room: Room) -> None:
    """Ask why a step is to be skipped."""
    by, _ = _who(entry, room)
    incident_id, _, step_id = by.value.partition(":")
    case = room.desk.case(incident_id)
    titles = {each.step.id: each.step.title for each in case.progress}
    form = skip_form(case, titles.get(step_id, "This step"), by.value)
    room.screen.open(by.trigger_id, form)


def skip(entry: Entry, room: Room) -> None:
    by, person = _who(entry, room)
    incident_id, _, step_id = by.value.partition(":")
    room.desk.skip(incident_id, person, step_id, reason_of(entry, room))
    answer(room, entry, by, done_answer("Skipped, under your name. The run goes on.", incident_id))


def open_confirm(entry: Entry, room: Room) -> None:
    """Ask what proves a step that only a person can judge."""
    by, _ = _who(entry, room)
    incident_id, _, step_id = by.value.partition(":")
    case = room.desk.case(incident_id)
    step = next((each for each in case.progress if each.step.id == step_id), None)
    title, words = (step.step.title, step.sentence) if step else ("This step", "")
    room.screen.open(by.trigger_id, confirm_form(case, title, words, by.value))


def confirm(entry: Entry, room: Room) -> None:
    by, person = _who(entry, room)
    incident_id, _, step_id = by.value.partition(":")
    room.desk.confirm(incident_id, person, step_id, reason_of(entry, room))
    words = "Confirmed, under your name. The run goes on."
    answer(room, entry, by, done_answer(words, incident_id))


def open_waiver(entry: Entry, room: Room) -> None:
    """Show the copies that hold a revocation back, and ask why it may be done all the same."""
    by, person = _who(entry, room)
    incident_id, _, step_id = by.value.partition(":")
    room.desk.waivers.permit(incident_id, person)
    loud = room.desk.waivers.held(incident_id, step_id)
    case, listed = room.desk.case(incident_id), [each.sentence for each in loud]
    room.screen.open(by.trigger_id, although_form(case, listed, f"{by.value}:{mark_of(loud)}"))


def revoke_although(entry: Entry, room: Room) -> None:
    """Take the answer for exactly the copies that were shown, and retry."""
    by, person = _who(entry, room)
    incident_id, _, rest = by.value.partition(":")
    step_id, _, seen = rest.rpartition(":")
    reason = reason_of(entry, room)
    room.desk.waivers.waive(incident_id, person, step_id, reason, seen=seen)
    room.desk.retry(incident_id, person, step_id)
    words = "Revoked all the same, under your name. The run goes on."
    answer(room, entry, by, done_answer(words, incident_id))


def undo(entry: Entry, room: Room) -> None:
    by, person = _who(entry, room)
    room.desk.undo(by.value, person)
    answer(room, entry, by, done_answer("Taking back what can be taken back.", by.value))


def open_dismissal(entry: Entry, room: Room) -> None:
    by, _ = _who(entry, room)
    room.screen.open(by.trigger_id, dismiss_form(room.desk.case(by.value)))


def dismiss(entry: Entry, room: Room) -> None:
    by, person = _who(entry, room)
    room.desk.dismiss(by.value, person, reason_of(entry, room))
    answer(room, entry, by, done_answer("Closed as a false alarm, under your name.", by.value))


def close(entry: Entry, room: Room) -> None:
    """Close with the evidence that is there; if some is missing, ask for a waiver."""
    by, person = _who(entry, room)
    gate = room.desk.gate(by.value)
    if not gate.open:
        form = waiver_form(room.desk.case(by.value), " ".join(gate.missing))
        room.screen.open(by.trigger_id, form)
        return
    room.desk.close(by.value, person)
    answer(room, entry, by, done_answer("Closed, with the proof in the thread.", by.value))


def waive(entry: Entry, room: Room) -> None:
    by, person = _who(entry, room)
    room.desk.close(by.value, person, reason_of(entry, room))
    answer(room, entry, by, done_answer("Closed under your name.", by.value))


def _who(entry: Entry, room: Room) -> tuple[Asked, Person]:
    by = asked(entry.payload)
    person = room.people.may_decide(by.user)
    room.people.refuse_shared(by.channel)
    return by, person
