"""Two approvers click in the same moment, and Slack delivers one of the clicks twice."""

from concurrent.futures import ThreadPoolExecutor

from tests.scenarios.scene import Scene, eventually, says

ALREADY = ("This request is approved already by", "This request is already approved by")


def test_two_clicks_at_once_and_a_repeated_delivery_start_one_run(scene: Scene) -> None:
    incident = scene.report(scene.world.leaked_token)
    scene.be("sam").invite("#security", "ana")
    scene.ask_approval(incident, by="ana")
    for name in ("sam", "sue"):
        scene.review(incident, by=name)
    with ThreadPoolExecutor(2) as pool:
        form = {"confirmation": incident}
        taken = list(pool.map(lambda name: scene.be(name).submit(form), ("sam", "sue")))
    assert taken == [None, None]
    submission = next(
        each
        for each in reversed(scene.workspace.deliveries)
        if each.payload.get("type") == "view_submission"
    )
    scene.workspace.repeat(submission)
    late = [scene.be(name) for name in ("sam", "sue")]
    eventually(
        lambda: any(
            any(sentence in m.all_text for sentence in ALREADY)
            for person in late
            for m in person.messages("@locksmith")
        )
    )
    closed = scene.card(incident, lambda m: "closed" in m.all_text, timeout=60)
    says(closed.all_text, "4 copies replaced, 8 consumers on the new value")
    assert max(scene.outside.versions()) == 2
    decided = [entry for entry in scene.case(incident).timeline if entry.kind == "decided"]
    assert len(decided) == 1
    assert len(scene.cards(incident)) == 1
