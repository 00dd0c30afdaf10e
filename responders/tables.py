"""
The rows of the responders' room. Only `ledger`, `records`, `journal` and `ballot` import them.

No column ever holds the plaintext of a secret: refs, digests, sentences and times only. Lists
and small records of ours are JSON text, so that SQLite and PostgreSQL hold the same.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, UniqueConstraint
from sqlmodel import Field, SQLModel

from graph.database import UtcDateTime


class IncidentRow(SQLModel, table=True):
    """One incident. `revision` grows with each committed change."""

    __tablename__ = "incident"

    id: str = Field(primary_key=True)
    title: str
    state: str = Field(index=True)
    severity: str
    severity_reasons: list[str] = Field(sa_type=JSON)
    detector: str
    detector_name: str
    credential: str
    fingerprint_short: str
    named_ref: str = ""
    identity_facts: dict[str, Any] = Field(sa_type=JSON)
    matches: list[dict[str, Any]] = Field(sa_type=JSON)
    blast_radius: dict[str, Any] = Field(sa_type=JSON)
    reporter: dict[str, str] = Field(sa_type=JSON)
    drill: bool = False
    opened_at: datetime = Field(sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    exposed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reported_at: datetime = Field(sa_type=UtcDateTime)
    contained_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    rotated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    proven_dead_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    plan_id: str = ""  # the plan that counts now
    stopped_because: str = ""
    waiver: str = ""
    revision: int = 0


class SightingRow(SQLModel, table=True):
    """`once` names one delivery: the same report delivered twice is one sighting."""

    __tablename__ = "sighting"
    __table_args__ = (UniqueConstraint("incident_id", "once"),)

    id: int | None = Field(default=None, primary_key=True)
    incident_id: str = Field(index=True, foreign_key="incident.id")
    once: str
    where: str
    where_name: str
    seen_at: datetime = Field(sa_type=UtcDateTime)
    reporter: dict[str, str] = Field(sa_type=JSON)
    author: dict[str, str] | None = Field(default=None, sa_type=JSON)
    note: str = ""
    removed: str = ""
    exposure: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class IncidentFingerprintRow(SQLModel, table=True):
    """
    What an incident is recognised by.

    `open_key` equals `identity` while the incident is open, else NULL: its uniqueness is what
    makes one open incident per credential.
    """

    __tablename__ = "incident_fingerprint"
    __table_args__ = (UniqueConstraint("incident_id", "identity"),)

    id: int | None = Field(default=None, primary_key=True)
    incident_id: str = Field(index=True, foreign_key="incident.id")
    identity: str = Field(index=True)
    open_key: str | None = Field(default=None, unique=True)


class PlanRow(SQLModel, table=True):
    """A drafted plan; it never changes: a changed plan is a new row."""

    __tablename__ = "plan"

    id: str = Field(primary_key=True)
    incident_id: str = Field(index=True, foreign_key="incident.id")
    hash: str
    drafted_at: datetime = Field(sa_type=UtcDateTime)
    body: dict[str, Any] = Field(sa_type=JSON)
    run: int = 0  # how often it was started; names the durable workflow
    undoing: bool = False


class StepRunRow(SQLModel, table=True):
    """Where one step of one plan stands. `executor` is the process that runs it now."""

    __tablename__ = "step_run"

    plan_id: str = Field(primary_key=True, foreign_key="plan.id")
    step_id: str = Field(primary_key=True)
    position: int
    state: str
    sentence: str = ""
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    receipt: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    evidence: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    executor: str = ""


class ApprovalRequestRow(SQLModel, table=True):
    __tablename__ = "approval_request"

    id: str = Field(primary_key=True)
    incident_id: str = Field(index=True, foreign_key="incident.id")
    plan_id: str = Field(foreign_key="plan.id")
    plan_hash: str
    state: str = Field(index=True)
    requested_by: dict[str, str] = Field(sa_type=JSON)
    requested_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    needed: int
    approvers: list[str] = Field(sa_type=JSON)


class VoteRow(SQLModel, table=True):
    """One person decides once per request; `identity` is folded to lower case."""

    __tablename__ = "vote"

    request_id: str = Field(primary_key=True, foreign_key="approval_request.id")
    identity: str = Field(primary_key=True)
    person: dict[str, str] = Field(sa_type=JSON)
    approve: bool
    at: datetime = Field(sa_type=UtcDateTime)
    reason: str = ""


class PageRow(SQLModel, table=True):
    """One owner through one pager. `confirmed` is NULL between intent and receipt."""

    __tablename__ = "page"

    incident_id: str = Field(primary_key=True, foreign_key="incident.id")
    owner: str = Field(primary_key=True)
    pager: str = Field(primary_key=True)
    confirmed: bool | None = None
    sentence: str = ""
    at: datetime = Field(sa_type=UtcDateTime)
    resolved: bool = False


class PageDueRow(SQLModel, table=True):
    """
    What is still to be done about a page, and when; `pager` "" is the owner's own line.

    `final`: the pager would refuse it again. `tier` and `told` belong to the owner's line: how far
    the call has escalated, and whether it was said that nobody was paged.
    """

    __tablename__ = "page_due"

    incident_id: str = Field(primary_key=True, foreign_key="incident.id")
    owner: str = Field(primary_key=True)
    pager: str = Field(primary_key=True)
    since: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)
    tries: int = 0
    final: bool = False
    acknowledged: bool = False
    tier: int = 0
    told: bool = False


class PageAnswerRow(SQLModel, table=True):
    """Who took an owner's page on where it rang; `who` is empty once they let it go again."""

    __tablename__ = "page_answer"

    incident_id: str = Field(primary_key=True, foreign_key="incident.id")
    owner: str = Field(primary_key=True)
    who: str
    at: datetime = Field(sa_type=UtcDateTime)


