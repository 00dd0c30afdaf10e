"""A whole bot on the local workspace: real Bolt, real Socket Mode, a small desk behind it."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from bot.courier import Courier
from bot.inbox import Inbox, inbox_key
from bot.intake.intake import Intake
from bot.intake.offers import Offers
from bot.outbox import Outbox
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.workspace.shape import (
    Channel,
    User,
    UserGroup,
    UserToken,
    WorkspaceShape,
    app_from_manifest,
)
from bot.slack.app import SlackApp
from bot.slack.audience import Audience
from bot.slack.belonging import Belonging, app_of
from bot.slack.eraser import Eraser
from bot.slack.files import Files
from bot.slack.headcount import Headcount
from bot.slack.people import People
from bot.slack.publisher import Publisher
from bot.slack.reading import Reader
from bot.slack.renewal import Renewal
from bot.slack.scopes import Scopes
from bot.slack.screen import Screen
from bot.slack.sender import SlackSender
from bot.slack_api import web_client
from bot.work.homes import Homes
from bot.work.room import Room
from bot.work.spills import Spills
from bot.worker import Worker
from graph.database import Database
from graph.detect import detect
from graph.fingerprints import Fingerprinter, generate_key
from graph.identify import Identified
from graph.model import (
    Edge,
    EdgeKind,
    Node,
    NodeKind,
    Observation,
    StoredFingerprint,
)
from graph.queries.access import Accesses
from graph.refs import Ref
from graph.repository import GraphRepository
from graph.secret_value import SecretValue
from responders.approvals import ApprovalPolicy, Member
from responders.incident import Person
from tests.bot.cases import GATEWAY
from tests.bot.small_desk import SmallDesk

MANIFEST = Path(__file__).parents[3] / "deploy" / "slack-manifest.yaml"
BOT = "U0LOCKSMITH"
EVERYBODY = ("U0RITA", "U0SUE", "U0GUS", BOT)


ADMIN_TOKEN = "xoxp-test-admin"


def workspace_shape(without: Sequence[str] = ()) -> WorkspaceShape:
    users = [
        User(id="U0RITA", name="rita", real_name="Rita", email="rita@example.com"),
        User(id="U0SUE", name="sue", real_name="Sue", email="sue@example.com"),
        User(id="U0GUS", name="gus", real_name="Gus", email="gus@example.com", is_restricted=True),
        User(id="U0ADA", name="ada", real_name="Ada", email="ada@example.com", is_admin=True),
    ]
    channels = [
        Channel(id="C0GENERAL", name="general", members=EVERYBODY),
        Channel(id="C0SECURITY", name="security", private=True, members=("U0SUE", "U0RITA", BOT)),
        Channel(id="C0RANDOM", name="random", members=("U0RITA", "U0SUE")),
        Channel(id="C0PARTNERS", name="partners", ext_shared=True, members=EVERYBODY),
    ]
    app = app_from_manifest(
        yaml.safe_load(MANIFEST.read_text()),
        bot_token="xoxb-test",
        app_token="xapp-test",
        without=without,
    )
    admin = UserToken(token=ADMIN_TOKEN, user="U0ADA", scopes=frozenset({"chat:write"}))
    events = frozenset({*(app.events or ()), "app_home_opened"})
    return WorkspaceShape(
        users=tuple(users),
        channels=tuple(channels),
        app=replace(app, events=events, user_tokens=(admin,)),
        user_groups=(UserGroup(id="S0SECURITY", handle="security", users=("U0SUE",)),),
    )


@dataclass
class Clock:
    """The time of day, and how far a test has run ahead of it."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class RunningBot:
    workspace: Workspace
    desk: SmallDesk
    inbox: Inbox
    outbox: Outbox
    worker: Worker
    clock: Clock
    token: str  # the value that is stored at vault://main/kv/payments/gateway#token
    configured: list[str]  # the last is what slack.bot_token is by now
    app: SlackApp
    database: Path
    graph: GraphRepository

    def wait_until_idle(self) -> None:
        """Nothing waits in the inbox or the outbox."""
        eventually(lambda: self.inbox.waiting() == 0 and self.outbox.pending() == 0)


def eventually(predicate: Callable[[], bool], seconds: float = 45) -> None:
    deadline = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < deadline, "it did not come to pass"
        threading.Event().wait(0.02)


