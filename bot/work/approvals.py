"""Plans and their approval: the order, the request, the decision. The desk decides who may."""

from bot.inbox import Entry
from bot.slack.payloads import Asked, asked, metadata
from bot.slack.views.answers import done_answer
from bot.slack.views.approval import approve_form, deny_form, sign_in_message
from bot.slack.views.names import order_words
from bot.work.room import Room, answer, reason_of
from graph.errors import ConflictError
from responders.incident import ApprovalRequest, ApprovalState, Case, Person

ORDERS = {"plan_rotate_first": "rotate-first", "plan_revoke_first": "revoke-first"}


def choose_order(entry: Entry, room: Room) -> None:
    """Draft the plan in the other order; an approval of the old one becomes void."""
    by, person = _who(entry, room)
    room.desk.plan(by.value, ORDERS[entry.name], person=person)
    words = f"The plan is now “{order_words(ORDERS[entry.name])}”. Ask for approval when ready."
    answer(room, entry, by, done_answer(words, by.value))


def ask(entry: Entry, room: Room) -> None:
    """Ask for approval; the card in the thread and the copies follow from the rows."""
    by, person = _who(entry, room)
    request = room.desk.ask_approval(by.value, person)
    names = ", ".join(request.approvers[:6])
    words = f"Asked. Who may approve: {names or 'see the thread'}."
    answer(room, entry, by, done_answer(words, by.value))


def review(entry: Entry, room: Room) -> None:
    """Show the whole plan with its approve button."""
    by, person = _who(entry, room)
    case, request = _request(room, by.value)
    room.desk.permit_vote(request.id, person)
    room.screen.open(by.trigger_id, approve_form(case, request))


def open_denial(entry: Entry, room: Room) -> None:
    """Ask for the reason of a denial."""
    by, person = _who(entry, room)
    case, request = _request(room, by.value)
    room.desk.permit_vote(request.id, person)
    room.screen.open(by.trigger_id, deny_form(case, request.id))


def approve(entry: Entry, room: Room) -> None:
    """Count an approval, or ask for a sign-in first; with the last one needed the run starts."""
    by, person = _who(entry, room)
    ids = metadata(entry.payload)
    case, request = _request(room, f"{ids.get('incident', '')}:{ids.get('request', '')}")
    if link := room.sign_in_link(request.id, person):
        room.outbox.post(f"sign-in:{entry.key}", by.user, sign_in_message(case, request, link))
        words = "Almost: it counts when you have signed in. You alone got the link, as a message."
        answer(room, entry, by, done_answer(words, case.id))
        return
    request = room.desk.vote(request.id, person, approve=True)
    given = sum(vote.approve for vote in request.votes)
    if request.state is ApprovalState.APPROVED:
        words = "Approved: the run starts now. Follow it on the card."
    else:
        words = f"Your approval is noted: {given} of {request.needed}. It runs when all are there."
    answer(room, entry, by, done_answer(words, case.id))


def deny(entry: Entry, room: Room) -> None:
    """Count a denial with its reason: nothing of this plan runs."""
    by, person = _who(entry, room)
    ids = metadata(entry.payload)
    reason = reason_of(entry, room)
    _request(room, f"{ids.get('incident', '')}:{ids.get('request', '')}")
    room.desk.vote(ids["request"], person, approve=False, reason=reason)
    words = "Denied. Nothing of this plan runs; the incident is open."
    answer(room, entry, by, done_answer(words, ids["incident"]))


def _who(entry: Entry, room: Room) -> tuple[Asked, Person]:
    by = asked(entry.payload)
    person = room.people.may_decide(by.user)
    room.people.refuse_shared(by.channel)
    return by, person


def _request(room: Room, value: str) -> tuple[Case, ApprovalRequest]:
    """
    Return the open request that a button names.

    Raises:
        ConflictError: it is decided, void or replaced; it says by whom.
    """
    incident_id, _, request_id = value.partition(":")
    case = room.desk.case(incident_id)
    request = case.approval
    if request is not None and request.id == request_id:
        if request.state is ApprovalState.PENDING:
            return case, request
        last = request.votes[-1] if request.votes else None
        decided = f" by {last.person.name or last.person.identity}" if last else ""
        raise ConflictError(
            f"This request is already {request.state}{decided}.",
            means="Your click changed nothing.",
            do_now="See the card for what happens now.",
        )
    raise ConflictError(
        "This request is no longer the current one.",
        means="The plan changed, or approval was asked for anew.",
        do_now="Use the newest request in the incident's thread.",
    )
