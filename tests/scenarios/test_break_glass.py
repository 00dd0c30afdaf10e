"""At night somebody runs the plan alone: a banner, a page, and no end without a review."""

from pathlib import Path

import pytest

from bot.sandbox.workspace.messages import Message
from tests.scenarios.scene import changed, eventually, running_scene, says

pytestmark = pytest.mark.slow

REASON = "It is on a public page and the others sleep."


def test_one_person_runs_it_and_another_one_has_to_review_it(tmp_path: Path) -> None:
    night = {"approvals": {"break_glass": ("group:security",)}}
    with running_scene(tmp_path, change=lambda config: changed(config, night)) as scene:
        incident = scene.report(scene.world.leaked_token)
        scene.ask_approval(incident, by="sue")
        root, sam = scene.card(incident), scene.be("sam")

        def buttons() -> list[Message]:
            return [m for m in sam.thread("#security", root.ts) if "glass_open" in m.buttons]

        eventually(buttons)
        asked = buttons()[0]
        sam.click(asked, "glass_open")
        sam.modal(lambda view: view.callback_id == "glass_break")
        refused = sam.submit({"reason": REASON, "confirmation": "yes"})
        assert refused is not None
        assert "confirmation" in refused
        token = scene.world.leaked_token
        spilled = {"reason": f"{REASON} {token}", "confirmation": incident}
        assert sam.submit(spilled) is None
        told = sam.modal(lambda view: "Your words hold a secret" in view.all_text, timeout=20)
        assert token not in told.all_text
        sam.close(everything=True)
        assert scene.case(incident).emergency is None

        sam.click(asked, "glass_open")
        sam.modal(lambda view: view.callback_id == "glass_break")
        assert sam.submit({"reason": REASON, "confirmation": incident}) is None
        card = scene.card(incident, lambda m: "BREAK-GLASS" in m.all_text)
        says(card.all_text, "sam ran plan", REASON, "Another approver must review it")

        sue = scene.be("sue")
        done = scene.card_now(incident, lambda m: "incident_close" in m.buttons, timeout=60)
        says(done.all_text, "nobody else has reviewed it")
        sue.click(done, "glass_review_open")
        sue.modal(lambda view: view.callback_id == "glass_review")
        assert sue.submit({"reason": "Right. Two on call from now on."}) is None
        scene.card(incident, lambda m: "closed" in m.all_text, timeout=30)
        assert not scene.outside.issuer_accepts(scene.world.leaked_token)
