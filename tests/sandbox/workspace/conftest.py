"""A workspace with a few people, and a real Bolt app connected to it over Socket Mode."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from bot.sandbox.workspace.people import Person
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.workspace.shape import (
    Channel,
    Shortcut,
    SlackApp,
    SlashCommand,
    Timing,
    User,
    UserGroup,
    WorkspaceShape,
)

SCOPES = frozenset(
    {
        "commands",
        "chat:write",
        "users:read",
        "users:read.email",
        "usergroups:read",
        "channels:read",
        "groups:read",
        "im:read",
        "im:write",
        "channels:history",
        "groups:history",
        "im:history",
        "app_mentions:read",
        "files:write",
        "pins:write",
        "bookmarks:write",
    }
)
BOT = "U0LOCKSMITH"
SHAPE = WorkspaceShape(
    users=(
        User(id="U0RITA", name="rita", real_name="Rita Ortiz", email="rita@example.com"),
        User(id="U0SAM", name="sam", real_name="Sam Berg", email="sam@example.com"),
        User(id="U0GUEST", name="gus", real_name="Gus Guest", is_restricted=True),
        User(
            id="U0OTHER",
            name="olga",
            real_name="Olga Other",
            is_stranger=True,
            team_id="T0OTHER",
        ),
    ),
    channels=(
        Channel(id="C0GENERAL", name="general", members=("U0RITA", "U0SAM", "U0GUEST", BOT)),
        Channel(id="C0SECURITY", name="security", private=True, members=("U0SAM", BOT)),
        Channel(id="C0RANDOM", name="random", members=("U0RITA", "U0SAM")),
        Channel(id="C0SECRET", name="secret", private=True, members=("U0RITA",)),
        Channel(id="C0SHARED", name="shared", ext_shared=True, members=("U0RITA", "U0OTHER", BOT)),
    ),
    user_groups=(UserGroup(id="S0SEC", handle="security-team", users=("U0SAM",)),),
    app=SlackApp(
        bot_token="xoxb-local-bot",
        app_token="xapp-local-app",
        scopes=SCOPES,
        slash_commands=(SlashCommand(command="/leak", should_escape=True),),
        shortcuts=(
            Shortcut(callback_id="report_message", name="Report a leak", kind="message"),
            Shortcut(callback_id="report", name="Report a leak", kind="global"),
        ),
    ),
    timing=Timing(ack_seconds=1.0, retry_seconds=(0.0, 0.1, 60.0), ping_seconds=0.1),
)


@pytest.fixture
def shape() -> WorkspaceShape:
    return SHAPE


@pytest.fixture
def run() -> Iterator[Callable[[WorkspaceShape], Workspace]]:
    """Runs a workspace of one's own shape until the end of the test."""
    with ExitStack() as stack:
        yield lambda wanted: stack.enter_context(Workspace(wanted))


@pytest.fixture
def workspace(run: Callable[[WorkspaceShape], Workspace]) -> Workspace:
    return run(SHAPE)


@pytest.fixture
def client_of() -> Callable[[Workspace], WebClient]:
    return _client


@pytest.fixture
def client(workspace: Workspace) -> WebClient:
    return _client(workspace)


def _client(workspace: Workspace) -> WebClient:
    return WebClient(
        token=workspace.shape.app.bot_token, base_url=workspace.base_url, retry_handlers=[]
    )


@pytest.fixture
def connect(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[App], SocketModeHandler]]:
    """Connects an app over Socket Mode; disconnects it at the end of the test."""
    # slack_sdk sends the socket through a proxy even to loopback.
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    handlers: list[SocketModeHandler] = []

    def start(app: App) -> SocketModeHandler:
        token = workspace.shape.app.app_token
        handler = SocketModeHandler(app, app_token=token, ping_interval=0.5)
        handlers.append(handler)
        before = workspace.connections
        handler.connect()
        workspace.wait_for(lambda: workspace.connections > before)
        return handler

    yield start
    for handler in handlers:
        handler.close()


@pytest.fixture
def app(client: WebClient) -> App:
    """An app without listeners yet; add them, then `connect(app)`."""
    return App(client=client)


@pytest.fixture
def rita(workspace: Workspace) -> Person:
    return workspace.as_user("rita")


@pytest.fixture
def sam(workspace: Workspace) -> Person:
    return workspace.as_user("sam")


@pytest.fixture
def without_scopes() -> Callable[..., WorkspaceShape]:
    """The usual shape with an app that lacks the named scopes."""

    def lacking(*names: str) -> WorkspaceShape:
        app = replace(SHAPE.app, scopes=SHAPE.app.scopes - set(names))
        return replace(SHAPE, app=app)

    return lacking
