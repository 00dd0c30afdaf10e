"""
A database password is rotated under processes that ask all the time.

`python -m tests.load` and `python -m tests.load.moments` print what is measured here.
"""

from pathlib import Path

import pytest

from bot.sandbox.openbao import OpenBaoServer
from tests.load.moments import FILE_SECONDS, INTERVAL, measure, running_street
from tests.load.rotations import REPLICAS, running_load
from tests.responders.steps.databases import ask_for_passwords
from tests.servers.postgres import postgres_server

pytestmark = pytest.mark.slow

__all__ = ["postgres_server"]


@pytest.mark.cluster
@pytest.mark.timeout(400)
def test_no_query_fails_with_two_roles_and_an_outage_is_as_forecast_with_one(
    real_cluster: Path, openbao: OpenBaoServer, postgres_server: str, tmp_path: Path
) -> None:
    ask_for_passwords(postgres_server)
    place = (openbao.address, openbao.root_token)
    with running_load(tmp_path, real_cluster, place, postgres_server, REPLICAS) as load:
        calm = load.rotate_first()
        assert calm.failed == ()
        assert calm.queries > calm.pods == 20
        assert calm.old_is_refused
        assert (calm.on_the_new, calm.proven) == (20, 6)
        assert "breaks none of 6 consumers" in calm.forecast

        rough = load.revoke_first()
        assert rough.old_is_refused
        assert (rough.on_the_new, rough.proven) == (20, 6)
        assert "breaks all 6 consumers at once" in rough.forecast
        assert {each.follows for each in rough.outages} == {"restart", "file"}
        # What is restarted runs on the refused password until then, so its queries do fail.
        assert all(each.failed for each in rough.outages if each.follows == "restart")
        assert [each for each in rough.outages if each.late] == []


@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_each_kind_of_consumer_breaks_and_recovers_as_its_forecast_says(
    real_cluster: Path, openbao: OpenBaoServer, postgres_server: str, tmp_path: Path
) -> None:
    ask_for_passwords(postgres_server)
    place = (openbao.address, openbao.root_token)
    with running_street(tmp_path, real_cluster, place, postgres_server) as given:
        moments, copied = measure(*given)
    found = {each.kind: each for each in moments}
    assert {kind: each.now.follows for kind, each in found.items()} == {
        "env": "restart",
        "envFrom": "restart",
        "subPath": "restart",
        "volume": "file",
        "projected": "file",
        "volume of the slow copy": "file",
        "CronJob, run under way": "run",
        "CronJob, next run": "run",
        "scaled to zero": "start",
        "bare Pod": "hand",
    }
    # Those that run break, whatever helps them later; of a CronJob only the run under way.
    under_way = {kind for kind, each in found.items() if each.broke_after is not None}
    assert under_way == found.keys() - {"CronJob, next run", "scaled to zero"}
    assert {kind for kind, each in found.items() if each.now.breaks} == under_way - {
        "CronJob, run under way"
    }
    # `measure` has seen that those who need a restart kept failing until they had it.
    never = {kind for kind, each in found.items() if each.new_after is None}
    assert never == {"bare Pod", "CronJob, run under way"}
    for each in moments:
        if each.now.seconds is not None:
            assert each.new_after is not None
            assert each.new_after <= each.now.seconds, each
    assert [one.forecast for one in copied] == [0, INTERVAL]
    assert all(one.measured <= one.forecast + FILE_SECONDS for one in copied)
