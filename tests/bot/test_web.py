"""
The HTTP door: real requests to the running bot of the demo's company.

Signed deliveries become incidents; everything else is refused in words that repeat nothing, and a
delivery that comes twice does nothing.
"""

import json
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from bot.settings import Config, WebSettings
from bot.web import MAX_BODY
from responders.incident import Case
from tests.bot.intake.scanner_reports import Spot, gitleaks, trufflehog
from tests.bot.intake.senders import (
    SENDERS,
    Sender,
    Sent,
    generic,
    gitguardian,
    github,
    gitlab,
    gitlab_signed,
    pagerduty,
)
from tests.bot.intake.test_every_hook import example
from tests.scenarios.scene import Scene, changed, eventually, running_scene

HOOKS = {
    "github": ("github", github),
    "gitguardian": ("gitguardian", gitguardian),
    "gitlab": ("gitlab", gitlab),
    "gitlab-signed": ("gitlab", gitlab_signed),
    "generic": ("generic", generic),
    "pagerduty": ("pagerduty", pagerduty),
}
SETTINGS = {
    "listen": "127.0.0.1:0",
    "metrics_listen": "127.0.0.1:0",
    "hooks": {
        name: {"kind": kind, "secret": sender.secret} for name, (kind, sender) in HOOKS.items()
    }
    | {"ours-only": {"kind": "generic", "secret": generic.secret, "open_unmatched": False}},
}


@dataclass
class Door:
    scene: Scene
    address: str
    client: httpx.Client

    def post(self, name: str, sent: Sent) -> httpx.Response:
        return self.client.post(f"/hooks/{name}", content=sent.body, headers=sent.headers)

    def send(self, name: str, sender: Sender, payload: object) -> httpx.Response:
        return self.post(name, sender(payload, datetime.now(UTC)))

    def worked(self) -> None:
        """Wait until the worker has done everything that was accepted."""
        self.scene.wait_until_idle()

    def seen(self) -> dict[str, list[str]]:
        """Name the places of every incident; pages and plans go their own way meanwhile."""
        return {case.id: [each.where for each in case.sightings] for case in self.scene.incidents()}

    def cases(self, part: str) -> list[Case]:
        return [case for case in self.scene.incidents() if part in f"{case.title} {case.sightings}"]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    def opened(config: Config) -> Config:
        made: Config = changed(config, {"web": WebSettings.model_validate(SETTINGS)})
        return made

    with running_scene(tmp_path_factory.mktemp("door"), change=opened) as scene:
        web = scene.serving.web
        assert web is not None
        with httpx.Client(base_url=f"http://{web.address}", trust_env=False, timeout=30) as client:
            yield Door(scene, web.address, client)


def unique(payload: dict[str, Any]) -> dict[str, Any]:
    """Make another alert of an example."""
    number = secrets.token_hex(6)
    text = json.dumps(payload)
    for old in ("secret-scanning/7", "incidents/31605", "vulnerabilities/1"):
        text = text.replace(old, f"{old.rpartition('/')[0]}/{number}")
    made: dict[str, Any] = json.loads(text)
    return made


def test_it_says_that_it_lives_and_that_it_is_ready(door: Door) -> None:
    assert door.client.get("/livez").json() == {"status": "alive"}
    ready = door.client.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ready", "database": "ok", "slack": "ok"},
    )
    assert door.client.head("/livez").content == b""


def test_prometheus_has_a_door_of_its_own(door: Door) -> None:
    gauges = door.scene.serving.gauges
    assert gauges is not None
    with httpx.Client(base_url=f"http://{gauges.address}", trust_env=False, timeout=30) as inside:
        assert "locksmith_build_info" in inside.get("/metrics").text
        assert inside.get("/readyz").status_code == 200
        sent = generic({"value": "x-y-z-1"}, datetime.now(UTC))
        assert (
            inside.post("/hooks/generic", content=sent.body, headers=sent.headers).status_code
            == 404
        )


def test_a_value_by_the_generic_hook_opens_the_incident_of_the_stored_secret(door: Door) -> None:
    value = door.scene.world.leaked_token
    payload = {"value": value, "where": "https://ci.example/jobs/9", "note": f"{value} in a log"}
    answer = door.send("generic", generic, payload)
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    door.worked()
    (case,) = door.cases("ci.example/jobs/9")
    assert "payments/gateway#token" in case.title
    assert value not in repr(case)
    assert case.reporter.identity == "hook:generic"


