"""A value that is stored nowhere: the incident opens, and people carry it to its end."""

import base64
import secrets
from collections.abc import Callable

from bot.sandbox.workspace.messages import Message
from tests.scenarios.scene import Scene, eventually, says


def test_a_value_that_matches_nothing_is_carried_to_closed_by_named_people(
    scene: Scene, plant_this: Callable[[str], str]
) -> None:
    value = plant_this(secrets.token_urlsafe(30))
    shown = scene.fill_in({"value": value, "where": "a pastebin"}, by="rita")
    says(
        shown.all_text,
        "is open",
        "It is in no store that Locksmith sees: it is treated as an unknown credential.",
        "asks for approval",
    )
    incident = scene.incidents()[-1].id
    card = scene.card(incident, lambda m: "approval_ask" in m.buttons)
    says(card.all_text, "Find out what it opens", "Revoked at its issuer", "Old value refused")
    assert value not in card.all_text

    scene.ask_approval(incident)
    scene.approve(incident)
    for _ in range(4):
        confirm(scene, incident, f"Seen in the issuer's log, entry {secrets.randbelow(1000)}")
    closed = scene.card(incident, lambda m: "closed" in m.all_text)
    says(closed.all_text, "✅")
    scene.thread_says(incident, "On the word of sam", "Seen in the issuer's log")
    assert scene.serving.response.records.verify_audit().finding == "intact"


def confirm(scene: Scene, incident: str, evidence: str) -> None:
    card = scene.card_now(incident, waits_for_a_person)
    done = progress(scene, incident)
    sam = scene.be("sam")
    sam.click(card, "step_confirm")
    sam.modal(lambda view: view.callback_id == "step_confirm_evidence", timeout=10)
    assert sam.submit({"reason": evidence}) is None
    eventually(lambda: progress(scene, incident) > done, 15)
    sam.close(everything=True)


def waits_for_a_person(card: Message) -> bool:
    return "step_confirm" in card.buttons


def progress(scene: Scene, incident: str) -> int:
    return sum(each.state == "confirmed" for each in scene.case(incident).progress)


def test_an_outsider_cannot_vouch_for_a_step(
    scene: Scene, plant_this: Callable[[str], str]
) -> None:
    incident = scene.report(plant_this(secrets.token_urlsafe(30)))
    scene.ask_approval(incident)
    scene.approve(incident)
    card = scene.card(incident, waits_for_a_person)
    scene.be("sam").invite("#security", "ben")
    ben = scene.be("ben")
    ben.click(card, "step_confirm")
    ben.modal(lambda view: view.callback_id == "step_confirm_evidence", timeout=10)
    assert ben.submit({"reason": "I just know"}) is None
    shown = ben.modal(lambda view: "may not" in view.all_text, timeout=10)
    says(shown.all_text, "ben may not confirm a step", "Nothing was changed.", "Ask sam or sue.")
    ben.close(everything=True)
    assert progress(scene, incident) == 0


def test_the_same_unknown_value_joins_also_in_another_encoding(
    scene: Scene, plant_this: Callable[[str], str]
) -> None:
    value = plant_this(secrets.token_urlsafe(30))
    first = scene.report(value)
    encoded = plant_this(base64.b64encode(value.encode()).decode())
    assert scene.report(f"  {value}\n", by="ana") == first
    assert scene.report(encoded, by="ben") == first
    assert len(scene.cards(first)) == 1
