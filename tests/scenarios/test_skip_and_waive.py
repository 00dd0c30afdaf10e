"""What cannot be done is skipped with a reason, what is not proven is waived with a name."""

import pytest

from bot.sandbox.workspace.messages import Message
from responders.incident import IncidentState, StepState
from tests.scenarios.scene import Scene, eventually, says

pytestmark = pytest.mark.slow

STOPPED, VERIFIED = IncidentState.STOPPED, IncidentState.VERIFIED


def decide(scene: Scene, where: Message, action: str, form: str, reason: str) -> str:
    """Press a button, fill in the form that it opens, and read what stands in its place."""
    sue = scene.be("sue")
    sue.click(where, action)
    view = sue.modal(lambda v: v.callback_id == form, timeout=30)
    shown = view.all_text
    assert sue.submit({"reason": reason}) is None
    sue.modal(lambda v: not v.inputs and "One moment" not in v.all_text, timeout=30)
    sue.close(everything=True)
    return shown


def test_a_run_that_nobody_can_prove_ends_under_names(scene: Scene) -> None:
    incident = scene.report(scene.world.read_secret("shop/stripe")["api_key"])
    scene.ask_approval(incident)
    scene.approve(incident)
    skipped = 0
    while True:
        eventually(lambda: scene.case(incident).state in {STOPPED, VERIFIED}, 60)
        if scene.case(incident).state is VERIFIED:
            break
        stopped = scene.card_now(incident, lambda m: "step_skip" in m.buttons, timeout=30)
        shown = decide(scene, stopped, "step_skip", "step_skip_reason", "no access to the issuer")
        says(shown, incident, "shop/stripe", "will not be done")
        skipped += 1
        eventually(
            lambda done=skipped: (
                done
                == sum(each.state is StepState.SKIPPED for each in scene.case(incident).progress)
            )
        )
    assert skipped
    verified = scene.card_now(incident, lambda m: "incident_close" in m.buttons, timeout=30)
    says(verified.all_text, "Not proven", "⏭️")
    shown = decide(scene, verified, "incident_close", "incident_waive", "the account is closed")
    says(shown, incident, "shop/stripe", "is not complete")
    closed = scene.card(incident, lambda m: "Outcome" in m.all_text, timeout=30)
    says(closed.all_text, "Closed by sue without full proof: the account is closed")