def test_who_takes_a_page_on_in_pagerduty_stands_on_the_card(door: Door) -> None:
    value = door.scene.world.read_secret("shop/stripe")["api_key"]
    door.send("generic", generic, {"value": value, "where": "https://ci.example/jobs/10"})
    door.worked()
    (case,) = door.cases("ci.example/jobs/10")
    eventually(lambda: any(page.confirmed for page in door.scene.case(case.id).pages))
    owner = next(page.owner for page in door.scene.case(case.id).pages if page.confirmed)
    installation = door.scene.serving.graph.config.installation
    told = json.loads(json.dumps(example("pagerduty")))
    told["event"]["occurred_at"] = datetime.now(UTC).isoformat()
    told["event"]["data"]["incident_key"] = f"locksmith:{installation}:{case.id}:{owner}"
    for status in (202, 200):
        assert door.send("pagerduty", pagerduty, told).status_code == status
    door.worked()
    door.scene.be("sue").wait_for_message(
        "#security",
        lambda m: "Ana Silva (PagerDuty) has it" in m.all_text,
    )


def test_a_scanners_report_by_the_generic_hook_is_grouped(door: Door) -> None:
    value = door.scene.world.read_secret("shop/stripe")["api_key"]
    spots = [Spot(value, path=f"hooked_{number}.py") for number in range(5)]
    assert door.send("generic", generic, gitleaks(spots).encode()).status_code == 202
    lines = trufflehog([Spot(value, path="hooked_lines.py")])
    assert door.send("generic", generic, lines.encode()).status_code == 202
    door.worked()
    (case,) = door.cases("hooked_0.py")
    assert len([seen for seen in case.sightings if "hooked_" in seen.where]) == 6


def test_what_is_stored_nowhere_opens_nothing_where_the_hook_says_so(door: Door) -> None:
    value = f"pgw_live_{secrets.token_hex(16)}"
    payload = {"value": value, "where": "https://ci.example/ours-only"}
    assert door.send("ours-only", generic, payload).status_code == 202
    door.worked()
    assert door.cases("ours-only") == []
    assert door.send("generic", generic, payload).status_code == 202
    door.worked()
    (case,) = door.cases("ours-only")
    assert case.matches == ()


def test_an_alert_of_github_opens_by_its_address_and_each_location_joins(door: Door) -> None:
    alert = unique(example("github"))
    located = json.loads(json.dumps(alert))
    address = alert["alert"]["html_url"]
    del alert["location"]
    assert door.send("github", github, alert).status_code == 202
    door.worked()
    assert door.send("github", github, located).status_code == 202
    door.worked()
    (case,) = door.cases(address)
    assert [seen.where for seen in case.sightings] == [
        address,
        "https://github.example/acme/shop/blob/7f3c1d0a9b8e/config/prod.env#L3",
    ]
    assert "without the value" in case.severity_reasons[0]

    # Later a relay sends the value too: the same incident now knows what leaked.
    value = door.scene.world.read_secret("payments/db")["password"]
    alert["alert"] |= {"secret": value, "updated_at": "2026-11-22T09:00:00Z"}
    alert["action"] = "publicly_leaked"
    assert door.send("github", github, alert).status_code == 202
    door.worked()
    (case,) = door.cases(address)
    assert case.matches
    assert value not in repr(case)


@pytest.mark.parametrize("name", ["gitguardian", "gitlab", "gitlab-signed"])
def test_an_alert_without_a_value_opens_by_type_and_place(door: Door, name: str) -> None:
    kind, sender = HOOKS[name]
    payload = unique(example(kind))
    assert door.send(name, sender, payload).status_code == 202
    door.worked()
    address = payload.get("incident", payload.get("object_attributes"))
    link = address.get("gitguardian_url") or address["url"]
    (case,) = [case for case in door.scene.incidents() if link in repr(case.sightings)]
    assert "Acme token" in case.title
    assert case.fingerprint_short == ""
    assert case.plan is not None


@pytest.mark.parametrize("name", HOOKS)
def test_a_replayed_delivery_answers_200_and_does_nothing(door: Door, name: str) -> None:
    kind, sender = HOOKS[name]
    sent = sender(unique(example(kind)), datetime.now(UTC))
    assert door.post(name, sent).status_code == 202
    door.worked()
    before = door.seen()
    for _ in range(3):
        if "X-GitHub-Delivery" in sent.headers:
            sent.headers["X-GitHub-Delivery"] = "another-identifier"  # it is not signed
        again = door.post(name, sent)
        assert (again.status_code, again.json()) == (200, {"status": "known"})
    door.worked()
    assert door.seen() == before


