"""Severity explains itself, and its rules are data."""

import pytest
from pydantic import ValidationError

from graph.model import Match
from graph.queries.blast_radius import BlastRadius, Opened
from graph.refs import Ref
from responders.incident import Severity
from responders.severity import DEFAULT_RULES, SeverityFacts, SeverityRule, assess
from tests.responders.room import SECRET
from tests.responders.test_planner import radius_of

CURRENT = (Match(SECRET, "token", 3, current=True, form="as_is"),)
OLD = (Match(SECRET, "token", 2, current=False, form="as_is"),)
OPENS = BlastRadius(opens=(Opened(Ref("vault://main/-/Policy/ops"), (), 1),))


@pytest.mark.parametrize(
    ("facts", "severity", "words"),
    [
        (SeverityFacts("x", CURRENT, radius_of()), Severity.CRITICAL, "9 workloads run on it"),
        (SeverityFacts("x", CURRENT, BlastRadius()), Severity.HIGH, "current one in a store"),
        (SeverityFacts("x", OLD, radius_of()), Severity.MEDIUM, "replaced in its store already"),
        (SeverityFacts("x", (), BlastRadius()), Severity.MEDIUM, "nobody knows what it opens"),
        (SeverityFacts("x", (), OPENS), Severity.CRITICAL, "it opens 1 other things"),
    ],
)
def test_the_default_rules(facts: SeverityFacts, severity: Severity, words: str) -> None:
    found, reasons = assess(DEFAULT_RULES, facts)
    assert found is severity
    assert words in reasons[0]


def test_all_rules_that_hold_are_reasons_the_weightiest_first() -> None:
    found, reasons = assess(DEFAULT_RULES, SeverityFacts("x", CURRENT, radius_of()))
    assert found is Severity.CRITICAL
    assert len(reasons) == 2


def test_rules_of_ones_own() -> None:
    rule = SeverityRule(
        severity=Severity.CRITICAL, seen_in=("#public*",), because="anybody may read {where}"
    )
    facts = SeverityFacts("x", (), BlastRadius(), where="#public-help")
    assert assess([rule], facts) == (Severity.CRITICAL, ("anybody may read #public-help",))
    quiet = SeverityFacts("x", (), BlastRadius(), where="#ops")
    assert assess([rule], quiet) == (Severity.LOW, ("no rule says that it is worse",))
    for words in ("{nonsense}", "{consumers.nonsense}", "{0}", "{"):
        with pytest.raises(ValidationError, match="placeholder"):
            SeverityRule(severity=Severity.LOW, because=words)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"matched": False, "current": True}, "`current` asks what is known"),
        ({"matched": False, "current": False}, "`current` asks what is known"),
        ({"matched": False, "min_consumers": 3}, "`min_consumers` asks"),
        ({"matched": False, "min_opens": 1}, "`min_opens` asks"),
        ({"matched": False, "secrets": ["vault://*"]}, "`secrets` asks"),
        ({"secrets": ["kv/payments/*"]}, r"write “\*/kv/payments/\*”"),
    ],
)
def test_a_rule_that_can_never_hold_is_an_error(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=f"can never hold: .*{said}"):
        SeverityRule.model_validate({"severity": "high", "because": "x", **wrong})


def test_a_rule_about_the_secret_holds_where_its_glob_fits() -> None:
    given = {"severity": "high", "because": "{readers} read it", "secrets": ["*/kv/payments/*"]}
    rule = SeverityRule.model_validate(given)
    facts = SeverityFacts("x", CURRENT, radius_of())
    assert assess([rule], facts)[0] is Severity.HIGH
    elsewhere = BlastRadius(secrets=((Ref("vault://main/kv/shop/db"), "password"),))
    assert assess([rule], SeverityFacts("x", CURRENT, elsewhere))[0] is Severity.LOW
