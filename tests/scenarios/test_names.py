"""What is asked for or reported by name: unknown, ambiguous, empty."""

from tests.scenarios.scene import GATEWAY, Scene, says


def test_an_unknown_name_is_answered_with_what_it_means_and_what_to_do(scene: Scene) -> None:
    answer = scene.ask("/leak uses nope/nothing")
    says(
        answer.all_text,
        "Nothing in the graph is called “nope/nothing”.",
        "It does not exist, or Locksmith has not collected the place where it lies.",
        "Run `locksmith collect`, then ask.",
    )


def test_a_mistyped_name_is_answered_with_near_misses(scene: Scene) -> None:
    answer = scene.ask("/leak uses payments/gatewey")
    says(answer.all_text, "Did you mean", "vault://main/kv/payments/gateway")


def test_an_ambiguous_name_lists_what_it_fits(scene: Scene) -> None:
    answer = scene.ask("/leak uses db")
    says(
        answer.all_text,
        "fits",
        "vault://main/kv/payments/db",
        "vault://main/kv/reporting/db",
        "Give a longer part of the name",
    )
    said = scene.ask("/leak uses payments/db")
    says(said.all_text, "vault://main/kv/payments/db", "Deployment/api")


def test_a_question_without_a_name_says_how_to_ask(scene: Scene) -> None:
    says(
        scene.ask("/leak uses").all_text,
        "/leak uses needs the name of a secret.",
        "/leak uses payments/gateway",
    )


def test_an_empty_form_says_what_to_fill_in_and_opens_nothing(scene: Scene) -> None:
    before = len(scene.incidents())
    rita = scene.open_form("rita")
    wanted = {"value": "Paste the leaked value, or name the secret below."}
    assert rita.submit({}) == wanted
    assert rita.submit({"value": "  \n ", "where": "a wiki page"}) == wanted
    rita.close(everything=True)
    scene.wait_until_idle()
    assert len(scene.incidents()) == before


def test_a_report_by_an_unknown_name_is_refused_in_the_form_and_by_message(scene: Scene) -> None:
    before = len(scene.incidents())
    shown = scene.fill_in({"named": "nope/nothing"}, by="rita")
    says(shown.all_text, "Nothing in the graph is called “nope/nothing”.", "locksmith collect")
    told = scene.be("rita").wait_for_message(
        "@locksmith", lambda m: "nope/nothing" in m.all_text, timeout=10
    )
    says(told.all_text, "Run `locksmith collect`, then ask.")
    assert len(scene.incidents()) == before


def test_a_report_by_an_ambiguous_name_lists_the_candidates(scene: Scene) -> None:
    before = len(scene.incidents())
    shown = scene.fill_in({"named": "db"}, by="rita")
    says(shown.all_text, "Which one leaked?", "vault://main/kv/reporting/db")
    assert len(scene.incidents()) == before


def test_a_report_by_a_part_of_a_name_opens_an_incident_without_a_value(scene: Scene) -> None:
    shown = scene.fill_in({"named": "payments/gateway", "where": "a lost laptop"}, by="rita")
    says(shown.all_text, "is open", GATEWAY.partition("#")[0].rpartition("/")[2])
