"""Events over Socket Mode, with a real Bolt app at the other end."""

import threading
from collections.abc import Callable
from typing import Any

from slack_bolt import App, BoltContext
from slack_bolt.adapter.socket_mode import SocketModeHandler

from bot.sandbox.workspace.people import Person
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.workspace.shape import WorkspaceShape

Connect = Callable[[App], SocketModeHandler]
Run = Callable[[WorkspaceShape], Workspace]
BOT = "U0LOCKSMITH"


class Heard:
    """What the app's listeners were given, waited for without sleeping."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._more = threading.Condition()

    def add(self, row: dict[str, Any]) -> None:
        with self._more:
            self.rows.append(row)
            self._more.notify_all()

    def wait(self, count: int = 1, timeout: float = 5.0) -> list[dict[str, Any]]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.rows) >= count, timeout), self.rows
            return list(self.rows)


def hear(app: App, *names: str) -> Heard:
    heard = Heard()

    def listener(body: dict[str, Any], context: BoltContext) -> None:
        heard.add(body)

    for name in names:
        app.event(name)(listener)
    return heard


def test_a_posted_message_reaches_the_app_in_slacks_shape(
    app: App, connect: Connect, rita: Person
) -> None:
    heard = hear(app, "message")
    connect(app)
    posted = rita.post("#general", "see <this> & @sam")
    body = heard.wait()[0]
    assert body["type"] == "event_callback"
    assert body["team_id"] == "T0EXAMPLE"
    assert body["is_ext_shared_channel"] is False
    event = body["event"]
    assert event["text"] == "see &lt;this&gt; &amp; <@U0SAM>"
    assert (event["user"], event["channel"], event["ts"]) == ("U0RITA", "C0GENERAL", posted.ts)
    assert event["channel_type"] == "channel"


def test_edits_and_deletions_reach_the_app_with_what_was_there_before(
    app: App, connect: Connect, rita: Person
) -> None:
    heard = hear(app, "message")
    connect(app)
    posted = rita.post("#general", "token npay_1")
    edited = rita.edit(posted, "oops")
    assert edited.edited is not None
    rita.delete(edited)
    subtypes = {body["event"].get("subtype"): body["event"] for body in heard.wait(3)}
    assert subtypes["message_changed"]["previous_message"]["text"] == "token npay_1"
    assert subtypes["message_changed"]["message"]["text"] == "oops"
    assert subtypes["message_deleted"]["deleted_ts"] == posted.ts
    assert subtypes["message_deleted"]["hidden"] is True


def test_a_mention_is_an_event_of_its_own(app: App, connect: Connect, rita: Person) -> None:
    heard = hear(app, "app_mention")
    connect(app)
    rita.post("#general", "@locksmith uses payments/gateway")
    event = heard.wait()[0]["event"]
    assert event["text"] == f"<@{BOT}> uses payments/gateway"
    assert event["type"] == "app_mention"


def test_a_shared_channel_is_marked_on_the_event(app: App, connect: Connect, rita: Person) -> None:
    heard = hear(app, "message")
    connect(app)
    rita.post("#shared", "hello")
    assert heard.wait()[0]["is_ext_shared_channel"] is True


def test_the_app_hears_nothing_from_channels_it_is_not_in(
    app: App, connect: Connect, workspace: Workspace, rita: Person
) -> None:
    heard = hear(app, "message")
    connect(app)
    rita.post("#random", "unheard")
    rita.post("#general", "heard")
    assert [body["event"]["text"] for body in heard.wait()] == ["heard"]
    assert len(workspace.deliveries) == 1


def test_without_the_history_scope_no_message_event_is_sent(
    run: Run, without_scopes: Callable[..., WorkspaceShape]
) -> None:
    workspace = run(without_scopes("channels:history", "app_mentions:read"))
    workspace.as_user("rita").post("#general", "@locksmith hello")
    assert workspace.deliveries == []


def test_an_event_that_the_app_fails_on_is_delivered_again(
    app: App, connect: Connect, rita: Person
) -> None:
    heard = Heard()

    @app.middleware
    def fail_the_first_time(body: dict[str, Any], next: Callable[[], None], req: Any) -> None:  # noqa: A002
        heard.add({"id": body["event_id"], "retry": req.headers.get("x-slack-retry-num")})
        if len(heard.rows) == 1:
            raise RuntimeError("the inbox is not writable")
        next()

    hear(app, "message")
    connect(app)
    rita.post("#general", "once")
    first, second = heard.wait(2)
    assert first["id"] == second["id"]
    assert second["retry"] == ["1"]


def test_an_acknowledged_event_can_come_twice_with_the_same_id(
    app: App, connect: Connect, workspace: Workspace, rita: Person
) -> None:
    heard = hear(app, "message")
    connect(app)
    rita.post("#general", "twice")
    heard.wait()
    workspace.wait_for(lambda: workspace.deliveries[-1].acknowledged)
    workspace.repeat(workspace.deliveries[-1])
    first, second = heard.wait(2)
    assert first["event_id"] == second["event_id"]


def test_an_event_waits_for_an_app_that_is_not_connected_yet(
    app: App, connect: Connect, workspace: Workspace, rita: Person
) -> None:
    heard = hear(app, "message")
    rita.post("#general", "early")
    connect(app)
    assert workspace.repeat_unacknowledged() == 1
    assert heard.wait()[0]["event"]["text"] == "early"


def test_each_payload_goes_to_one_of_several_connections(
    app: App, connect: Connect, workspace: Workspace, rita: Person
) -> None:
    heard = hear(app, "message")
    connect(app)
    connect(app)
    assert workspace.connections == 2
    for number in range(6):
        rita.post("#general", str(number))
    texts = [body["event"]["text"] for body in heard.wait(6)]
    assert sorted(texts) == [str(number) for number in range(6)]


def test_a_refresh_loses_no_event(
    app: App, connect: Connect, workspace: Workspace, rita: Person
) -> None:
    heard = hear(app, "message")
    connect(app)
    old = workspace.socket.connections[0]
    workspace.refresh_connections()
    workspace.wait_for(lambda: any(c is not old for c in workspace.socket.connections))
    rita.post("#general", "still here")
    assert heard.wait()[0]["event"]["text"] == "still here"


def test_a_cut_connection_is_opened_again_by_the_client(
    app: App, connect: Connect, workspace: Workspace, rita: Person
) -> None:
    heard = hear(app, "message")
    connect(app)
    old = workspace.socket.connections[0]
    workspace.cut_connections()
    workspace.wait_for(
        lambda: workspace.socket.connections and old not in workspace.socket.connections,
        timeout=20,
    )
    rita.post("#general", "back again")
    assert heard.wait()[0]["event"]["text"] == "back again"


def test_a_changed_user_group_is_an_event(app: App, connect: Connect, workspace: Workspace) -> None:
    heard = hear(app, "subteam_members_changed")
    connect(app)
    workspace.change_group("S0SEC", ["U0SAM", "U0RITA"])
    assert heard.wait()[0]["event"]["subteam_id"] == "S0SEC"


def test_the_home_tab_is_published_for_the_person_who_opens_it(
    app: App, connect: Connect, rita: Person, sam: Person
) -> None:
    @app.event("app_home_opened")
    def publish(event: dict[str, Any], client: Any) -> None:
        text = {"type": "plain_text", "text": f"For {event['user']}"}
        view = {"type": "home", "blocks": [{"type": "header", "text": text}]}
        client.views_publish(user_id=event["user"], view=view)

    connect(app)
    rita.open_home()
    assert "For U0RITA" in rita.home().all_text
    sam.open_home()
    assert "For U0SAM" in sam.home().all_text
