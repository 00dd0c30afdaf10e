"""Questions by /leak and by buttons: answered to the one who asked, from the live graph."""

import shlex

from bot.inbox import Entry
from bot.slack.payloads import asked
from bot.slack.views.answers import (
    help_answer,
    incidents_answer,
    status_answer,
)
from bot.slack.views.asking import QUESTIONS
from bot.slack.views.blast_radius import blast_radius_modal
from bot.slack.views.blocks import Message
from bot.slack.views.forms import report_form
from bot.work.answering import found
from bot.work.reports import from_command
from bot.work.room import Room, answer, text_of
from graph.errors import BadInputError
from responders.incident import OPEN_STATES

VERBS = frozenset({*QUESTIONS, "status", "help"})


def on_command(entry: Entry, room: Room) -> None:
    """Answer /leak; alone it opens the report form."""
    by = asked(entry.payload)
    text = text_of(entry.payload, "text").strip()
    room.people.may_act(by.user)
    if not text or text == "report":
        room.screen.open(by.trigger_id, report_form())
        return
    if from_command(entry, room, by, text):
        return
    room.people.refuse_shared(by.channel)
    verb, rest = _split(text)
    if verb not in VERBS and from_command(entry, room, by, text, vouched=True):
        return
    answer(room, entry, by, _answer(room, verb, rest))


def show_blast_radius(entry: Entry, room: Room) -> None:
    """Open an incident's blast radius, as it was frozen with the incident."""
    by = asked(entry.payload)
    room.people.may_act(by.user)
    room.people.refuse_shared(by.channel)
    room.screen.open(by.trigger_id, blast_radius_modal(room.desk.case(by.value)))


def _answer(room: Room, verb: str, rest: str) -> Message:
    if verb == "status":
        return _status(room, rest)
    if verb not in QUESTIONS:
        return help_answer(unknown="" if verb == "help" else verb)
    if not rest:
        raise BadInputError(
            f"/leak {verb} needs the name of a secret.",
            do_now=f"For example: /leak {verb} payments/gateway",
        )
    return found(room, verb, rest)


def _status(room: Room, part: str) -> Message:
    if part:
        return status_answer(room.desk.case(room.desk.find_id(part)))
    return incidents_answer([case for case in room.desk.cases() if case.state in OPEN_STATES])


def _split(text: str) -> tuple[str, str]:
    """Split off the verb; quotes around a name are taken off."""
    verb, _, rest = text.partition(" ")
    try:
        words = shlex.split(rest)
    except ValueError:  # an unclosed quote is part of the name
        words = [rest]
    return verb.lower(), " ".join(words).strip()
