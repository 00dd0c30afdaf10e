"""One value, many reports: from eight threads at once, in other clothes, and beside another one."""

import base64
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from bot.graph_parts import intake_of
from bot.intake.intake import Seen
from responders.incident import Person
from tests.scenarios.scene import Scene, eventually, says

THREADS = 8


def spelled_out(value: str) -> str:
    return "".join(f"%{byte:02X}" for byte in value.encode())


@pytest.mark.parametrize(
    "dress",
    [
        pytest.param(lambda v: v, id="as it is"),
        pytest.param(lambda v: f'  "{v}"\n', id="quoted"),
        pytest.param(lambda v: base64.b64encode(v.encode()).decode(), id="base64"),
        pytest.param(lambda v: base64.b64encode(f"{v}\n".encode()).decode(), id="base64 of a line"),
        pytest.param(spelled_out, id="URL-encoded"),
        pytest.param(lambda v: json.dumps({"auth": {"token": v}}), id="inside JSON"),
        pytest.param(
            lambda v: f"postgres://app:{quote(v, safe='')}@db.example.com/pay", id="inside a DSN"
        ),
        pytest.param(lambda v: f"Authorization: Bearer {v}", id="in a header"),
    ],
)
def test_a_stored_value_joins_in_whatever_clothes(
    scene: Scene, dress: Callable[[str], str]
) -> None:
    first = scene.report(scene.world.leaked_token, by="rita")
    joined = scene.fill_in({"value": dress(scene.world.leaked_token)}, by="ana")
    says(joined.all_text, "joined incident", first)
    assert len(scene.cards(first)) == 1
    assert [case.id for case in scene.incidents() if "payments/gateway#token" in case.title] == [
        first
    ]


def test_eight_messages_at_once_open_one_incident(scene: Scene) -> None:
    value = scene.world.read_secret("shop/stripe")["api_key"]
    names = ("rita", "ana", "ben", "cleo", "sam", "sue", "rita", "ana")
    barrier = threading.Barrier(THREADS)

    def post(name: str) -> None:
        barrier.wait()
        scene.be(name).post("#general", f"does anybody know {value}?")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(post, names))
    scene.card("shop/stripe#api_key")
    mine = [case for case in scene.incidents() if "shop/stripe#api_key" in case.title]
    (incident,) = mine
    eventually(lambda: len(scene.case(incident.id).sightings) == THREADS)
    scene.wait_until_idle()
    assert len(scene.cards("shop/stripe#api_key")) == 1
    assert len([case for case in scene.incidents() if "shop/stripe" in case.title]) == 1


def test_eight_desks_at_once_open_one_incident_for_a_value_that_nobody_knows(
    scene: Scene, plant_this: Callable[[str], str]
) -> None:
    value = plant_this("orphan-" + base64.b32encode(b"nobody knows me 1234").decode())
    graph, desk = scene.serving.graph, scene.serving.response.desk
    barrier = threading.Barrier(THREADS)

    def report(number: int) -> tuple[str, str]:
        seen = Seen(reporter=Person(f"p{number}@example.com"), where=f"page {number}")
        (found,) = intake_of(graph).from_value(value, seen).reports
        barrier.wait()
        opened = desk.report(found)
        return opened.incident_id, opened.outcome

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(report, range(THREADS)))
    assert len({incident for incident, _ in results}) == 1
    assert sorted(outcome for _, outcome in results) == ["joined"] * (THREADS - 1) + ["opened"]
    assert len(scene.case(results[0][0]).sightings) == THREADS


def test_two_secrets_in_one_message_are_two_incidents(scene: Scene) -> None:
    session = scene.world.read_secret("shop/session")["signing_key"]
    database = scene.world.read_secret("reporting/db")["password"]
    rita = scene.be("rita")
    message = rita.post("#payments", f"SIGNING_KEY={session}\nand the password is {database}")
    assert rita.shortcut(message, "leak_report_message")
    one = scene.card("shop/session#signing_key")
    other = scene.card("reporting/db#password")
    assert one.ts != other.ts
    both = ("shop/session#signing_key", "reporting/db#password")
    rita.wait_for_message(
        "#payments",
        lambda m: m.ephemeral_to == rita.id and all(name in m.all_text for name in both),
        timeout=10,
    )
    asked = [m for m in rita.messages("@locksmith") if "message in #payments" in m.all_text]
    assert len(asked) == 1, "the author of one message is asked once"
