"""
Questions to the graph, however they are asked: by /leak, a mention, a direct message, App Home.

Answered to the one who asked. A button shares an answer in a channel, drawn anew from the graph;
another sends all of a long one as a file, to whoever presses it and nobody else.
"""

import re
from collections.abc import Mapping

from bot.inbox import Entry
from bot.slack.payloads import asked, form_values
from bot.slack.views.answers import ambiguous_answer, done_answer, drawn, problem_answer
from bot.slack.views.asking import (
    IN_CHANNEL,
    QUESTIONS,
    question_of,
    share_form,
    shared,
    with_buttons,
)
from bot.slack.views.blocks import Message
from bot.slack.views.whole_answer import (
    Found,
    command,
    is_long,
    whole,
    whole_file,
    whole_name,
    whole_note,
)
from bot.work.room import Room, answer, as_modal
from graph.errors import AmbiguousError, BadInputError, LocksmithError, NotFoundError, RefusedError
from graph.model import NodeKind
from graph.queries.blast_radius import blast_radius
from graph.queries.consumers import consumers
from graph.queries.readers import readers
from graph.queries.search import resolve
from graph.refs import Ref, split_key
from graph.snapshot import Snapshot

SECRETS = (NodeKind.SECRET,)
_ASKED = re.compile(
    r"(?:(?P<uses>uses|who\s+uses)"
    r"|(?P<readers>readers(?:\s+of)?|who\s+can\s+read)"
    r"|(?P<blast>blast(?:[\s-]+radius)?(?:\s+of)?)"
    r"|(?P<access>access|who\s+(?:did\s+)?read))\s+(?P<name>\S.*)",
    re.IGNORECASE,
)
_ACTIONS: Mapping[str, str] = {f"question_{verb}": verb for verb in QUESTIONS}


def question_in(text: str) -> tuple[str, str] | None:
    """Read "who can read payments/db?" as ("readers", "payments/db"); None: it asks nothing."""
    found = _ASKED.fullmatch(" ".join(text.split()).rstrip(" ?!."))
    if found is None:
        return None
    verb = next(verb for verb in QUESTIONS if found[verb])
    return verb, found["name"].strip(" “”\"'`")


def found(room: Room, verb: str, name: str) -> Message:
    """
    Answer one question about the secret that `name` means, with the buttons for the others.

    Raises:
        NotFoundError: nothing is called like that; what looks like a value is not repeated.
    """
    snapshot = room.graph.snapshot()
    try:
        ref = resolve(snapshot, name, kinds=SECRETS)
    except AmbiguousError as error:
        return ambiguous_answer(name, error.candidates)
    except NotFoundError:
        if not room.intake.may_hold_secret(name):
            raise
        raise NotFoundError(
            "Nothing in the graph is called like that.",
            means="It looks like a value rather than a name, so it is not repeated here.",
            do_now="If it is a value, it is in Slack's records now: report it with /leak.",
        ) from None
    return _private(room, snapshot, verb, ref)


def on_search(entry: Entry, room: Room) -> None:
    """Answer App Home's search field in a form that only this person sees."""
    by = asked(entry.payload)
    room.people.may_act(by.user)
    try:
        message = _searched(room, by.value)
    except LocksmithError as error:
        message = problem_answer(error.happened, error.means, error.do_now)
    room.screen.open(by.trigger_id, as_modal(message))


def on_question(entry: Entry, room: Room) -> None:
    """Answer another question about the same secret."""
    by = asked(entry.payload)
    room.people.may_act(by.user)
    room.people.refuse_shared(by.channel)
    verb, ref = _meant(room, f"{_ACTIONS[entry.name]}:{by.value.partition(':')[2]}")
    answer(room, entry, by, _private(room, room.graph.snapshot(), verb, ref))


