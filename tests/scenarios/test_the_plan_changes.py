"""A consumer appears between asking and deciding: the approval is void, and says so."""

from typing import Any

from responders.incident import IncidentState
from tests.scenarios.scene import Scene, says


def newcomer() -> dict[str, Any]:
    labels = {"app": "newcomer"}
    token = {"secretKeyRef": {"name": "payments-gateway", "key": "token"}}
    container = {
        "name": "app",
        "image": "registry.example.com/newcomer:1",
        "env": [{"name": "TOKEN", "valueFrom": token}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "newcomer", "namespace": "payments"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def test_a_new_consumer_voids_the_approval_and_stands_in_the_new_plan(fresh_scene: Scene) -> None:
    scene = fresh_scene
    incident = scene.report(scene.world.leaked_token)
    scene.ask_approval(incident)
    scene.review(incident)

    scene.objects.create(newcomer())
    scene.collect()
    sam = scene.be("sam")
    assert sam.submit({"confirmation": incident}) is None
    shown = sam.modal(lambda view: "void" in view.all_text, timeout=15)
    says(
        shown.all_text,
        "The graph changed since this plan was made, so the approval is void.",
        "nothing runs",
        "Look at the new plan and ask for approval again.",
    )
    sam.close(everything=True)

    card = scene.card(incident, lambda m: "approval_ask" in m.buttons)
    says(
        card.all_text,
        "Deployment/newcomer",
        "The plan changed, so the approval asked for it is void.",
    )
    scene.thread_says(incident, "♻️ void: the plan has changed since, ask again")
    assert scene.case(incident).state is IncidentState.PLANNED
    assert max(scene.outside.versions()) == 1
    assert scene.outside.issuer_accepts(scene.world.leaked_token)

    scene.ask_approval(incident)
    scene.approve(incident)
    scene.card(incident, lambda m: "closed" in m.all_text, timeout=60)
    assert not scene.outside.issuer_accepts(scene.world.leaked_token)
