"""Shortcuts, modals, commands and buttons, with a real Bolt app at the other end."""

from collections.abc import Callable
from typing import Any

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox.workspace.people import Person
from bot.sandbox.workspace.refusal import Refusal
from bot.sandbox.workspace.server import Workspace

Connect = Callable[[App], SocketModeHandler]


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def form(title: str = "Report", **extra: Any) -> dict[str, Any]:
    return {
        "type": "modal",
        "callback_id": "report_form",
        "title": plain(title),
        "submit": plain("Send"),
        "blocks": [
            {
                "type": "input",
                "block_id": "what",
                "label": plain("What"),
                "element": {"type": "plain_text_input", "action_id": "text", "max_length": 40},
            },
            {
                "type": "input",
                "block_id": "where",
                "optional": True,
                "label": plain("Where"),
                "element": {
                    "type": "static_select",
                    "action_id": "place",
                    "options": [
                        {"text": plain("Slack"), "value": "slack"},
                        {"text": plain("Git"), "value": "git"},
                    ],
                },
            },
        ],
        **extra,
    }


def card(*buttons: dict[str, Any]) -> list[dict[str, Any]]:
    rows = buttons or ({"type": "button", "action_id": "approve", "text": plain("Approve")},)
    return [{"type": "actions", "block_id": "row", "elements": list(rows)}]


@pytest.fixture
def bodies(app: App) -> dict[str, dict[str, Any]]:
    """An app that opens a form from both shortcuts and keeps the bodies it was given."""
    kept: dict[str, dict[str, Any]] = {}

    def open_form(ack: Any, body: dict[str, Any], client: WebClient) -> None:
        ack()
        kept[body["type"]] = body
        client.views_open(trigger_id=body["trigger_id"], view=form())

    app.shortcut("report_message")(open_form)
    app.shortcut("report")(open_form)

    @app.view("report_form")
    def submitted(ack: Any, body: dict[str, Any]) -> None:
        kept["view_submission"] = body
        text = body["view"]["state"]["values"]["what"]["text"]["value"]
        if text == "unknown":
            ack(response_action="errors", errors={"what": "Nothing matches this."})
        elif text == "next":
            ack(response_action="update", view=form("Second"))
        elif text == "wrong":
            ack(response_action="errors", errors={"no_such_block": "?"})
        else:
            ack()

    return kept


def test_a_message_shortcut_carries_the_message_and_opens_a_modal(
    app: App, connect: Connect, bodies: dict[str, Any], rita: Person
) -> None:
    connect(app)
    message = rita.post("#general", "npay_live_1")
    assert rita.shortcut(message, "report_message")
    assert rita.modal().title == "Report"
    body = bodies["message_action"]
    assert body["message"]["text"] == "npay_live_1"
    assert body["message_ts"] == message.ts
    assert body["channel"] == {"id": "C0GENERAL", "name": "general"}
    assert body["user"]["id"] == "U0RITA"
    assert body["response_url"].startswith("http://127.0.0.1:")


def test_a_message_shortcut_works_where_the_bot_is_no_member(
    app: App, connect: Connect, bodies: dict[str, Any], rita: Person
) -> None:
    connect(app)
    message = rita.post("#secret", "npay_live_2")
    rita.shortcut(message, "report_message")
    rita.modal()
    assert bodies["message_action"]["channel"]["name"] == "privategroup"


def test_a_global_shortcut_has_no_channel(
    app: App, connect: Connect, bodies: dict[str, Any], rita: Person
) -> None:
    connect(app)
    rita.global_shortcut("report")
    rita.modal()
    assert "channel" not in bodies["shortcut"]
    assert "response_url" not in bodies["shortcut"]


def test_a_form_is_refused_by_the_client_then_by_the_app_then_accepted(
    app: App, connect: Connect, bodies: dict[str, Any], workspace: Workspace, rita: Person
) -> None:
    connect(app)
    rita.global_shortcut("report")
    rita.modal()
    assert rita.submit() == {"what": "Please complete this required field."}
    assert rita.submit({"text": "x" * 41}) == {"what": "Enter between 0 and 40 characters."}
    assert "view_submission" not in bodies
    assert rita.submit({"what/text": "unknown"}) == {"what": "Nothing matches this."}
    assert rita.submit({"what": "found", "place": "git"}) is None
    assert rita.no_modal(timeout=0)
    values = bodies["view_submission"]["view"]["state"]["values"]
    assert values["where"]["place"]["selected_option"]["value"] == "git"
    assert workspace.complaints == []


