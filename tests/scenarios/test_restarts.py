"""The bot is stopped and started again on its database: it goes on, with one card."""

import pytest

from tests.scenarios.scene import Scene, eventually

pytestmark = pytest.mark.slow


def test_in_the_middle_of_an_incident_and_of_its_run(fresh_scene: Scene) -> None:
    scene = fresh_scene
    incident = scene.report(scene.world.leaked_token)
    root = scene.card(incident, lambda m: "approval_ask" in m.buttons)

    scene.restart()
    scene.ask_approval(incident)
    scene.restart()
    scene.approve(incident)
    eventually(lambda: max(scene.outside.versions()) == 2)

    scene.restart()
    closed = scene.card(incident, lambda m: "closed" in m.all_text, timeout=60)
    assert closed.ts == root.ts
    assert len(scene.cards(incident)) == 1
    assert max(scene.outside.versions()) == 2, "it was rotated twice"
    assert not scene.outside.issuer_accepts(scene.world.leaked_token)
    assert scene.outside.issuer_accepts(scene.outside.token_in_store())
    assert scene.serving.response.records.verify_audit().finding == "intact"
    pages = [page for page in scene.receiver.received if page.body["action"] == "trigger"]
    assert len({page.body["key"] for page in pages}) == len(pages), "somebody was paged twice"


def test_what_came_in_while_it_was_down_is_taken_up(fresh_scene: Scene) -> None:
    scene = fresh_scene
    incident = scene.report(scene.world.leaked_token)
    scene.stop()
    rita = scene.be("rita")
    session = scene.world.read_secret("shop/session")["signing_key"]
    rita.post("#general", f"SIGNING_KEY={session}")
    scene.start()
    scene.workspace.repeat_unacknowledged()
    scene.card("shop/session#signing_key")
    assert len(scene.cards(incident)) == 1
