"""
Writes docs/example-post-mortem.md: `python -m tests.benchmarks.example_post_mortem FILE`.

A token is posted in a channel of the demo's company; people take it on, ask, approve, stop the run
and let it go on. What is written is what `locksmith incident export ID` prints, under a note.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.cli.record import record_of
from responders.post_mortem import markdown
from tests.scenarios.scene import Scene, eventually, running_scene

_NOTE = """
> A real one: the demo's own story, played by `python -m tests.benchmarks.example_post_mortem` with
> people who stopped the run and went on. Its links go to the demo's Slack, which is gone. What is
> in it: [record.md](record.md).
"""

_PAGES = 4  # two owners, a webhook and Slack for each


def play(scene: Scene) -> str:
    """Return the incident's id, when it is closed and all is told."""
    scene.be("sam").invite("#security", "ana")
    ben = scene.be("ben")
    posted = ben.post("#payments", f"the gateway token is {scene.world.leaked_token} for now")
    eventually(scene.incidents, 30)
    incident = scene.incidents()[0].id
    eventually(lambda: sum(page.confirmed for page in scene.case(incident).pages) == _PAGES, 30)
    ben.delete(posted)
    eventually(lambda: all(each.removed for each in scene.case(incident).sightings), 30)
    scene.be("ana").click(
        scene.card(incident, lambda m: "incident_ack" in m.buttons), "incident_ack"
    )
    sam = scene.be("sam")
    sam.click(scene.card_now(incident, lambda m: "assign_open" in m.buttons), "assign_open")
    sam.modal(lambda view: view.callback_id == "incident_assign", timeout=30)
    note = "Shop is told. Whether the copy in reporting is used is still open."
    assert sam.submit({"lead": "@sue", "reason": note}) is None
    sam.modal(lambda view: not view.inputs and "Looking" not in view.all_text, timeout=30)
    sam.close(everything=True)
    scene.ask_approval(incident, by="ana")
    scene.approve(incident)
    scene.be("sue").click(scene.card(incident, lambda m: "run_stop" in m.buttons), "run_stop")
    scene.card_now(incident, lambda m: "step_retry" in m.buttons)
    eventually(lambda: not [s for s in scene.case(incident).progress if s.state == "running"])
    sam.click(scene.card_now(incident, lambda m: "step_retry" in m.buttons), "step_retry")
    scene.card(incident, lambda m: "closed" in m.all_text, timeout=90)
    eventually(lambda: not scene.serving.response.records.journal.pages.over(), 60)
    scene.wait_until_idle()
    return incident


def main() -> None:
    with TemporaryDirectory() as folder, running_scene(Path(folder)) as scene:
        text = markdown(record_of(scene.serving.response, play(scene)))
    title, _, rest = text.partition("\n")
    Path(sys.argv[1]).write_text(f"{title}\n{_NOTE}{rest}", encoding="utf-8")


if __name__ == "__main__":
    main()
