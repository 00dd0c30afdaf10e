"""
The words of an incident: reports, sightings, states, clocks, and the case as a whole. Pure.

A `Case` is everything that the database knows of one incident, as one frozen value: the Slack
card, `incident show`, the timeline and the evidence are functions of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from graph.model import Fingerprint, Match
from graph.queries.blast_radius import BlastRadius


class IncidentState(StrEnum):
    """open -> planned -> waiting -> running -> (stopped) -> verified -> closed; or false_alarm."""

    OPEN = "open"  # known, no plan yet
    PLANNED = "planned"  # a plan lies ready, approval not yet asked
    WAITING = "waiting"  # approval asked
    RUNNING = "running"
    STOPPED = "stopped"  # a step failed, is unknown, or a person stopped it: a person must act
    VERIFIED = "verified"  # every step confirmed, the exit gate is open
    CLOSED = "closed"
    FALSE_ALARM = "false_alarm"


OPEN_STATES = frozenset(IncidentState) - {IncidentState.CLOSED, IncidentState.FALSE_ALARM}


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts. `identity` is the mapped e-mail (never a Slack id alone): approvals compare it."""

    identity: str
    name: str = ""
    slack_user: str = ""


@dataclass(frozen=True, slots=True)
class LeakReport:
    """
    What came in, after the value was fingerprinted and let go.

    `fingerprints` are the digests of the leaked value's normal forms; `matches` what they are in
    the index; `detector` the kind ("openbao_token", "generic"), `detector_name` for people;
    `subject` names what the issuer said of the credential while the value was in memory (a Vault
    token's accessor, its policies); `where` is a permalink or URL; `public` how widely it lies.
    `alert` is the name that a scanner gave to the credential: reports with one alert are one
    incident, with or without the value. `once` names this very finding: found again, it adds
    nothing to an incident and reopens none.
    """

    fingerprints: tuple[Fingerprint, ...]
    matches: tuple[Match, ...]
    detector: str
    detector_name: str
    reporter: Person
    reported_at: datetime
    where: str = ""
    where_name: str = ""  # "#general"
    author: Person | None = None
    note: str = ""
    identity_facts: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    named_ref: str = ""  # a report without the value: the ref that the reporter chose
    seen_at: datetime | None = None
    exposed_at: datetime | None = None
    drill: bool = False
    alert: str = ""
    once: str = ""


@dataclass(frozen=True, slots=True)
class Exposure:
    """
    Who could see a place, in numbers.

    `people` are its human members, `guests` and `outsiders` (of other organisations) among them;
    `apps` are bots that are members. `open_to_all`: everybody in the workspace could look in.
    `uncounted` says what could not be counted ("").
    """

    people: int = 0
    guests: int = 0
    outsiders: int = 0
    apps: int = 0
    open_to_all: bool = False
    uncounted: str = ""

    @property
    def words(self) -> str:
        """Say it: "seen by 12 people (1 guest) and 2 apps, open to the whole workspace"."""
        among = [
            _counted(number, noun)
            for number, noun in ((self.guests, "guest"), (self.outsiders, "outsider"))
            if number
        ]
        people = _counted(self.people, "person", "people")
        people += f" ({', '.join(among)})" if among else ""
        said = f"seen by up to {people} and {_counted(self.apps, 'app')}"
        if self.uncounted and not self.people:
            said = "not known by how many it was seen"
        if self.open_to_all:
            said += ", open to the whole workspace"
        return f"{said}; {self.uncounted}" if self.uncounted else said


def _counted(number: int, noun: str, several: str = "") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {several or noun + 's'}"


@dataclass(frozen=True, slots=True)
class Sighting:
    """
    One place where the value was seen.

    `removed`: "", "claimed by NAME", "edited away" or "verified". `exposure` None: not counted.
    """

    where: str
    where_name: str
    seen_at: datetime
    reporter: Person
    author: Person | None
    note: str = ""
    removed: str = ""
    exposure: Exposure | None = None


@dataclass(frozen=True, slots=True)
class Clocks:
    """The five clocks; None: not yet."""

    exposed: datetime | None
    reported: datetime
    contained: datetime | None = None
    rotated: datetime | None = None
    proven_dead: datetime | None = None


class StepState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNKNOWN = "unknown"
    FAILED = "failed"
    UNDONE = "undone"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """
    One concrete step; `id` is unique in the plan, `use` names the step.

    `expected_seconds` by `measured` earlier runs (see `history.py`); None: there is no history.
    """

    id: str
    use: str
    title: str
    sentence: str  # the preview
    settings: Mapping[str, object]
    reversible: bool
    targets: tuple[str, ...]
    phase: str  # rotate, refresh, reload, revoke, verify
    way_back: str = ""  # undone, follows, stays, none; "": of a plan before there was this word
    expected_seconds: float | None = None
    measured: int = 0
    shown_in: str = ""  # the audit log that shows each use of what this step ends


