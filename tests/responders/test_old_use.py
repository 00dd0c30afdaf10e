"""What is said beforehand of whether anybody will know that the old value is still used."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from graph.queries.blast_radius import blast_radius
from graph.refs import Ref
from graph.snapshot import Snapshot
from responders.old_use import foretold
from responders.planner import Planner
from responders.playbook import load_playbooks
from tests.responders.steps.databases import STEPS
from tests.responders.test_planner import FACTS

LOG = "audit_log/vault/main"
MINUTE = timedelta(seconds=60)


@pytest.mark.parametrize(
    ("logs", "waits", "words"),
    [
        ({LOG}, True, f"revoked once {LOG} has told of no use of it for 60 s"),
        ({LOG}, False, f"stand in {LOG}; in this order nothing waits"),
        ((), True, f"is not known: {LOG} is not configured"),
    ],
)
def test_a_log_that_would_show_it(logs: set[str], waits: bool, words: str) -> None:  # noqa: FBT001
    said = foretold(["", LOG, LOG], logs, asked=False, waits=waits, silent=MINUTE)
    assert words in said


def test_a_type_that_no_log_shows() -> None:
    silent: Callable[..., str] = lambda asked: foretold(  # noqa: E731
        [""], {LOG}, asked=asked, waits=True, silent=MINUTE
    )
    assert "no log shows it" in silent(asked=False)
    assert "The target itself is asked" in silent(asked=True)


def test_the_shipped_plan_of_a_token_says_it() -> None:
    members = {name: member() for name, member in STEPS.items()}
    facts = FACTS.__class__(
        incident_id="inc-1",
        detector="openbao_token",
        credential="credential:1",
        store_kind="vault_token",
        issuer="vault://main",
        accessor="a-1",
    )
    radius = blast_radius(Snapshot.of([], []), [(Ref("vault://main/kv/x"), "token")])
    for logs, words in (((), "is not configured"), ((LOG,), f"stand in {LOG}")):
        planner = Planner(load_playbooks(), members, logs=logs, silent_seconds=60)
        assert words in planner.draft(facts, radius)[0].use
