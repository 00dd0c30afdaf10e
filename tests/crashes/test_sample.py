"""
kill -9 in each shipped playbook that has real parts here: nothing is lost, nothing done twice.

A sample of the whole sweep (`python -m tests.crashes`): each playbook is killed once, when it has
changed the world for the first time and nobody has been told so yet.
"""

from pathlib import Path

import pytest

from tests.crashes.places import PLACES
from tests.crashes.sweep import sweep

pytestmark = pytest.mark.slow

# Nothing of it is changed but by persons, or its only change is its last point.
NEVER_KILLED = {"Unknown"}
# An issuer that neither takes an Idempotency-Key nor lists: a person has to look.
ASKS = {"HttpTokenAsked"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(2))
def test_a_playbook_killed_on_its_way_loses_nothing_and_repeats_nothing(
    tmp_path: Path, part: int
) -> None:
    outcomes = list(sweep(PLACES[part::2], tmp_path))
    assert outcomes
    assert {each.place for each in outcomes if not each.reached} <= NEVER_KILLED
    for each in outcomes:
        assert each.played.wrongs == [], each
        assert each.played.audit == "intact", each
        assert set(each.played.steps) == {"confirmed"}, each
        assert each.played.state in {"verified", "closed"}, each
        assert bool(each.played.asked) == (each.place in ASKS), each
