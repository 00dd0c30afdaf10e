"""Who may decide on a plan, what a denial does, and what the clock does not."""

from datetime import timedelta

import pytest
from sqlmodel import select

from bot.rows import writing
from bot.sandbox.workspace.messages import Message
from responders.incident import IncidentState
from responders.tables import ApprovalRequestRow
from tests.scenarios.scene import Scene, says


def waiting(scene: Scene, value: str, *, reporter: str = "rita", asker: str = "ana") -> str:
    """Bring an incident to where somebody has to decide."""
    for name in ("ana", "gus", "rita"):
        if scene.be(name).id not in scene.be("sam").channel("#security").members:
            scene.be("sam").invite("#security", name)
    incident = scene.report(value, by=reporter)
    scene.ask_approval(incident, by=asker)
    return incident


def field_of(scene: Scene, path: str, field: str) -> str:
    return scene.world.read_secret(path)[field]


def review_card(scene: Scene, incident: str) -> Message:
    return scene.card_now(incident, lambda m: "approval_review" in m.buttons)


def test_a_guest_the_reporter_and_an_outsider_are_refused_and_told_who_can(scene: Scene) -> None:
    incident = waiting(scene, field_of(scene, "shop/stripe", "api_key"), reporter="sam")
    card = review_card(scene, incident)
    request = scene.be("sue").wait_for_message(
        "#security",
        lambda m: incident in m.all_text and "approval_deny" in m.buttons,
    )
    for name, why in (
        ("gus", "guest account"),
        ("sam", "sam may not decide on this plan: sam reported"),
        ("ana", "ana may not decide on this plan: ana is not on the approver list"),
        ("rita", "rita may not decide on this plan: rita is not on the approver list"),
    ):
        scene.be(name).click(card, "approval_review")
        told = scene.refusal(name, why)
        says(told.all_text, "Nothing was changed.", "full member" if name == "gus" else "Ask sue.")
        assert scene.be(name).no_modal()
        scene.be(name).click(request, "approval_deny")
        assert scene.be(name).no_modal()
    assert scene.case(incident).state is IncidentState.WAITING
    assert "approval_review" not in direct(scene, "rita", incident)
    assert "approval_review" in direct(scene, "sue", incident)


def direct(scene: Scene, name: str, incident: str) -> set[str]:
    """The buttons of the direct messages about an incident."""
    messages = scene.be(name).messages("@locksmith")
    return {button for m in messages if incident in m.all_text for button in m.buttons}


def test_where_nobody_is_left_to_decide_asking_is_refused_with_the_reasons(scene: Scene) -> None:
    value = field_of(scene, "platform/backup", "access_key")
    incident = scene.report(value, by="sam")
    card = scene.card(incident, lambda m: "approval_ask" in m.buttons)
    scene.be("sue").click(card, "approval_ask")
    told = scene.refusal("sue", "1 approvals are needed")
    says(told.all_text, "0 can be given", "sam", "reported", "sue", "asked", "somebody else ask")
    assert scene.case(incident).state is IncidentState.PLANNED


def test_a_denial_gives_its_reason_and_changes_nothing(scene: Scene) -> None:
    incident = waiting(scene, field_of(scene, "payments/db", "password"))
    sam = scene.be("sam")
    request = sam.wait_for_message(
        "@locksmith", lambda m: incident in m.all_text and "approval_deny" in m.buttons
    )
    sam.click(request, "approval_deny")
    sam.modal(lambda view: view.callback_id == "approval_refuse", timeout=10)
    errors = sam.submit({"reason": ""})
    assert errors is not None, "a denial without a reason was taken"
    assert sam.submit({"reason": "not during the sale"}) is None
    sam.modal(lambda view: "Denied. Nothing of this plan runs" in view.all_text, timeout=10)
    sam.close(everything=True)
    card = scene.card(incident, lambda m: "The plan was denied." in m.all_text)
    assert "approval_ask" in card.buttons
    scene.thread_says(incident, "not during the sale", "⛔ denied")
    assert scene.case(incident).state is IncidentState.PLANNED
    assert scene.ask_approval(incident, by="ana")


@pytest.fixture
def expired(scene: Scene) -> str:
    """An incident whose request has run out while nobody looked."""
    incident = waiting(scene, field_of(scene, "shop/session", "signing_key"))
    scene.review(incident, by="sue")
    with writing(scene.serving.graph.database.engine) as session:
        query = select(ApprovalRequestRow).where(ApprovalRequestRow.incident_id == incident)
        row = session.exec(query).one()
        row.expires_at -= timedelta(days=1)
        session.add(row)
    return incident


def test_what_nobody_decided_in_time_is_not_approved_by_the_clock(
    scene: Scene, expired: str
) -> None:
    sue = scene.be("sue")
    assert sue.submit(scene.typed(expired, "sue")) is None
    shown = sue.modal(lambda view: "expired" in view.all_text, timeout=10)
    says(shown.all_text, "This request is", "expired", "click changed nothing.")
    sue.close(everything=True)
    card = scene.card(expired, lambda m: "Nobody decided in time." in m.all_text)
    assert "approval_ask" in card.buttons
    assert scene.case(expired).state is IncidentState.PLANNED
