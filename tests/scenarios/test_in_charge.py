"""Who is in charge: taken on, assigned and handed over in Slack, and how bad it is said to be."""

import pytest

from bot.sandbox.workspace.messages import Message
from responders.incident import Severity
from tests.scenarios.scene import Scene, says


@pytest.fixture(scope="module")
def incident(scene: Scene) -> str:
    for name in ("ana", "rita"):
        scene.be("sam").invite("#security", name)
    return scene.report(scene.world.leaked_token)


def card(scene: Scene, incident: str) -> Message:
    return scene.card_now(incident, lambda m: "assign_open" in m.buttons)


def named(scene: Scene, incident: str, *, by: str, to: str, note: str = "") -> str:
    """Fill in the form of the card; what stands in its place."""
    person = scene.be(by)
    person.click(card(scene, incident), "assign_open")
    person.modal(lambda v: v.callback_id == "incident_assign", timeout=20)
    assert person.submit({"lead": f"@{to}", "reason": note}) is None
    view = person.modal(lambda v: not v.inputs and "Looking" not in v.all_text, timeout=20)
    person.close(everything=True)
    return view.all_text


def test_the_lead_is_named_told_and_hands_over_with_a_note(scene: Scene, incident: str) -> None:
    says(named(scene, incident, by="rita", to="rita"), "rita may not say who leads", "Ask ana")
    says(named(scene, incident, by="sam", to="gus"), "gus cannot lead", "guest account")
    says(named(scene, incident, by="sam", to="rita"), "rita may not lead", "It can be led by ana")
    says(named(scene, incident, by="sam", to="ana", note="you know the gateway"), "ana leads")
    scene.card(incident, lambda m: "👤 ana" in m.all_text)
    scene.thread_says(incident, "ana leads it now", "says sam", "you know the gateway")
    told = scene.be("ana").wait_for_message(
        "@locksmith", lambda m: "You lead this incident now" in m.all_text, timeout=20
    )
    says(told.all_text, incident, "says sam", "you know the gateway", "*Next:*")
    ana = scene.be("ana")
    ana.click(told, "assign_open")
    ana.modal(lambda v: v.callback_id == "incident_assign" and "ana leads" in v.all_text)
    note = "off at eight; the copies are not looked at"
    assert ana.submit({"lead": "@sue", "reason": note}) is None
    scene.card(incident, lambda m: "👤 sue" in m.all_text)
    kept = [each.sentence for each in scene.case(incident).timeline if each.kind == "assigned"]
    assert kept == [
        "sam made ana the lead: you know the gateway",
        f"ana made sue the lead: {note}",
    ]
    ana.close(everything=True)


def test_of_two_who_take_it_at_once_the_second_is_told_of_the_first(
    scene: Scene, incident: str
) -> None:
    sam = scene.be("sam")
    sam.click(card(scene, incident), "assign_open")
    sam.modal(lambda v: v.callback_id == "incident_assign" and "sue leads" in v.all_text)
    says(named(scene, incident, by="sue", to="ana"), "ana leads")
    assert sam.submit({"lead": "@sam"}) is None
    says(
        sam.modal(lambda v: not v.inputs and "Looking" not in v.all_text, timeout=20).all_text,
        "ana leads",
        "sue said so",
        "Nothing was changed",
    )
    sam.close(everything=True)


def test_a_page_is_acknowledged_and_the_severity_changed_with_a_reason(
    scene: Scene, incident: str
) -> None:
    rita = scene.be("rita")
    rita.click(scene.card_now(incident, lambda m: "incident_ack" in m.buttons), "incident_ack")
    scene.card(
        incident, lambda m: "rita is on it" in m.all_text and "incident_ack" not in m.buttons
    )
    ana = scene.be("ana")
    notice = ana.wait_for_message("@locksmith", lambda m: "incident_ack" in m.buttons)
    ana.click(notice, "incident_ack")
    ana.wait_for_message("@locksmith", lambda m: "rita took it on before you" in m.all_text)
    for name, expected in (("rita", "rita may not lower the severity"), ("sam", "is low now")):
        person = scene.be(name)
        person.click(card(scene, incident), "severity_open")
        person.modal(lambda v: v.callback_id == "severity_change", timeout=20)
        assert person.submit({"level": "low", "reason": "a sandbox account"}) is None
        view = person.modal(lambda v: not v.inputs and "Looking" not in v.all_text, timeout=20)
        says(view.all_text, expected)
        person.close(everything=True)
    assert scene.case(incident).severity is Severity.LOW
    scene.card(incident, lambda m: "LOW" in m.all_text and "a sandbox account" in m.all_text)
