"""A person's step: it asks, it changes nothing, and it never confirms itself."""

from graph.connections import Connections
from responders.step import VerdictKind
from responders.steps.manual import Confirm, ConfirmSettings
from tests.responders.steps.parts import context


def test_it_asks_with_a_deadline_and_stays_unknown_until_a_person_says_so() -> None:
    asked = ConfirmSettings(instructions="Revoke the key in the console.", deadline_hours=4)
    given = context(Connections({}, {}, {}))
    receipt = Confirm().apply(asked, given)
    verdict = Confirm().verify(asked, receipt, given)
    assert "Revoke the key in the console." in receipt.sentence
    assert verdict.kind is VerdictKind.UNKNOWN
    assert verdict.sentence == "Waits for an owner or a responder: Revoke the key in the console."
    assert verdict.facts["due"] == receipt.facts["due"]
    assert Confirm().targets(asked) == ()


def test_it_says_who_until_when_and_what_to_bring() -> None:
    asked = ConfirmSettings(
        instructions="Roll the key.",
        deadline_hours=0.5,
        who="an administrator of Stripe",
        evidence="the link of its log entry",
    )
    preview = Confirm().preview(asked)
    assert "an administrator of Stripe" in preview
    assert "within 0.5 hours" in preview
    given = context(Connections({}, {}, {}))
    receipt = Confirm().apply(asked, given)
    assert receipt.sentence.startswith("Asked an administrator of Stripe until ")
    verdict = Confirm().verify(asked, receipt, given)
    assert "the link of its log entry" in str(verdict.facts["do_now"])