def test_an_update_keeps_what_was_typed_where_the_ids_stay(
    app: App, connect: Connect, bodies: dict[str, Any], rita: Person
) -> None:
    connect(app)
    rita.global_shortcut("report")
    rita.modal()
    assert rita.submit({"text": "next", "place": "slack"}) is None
    assert rita.modal().title == "Second"
    assert rita.submit({"text": "found"}) is None
    values = bodies["view_submission"]["view"]["state"]["values"]
    assert values["where"]["place"]["selected_option"]["value"] == "slack"


def test_errors_for_a_block_that_is_not_there_are_the_apps_mistake(
    app: App, connect: Connect, bodies: dict[str, Any], workspace: Workspace, rita: Person
) -> None:
    connect(app)
    rita.global_shortcut("report")
    rita.modal()
    rita.submit({"text": "wrong"})
    assert rita.modal().title == "Report"
    assert "answered badly" in workspace.complaints[0]
    assert rita.notices() == ["We had some trouble connecting. Try again?"]


def test_closing_a_modal_is_told_only_where_asked_for(
    app: App, connect: Connect, workspace: Workspace, client: WebClient, rita: Person
) -> None:
    closed: list[str] = []
    app.view_closed("report_form")(lambda ack, body: (closed.append(body["type"]), ack()))
    connect(app)
    trigger = workspace.state.new_trigger(rita.id)
    client.views_open(trigger_id=trigger, view=form())
    rita.close()
    assert workspace.deliveries == []
    trigger = workspace.state.new_trigger(rita.id)
    client.views_open(trigger_id=trigger, view=form(notify_on_close=True))
    rita.close()
    workspace.wait_for(lambda: workspace.deliveries and workspace.deliveries[-1].acknowledged)
    assert closed == ["view_closed"]


def test_a_trigger_opens_one_modal_once_and_soon(
    workspace: Workspace, client: WebClient, rita: Person
) -> None:
    trigger = workspace.state.new_trigger(rita.id)
    client.views_open(trigger_id=trigger, view=form())
    for wanted, stamp in (("exchanged_trigger_id", trigger), ("invalid_trigger_id", "1.2.3")):
        with pytest.raises(SlackApiError) as refused:
            client.views_open(trigger_id=stamp, view=form())
        assert refused.value.response["error"] == wanted
    late = workspace.state.new_trigger(rita.id)
    workspace.expire_triggers()
    with pytest.raises(SlackApiError) as refused:
        client.views_open(trigger_id=late, view=form())
    assert refused.value.response["error"] == "expired_trigger_id"


def test_a_view_update_with_an_old_hash_is_refused(
    workspace: Workspace, client: WebClient, rita: Person
) -> None:
    trigger = workspace.state.new_trigger(rita.id)
    view = client.views_open(trigger_id=trigger, view=form())["view"]
    client.views_update(view_id=view["id"], hash=view["hash"], view=form("New"))
    with pytest.raises(SlackApiError) as refused:
        client.views_update(view_id=view["id"], hash=view["hash"], view=form("Newer"))
    assert refused.value.response["error"] == "hash_conflict"
    rita.close()
    with pytest.raises(SlackApiError) as refused:
        client.views_update(view_id=view["id"], view=form())
    assert refused.value.response["error"] == "not_found"


def test_three_modals_can_be_stacked(workspace: Workspace, client: WebClient, rita: Person) -> None:
    client.views_open(trigger_id=workspace.state.new_trigger(rita.id), view=form("One"))
    client.views_push(trigger_id=workspace.state.new_trigger(rita.id), view=form("Two"))
    client.views_push(trigger_id=workspace.state.new_trigger(rita.id), view=form("Three"))
    with pytest.raises(SlackApiError) as refused:
        client.views_push(trigger_id=workspace.state.new_trigger(rita.id), view=form("Four"))
    assert refused.value.response["error"] == "push_limit_reached"
    rita.close()
    assert rita.modal().title == "Two"


def test_a_button_carries_where_it_was_and_the_message_can_be_updated(
    app: App, connect: Connect, client: WebClient, sam: Person
) -> None:
    seen: list[dict[str, Any]] = []

    @app.action("approve")
    def approve(ack: Any, body: dict[str, Any], client: WebClient) -> None:
        seen.append(body)
        ack()
        where = body["container"]
        client.chat_update(channel=where["channel_id"], ts=where["message_ts"], text="approved")

    connect(app)
    button = {"type": "button", "action_id": "approve", "text": plain("OK"), "value": "inc_7"}
    client.chat_postMessage(channel="C0SECURITY", text="INC", blocks=card(button))
    message = sam.wait_for_message("#security", lambda m: m.buttons)
    assert sam.click(message, "approve")
    sam.wait_for_message("#security", lambda m: m.text == "approved")
    assert sam.latest(message).buttons == {}
    body = seen[0]
    assert body["actions"][0]["value"] == "inc_7"
    assert body["actions"][0]["block_id"] == "row"
    assert body["container"]["type"] == "message"
    assert body["message"]["ts"] == message.ts
    with pytest.raises(Refusal, match="no_such_element"):
        sam.click(message, "approve")


