"""A person stops the run on its way; an approver goes on, and nothing is done twice."""

from responders.incident import IncidentState
from tests.scenarios.scene import Scene, eventually, says


def test_a_stopped_run_does_nothing_further_and_goes_on_where_it_was(fresh_scene: Scene) -> None:
    scene = fresh_scene
    incident = scene.report(scene.world.leaked_token)
    scene.ask_approval(incident)
    scene.approve(incident)
    running = scene.card(incident, lambda m: "run_stop" in m.buttons)
    scene.be("sue").click(running, "run_stop")
    stopped = scene.card_now(incident, lambda m: "step_retry" in m.buttons)
    says(stopped.all_text, "sue stopped the run", "An approver retries, or plans anew.")
    scene.thread_says(incident, "🛑 *Stopped*")
    eventually(lambda: not [s for s in scene.case(incident).progress if s.state == "running"])
    assert scene.case(incident).state is IncidentState.STOPPED
    assert scene.outside.issuer_accepts(scene.world.leaked_token), "it went on to the revocation"

    # Going on is for those who may approve.
    scene.be("sam").invite("#security", "ben")
    scene.be("ben").click(stopped, "step_retry")
    says(scene.refusal("ben", "ben may not retry a step").all_text, "Ask sam or sue.")

    scene.be("sam").click(scene.card_now(incident), "step_retry")
    scene.card(incident, lambda m: "closed" in m.all_text, timeout=60)
    assert max(scene.outside.versions()) == 2
    assert not scene.outside.issuer_accepts(scene.world.leaked_token)
    assert len(scene.cards(incident)) == 1
