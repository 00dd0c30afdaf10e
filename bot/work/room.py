"""
What the worker's errands work with, and the few ways in which they answer a person.

`Desk` is what they need of `responders.desk.IncidentDesk`; the same core serves the command line.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.inbox import Entry, Inbox
from bot.intake.intake import Intake
from bot.intake.offers import Offers
from bot.intake.wording import without_secret
from bot.outbox import Outbox
from bot.slack.eraser import Eraser
from bot.slack.files import Files
from bot.slack.headcount import Headcount
from bot.slack.payloads import Asked, form_values
from bot.slack.people import People
from bot.slack.reading import Reader
from bot.slack.screen import Screen
from bot.slack.views.blocks import Block, Message, modal
from bot.slack.views.forms import REASON
from bot.work.homes import Homes
from bot.work.spills import Spills
from graph.queries.access import Accesses
from graph.refs import Ref
from graph.snapshot import Snapshot
from responders.incident import (
    ApprovalRequest,
    Case,
    Exposure,
    IncidentState,
    LeakReport,
    Person,
    Plan,
    Severity,
)
from responders.pager import PageAnswer
from responders.places import Gone
from responders.silence import Loud


class Opened(Protocol):
    """What became of a report: `outcome` is opened, joined, reopened or known."""

    @property
    def incident_id(self) -> str:
        """The incident's id."""

    @property
    def outcome(self) -> str:
        """What the report did."""


class Gate(Protocol):
    """Whether an incident may close; `missing` are sentences."""

    @property
    def open(self) -> bool:
        """All evidence is there."""

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not proven."""


class Places(Protocol):
    """What became of the places of a value; implemented by `responders.places.Places`."""

    def gone(self, incident_id: str, person: Person, where: str = "", *, how: Gone) -> int: ...
    def exposed(self, incident_id: str, where: str, exposure: Exposure) -> None: ...
    def note(
        self,
        incident_id: str,
        kind: str,
        sentence: str,
        *,
        actor: Person | str = "locksmith",
        facts: Mapping[str, object] | None = None,
    ) -> None: ...


class Glass(Protocol):
    """Break-glass; raises LocksmithError."""

    def run_alone(
        self, incident_id: str, person: Person, reason: str, *, plan_hash: str = ""
    ) -> object: ...
    def review(self, incident_id: str, person: Person, finding: str) -> object: ...


class Waivers(Protocol):
    """Who answers for copies that may hold the old value; raises LocksmithError."""

    def held(self, incident_id: str, step_id: str = "") -> Sequence[Loud]: ...
    def permit(self, incident_id: str, person: Person) -> object: ...
    def waive(
        self, incident_id: str, person: Person, step_id: str, reason: str, *, seen: str = ""
    ) -> object: ...


class Triage(Protocol):
    """Who is in charge and how bad it is; raises LocksmithError."""

    def acknowledge(self, incident_id: str, person: Person) -> Case: ...
    def page_answered(self, answer: PageAnswer) -> str: ...
    def assign(
        self, incident_id: str, person: Person, to: Person, note: str = "", *, seen: str | None
    ) -> Case: ...
    def change_severity(
        self, incident_id: str, person: Person, severity: Severity, reason: str
    ) -> Case: ...


class Desk(Protocol):
    """The one core for Slack, the command line and the web. All raise LocksmithError."""

    @property
    def glass(self) -> Glass: ...
    @property
    def triage(self) -> Triage: ...
    @property
    def waivers(self) -> Waivers: ...
    def report(self, report: LeakReport, also: Sequence[LeakReport] = ()) -> Opened: ...
    def plan(
        self, incident_id: str, order: str | None = None, *, person: Person | None = None
    ) -> Plan: ...
    def ask_approval(self, incident_id: str, person: Person) -> ApprovalRequest: ...
    def permit_vote(self, request_id: str, person: Person) -> None: ...
    def vote(
        self, request_id: str, person: Person, *, approve: bool, reason: str = ""
    ) -> ApprovalRequest: ...
    def stop(self, incident_id: str, person: Person, reason: str) -> object: ...
    def retry(self, incident_id: str, person: Person, step_id: str = "") -> object: ...
    def skip(self, incident_id: str, person: Person, step_id: str, reason: str) -> object: ...
    def confirm(self, incident_id: str, person: Person, step_id: str, evidence: str) -> object: ...
    def undo(self, incident_id: str, person: Person) -> object: ...
    def dismiss(self, incident_id: str, person: Person, reason: str) -> object: ...
    @property
    def places(self) -> Places: ...
    def close(self, incident_id: str, person: Person, waiver: str = "") -> object: ...
    def gate(self, incident_id: str) -> Gate: ...
    def case(self, incident_id: str) -> Case: ...
    def cases(self, state: IncidentState | None = None) -> tuple[Case, ...]: ...
    def find_id(self, part: str) -> str: ...


class Graph(Protocol):
    """The live graph; implemented by `graph.repository.GraphRepository`."""

    def snapshot(self) -> Snapshot: ...


@dataclass(frozen=True, slots=True)
class Room:
    """
    Everything that an errand may use. `security_channel` is an id.

    `remind_after` are the minutes after which an author is reminded; at the last of them the
    security channel is told. `eraser` None: Locksmith deletes nobody's messages. `sign_in_link`
    asks an approver to sign in first, where the plan needs it; "": it does not.
    """

    desk: Desk
    intake: Intake
    graph: Graph
    outbox: Outbox
    people: People
    screen: Screen
    spills: Spills
    offers: Offers
    inbox: Inbox
    reader: Reader
    files: Files
    headcount: Headcount
    homes: Homes
    who_read: Callable[[Ref], Accesses]
    security_channel: str
    remind_after: tuple[float, ...] = (5, 15)
    eraser: Eraser | None = None
    sign_in_link: Callable[[str, Person], str] = lambda request_id, person: ""


def answer(room: Room, entry: Entry, by: Asked, message: Message, *, part: str = "answer") -> None:
    """
    Tell the one who asked, privately, by the best road there is.

    In the form that was filled in if it still stands; else by the response_url, which serves where
    the bot is no member; else to this person only in the channel; else as a direct message. `part`
    keeps several answers apart.
    """
    key = f"{part}:{entry.key}"
    if entry.kind in {"view", "action"} and by.view_id:
        drawn = room.screen.redraw(by.view_id, as_modal(message))
        if drawn and part != "problem":
            return  # a refusal is sent as well: a form is closed before it is read
    if by.response_url and (entry.kind in {"command", "shortcut"} or _only_here(by)):
        room.outbox.respond(key, by.response_url, message)
    elif by.channel[:1] in {"C", "G"}:
        room.outbox.ephemeral(key, by.channel, message, user=by.user, thread_ts=by.thread_ts)
    else:
        room.outbox.post(key, by.channel or by.user, message)


def _only_here(by: Asked) -> bool:
    """Tell whether a button was pressed under a private answer, maybe where the bot is not."""
    return by.private and not by.thread_ts


def as_modal(message: Message) -> Block:
    """Show a message's blocks in a modal; buttons stay, because their actions are the same."""
    return modal("Locksmith", [dict(block) for block in message.blocks])


def text_of(payload: Mapping[str, object], name: str) -> str:
    """Read a text field of a payload."""
    found = payload.get(name)
    return found if isinstance(found, str) else ""


def reason_of(entry: Entry, room: Room) -> str:
    """Return what a person typed as a reason or as evidence; raises BadInputError for a secret."""
    return without_secret(form_values(entry.payload).get(REASON, ""), room.intake.holds_secret)