def on_all(entry: Entry, room: Room) -> None:
    """Send all of a long answer, as it is now, in a direct message to who asks for it."""
    by = asked(entry.payload)
    room.people.may_act(by.user)
    room.people.refuse_shared(by.channel)
    verb, ref = _meant(room, by.value)
    if not room.files.may_share:
        raise RefusedError(
            "Locksmith may not share files here.",
            means="Nothing was sent.",
            do_now=f"Use the command line: {command(verb, ref)}",
        )
    snapshot = room.graph.snapshot()
    everything = whole(verb, ref, _looked_up(room, snapshot, verb, ref))
    note = f"all:{entry.key}"
    room.outbox.post(note, by.user, whole_note(everything))
    file = {"name": whole_name(everything), "body": whole_file(everything)}
    room.outbox.attach_beside(note, Message("One line for each of them.", ()), **file)
    told = done_answer("Sent: all of it is in a direct message to you, as a file.")
    if by.view_id:  # the answer itself stays where it is read
        shown = _private(room, snapshot, verb, ref)
        told = Message(told.text, (*told.blocks, *shown.blocks))
    answer(room, entry, by, told)


def on_share(entry: Entry, room: Room) -> None:
    """Share an answer where it was asked; where that is no channel, ask in which one."""
    by = asked(entry.payload)
    person = room.people.may_act(by.user)
    if by.channel[:1] in {"C", "G"}:
        _share(entry, room, by.value, by.channel, name=person.name, thread_ts=by.thread_ts)
    elif by.view_id:
        room.screen.redraw(by.view_id, share_form(by.value))
    else:
        room.screen.open(by.trigger_id, share_form(by.value))


def on_share_form(entry: Entry, room: Room) -> None:
    by = asked(entry.payload)
    person = room.people.may_act(by.user)
    channel = form_values(entry.payload).get(IN_CHANNEL, "")
    _share(entry, room, by.value, channel, name=person.name)
    answer(room, entry, by, done_answer(f"Shared in #{room.people.channel(channel).name}."))


def _share(
    entry: Entry, room: Room, question: str, channel: str, *, name: str, thread_ts: str = ""
) -> None:
    verb, ref = _meant(room, question)
    room.people.refuse_shared(channel)
    if not room.people.channel(channel).member:
        raise RefusedError(
            "@locksmith is not in that channel, so it cannot share there.",
            means="Nobody else has seen the answer.",
            do_now="Invite it (/invite @locksmith), or choose another channel.",
        )
    about, sendable = _about(room, room.graph.snapshot(), verb, ref)
    message = shared(about, name, verb, ref, sendable=sendable)
    room.outbox.post(f"share:{entry.key}", channel, message, thread_ts=thread_ts)


def _searched(room: Room, text: str) -> Message:
    if not text.strip():
        raise BadInputError("Type a part of a secret's name.", do_now="Such as payments/gateway.")
    if room.intake.holds_secret(text):
        raise BadInputError(
            "That is a value, not a name.",
            means="It was not kept, but it is in Slack's records now.",
            do_now="Report it with the button “Report a leak”.",
        )
    verb, name = question_in(text) or ("uses", text.strip())
    return found(room, verb, name)


def _private(room: Room, snapshot: Snapshot, verb: str, ref: Ref) -> Message:
    about, sendable = _about(room, snapshot, verb, ref)
    return with_buttons(about, verb, ref, sendable=sendable)


def _about(room: Room, snapshot: Snapshot, verb: str, ref: Ref) -> tuple[Message, bool]:
    """Draw an answer; tell also whether there is more of it, and a file to be had."""
    about = _looked_up(room, snapshot, verb, ref)
    sendable = is_long(about) and room.files.may_share
    return drawn(ref, about, sendable=sendable), sendable


def _looked_up(room: Room, snapshot: Snapshot, verb: str, ref: Ref) -> Found:
    if verb == "uses":
        return consumers(snapshot, ref)
    if verb == "readers":
        return readers(snapshot, ref)
    if verb == "access":
        return room.who_read(ref)
    return blast_radius(snapshot, [split_key(ref)])


def _meant(room: Room, question: str) -> tuple[str, Ref]:
    """
    Return what a button asks; it holds no name, so the secret is looked for in the graph.

    Raises:
        NotFoundError: it is not in the graph any more.
    """
    for node in room.graph.snapshot().nodes(NodeKind.SECRET):
        keys = node.attributes.get("keys")
        listed = keys if isinstance(keys, tuple) else ()
        verb = question_of(question, node.ref, listed)
        if verb is not None:
            return verb
    raise NotFoundError(
        "That secret is not in the graph any more.", do_now="Ask again by its name."
    )
