"""The answer to “what leaked”: version, form, certainty, and every environment that holds it."""

from datetime import UTC, datetime

import pytest

from graph.environments import EnvironmentRule
from graph.model import Fingerprint, Match, Node, NodeKind
from graph.refs import Ref
from graph.snapshot import Snapshot
from responders.incident import LeakReport, Person
from responders.matched import described, environments_of
from responders.reporting import opening_of
from responders.severity import DEFAULT_RULES

PROD, STAGING = Ref("vault://main/kv/payments/db"), Ref("k8s://eu/payments-staging/Secret/db")
WRITTEN = ("1@2026-10-01T08:00:00Z", "2@2026-11-20T09:30:00Z", "3@2026-11-24T10:00:00Z")
PREVIOUS = "version 2, the previous one, replaced on 2026-11-24 by version 3"
OLD = "version 1, an old one, replaced already"
NOT_KNOWN = "whether it is still accepted is not known"
NOW = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("match", "validity", "words"),
    [
        (Match(PROD, "p", 3, current=True, form="as_is", newest=3), "",
         "version 3, the current one, the value itself, certain"),
        (Match(PROD, "p", 2, current=False, form="base64", certainty="derived", newest=3,
               replaced="2026-11-24T10:00:00Z", environment="prod"), "",
         f"{PREVIOUS}; {NOT_KNOWN}, in base64, certain once unwrapped, environment prod"),
        (Match(PROD, "p", 1, current=False, form="trimmed", newest=3), "inactive",
         f"{OLD} by version 3; it is refused by now, the value itself, certain"),
        (Match(PROD, "p", 1, current=False, form="as_is"), "active",
         f"{OLD}; it is still accepted, the value itself, certain"),
        (Match(STAGING, "p", None, current=True, form="dsn_password"), "",
         "as the password of a DSN, certain"),
    ],
)  # fmt: skip
def test_a_match_says_which_version_and_how_sure_it_is(
    match: Match, validity: str, words: str
) -> None:
    assert described(match, {"validity": validity}) == words


def report(*matches: Match) -> LeakReport:
    marks = (Fingerprint("ab" * 32, "as_is", "k"),)
    return LeakReport(marks, matches, "generic", "Value", Person("rita@example.com"), NOW)


def test_an_old_version_is_dated_and_other_environments_are_flagged() -> None:
    snapshot = Snapshot.of(
        [
            Node(PROD, NodeKind.SECRET, {"version": 3, "written": WRITTEN, "environment": "prod"}),
            Node(STAGING, NodeKind.SECRET),
        ],
        [],
    )
    old = Match(PROD, "password", 2, current=True, form="as_is")  # current when it was indexed
    copy = Match(STAGING, "password", None, current=True, form="as_is")
    opening = opening_of(report(old, copy), snapshot, DEFAULT_RULES)
    by_secret = {match.secret: match for match in opening.report.matches}
    assert by_secret[PROD].newest == 3
    assert not by_secret[PROD].current
    assert by_secret[PROD].replaced == "2026-11-24T10:00:00Z"
    assert environments_of(opening.report.matches) == ("prod", "staging")
    flagged = "the same value lies in several environments: prod, staging"
    assert flagged in opening.severity_reasons[:3]
    assert opening.severity_reasons[0] != flagged
    one = EnvironmentRule(match="*", environment="prod")
    alone = opening_of(report(old, copy), snapshot, DEFAULT_RULES, environments=(one,))
    assert flagged not in alone.severity_reasons
    assert environments_of(alone.report.matches) == ()
