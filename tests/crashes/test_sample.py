"""
kill -9 in each shipped playbook: nothing is lost, nothing done twice.

A sample of the whole sweep (`python -m tests.crashes`): each playbook is killed once, when it has
changed the world for the first time and nobody has been told so yet.
"""

from pathlib import Path

import pytest

from responders.playbook import load_playbooks
from tests.crashes.places import PLACES
from tests.crashes.sweep import Outcome, sweep

pytestmark = pytest.mark.slow

# Nothing of it is changed but by persons.
NEVER_KILLED = {"Unknown", "AwsKeyByHand"}
# An issuer that neither takes an Idempotency-Key nor lists: a person has to look.
ASKS = {"HttpTokenAsked"}


IN_A_REAL_CLUSTER = [place for place in PLACES if place.needs_cluster]
ELSEWHERE = [place for place in PLACES if not place.needs_cluster]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(2))
def test_a_playbook_killed_on_its_way_loses_nothing_and_repeats_nothing(
    tmp_path: Path, part: int
) -> None:
    judge(list(sweep(ELSEWHERE[part::2], tmp_path)))


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_what_needs_a_real_cluster_loses_nothing_and_repeats_nothing_either(
    tmp_path: Path, real_cluster: Path
) -> None:
    outcomes = list(sweep(IN_A_REAL_CLUSTER, tmp_path, kubeconfig=str(real_cluster)))
    assert len(outcomes) == len(IN_A_REAL_CLUSTER)
    judge(outcomes)


def test_each_shipped_playbook_has_a_place() -> None:
    assert {place.playbook for place in PLACES} == set(load_playbooks())


def judge(outcomes: list[Outcome]) -> None:
    assert outcomes
    assert {each.place for each in outcomes if not each.reached} <= NEVER_KILLED
    for each in outcomes:
        assert each.played.wrongs == [], each
        assert each.played.audit == "intact", each
        assert set(each.played.steps) == {"confirmed"}, each
        assert each.played.state in {"verified", "closed"}, each
        assert bool(each.played.asked) == (each.place in ASKS), each