def fill_graph(repository: GraphRepository, fingerprinter: Fingerprinter, token: str) -> None:
    workload = Ref("k8s://demo/payments/Deployment/api")
    marks = fingerprinter.of_stored(SecretValue(token))
    repository.merge(
        Observation(
            source="test",
            nodes=(
                Node(GATEWAY, NodeKind.SECRET, {"keys": ("token",)}),
                Node(Ref("vault://main/kv/payments/db"), NodeKind.SECRET),
                Node(workload, NodeKind.WORKLOAD, {"replicas": 3}),
            ),
            edges=(Edge(workload, GATEWAY, EdgeKind.CONSUMES, {"how": "env", "key": "token"}),),
            fingerprints=tuple(StoredFingerprint(mark, GATEWAY, "token", 3) for mark in marks),
        ),
        now=datetime.now(UTC),
    )


@pytest.fixture
def bot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[RunningBot]:
    """`indirect` parameters name scopes that are not granted."""
    yield from running_bot(tmp_path, monkeypatch, without=getattr(request, "param", ()))


@pytest.fixture
def erasing_bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningBot]:
    """The bot with the token of a workspace admin."""
    yield from running_bot(tmp_path, monkeypatch, erasing=True)


def running_bot(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    without: Sequence[str] = (),
    erasing: bool = False,
) -> Iterator[RunningBot]:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    clock = Clock()
    with ExitStack() as stack:
        workspace = stack.enter_context(Workspace(workspace_shape(without)))
        database = Database(f"sqlite:///{tmp_path / 'bot.sqlite'}")
        stack.callback(database.close)
        database.create_all()
        repository = GraphRepository(database.engine)
        fingerprinter = Fingerprinter(SecretValue(generate_key()))
        token = f"pgw_live_{secrets.token_hex(16)}"
        fill_graph(repository, fingerprinter, token)
        configured = ["xoxb-test"]
        belonging, base_url = Belonging(database.engine), workspace.base_url
        renew = Renewal(lambda: SecretStr(configured[-1]), belonging, base_url=base_url)
        client = web_client("xoxb-test", base_url=base_url, renew=renew)
        belonging.keep(app_of(client))
        people = People(client, clock=lambda: time.monotonic() + clock.ahead.total_seconds())
        inbox = Inbox(database.engine, inbox_key("test"), clock=clock)
        outbox = Outbox(database.engine, clock=clock)
        desk = SmallDesk()
        scopes = Scopes(client)
        publisher = Publisher(
            database.engine,
            desk,
            outbox,
            channel=people.channel_id("security"),
            audience=Audience(people, resolve, ApprovalPolicy(approvers=("sue@example.com",))),
            checkpoint=lambda: "audit checkpoint 9 abcdef 2026-11-23T00:00:00+00:00",
            workspace_url=people.workspace_url(),
            attaching=lambda: scopes.has("files:write"),
            shared=lambda: people.is_shared("C0SECURITY"),
            clock=clock,
        )
        desk.changed = publisher.look
        sender = SlackSender(client, refuse_shared=people.refuse_shared)
        courier = Courier(outbox, sender, clock=clock, delivered=publisher.look, card_seconds=0.1)
        room = Room(
            desk=desk,
            intake=Intake(
                fingerprinter=fingerprinter,
                index=repository,
                detect=detect,
                identify=lambda value: Identified("generic", "Unknown credential"),
                clock=clock,
            ),
            graph=repository,
            outbox=outbox,
            people=people,
            screen=Screen(client),
            spills=Spills(database.engine),
            offers=Offers(database.engine),
            inbox=inbox,
            reader=Reader(client),
            files=Files(client),
            headcount=Headcount(client, people),
            homes=Homes(
                database.engine,
                desk,
                people,
                Screen(client),
                revisions=desk.revisions,
                graph=lambda: repository.snapshot().revision,
                clock=clock,
            ),
            who_read=lambda secret: Accesses(secret, ()),
            eraser=Eraser(web_client(ADMIN_TOKEN, base_url=workspace.base_url))
            if erasing
            else None,
            security_channel="C0SECURITY",
        )
        worker = Worker(inbox, room)
        app = SlackApp(client, "xapp-test", inbox)
        for part in (courier, publisher, worker):
            part.start()
            stack.callback(part.stop)
        app.start()
        stack.callback(app.stop)
        stack.callback(workspace.cut_connections)  # else the SDK waits for its read to time out
        workspace.wait_for_app()
        yield RunningBot(
            workspace=workspace,
            desk=desk,
            inbox=inbox,
            outbox=outbox,
            worker=worker,
            clock=clock,
            token=token,
            configured=configured,
            app=app,
            database=tmp_path / "bot.sqlite",
            graph=repository,
        )
        assert workspace.complaints == []


def resolve(entry: str) -> list[Member]:
    return [Member(Person(entry))] if "@" in entry else []