@dataclass(frozen=True, slots=True)
class Breakage:
    """
    How one consumer fares under one order: when and how it breaks, in one sentence.

    `follows` says what brings it the new value: restart, file, poll, run, start, hand, unknown or
    nothing. `seconds`: so long after its copy changed at the latest; None where no clock bounds it.
    """

    workload: str
    breaks: bool
    sentence: str
    follows: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """The consequence of one order: "7 of 12 consumers break at once; …"."""

    order: str  # "rotate-first" or "revoke-first"
    sentence: str
    breakages: tuple[Breakage, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    A playbook applied to the graph. `hash` covers steps, order and the graph facts they rest on.

    `forecasts` holds both orders where both make sense, the chosen one first.
    """

    playbook: str
    order: str
    steps: tuple[PlannedStep, ...]
    forecasts: tuple[Forecast, ...]
    hash: str
    irreversible: tuple[str, ...]  # titles of the steps without a way back
    rollback: str = "ask"  # automatic: a failed step is taken back by itself, as was approved
    use: str = ""  # whether it can be known that the old value is still used, and what then
    expected: str = ""  # how long all of it will take, in words, or that nobody knows
    expected_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class StepProgress:
    """Where one step of the plan stands, with what was seen."""

    step: PlannedStep
    state: StepState
    sentence: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)


class ApprovalState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Vote:
    person: Person
    approve: bool
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """Who may still decide, and who has. `needed` is the quorum."""

    id: str
    state: ApprovalState
    plan_hash: str
    requested_by: Person
    requested_at: datetime
    expires_at: datetime
    needed: int
    approvers: tuple[str, ...]  # names or mentions of those who may
    votes: tuple[Vote, ...] = ()


@dataclass(frozen=True, slots=True)
class Emergency:
    """A plan that one person ran alone; `reviewer` None: nobody has reviewed it yet."""

    person: Person
    reason: str
    at: datetime
    plan_hash: str
    reviewer: Person | None = None
    finding: str = ""


@dataclass(frozen=True, slots=True)
class Lead:
    """Who sees the incident through, who said so and when, and what was handed over with it."""

    person: Person
    by: Person
    at: datetime
    note: str = ""

    @property
    def mark(self) -> str:
        """Tell this state from the next; opaque, for forms."""
        return str(self.at.timestamp())


@dataclass(frozen=True, slots=True)
class PageState:
    """
    One owner's page: through which pager, taken or not, and what it said.

    `answered_by` took it on where it rang; "" nobody did, or that system does not say.
    """

    owner: str
    pager: str
    confirmed: bool
    sentence: str
    at: datetime
    answered_by: str = ""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of the audit log in words. `sequence` is its number in the chain."""

    sequence: int
    at: datetime
    kind: str  # reported, opened, matched, planned, asked, approved, intent, receipt, verdict, …
    actor: str
    sentence: str


class UseState(StrEnum):
    """What the audit log that shows uses of a credential says before a step ends it."""

    SILENT = "silent"
    USED = "used"
    UNREADABLE = "unreadable"  # the log is configured, and its silence would prove nothing
    UNKNOWN = "unknown"  # it was never asked what it calls this value


@dataclass(frozen=True, slots=True)
class UseSeen:
    """`users` name who used the old value of late, and from where; `source` is the log."""

    source: str
    state: UseState
    sentence: str
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """Everything known of one incident at one moment; the card is a function of this."""

    id: str
    title: str
    state: IncidentState
    severity: Severity
    severity_reasons: tuple[str, ...]
    detector_name: str
    credential: str  # "credential:…" ref
    fingerprint_short: str  # first 8 hex digits of the digest, to tell credentials apart
    matches: tuple[Match, ...]
    blast_radius: BlastRadius
    sightings: tuple[Sighting, ...]
    clocks: Clocks
    reporter: Person
    opened_at: datetime
    closed_at: datetime | None
    plan: Plan | None
    progress: tuple[StepProgress, ...]
    approval: ApprovalRequest | None
    pages: tuple[PageState, ...]
    timeline: tuple[TimelineEntry, ...]
    next_action: str  # what must happen now, and who must do it
    revision: int  # grows with each change: the publisher republishes when it lags behind
    emergency: Emergency | None = None  # the newest break-glass run
    lead: Lead | None = None  # None: nobody leads it yet
    identity_facts: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    # what holds a revocation back and a person answers for all the same, each with who needs it
    silence_waived: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # by the id of the step that ends the old value: whether a log shows it in use
    use_seen: Mapping[str, UseSeen] = field(default_factory=dict)


def taken_back(case: Case) -> bool:
    """Whether the run went back: this plan cannot go on, only a new one can."""
    return any(each.state is StepState.UNDONE for each in case.progress)
