"""The page's endpoints: who may call them, what they show, and how soon a change arrives."""

import json
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.sandbox.workspace.people import Person
from bot.sandbox.workspace.server import Workspace


@pytest.fixture
def page(workspace: Workspace) -> Iterator[HTTPConnection]:
    with closing(HTTPConnection("127.0.0.1", workspace.port, timeout=5)) as connection:
        yield connection


def read(response: HTTPResponse) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(response.read())
    return body


def state(page: HTTPConnection, **query: str) -> dict[str, Any]:
    path = "&".join(f"{key}={value}" for key, value in query.items())
    page.request("GET", f"/page/state?{path}")
    return read(page.getresponse())


def act(page: HTTPConnection, order: dict[str, Any], **headers: str) -> tuple[int, dict[str, Any]]:
    usual = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{page.port}"}
    sent = {key: value for key, value in {**usual, **headers}.items() if value}
    page.request("POST", "/page/act", body=json.dumps(order), headers=sent)
    response = page.getresponse()
    return response.status, read(response)


def test_the_page_and_its_files_are_served_with_a_strict_policy(page: HTTPConnection) -> None:
    page.request("GET", "/")
    response = page.getresponse()
    html = response.read().decode()
    assert response.status == 200
    assert "script-src 'self'" in (response.getheader("Content-Security-Policy") or "")
    for name in ("app.js", "layout.css", "blocks.css"):
        assert f"/static/{name}" in html
        page.request("GET", f"/static/{name}")
        asset = page.getresponse()
        asset.read()
        assert asset.status == 200
    page.request("GET", "/static/..%2Fserver.py")
    missing = page.getresponse()
    missing.read()
    assert missing.status == 404


POST = {"do": "post", "user": "rita", "channel": "general", "text": "hello"}


def test_a_person_acts_through_the_page(page: HTTPConnection, rita: Person) -> None:
    assert act(page, POST) == (200, {"ok": True})
    assert [m.text for m in rita.messages("#general")] == ["hello"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Host": "evil.example"},
        {"Content-Type": "text/plain"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_another_site_cannot_act(
    page: HTTPConnection, rita: Person, headers: dict[str, str]
) -> None:
    assert act(page, POST, **headers) == (403, {"ok": False, "error": "not_from_here"})
    assert rita.messages("#general") == []


def test_another_site_cannot_read(page: HTTPConnection) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        page.request("GET", "/page/state?user=sam", headers=headers)
        response = page.getresponse()
        response.read()
        assert response.status == 403


def test_the_state_is_what_this_person_may_see(
    page: HTTPConnection, client: WebClient, sam: Person
) -> None:
    root = sam.post("#security", "INC-7")
    sam.post("#security", "reply", thread_ts=root.ts)
    client.chat_postEphemeral(channel="C0GENERAL", user="U0SAM", text="only sam")
    shown = state(page, user="sam", channel="security", thread=root.ts)
    assert [m["text"] for m in shown["messages"]] == ["INC-7"]
    assert shown["messages"][0]["replies"] == 1
    assert [m["text"] for m in shown["thread"]] == ["INC-7", "reply"]
    names = {row["name"] for row in state(page, user="rita", channel="security")["channels"]}
    assert "security" not in names
    assert "INC-7" not in json.dumps(state(page, user="rita", channel="security"))
    assert "only sam" not in json.dumps(state(page, user="rita", channel="general"))
    assert "only sam" in json.dumps(state(page, user="sam", channel="general"))


def test_what_cannot_be_done_is_said(page: HTTPConnection, sam: Person) -> None:
    ts = sam.post("#general", "sam's").ts
    order = {"do": "delete", "user": "rita", "channel": "general", "ts": ts}
    assert act(page, order)[1]["error"] == "cant_delete_message"
    assert act(page, {**POST, "user": "nobody"})[1]["error"] == "user_not_found"
    assert act(page, {"do": "fly", "user": "rita"})[0] == 400


def test_a_modal_is_filled_in_through_the_page(
    page: HTTPConnection, workspace: Workspace, client: WebClient, rita: Person
) -> None:
    block = {
        "type": "input",
        "block_id": "b",
        "label": {"type": "plain_text", "text": "L"},
        "element": {"type": "plain_text_input", "action_id": "a"},
    }
    text = {"type": "plain_text", "text": "T"}
    view = {"type": "modal", "title": text, "submit": text, "blocks": [block]}
    client.views_open(trigger_id=workspace.state.new_trigger(rita.id), view=view)
    assert state(page, user="rita")["modal"]["title"]["text"] == "T"
    _, answer = act(page, {"do": "submit", "user": "rita", "values": {"b/a": None}})
    assert answer["errors"] == {"b": "Please complete this required field."}
    assert state(page, user="rita")["modal"]["errors"] == answer["errors"]
    act(page, {"do": "close", "user": "rita"})
    assert state(page, user="rita")["modal"] is None


def test_a_change_is_told_to_open_pages(page: HTTPConnection, rita: Person) -> None:
    page.request("GET", "/page/events")
    stream = page.getresponse()
    assert stream.getheader("Content-Type") == "text/event-stream"
    before = int(stream.readline().removeprefix(b"data: "))
    stream.readline()
    rita.post("#general", "hello")
    assert int(stream.readline().removeprefix(b"data: ")) > before


def test_a_permalink_leads_to_the_message(page: HTTPConnection, rita: Person) -> None:
    message = rita.post("#general", "here")
    page.request("GET", rita.core.permalink(message).removeprefix(rita.core.origin))
    response = page.getresponse()
    response.read()
    assert response.status == 302
    wanted = f"/?channel=C0GENERAL&focus={message.ts}"
    assert response.getheader("Location") == wanted