def test_a_select_reports_the_chosen_option(
    app: App, connect: Connect, client: WebClient, sam: Person
) -> None:
    seen: list[dict[str, Any]] = []
    app.action("order")(lambda ack, action: (seen.append(action), ack()))
    connect(app)
    options = [{"text": plain("Rotate first"), "value": "rotate"}]
    menu = {"type": "static_select", "action_id": "order", "options": options}
    client.chat_postMessage(channel="C0SECURITY", text="INC", blocks=card(menu))
    message = sam.messages("#security")[-1]
    assert sam.click(message, "order", value="rotate")
    assert seen[0]["selected_option"]["text"]["text"] == "Rotate first"
    with pytest.raises(Refusal, match="no_such_option"):
        sam.click(message, "order", value="other")


def test_a_button_shown_to_others_cannot_be_clicked(client: WebClient, sam: Person) -> None:
    button = {"type": "button", "action_id": "a", "text": plain("A")}
    rows = card({**button, "visible_to_user_ids": ["U0RITA"]})
    client.chat_postMessage(channel="C0SECURITY", text="INC", blocks=rows)
    with pytest.raises(Refusal, match="no_such_element"):
        sam.click(sam.messages("#security")[-1], "a")


def test_a_command_answers_privately_and_by_response_url(
    app: App, connect: Connect, rita: Person, sam: Person
) -> None:
    @app.command("/leak")
    def leak(ack: Any, respond: Any, command: dict[str, Any]) -> None:
        ack(f"asked: {command['text']}")
        respond(text="for all", response_type="in_channel")

    connect(app)
    assert rita.command("#general", "/leak uses payments/gateway @sam")
    text = "asked: uses payments/gateway <@U0SAM>"
    assert [m.text for m in rita.ephemerals("#general")] == [text]
    assert sam.ephemerals("#general") == []
    sam.wait_for_message("#general", lambda m: m.text == "for all")
    with pytest.raises(Refusal, match="unknown_command"):
        rita.command("#general", "/lock")


def test_a_response_url_replaces_and_deletes_an_ephemeral_message(
    app: App, connect: Connect, client: WebClient, rita: Person
) -> None:
    app.action("deleted")(
        lambda ack, respond: (ack(), respond(text="Thanks.", replace_original=True))
    )
    app.action("gone")(lambda ack, respond: (ack(), respond(delete_original=True)))
    connect(app)
    buttons = [
        {"type": "button", "action_id": name, "text": plain(name)} for name in ("deleted", "gone")
    ]
    for _ in range(2):
        client.chat_postEphemeral(
            channel="C0GENERAL", user="U0RITA", text="a", blocks=card(*buttons)
        )
    first, second = rita.ephemerals("#general")
    rita.click(first, "deleted")
    rita.wait_for_message("#general", lambda m: m.text == "Thanks.")
    rita.click(second, "gone")
    rita.core.state.wait_for(lambda: len(rita.ephemerals("#general")) == 1, 5)
    assert [m.text for m in rita.ephemerals("#general")] == ["Thanks."]


def test_a_response_url_ends_after_five_uses(
    workspace: Workspace, rita: Person, client: WebClient
) -> None:
    from slack_sdk.webhook import WebhookClient  # noqa: PLC0415

    channel = workspace.state.channel("general")
    url = workspace.core.response_url(rita.user, channel)
    hook = WebhookClient(url)
    assert [hook.send(text=str(n)).status_code for n in range(6)] == [200] * 5 + [404]
    assert len(rita.ephemerals("#general")) == 5


def test_a_person_is_warned_when_the_app_does_not_answer(
    app: App, connect: Connect, client: WebClient, rita: Person
) -> None:
    client.chat_postMessage(channel="C0GENERAL", text="card", blocks=card())
    message = rita.messages("#general")[-1]
    assert not rita.click(message, "approve")
    assert "did not respond" in rita.notices()[0]
    assert not rita.command("#general", "/leak")
    assert "dispatch_failed" in rita.notices()[1]


def test_a_deactivated_person_can_do_nothing(workspace: Workspace, rita: Person) -> None:
    workspace.change_user("rita", deleted=True)
    with pytest.raises(Refusal, match="account_inactive"):
        rita.post("#general", "hello")
