"""The Web API as slack_sdk's client sees it: answers, refusals, faults."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox.workspace.people import Person
from bot.sandbox.workspace.refusal import Refusal
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.workspace.shape import WorkspaceShape, app_from_manifest

ClientOf = Callable[[Workspace], WebClient]
Run = Callable[[WorkspaceShape], Workspace]


def refused(call: Callable[..., Any], **arguments: Any) -> SlackApiError:
    with pytest.raises(SlackApiError) as caught:
        call(**arguments)
    return caught.value


def error(call: Callable[..., Any], **arguments: Any) -> str:
    return str(refused(call, **arguments).response["error"])


def test_the_app_learns_who_it_is_and_which_scopes_it_has(client: WebClient) -> None:
    answer = client.auth_test()
    assert answer["user_id"] == "U0LOCKSMITH"
    assert answer["team_id"] == "T0EXAMPLE"
    assert "chat:write" in answer.headers["X-OAuth-Scopes"]


def test_tokens_are_told_apart(workspace: Workspace, client: WebClient) -> None:
    assert error(WebClient(base_url=workspace.base_url).auth_test) == "not_authed"
    stranger = WebClient(token="xoxb-other", base_url=workspace.base_url)
    assert error(stranger.auth_test) == "invalid_auth"
    opening = client.apps_connections_open
    assert error(opening, app_token="xoxb-local-bot") == "not_allowed_token_type"
    assert opening(app_token="xapp-local-app")["url"].startswith("ws://127.0.0.1:")
    assert error(client.api_call, api_method="no.such") == "unknown_method"


def test_a_missing_scope_says_what_is_needed(
    run: Run, client_of: ClientOf, without_scopes: Callable[..., WorkspaceShape]
) -> None:
    client = client_of(run(without_scopes("usergroups:read")))
    answer = refused(client.usergroups_list).response
    assert (answer["error"], answer["needed"]) == ("missing_scope", "usergroups:read")
    assert "chat:write" in answer["provided"]


def test_posting_needs_a_channel_that_the_bot_is_in(client: WebClient) -> None:
    post = client.chat_postMessage
    assert error(post, channel="C0RANDOM", text="x") == "not_in_channel"
    assert error(post, channel="C0SECRET", text="x") == "channel_not_found"
    assert error(post, channel="C0NOWHERE", text="x") == "channel_not_found"
    silent = {"api_method": "chat.postMessage", "json": {"channel": "C0GENERAL", "text": ""}}
    assert error(client.api_call, **silent) == "no_text"
    assert error(post, channel="C0GENERAL", text="x", thread_ts="1.2") == "thread_not_found"
    assert post(channel="C0GENERAL", text="x" * 41_000)["message"]["text"] == "x" * 40_000


def test_a_post_to_a_user_id_is_a_direct_message(client: WebClient, rita: Person) -> None:
    answer = client.chat_postMessage(channel="U0RITA", text="for you")
    assert answer["channel"].startswith("D")
    assert client.conversations_open(users="U0RITA")["channel"]["id"] == answer["channel"]
    assert [m.text for m in rita.messages("@locksmith")] == ["for you"]


def test_only_its_own_messages_can_the_bot_change_or_delete(
    client: WebClient, rita: Person
) -> None:
    theirs = rita.post("#general", "npay_live_1")
    own = client.chat_postMessage(channel="C0GENERAL", text="mine")["ts"]
    where = {"channel": "C0GENERAL", "ts": theirs.ts}
    assert error(client.chat_delete, **where) == "cant_delete_message"
    assert error(client.chat_update, text="x", **where) == "cant_update_message"
    client.chat_update(channel="C0GENERAL", ts=own, text="changed")
    client.chat_delete(channel="C0GENERAL", ts=own)
    assert error(client.chat_delete, channel="C0GENERAL", ts=own) == "message_not_found"
    assert [m.ts for m in rita.messages("#general")] == [theirs.ts]


def test_an_update_counts_escaped_bytes(client: WebClient) -> None:
    ts = client.chat_postMessage(channel="C0GENERAL", text="x")["ts"]
    where = {"channel": "C0GENERAL", "ts": ts}
    client.chat_update(text="x" * 4000, **where)
    assert error(client.chat_update, text="&" * 801, **where) == "msg_too_long"


def test_an_ephemeral_message_is_for_one_member_and_cannot_be_edited(
    client: WebClient, rita: Person, sam: Person
) -> None:
    post = client.chat_postEphemeral
    ts = post(channel="C0GENERAL", user="U0RITA", text="only you")["message_ts"]
    assert [m.text for m in rita.ephemerals("#general")] == ["only you"]
    assert sam.ephemerals("#general") == []
    where = {"channel": "C0GENERAL", "ts": ts}
    assert error(client.chat_update, text="x", **where) == "message_not_found"
    nobody = {"channel": "C0SECURITY", "user": "U0RITA", "text": "x"}
    assert error(post, **nobody) == "user_not_in_channel"


def test_invalid_blocks_are_refused_with_the_place(client: WebClient) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]
    where = {"channel": "C0GENERAL", "text": "x"}
    answer = refused(client.chat_postMessage, blocks=blocks, **where).response
    assert answer["error"] == "invalid_blocks"
    place = "[json-pointer:/blocks/0/text/text]"
    assert answer["response_metadata"]["messages"] == [
        f"[ERROR] must be less than 3001 characters {place}"
    ]
    assert (
        error(client.chat_postMessage, blocks=json.dumps("x"), **where) == "invalid_blocks_format"
    )


def test_history_and_replies_leave_out_what_is_ephemeral(client: WebClient, rita: Person) -> None:
    root = rita.post("#general", "root")
    client.chat_postMessage(channel="C0GENERAL", text="reply", thread_ts=root.ts)
    client.chat_postEphemeral(channel="C0GENERAL", user="U0RITA", text="no", thread_ts=root.ts)
    history = client.conversations_history(channel="C0GENERAL")["messages"]
    assert [row["text"] for row in history] == ["root"]
    assert history[0]["reply_count"] == 1
    replies = client.conversations_replies(channel="C0GENERAL", ts=root.ts)["messages"]
    assert [row["text"] for row in replies] == ["root", "reply"]
    assert error(client.conversations_history, channel="C0RANDOM") == "not_in_channel"


def test_a_deleted_root_leaves_its_replies_under_a_tombstone(
    client: WebClient, rita: Person
) -> None:
    root = rita.post("#general", "npay_live_1")
    client.chat_postMessage(channel="C0GENERAL", text="reply", thread_ts=root.ts)
    rita.delete(root)
    shown = rita.thread("#general", root.ts)
    assert [m.subtype for m in shown] == ["tombstone", None]
    assert "npay" not in shown[0].all_text


def test_lists_come_in_pages(client: WebClient) -> None:
    first = client.users_list(limit=2)
    cursor = first["response_metadata"]["next_cursor"]
    second = client.users_list(limit=100, cursor=cursor)
    names = [row["name"] for page in (first, second) for row in page["members"]]
    assert names == ["rita", "sam", "gus", "olga", "locksmith"]
    assert second["response_metadata"]["next_cursor"] == ""


def test_people_and_groups_are_described_as_slack_does(client: WebClient) -> None:
    assert client.users_info(user="U0GUEST")["user"]["is_restricted"] is True
    stranger = client.users_info(user="U0OTHER")["user"]
    assert (stranger["is_stranger"], stranger["team_id"]) == (True, "T0OTHER")
    found = client.users_lookupByEmail(email="rita@example.com")["user"]
    assert found["profile"]["email"] == "rita@example.com"
    assert error(client.users_lookupByEmail, email="x@example.com") == "users_not_found"
    groups = client.usergroups_list(include_users=True)["usergroups"]
    assert groups[0]["users"] == ["U0SAM"]
    assert client.usergroups_users_list(usergroup="S0SEC")["users"] == ["U0SAM"]


def test_channels_say_whether_they_are_shared_and_private(client: WebClient) -> None:
    assert client.conversations_info(channel="C0SHARED")["channel"]["is_ext_shared"] is True
    assert client.conversations_members(channel="C0SECURITY")["members"] == [
        "U0SAM",
        "U0LOCKSMITH",
    ]
    kinds = "public_channel,private_channel"
    names = {row["name"] for row in client.conversations_list(types=kinds)["channels"]}
    assert names == {"general", "security", "random", "shared"}


def test_a_file_is_uploaded_in_three_steps(client: WebClient, rita: Person) -> None:
    client.files_upload_v2(
        channel="C0GENERAL", filename="graph.png", content=b"\x89PNG", title="Blast radius"
    )
    message = rita.wait_for_message("#general", lambda m: m.files)
    assert message.files[0]["title"] == "Blast radius"
    address = message.files[0]["url_private"]
    with urlopen(address) as answer:  # noqa: S310
        assert answer.read() == b"\x89PNG"
        assert answer.headers["Content-Type"] == "image/png"


def test_pins_bookmarks_and_permalinks(client: WebClient, rita: Person) -> None:
    ts = client.chat_postMessage(channel="C0GENERAL", text="x")["ts"]
    client.pins_add(channel="C0GENERAL", timestamp=ts)
    assert rita.messages("#general")[0].pinned
    assert error(client.pins_add, channel="C0GENERAL", timestamp=ts) == "already_pinned"
    client.bookmarks_add(channel_id="C0GENERAL", title="Report", type="link", link="https://x.y")
    link = client.chat_getPermalink(channel="C0GENERAL", message_ts=ts)["permalink"]
    assert link.endswith(f"/archives/C0GENERAL/p{ts.replace('.', '')}")


def test_a_rate_limit_is_a_429_with_the_time_to_wait(
    run: Run, client_of: ClientOf, shape: WorkspaceShape
) -> None:
    client = client_of(run(replace(shape, one_message_a_second=True)))
    client.chat_postMessage(channel="C0GENERAL", text="one")
    answer = refused(client.chat_postMessage, channel="C0GENERAL", text="two").response
    assert (answer.status_code, answer["error"]) == (429, "ratelimited")
    assert answer.headers["Retry-After"] == "1"
    client.chat_postMessage(channel="C0SECURITY", text="another channel")


def test_armed_faults_happen_once_and_in_order(
    workspace: Workspace, client: WebClient, rita: Person
) -> None:
    workspace.fail_next("chat.postMessage", status=429, retry_after=7)
    workspace.fail_next("chat.postMessage", status=500, after_processing=True)
    workspace.fail_next("chat.postMessage", error="fatal_error")
    post = {"channel": "C0GENERAL", "text": "x"}
    first = refused(client.chat_postMessage, **post).response
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    assert rita.messages("#general") == []
    assert refused(client.chat_postMessage, **post).response.status_code == 500
    assert len(rita.messages("#general")) == 1
    assert error(client.chat_postMessage, **post) == "fatal_error"
    assert client.chat_postMessage(**post)["ok"]


def test_a_reply_can_be_lost_after_the_effect(
    workspace: Workspace, client: WebClient, rita: Person
) -> None:
    workspace.fail_next("chat.postMessage", drop=True, after_processing=True)
    with pytest.raises((URLError, ConnectionError)):
        client.chat_postMessage(channel="C0GENERAL", text="said")
    assert [m.text for m in rita.messages("#general")] == ["said"]


def test_every_byte_that_the_app_sends_is_kept(workspace: Workspace, client: WebClient) -> None:
    client.chat_postMessage(channel="C0GENERAL", text="canary-1")
    client.users_info(user="U0RITA")
    bodies = {row.method: row.body for row in workspace.received}
    assert b"canary-1" in bodies["chat.postMessage"]
    assert b"U0RITA" in bodies["users.info"]


def test_an_app_is_installed_as_its_manifest_says() -> None:
    manifest = {
        "display_information": {"name": "Locksmith"},
        "features": {
            "bot_user": {"display_name": "locksmith"},
            "app_home": {"messages_tab_read_only_enabled": True},
            "slash_commands": [{"command": "/leak", "should_escape": True}],
            "shortcuts": [{"name": "Report", "type": "message", "callback_id": "r"}],
        },
        "oauth_config": {"scopes": {"bot": ["commands"], "bot_optional": ["files:write"]}},
        "settings": {"event_subscriptions": {"bot_events": ["app_home_opened"]}},
    }
    app = app_from_manifest(manifest, bot_token="b", app_token="a", without=["files:write"])
    assert app.scopes == {"commands"}
    assert app.slash_commands[0].should_escape
    assert app.events == {"app_home_opened"}
    assert app.direct_messages_off


def test_people_do_not_see_private_channels_of_others(rita: Person) -> None:
    with pytest.raises(Refusal, match="channel_not_found"):
        rita.messages("#security")
    with pytest.raises(Refusal, match="cant_delete_message"):
        rita.delete(replace(rita.post("#general", "x"), ts=_ts_of_other(rita)))


def _ts_of_other(rita: Person) -> str:
    return Person(rita.core, "U0SAM").post("#general", "sam's").ts
