"""A small room to try responders in: a database file, steps that write lines, hand-made graph."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, cast

from graph.connections import Connections
from graph.database import Database
from graph.fingerprints import Fingerprinter
from graph.model import (
    Attributes,
    Edge,
    EdgeKind,
    Fingerprint,
    Match,
    Node,
    NodeKind,
    Observation,
)
from graph.reads import Reads
from graph.refs import Ref
from graph.repository import GraphRepository
from graph.uses import UseLogs
from responders import tables  # noqa: F401 - registers the tables
from responders.approvals import ApprovalPolicy, Member
from responders.audit import AuditChain
from responders.desk import IncidentDesk
from responders.engine import WORKFLOWS_VERSION, RunEngine
from responders.escalation import PagingSettings
from responders.incident import LeakReport, Person
from responders.limits import EngineSettings
from responders.pager import Page, Pager, PageReceipt, PagerSettings
from responders.planner import Planner
from responders.playbook import Playbook, parse_playbook
from responders.records import IncidentRecords
from responders.step import (
    AnyStep,
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
)
from responders.switchboard import PagerRoute, Switchboard
from responders.way_back import Rollback

SECRET = Ref("vault://main/kv/payments/gateway")
COPY = Ref("k8s://prod/payments/Secret/gateway")
IDLE = Ref("k8s://prod/legacy/Secret/gateway")
DIGEST = "5a" * 32

ANA = Person("ana@example.com", "Ana")
BO = Person("bo@example.com", "Bo")
CY = Person("cy@example.com", "Cy")
REPORTER = Person("rita@example.com", "Rita")
AUTHOR = Person("lee@example.com", "Lee")

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

PLAYBOOK = """
name: lines
title: A value that tests rotate
matches: {stores: [vault_kv]}
answers: {owner: o, stored: s, consumers: c, reload: r, verify: v, roll_back: b}
steps:
  rotate: {use: lines.write, title: "New value in {secret}", phase: rotate,
           with: {secret: "{secret}", field: "{field}", line: rotate}}
  refresh: {use: lines.write, title: "Copy to {target}", phase: refresh, for_each: sync,
            with: {target: "{target}", target_key: "{target_key}", line: "refresh {target}"}}
  restart: {use: lines.write, title: "Wave {wave} of {waves}", phase: reload, for_each: wave,
            with: {workloads: "{workloads}", line: "restart {wave}"}}
  revoke: {use: lines.write, title: "Old value dead", phase: revoke,
           with: {line: revoke, secret: "{secret}", version: "{leaked_version}", proves_dead: true}}
orders:
  rotate-first: [rotate, refresh, restart, revoke]
  revoke-first: [revoke, rotate, refresh, restart]
"""

FALLBACK = """
name: by-hand
title: Unknown
matches: {fallback: true}
answers: {owner: o, stored: s, consumers: c, reload: r, verify: v, roll_back: b}
steps:
  revoke: {use: manual.ask, title: Revoke it, phase: revoke, with: {line: ask}}
  prove: {use: manual.ask, title: Prove it, phase: verify, with: {line: prove}}
