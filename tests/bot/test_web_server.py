"""The HTTP door by itself: what it keeps, when it is not ready, and settings that cannot work."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.inbox import Inbox, inbox_key
from bot.settings import WebSettings
from bot.web import MAX_AT_ONCE, WebServer
from graph.database import Database
from graph.errors import BadInputError
from tests.bot.intake.senders import generic

HOOKS = {"generic": {"kind": "generic", "secret": generic.secret}}


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    database = Database(f"sqlite:///{tmp_path / 'inbox.sqlite'}")
    database.create_all()
    yield Inbox(database.engine, inbox_key("k" * 64), clock=lambda: datetime.now(UTC))
    database.close()


def served(inbox: Inbox, **settings: Any) -> WebServer:
    return WebServer(
        WebSettings.model_validate({"listen": "127.0.0.1:0", **settings}),
        inbox,
        clock=lambda: datetime.now(UTC),
        ready=lambda: {"database": "", "slack": "not connected"},
    )


def test_not_ready_is_503_and_names_the_part(inbox: Inbox) -> None:
    web = served(inbox)
    web.start()
    try:
        answer = httpx.get(f"http://{web.address}/readyz", trust_env=False)
        assert answer.status_code == 503
        assert answer.json() == {"status": "not ready", "database": "ok", "slack": "not connected"}
    finally:
        web.stop()


def test_what_is_accepted_lies_encrypted_in_the_inbox(
    inbox: Inbox, tmp_path: Path, plant: Callable[[], str]
) -> None:
    value = plant()  # the canary searches the database's file
    web = served(inbox, hooks=HOOKS)
    web.start()
    try:
        sent = generic({"value": value}, datetime.now(UTC))
        answer = httpx.post(
            f"http://{web.address}/hooks/generic",
            content=sent.body,
            headers=sent.headers,
            trust_env=False,
        )
        assert answer.status_code == 202
    finally:
        web.stop()
    assert value.encode() not in (tmp_path / "inbox.sqlite").read_bytes()
    entry = inbox.take()
    assert entry is not None
    assert entry.payload["body"] == {"value": value}
    assert value not in repr(entry)


def test_without_a_database_the_sender_is_told_to_try_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'gone' / 'inbox.sqlite'}")
    inbox = Inbox(database.engine, inbox_key("k" * 64), clock=lambda: datetime.now(UTC))
    web = served(inbox, hooks=HOOKS)
    web.start()
    try:
        sent = generic({"value": "some-value-0001"}, datetime.now(UTC))
        answer = httpx.post(
            f"http://{web.address}/hooks/generic",
            content=sent.body,
            headers=sent.headers,
            trust_env=False,
        )
        assert answer.status_code == 503
        assert "some-value" not in answer.text
    finally:
        web.stop()
        database.close()


def test_idle_connections_do_not_pile_up_and_the_server_ends_with_them(inbox: Inbox) -> None:
    web = served(inbox)
    web.start()
    host, _, port = web.address.partition(":")
    idle = [socket.create_connection((host, int(port)), timeout=10) for _ in range(MAX_AT_ONCE)]
    try:
        deadline = time.monotonic() + 10
        refused = b"x"
        while refused and time.monotonic() < deadline:
            with socket.create_connection((host, int(port)), timeout=10) as one_more:
                one_more.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                try:
                    refused = one_more.recv(1000)
                except ConnectionError:
                    refused = b""
        assert refused == b""
    finally:
        began = time.monotonic()
        web.stop()
        assert time.monotonic() - began < 5
        for each in idle:
            each.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"listen": "8080"}, "no ADDRESS:PORT"),
        ({"listen": "127.0.0.1:http"}, "no ADDRESS:PORT"),
        ({"listen": "127.0.0.1:99999"}, "no ADDRESS:PORT"),
        ({"listen": "192.0.2.1:8080"}, "nothing can listen there"),
        ({"hooks": {"x": {"kind": "nosey", "secret": "s" * 16}}}, "no such kind"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    inbox: Inbox, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInputError, match=words):
        served(inbox, **settings)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        WebSettings.model_validate({"hooks": {"x": {"kind": "generic", "secret": "short"}}})
