"""App Home and questions: what waits for whom, what is theirs, and answers that only they see."""

import pytest

from bot.sandbox.workspace.messages import View
from responders.incident import Person
from tests.benchmarks.bench_ack import BUTTON, measure
from tests.scenarios.scene import Scene, says


def home(scene: Scene, name: str, *parts: str) -> View:
    """A person's App Home, drawn anew, once it says all of `parts`."""
    person = scene.be(name)
    person.open_home()
    return person.home(lambda v: all(part in v.all_text for part in parts), timeout=20)


def offered(view: View) -> set[str]:
    return {str(element["action_id"]) for element in view.elements}


def looked_up(scene: Scene, name: str, words: str, *parts: str) -> View:
    person = scene.be(name)
    person.click(home(scene, name), "home_search", value=words)
    return person.modal(lambda v: all(part in v.all_text for part in parts), timeout=20)


@pytest.fixture(scope="module")
def incident(scene: Scene) -> str:
    for name in ("ana", "rita"):
        scene.be("sam").invite("#security", name)
    return scene.report(scene.world.leaked_token)


def test_home_says_what_is_mine_and_what_it_lacks(scene: Scene, incident: str) -> None:
    mine = home(scene, "ana", incident)
    says(
        mine.all_text,
        "Waiting for me",
        "Nothing.",
        "of payments",
        "vault://main/kv/payments/gateway",
        "used by services of yours",
        "never rotated with Locksmith",
        "1 open incident",
    )
    assert "vault://main/kv/shop/stripe" not in mine.all_text
    says(home(scene, "rita", incident).all_text, "You are in no team that owns a secret")


def test_what_waits_follows_the_incident_and_the_person(scene: Scene, incident: str) -> None:
    home(scene, "sam", incident)
    scene.ask_approval(incident, by="sue")
    shown = scene.be("sam").home(lambda v: "You may decide on its plan" in v.all_text, timeout=30)
    assert "approval_review" in offered(shown), "without being opened again"
    says(home(scene, "sue", incident).all_text, "Nothing.")  # she asked
    sam, ana = (Person(f"{name}@example.com", name) for name in ("sam", "ana"))
    scene.serving.response.desk.triage.assign(incident, sam, ana)
    assert "assign_open" in offered(home(scene, "ana", "You lead it"))


def test_a_search_answers_in_private_and_is_shared_by_a_button(scene: Scene, incident: str) -> None:
    ben = scene.be("ben")
    looked_up(scene, "ben", "payments/gateway", "consumers", "Only you see this")
    for button, words in (
        ("question_readers", "Who can read"),
        ("question_blast", "leaked:"),
        ("question_access", "nobody knows whom"),
        ("question_uses", "consumers"),
    ):
        ben.click(ben.modal(), button)
        ben.modal(lambda v, words=words: words in v.all_text, timeout=20)
    ben.click(ben.modal(), "question_share")
    ben.modal(lambda v: v.callback_id == "question_share_form", timeout=20)
    assert ben.submit({"channel": ben.channel("#partners").id}) is None
    ben.modal(lambda v: "is shared with another organisation" in v.all_text, timeout=20)
    ben.close(everything=True)
    looked_up(scene, "ben", "who can read payments/gateway?", "Who can read")
    ben.click(ben.modal(), "question_share")
    ben.modal(lambda v: v.callback_id == "question_share_form", timeout=20)
    assert ben.submit({"channel": ben.channel("#general").id}) is None
    told = scene.be("rita").wait_for_message(
        "#general", lambda m: "Shared by ben" in m.all_text, timeout=20
    )
    assert "Who can read" in told.all_text
    assert set(told.buttons) <= {"question_all"}, "the rest is for each one alone"
    ben.close(everything=True)


def test_a_value_in_the_search_is_no_name_and_is_not_repeated(scene: Scene, incident: str) -> None:
    value = scene.world.leaked_token
    refused = looked_up(scene, "ben", value, "a value, not a name")
    assert value not in refused.all_text
    scene.be("ben").close(everything=True)
    looked_up(scene, "ben", "no-such-thing", "Nothing in the graph")
    scene.be("ben").close(everything=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("uses payments/gateway", "has *"),
        ("who can read payments/gateway?", "Who can read `"),
        ("blast radius of payments/gateway", "` leaked:"),
        ("who read payments/gateway", "nobody knows whom"),
    ],
)
def test_a_mention_is_answered_to_the_one_who_asked(
    scene: Scene, incident: str, words: str, expected: str
) -> None:
    ben = scene.be("ben")
    ben.post("#general", f"@locksmith {words}")
    told = ben.wait_for_message(
        "#general", lambda m: m.ephemeral_to == ben.id and expected in m.all_text, timeout=20
    )
    says(told.all_text, "Only you see this")
    ben.click(told, "question_share")
    scene.be("rita").wait_for_message(
        "#general",
        lambda m: not m.ephemeral_to and "Shared by ben" in m.all_text and expected in m.all_text,
        timeout=20,
    )


def test_clicks_at_once_are_all_acknowledged(scene: Scene, incident: str) -> None:
    card = scene.card_now(incident, lambda m: BUTTON in m.buttons)
    timings = measure(scene.workspace, scene.inbox, card, clicks=8, rounds=1)
    assert (len(timings.taken), timings.lost) == (8, 0)