orders: {revoke-first: [revoke, prove]}
"""


class Lines(StepSettings):
    line: str
    secret: str = ""
    field: str = ""
    target: str = ""
    target_key: str = ""
    workloads: tuple[str, ...] = ()
    version: int | None = None
    proves_dead: bool = False


class Write(Step[Lines]):
    """Writes its line into a file once per key; `script` says what goes wrong when."""

    name: ClassVar[str] = "lines.write"
    permissions = ()
    reversible: ClassVar[bool] = True
    Settings = Lines

    def __init__(self, file: Path, script: dict[str, list[Exception | VerdictKind]]) -> None:
        self._file = file
        self._script = script

    def preview(self, settings: Lines) -> str:
        return f"Writes {settings.line}."

    def targets(self, settings: Lines) -> tuple[str, ...]:
        named = (settings.secret, settings.target, *settings.workloads)
        return tuple(name for name in named if name)

    def apply(self, settings: Lines, context: StepContext) -> Receipt:
        self._play(f"apply {settings.line}")
        context.progress(f"half of {settings.line}")
        text = self._file.read_text() if self._file.exists() else ""
        if context.key not in text:
            with self._file.open("a") as out:
                out.write(f"{context.key} {settings.line}\n")
        return Receipt(f"Wrote {settings.line}.", {"line": settings.line})

    def verify(self, settings: Lines, receipt: Receipt, context: StepContext) -> Verdict:
        played = self._play(f"verify {settings.line}")
        if played is not None:
            return Verdict(played, f"{settings.line} is {played}.")
        facts: dict[str, Any] = {"old_value_refused": True} if settings.proves_dead else {}
        return Verdict(VerdictKind.CONFIRMED, f"Saw {settings.line}.", facts)

    def undo(self, settings: Lines, receipt: Receipt, context: StepContext) -> Receipt:
        self._play(f"undo {settings.line}")
        key = context.key.removesuffix(":undo")
        kept = [line for line in self._file.read_text().splitlines() if key not in line]
        self._file.write_text("".join(f"{line}\n" for line in kept))
        return Receipt(f"Took {settings.line} back.")

    def verify_undo(
        self, settings: Lines, receipt: Receipt, undone: Receipt, context: StepContext
    ) -> Verdict:
        played = self._play(f"verify-undo {settings.line}")
        there = context.key.removesuffix(":undo") in self._file.read_text()
        kind = played or (VerdictKind.REFUTED if there else VerdictKind.CONFIRMED)
        return Verdict(kind, f"Saw {settings.line} {'still there' if there else 'gone'}.")

    def _play(self, moment: str) -> VerdictKind | None:
        waiting = self._script.get(moment)
        if not waiting:
            return None
        played = waiting.pop(0)
        if isinstance(played, Exception):
            raise played
        return played


class Follow(Write):
    """Copies what the lines before say, like a refresh: the way back is to do it once more."""

    name: ClassVar[str] = "lines.follow"
    reversible: ClassVar[bool] = False
    follows: ClassVar[bool] = True


class Make(Write):
    """Has something made, like a token: on the way back it is ended last."""

    name: ClassVar[str] = "lines.make"
    makes: ClassVar[bool] = True

    def clear_up(self, settings: Lines, undone: Receipt, context: StepContext) -> Receipt:
        self._play(f"clear {settings.line}")
        return Receipt(f"Ended what {settings.line} made.")

    def verify_cleared(self, settings: Lines, undone: Receipt, context: StepContext) -> Verdict:
        played = self._play(f"verify-clear {settings.line}") or VerdictKind.CONFIRMED
        return Verdict(played, f"It is {played}.")


class Ask(Write):
    """Asks a person, like manual.confirm."""

    name: ClassVar[str] = "manual.ask"
    reversible: ClassVar[bool] = False
    changes_world: ClassVar[bool] = False
    by_hand: ClassVar[bool] = True

    def verify(self, settings: Lines, receipt: Receipt, context: StepContext) -> Verdict:
        return Verdict(VerdictKind.UNKNOWN, "Waits for a person.")


class NotePager(Pager[PagerSettings]):
    name: ClassVar[str] = "note"
    Settings = PagerSettings

    def __init__(self, *, takes: bool = True) -> None:
        super().__init__(PagerSettings())
        self.takes = takes
        self.pages: list[Page] = []
        self.resolved: list[Page] = []

    def page(self, page: Page) -> PageReceipt:
        self.pages.append(page)
        return PageReceipt(self.takes, "took it" if self.takes else "answered 500")

    def resolve(self, page: Page) -> PageReceipt:
        self.resolved.append(page)
        return PageReceipt(confirmed=True, sentence="resolved")


@dataclass
class Clock:
    at: datetime = START

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


@dataclass
class Room:
    """Everything wired, the engine not launched."""

    folder: Path
    now: Callable[[], datetime] = field(default_factory=Clock)
    policy: ApprovalPolicy = field(
        default_factory=lambda: ApprovalPolicy(approvers=("group:security",))
    )
    members: Mapping[str, Sequence[Member]] = field(default_factory=dict)
    settings: EngineSettings = field(
        default_factory=lambda: EngineSettings(allow=("*",), retry_seconds=(0.01, 0.01))
    )
    script: dict[str, list[Exception | VerdictKind]] = field(default_factory=dict)
    pagers: Sequence[PagerRoute] | None = None
    paging: PagingSettings = field(default_factory=PagingSettings)
    passing: Callable[[str], None] = lambda point: None
    playbooks: Sequence[str] = (PLAYBOOK, FALLBACK)
    url: str = ""
    version: str = WORKFLOWS_VERSION
    rollback: Rollback = Rollback.AUTOMATIC
    real_steps: Mapping[str, AnyStep] = field(default_factory=dict)
    connections: Connections | None = None
    fingerprinter: Fingerprinter | None = None
    log_connections: Connections | None = None

    def __post_init__(self) -> None:
        self.database = Database(self.url or f"sqlite:///{self.folder}/locksmith.db")
        self.database.create_all()
        self.effects = self.folder / "effects.txt"
        if not self.members:
            self.members = {"group:security": [Member(ANA), Member(BO), Member(REPORTER)]}
        if self.pagers is None:
            self.pagers = [PagerRoute("note", NotePager())]
        engine = self.database.engine
        self.graph = GraphRepository(engine)
        self.records = IncidentRecords(
            engine, AuditChain.from_installation_key("test key"), now=self.now
        )
        steps: dict[str, AnyStep] = {
            step.name: step
            for step in (kind(self.effects, self.script) for kind in (Write, Follow, Make, Ask))
        }
        steps |= self.real_steps
        logs = None
        if self.log_connections is not None:
            logs = UseLogs(Reads(engine), self.log_connections)
        books = [parse_playbook(text, "test.yaml") for text in self.playbooks]
        named = {book.name: book for book in books}
        self.planner = Planner(
            named,
            steps,
            rollback=self.rollback,
            logs=logs.sources if logs else (),
            silent_seconds=self.settings.silent_seconds,
        )
        self.engine = RunEngine(
            self.records,
            steps=steps,
            connections=cast(Connections, self.connections),
            fingerprinter=cast(Fingerprinter, self.fingerprinter),
            switchboard=Switchboard(self.records.journal.pages, self.pagers, settings=self.paging),
            settings=self.settings,
            database_url=self.database.url,
            now=self.now,
            passing=self.passing,
            version=self.version,
            logs=logs,
        )
        self.desk = IncidentDesk(
            self.records,
            self.graph,
            planner=self.planner,
            engine=self.engine,
            policy=self.policy,
            resolve=lambda name: self.members.get(name, ()),
            now=self.now,
        )

    def effect_lines(self) -> list[str]:
        text = self.effects.read_text() if self.effects.exists() else ""
        return [line.partition(" ")[2] for line in text.splitlines()]


def workload(
    namespace: str, kind: str, name: str, **attributes: Any
) -> tuple[Node, Callable[..., Edge]]:
    ref = Ref(f"k8s://prod/{namespace}/{kind}/{name}")

    def uses(secret: Ref, how: str, picks_up: str) -> Edge:
        found: Attributes = {"how": how, "container": "app", "key": "token", "picks_up": picks_up}
        return Edge(ref, secret, EdgeKind.CONSUMES, found)

    return Node(ref, NodeKind.WORKLOAD, attributes), uses


def observation(version: int = 3, *, replicas: int = 2, more: bool = False) -> Observation:
    """One secret with two copies (one of them idle) and consumers of several kinds."""
    nodes = [
        Node(SECRET, NodeKind.SECRET, {"version": version, "keys": ("token",)}),
        Node(COPY, NodeKind.SECRET, {"keys": ("token",)}),
        Node(IDLE, NodeKind.SECRET, {"keys": ("token",)}),
        Node(Ref("team:payments"), NodeKind.TEAM),
    ]
    edges = [
        Edge(SECRET, Ref("team:payments"), EdgeKind.OWNED_BY, {"how": "custom metadata"}),
        *(
            Edge(
                SECRET,
                copy,
                EdgeKind.COPIES,
                {
                    "sync": str(copy).replace("/Secret/", "/ExternalSecret/"),
                    "from_key": "token",
                    "key": "token",
                    "refresh_interval": 3600,
                },
            )
            for copy in (COPY, IDLE)
        ),
    ]
    kinds = [
        ("Deployment", "api", "env", "restart", replicas),
        ("Deployment", "web", "env", "restart", 1),
        ("Deployment", "batch", "envFrom", "restart", 3),
        ("StatefulSet", "ledger", "subPath", "restart", 4),
        ("Deployment", "queue", "env", "restart", 5),
        ("Deployment", "files", "volume", "sync", 2),
        ("Deployment", "asleep", "env", "restart", 0),
        ("CronJob", "nightly", "env", "next_run", None),
        ("Pod", "bare", "env", "restart", 1),
    ]
    if more:
        kinds.append(("Deployment", "newcomer", "env", "restart", 1))
    for kind, name, how, picks_up, count in kinds:
        node, uses = workload("payments", kind, name, replicas=count)
        nodes.append(node)
        edges.append(uses(COPY, how, picks_up))
    return Observation("test", tuple(nodes), tuple(edges))


def only_restarted() -> Observation:
    """The story without jobs and files: everybody's way back is a restart that is seen."""
    seen = observation()
    loose = [Ref(f"k8s://prod/payments/{each}") for each in ("Deployment/files", "CronJob/nightly")]
    edges = tuple(edge for edge in seen.edges if edge.tail not in loose)
    return replace(seen, edges=edges)


def making(playbook: str) -> str:
    """Have the rotation of a playbook make something, like a token of an issuer."""
    return playbook.replace("rotate: {use: lines.write", "rotate: {use: lines.make")


def report(
    digest: str = DIGEST,
    *,
    matched: bool = True,
    version: int = 3,
    where: str = "https://chat/1",
    reporter: Person = REPORTER,
    author: Person | None = AUTHOR,
    at: datetime = START,
    weak: bool = False,
) -> LeakReport:
    matches = (Match(SECRET, "token", version, current=True, form="as_is"),) if matched else ()
    return LeakReport(
        fingerprints=(Fingerprint(digest, "as_is", "k1", weak=weak),),
        matches=matches,
        detector="generic",
        detector_name="Payments API token",
        reporter=reporter,
        reported_at=at,
        where=where,
        where_name="#general",
        author=author,
    )


def playbook(text: str = PLAYBOOK) -> Playbook:
    return parse_playbook(text, "test.yaml")