class SummonsRow(SQLModel, table=True):
    """A call that is due at a moment, unless it is taken back before: see `summons.py`."""

    __tablename__ = "summons"

    incident_id: str = Field(primary_key=True, foreign_key="incident.id")
    topic: str = Field(primary_key=True)
    due_at: datetime = Field(sa_type=UtcDateTime, index=True)
    made: bool = False


class StepUpRow(SQLModel, table=True):
    """
    A sign-in that was asked of an approver before their approval counts: see `step_up.py`.

    `begun_at` is when the link was used, `browser` a digest of that browser's cookie, `spent_at`
    when an answer came. No token, code or address is kept.
    """

    __tablename__ = "step_up"

    id: str = Field(primary_key=True)
    request_id: str = Field(index=True, foreign_key="approval_request.id")
    incident_id: str = Field(index=True, foreign_key="incident.id")
    plan_hash: str
    person: dict[str, str] = Field(sa_type=JSON)
    asked_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    begun_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    browser: str = ""
    spent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class EmergencyRow(SQLModel, table=True):
    """A plan that one person ran alone; `reviewer` is NULL until somebody else has reviewed it."""

    __tablename__ = "emergency"

    id: str = Field(primary_key=True)
    incident_id: str = Field(index=True, foreign_key="incident.id")
    plan_hash: str
    person: dict[str, str] = Field(sa_type=JSON)
    reason: str
    at: datetime = Field(sa_type=UtcDateTime)
    reviewer: dict[str, str] | None = Field(default=None, sa_type=JSON)
    finding: str = ""
    reviewed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class LeadRow(SQLModel, table=True):
    """Who leads an incident; the newest row of an incident counts, the others are its past."""

    __tablename__ = "lead"

    id: int | None = Field(default=None, primary_key=True)
    incident_id: str = Field(index=True, foreign_key="incident.id")
    person: dict[str, str] = Field(sa_type=JSON)
    by: dict[str, str] = Field(sa_type=JSON)
    at: datetime = Field(sa_type=UtcDateTime)
    note: str = ""


class FrozenRow(SQLModel, table=True):
    """The facts of the graph at one moment of an incident; `why` names the occasion."""

    __tablename__ = "frozen_facts"

    id: int | None = Field(default=None, primary_key=True)
    incident_id: str = Field(index=True, foreign_key="incident.id")
    at: datetime = Field(sa_type=UtcDateTime)
    why: str
    blast_radius: dict[str, Any] = Field(sa_type=JSON)


class FindingRow(SQLModel, table=True):
    """A finding that a person added, or one that was closed; `incident_id` "": there is none."""

    __tablename__ = "finding"

    id: str = Field(primary_key=True)
    incident_id: str = Field(default="", index=True)
    kind: str
    title: str
    owner: str
    opened_at: datetime = Field(sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    closed_by: str = ""
    reason: str = ""


class AuditEventRow(SQLModel, table=True):
    """A sealed entry; see `audit.py`. The application only ever inserts here."""

    __tablename__ = "audit_event"

    sequence: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=UtcDateTime)
    incident_id: str = Field(index=True)
    kind: str
    actor: str
    sentence: str
    facts: dict[str, Any] = Field(sa_type=JSON)
    key_id: str
    previous: str
    seal: str


class AuditHeadRow(SQLModel, table=True):
    """One row: the end of the chain, and the lock that makes its writers wait for each other."""

    __tablename__ = "audit_head"

    id: int = Field(primary_key=True)
    sequence: int = 0
    seal: str


class ExecutorLeaseRow(SQLModel, table=True):
    """A process that runs plans, and how long it counts as alive."""

    __tablename__ = "executor_lease"

    executor: str = Field(primary_key=True)
    host: str
    pid: int
    alive_until: datetime = Field(sa_type=UtcDateTime)
