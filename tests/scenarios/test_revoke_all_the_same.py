"""A copy that no sync makes holds the revocation, until an approver answers for just that copy."""

from graph.model import Edge, EdgeKind, Node, NodeKind, Observation
from graph.refs import Ref
from responders.incident import IncidentState, StepState
from tests.scenarios.scene import Scene, eventually, says

GATEWAY = Ref("vault://main/kv/payments/gateway")
PASTED = Ref("k8s://demo/shop/Secret/pasted")


def by_hand() -> Observation:
    """Say what somebody told the graph: a Secret that was pasted once, of no sync."""
    nodes = (
        Node(GATEWAY, NodeKind.SECRET, {"keys": ("token",)}),
        Node(PASTED, NodeKind.SECRET, {"keys": ("token",)}),
    )
    copied = Edge(GATEWAY, PASTED, EdgeKind.COPIES, {"from_key": "token", "key": "token"})
    return Observation("by hand", nodes, (copied,))


def test_an_approver_answers_in_slack_for_the_copies_that_the_form_names(
    fresh_scene: Scene,
) -> None:
    scene = fresh_scene
    graph = scene.serving.graph
    graph.repository.merge(by_hand(), now=graph.now())
    incident = scene.report(scene.world.leaked_token)
    scene.ask_approval(incident)
    scene.approve(incident)
    card = scene.card_now(incident, lambda m: "step_although" in m.buttons, timeout=60)
    says(card.all_text, str(PASTED), "may hold it")
    assert scene.outside.issuer_accepts(scene.world.leaked_token)

    # For those who may decide; the form says which copy, and asks why.
    scene.be("sam").invite("#security", "ben")
    scene.be("ben").click(card, "step_although")
    says(scene.refusal("ben", "ben may not waive the silence").all_text, "Ask")
    sam = scene.be("sam")
    sam.click(card, "step_although")
    form = sam.modal(lambda view: view.callback_id == "step_although_reason", timeout=60)
    says(form.all_text, str(PASTED), "It counts for these only")
    assert sam.submit({"reason": "old is switched off since May"}) is None

    eventually(lambda: scene.case(incident).state is not IncidentState.STOPPED, 60)
    eventually(lambda: not scene.outside.issuer_accepts(scene.world.leaked_token), 60)
    case = scene.case(incident)
    assert case.silence_waived == {f"{PASTED}#token": ()}
    assert StepState.FAILED not in {each.state for each in case.progress}
    (waived,) = (each for each in case.timeline if each.kind == "silence_waived")
    assert waived.actor == "sam"
    assert "old is switched off since May" in waived.sentence