def test_forty_deliveries_at_once_open_one_incident(door: Door) -> None:
    value = f"pgw_live_{secrets.token_hex(16)}"
    start = threading.Barrier(8)

    def send(number: int) -> int:
        if number < 8:
            start.wait()
        payload = {"value": value, "where": f"https://ci.example/at-once/{number % 10}"}
        sent = generic(payload, datetime.now(UTC) - timedelta(seconds=number // 10))
        return door.post("generic", sent).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(40))) <= {200, 202}
    door.worked()
    (case,) = door.cases("ci.example/at-once/")
    assert {seen.where for seen in case.sightings} == {
        f"https://ci.example/at-once/{number}" for number in range(10)
    }
    assert len(case.sightings) == 10


class TestRefusals:
    """What is refused, says why, and repeats nothing."""

    @pytest.mark.parametrize("name", HOOKS)
    def test_a_missing_or_wrong_signature(
        self, door: Door, name: str, plant: Callable[[], str]
    ) -> None:
        kind, sender = HOOKS[name]
        body = json.dumps({"value": plant(), "where": "x"}).encode()
        before = len(door.scene.incidents())
        wrong = type(sender)(secret=sender.another)  # type: ignore[call-arg]
        forged = wrong(example(kind), datetime.now(UTC))
        for sent in (Sent({}, body), Sent(forged.headers, body), forged):
            answer = door.post(name, sent)
            assert answer.status_code == 401
            assert answer.json()["error"].endswith(".")
            assert answer.json()["do_now"]
            assert body.decode() not in answer.text
        door.worked()
        assert len(door.scene.incidents()) == before

    @pytest.mark.parametrize("name", ["generic", "gitguardian", "gitlab-signed"])
    def test_an_old_delivery(self, door: Door, name: str) -> None:
        kind, sender = HOOKS[name]
        sent = sender(unique(example(kind)), datetime.now(UTC) - timedelta(minutes=6))
        answer = door.post(name, sent)
        assert answer.status_code == 401
        assert "5 minutes" in answer.json()["error"]

    def test_a_body_that_is_not_json(self, door: Door, plant: Callable[[], str]) -> None:
        value = plant()
        for body in (b"", f'{{"value": "{value}"'.encode(), f"{value}".encode(), b"\xff\xfe\x00"):
            answer = door.send("generic", generic, body)
            assert answer.status_code == 400, body
            assert value not in answer.text
            assert "Traceback" not in answer.text

    def test_more_than_five_mebibytes(self, door: Door) -> None:
        payload = b'{"value": "' + b"x" * MAX_BODY + b'"}'
        answer = door.send("generic", generic, payload)
        assert answer.status_code == 413
        assert answer.json() == {"error": "More than 5 MiB."}

    def test_no_length_and_a_length_that_is_no_number(self, door: Door) -> None:
        answer = door.client.post("/hooks/generic", content=iter([b"{}"]))
        assert answer.status_code == 411
        host, _, port = door.address.partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            raw.sendall(b"POST /hooks/generic HTTP/1.1\r\nHost: x\r\nContent-Length: -7\r\n\r\n")
            assert raw.recv(1000).startswith(b"HTTP/1.1 400")

    def test_a_malformed_request_is_not_repeated(
        self, door: Door, plant: Callable[[], str]
    ) -> None:
        value = plant()
        host, _, port = door.address.partition(":")
        for request in (f"{value} is no request\r\n\r\n", f"GET /{value} HTTP/9\r\n\r\n"):
            with socket.create_connection((host, int(port)), timeout=10) as raw:
                raw.sendall(request.encode())
                said = b"".join(iter(lambda: raw.recv(4096), b""))
                assert b" 400 " in said or b" 505 " in said
                assert value.encode() not in said

    def test_other_paths_and_methods(self, door: Door, plant: Callable[[], str]) -> None:
        value = plant()
        cases = [
            ("GET", "/", 404),
            ("GET", f"/{value}?token={value}", 404),
            ("POST", f"/hooks/{value}", 404),
            ("POST", "/hooks/", 404),
            ("GET", "/hooks/generic", 405),
            ("POST", "/readyz", 405),
            ("GET", "/metrics", 404),
            ("DELETE", "/hooks/generic", 501),
        ]
        for method, path, status in cases:
            answer = door.client.request(method, path, headers={"Content-Length": "0"})
            assert answer.status_code == status, path
            assert value not in answer.text
            assert "locksmith" in answer.headers["server"]
            assert "Python" not in answer.headers["server"]


def test_a_body_that_stops_coming_is_given_up(door: Door) -> None:
    host, _, port = door.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        raw.sendall(b"POST /hooks/generic HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(1000).startswith(b"HTTP/1.1 408")


def test_every_kind_of_hook_is_tried_here() -> None:
    assert {kind for kind, _ in HOOKS.values()} == {kind for kind, _ in SENDERS.values()}
