"""Questions by /leak and by buttons: answered to the one who asked, from the live graph."""

import shlex

from bot.inbox import Entry
from bot.slack.payloads import asked
from bot.slack.views.answers import (
    ambiguous_answer,
    blast_answer,
    help_answer,
    incidents_answer,
    readers_answer,
    status_answer,
    uses_answer,
)
from bot.slack.views.blast_radius import blast_radius_modal
from bot.slack.views.blocks import Message
from bot.slack.views.forms import report_form
from bot.work.reports import from_command
from bot.work.room import Room, answer, text_of
from graph.errors import AmbiguousError, BadInputError, NotFoundError
from graph.model import NodeKind
from graph.queries.blast_radius import blast_radius
from graph.queries.consumers import consumers
from graph.queries.readers import readers
from graph.queries.search import resolve
from graph.refs import split_key
from responders.incident import OPEN_STATES

SECRETS = (NodeKind.SECRET,)
ABOUT_A_SECRET = ("uses", "readers", "blast")
VERBS = frozenset({*ABOUT_A_SECRET, "status", "help", "access"})


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
    try:
        return _found(room, verb, rest)
    except NotFoundError:
        if not room.intake.may_hold_secret(rest):
            raise
        raise NotFoundError(
            "Nothing in the graph is called like that.",
            means="It looks like a value rather than a name, so it is not repeated here.",
            do_now="If it is a value, it is in Slack's records now: report it with /leak.",
        ) from None


def _found(room: Room, verb: str, rest: str) -> Message:
    if verb == "status":
        return _status(room, rest)
    if verb not in ABOUT_A_SECRET:
        return help_answer(unknown="" if verb == "help" else verb)
    if not rest:
        raise BadInputError(
            f"/leak {verb} needs the name of a secret.",
            do_now=f"For example: /leak {verb} payments/gateway",
        )
    snapshot = room.graph.snapshot()
    try:
        ref = resolve(snapshot, rest, kinds=SECRETS)
    except AmbiguousError as error:
        return ambiguous_answer(rest, error.candidates)
    if verb == "uses":
        return uses_answer(consumers(snapshot, ref))
    if verb == "readers":
        return readers_answer(readers(snapshot, ref))
    return blast_answer(ref, blast_radius(snapshot, [split_key(ref)]))


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
